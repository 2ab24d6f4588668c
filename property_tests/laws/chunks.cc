// SPDX-License-Identifier: Apache-2.0
#include "property_tests/laws/chunks.h"

#include <algorithm>

#include "property_tests/laws/fit.h"

namespace attest {

void ExpectChunksOfWhole(Subject& subject, const CaseInputs& inputs, const JudgedCall& whole,
                         const std::vector<Chunk>& chunks, std::string_view how) {
  Problem chunked;
  CaseInputs taken = TakeChunks(inputs, whole.problem, chunks, chunked);
  if (taken.abi.num_actual_tokens == 0) return;
  // The pages are where they are; what a chunk reads of them may be less than what is shared.
  chunked.shared_prefix = 0;
  taken.abi.max_query_len += chunked.max_query_len_slack;
  taken.abi.max_seq_len += chunked.max_seq_len_slack;
  const JudgedCall part = subject.Ask(chunked, taken, how);
  const std::vector<std::int64_t> tokens = FirstTokens(whole.problem);
  const std::vector<std::int64_t> places = FirstTokens(chunked);
  std::vector<RowPair> rows;
  for (std::size_t r = 0; r < chunks.size(); ++r) {
    for (std::int64_t row = chunks[r].first; row < chunks[r].last; ++row) {
      rows.push_back(
          {static_cast<int>(r), row, tokens[r] + row, places[r] + row - chunks[r].first});
    }
  }
  ExpectSameRows(how, subject.Has(ATTEST_CLAIM_CHUNK_INVARIANT), whole, part, rows);
}

bool CanBeCut(const Sample& sample) {
  Case value = CaseOf(sample);
  value.kind = CaseKind::kChunkInvariance;
  // A chunk of rows before the first key would have a negative length.
  for (const Request& request : sample.problem.requests) {
    if (request.q_len > request.seq_len) return false;
  }
  return ValidateKind(value).ok() && !sample.problem.page_aliasing &&
         MaxQueryLen(sample.problem) > 1;
}

void FitToBeCut(const Claims& claims, Dice& dice, Sample& sample) {
  Problem& p = sample.problem;
  BecomeDecoder(claims, Causality::kCausal, p);
  DropMaskTensors(p);
  p.page_aliasing = p.prefix_clamped = false;
  p.prefix_ranges.clear();
  for (Request& request : p.requests) request.q_len = std::min(request.q_len, request.seq_len);
  Request& longest = p.requests[static_cast<std::size_t>(
      dice.Int(0, static_cast<std::int64_t>(p.requests.size()) - 1))];
  if (longest.q_len < 2) {
    longest.seq_len = std::max<std::int64_t>(longest.seq_len, 2);
    longest.q_len = std::min<std::int64_t>(longest.seq_len, dice.Int(2, 9));
  }
}

}  // namespace attest
