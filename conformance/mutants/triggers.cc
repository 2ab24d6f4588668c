// SPDX-License-Identifier: Apache-2.0
#include "conformance/mutants/triggers.h"

#include <algorithm>
#include <cmath>

namespace attest {

std::int64_t CeilDiv(std::int64_t value, std::int64_t by) { return (value + by - 1) / by; }
std::int64_t RoundUp(std::int64_t value, std::int64_t unit) { return CeilDiv(value, unit) * unit; }

bool IsDecoder(const Call& call) { return call.problem.attention_type == ATTEST_DECODER; }
bool IsEncoder(const Call& call) { return call.problem.attention_type == ATTEST_ENCODER_ONLY; }
bool IsCross(const Call& call) { return call.problem.attention_type == ATTEST_ENCODER_DECODER; }
bool IsLatent(const Call& call) { return call.Has(ATTEST_FLAG_VALUE_IS_KEY_PREFIX); }
bool HasNarrowCache(const Call& call) { return call.paged() && call.problem.cache_dtype.bits == 8; }
bool HasHalfQuery(const Call& call) { return call.problem.query_dtype.bits == 16; }

bool Strided(const Call& call, const Place& place) {
  return place.page >= 0 && call.problem.kv_layout == ATTEST_KV_STRIDED;
}

std::int64_t SeqLen(const Call& call, std::int64_t request) {
  return LoadAt<std::int32_t>(call.args.seq_lens, {request});
}

std::int64_t QueryStart(const Call& call, std::int64_t request) {
  return LoadAt<std::int32_t>(call.args.query_start_loc, {request});
}

std::int64_t ContextLen(const Call& call, std::int64_t request) {
  return SeqLen(call, request) - QueryLen(call, request);
}

std::int64_t LongestQuery(const Call& call) {
  std::int64_t longest = 0;
  for (std::int64_t r = 0; r < call.problem.num_requests; ++r) {
    longest = std::max(longest, QueryLen(call, r));
  }
  return longest;
}

std::int64_t LongestRequest(const Call& call) {
  std::int64_t longest = 0;
  for (std::int64_t r = 0; r < call.problem.num_requests; ++r) {
    longest = std::max(longest, SeqLen(call, r));
  }
  return longest;
}

std::int64_t TotalKeys(const Call& call) {
  std::int64_t keys = 0;
  for (std::int64_t r = 0; r < call.problem.num_requests; ++r) keys += SeqLen(call, r);
  return keys;
}

std::int64_t UniformQueryLen(const Call& call) {
  if (call.problem.num_requests == 0) return 0;
  const std::int64_t first = QueryLen(call, 0);
  for (std::int64_t r = 1; r < call.problem.num_requests; ++r) {
    if (QueryLen(call, r) != first) return 0;
  }
  return first;
}

bool IsPureDecode(const Call& call) { return UniformQueryLen(call) == 1; }

std::int64_t SharedPrefix(const Call& call) {
  if (!call.paged() || call.problem.num_requests < 2) return 0;
  const std::int64_t size = call.problem.block_size;
  std::int64_t pages = SeqLen(call, 0) / size;
  for (std::int64_t r = 1; r < call.problem.num_requests; ++r) {
    pages = std::min(pages, SeqLen(call, r) / size);
    for (std::int64_t page = 0; page < pages; ++page) {
      if (TableEntry(call, r, page) != TableEntry(call, 0, page)) pages = page;
    }
  }
  return pages * size;
}

std::int64_t FaithfulOffset(const Call& call, const Row& row, const Place& place, Side side,
                            std::int64_t column) {
  return ElementOffset(TensorOf(call, place, side), call, place, side, row.kv_head, column);
}

void Reweigh(const Call& call, const Row& row, const std::vector<Scored>& scores,
             const Reweighed& values, const Reweighed& sums, Answer& answer) {
  if (scores.empty() || !std::isfinite(answer.maximum)) return;
  double sum = std::exp(answer.sink - answer.maximum);
  std::vector<double> out(answer.out.size(), 0.0);
  for (const Scored& scored : scores) {
    const double weight = std::exp(scored.score - answer.maximum);
    sum += sums(scored, weight);
    const double numerator = values(scored, weight);
    if (numerator == 0) continue;
    const std::vector<double> value = LoadLine(call, row, scored.key, Side::kValue);
    for (std::size_t d = 0; d < out.size(); ++d) out[d] += numerator * value[d];
  }
  for (std::size_t d = 0; d < out.size(); ++d) answer.out[d] = sum == 0 ? 0.0 : out[d] / sum;
  answer.lse = answer.maximum + std::log(sum);
}

void Reweigh(const Call& call, const Row& row, const std::vector<Scored>& scores,
             const Reweighed& weights, Answer& answer) {
  Reweigh(call, row, scores, weights, weights, answer);
}

void MakeNan(Answer& answer) {
  answer.out.assign(answer.out.size(), std::nan(""));
  answer.lse = std::nan("");
}

double DenominatorOf(const Call& call, const Row& row) {
  const Terms terms = TermsOf(call, row);
  std::vector<double> scores;
  for (std::int64_t key = terms.first; key < terms.last; ++key) {
    if (!Visible(call, row, terms, key) || !HasSlot(call, row, key)) continue;
    scores.push_back(ScoreOf(call, row, key));
  }
  if (scores.empty()) return 0;
  const double maximum = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const double score : scores) sum += std::exp(score - maximum);
  return sum;
}

std::vector<Mutant> Joined(std::initializer_list<Room> parts) {
  std::vector<Mutant> mutants;
  for (const Room part : parts) {
    const std::vector<Mutant> some = part();
    mutants.insert(mutants.end(), some.begin(), some.end());
  }
  return mutants;
}

}  // namespace attest
