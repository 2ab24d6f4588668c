// SPDX-License-Identifier: Apache-2.0
//
// Where nothing depends on a position, the order of the keys changes nothing.
//
// The keys before the new tokens and the keys of the new tokens are each turned back to front: a
// key keeps its copy in the step's tensors, or keeps having none.
#include <algorithm>

#include "property_tests/laws/agree.h"
#include "property_tests/laws/fit.h"
#include "property_tests/laws/key_rows.h"

namespace attest {
namespace {

void Reverse(KeyRows& keys, std::size_t request, std::int64_t first, std::int64_t last, int head) {
  for (--last; first < last; ++first, --last) {
    const std::vector<std::byte> low = keys.Read({request, first, head});
    const std::vector<std::byte> high = keys.Read({request, last, head});
    keys.Write({request, first, head}, high);
    keys.Write({request, last, head}, low);
  }
}

void Check(Subject& subject, const Sample& sample) {
  const Problem& problem = sample.problem;
  const CaseInputs inputs = Subject::Build(sample);
  CaseInputs turned = inputs;
  KeyRows keys(problem, turned.image);
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    const auto [q_len, seq_len] = problem.requests[r];
    if (q_len == 0) continue;  // nobody's keys
    const bool cross = problem.attention_type == AttentionType::kEncoderDecoder;
    const std::int64_t context = cross ? seq_len : std::max<std::int64_t>(seq_len - q_len, 0);
    for (int head = 0; head < problem.num_kv_heads; ++head) {
      Reverse(keys, r, 0, context, head);
      Reverse(keys, r, context, seq_len, head);
    }
  }
  const JudgedCall first = subject.Ask(problem, inputs, "forward");
  const JudgedCall second = subject.Ask(problem, turned, "keys in the opposite order");
  ExpectEqualRows("keys in the opposite order", first, second, AllRowPairs(problem));
}

// Every row sees every key: under no causal mask, or standing behind all others.
bool AllSeen(const Problem& p) {
  if (p.attention_type != AttentionType::kDecoder) return true;
  if (p.causality == Causality::kNonCausal) return true;
  return p.causality == Causality::kCausal && p.local_block_size == 0 && !p.tree_mask &&
         std::all_of(p.requests.begin(), p.requests.end(),
                     [](const Request& request) { return request.q_len <= 1; });
}

bool NothingDependsOnPosition(const Problem& p) {
  return AllSeen(p) && p.window_left == 0 && p.window_right == 0 && !p.alibi &&
         p.custom_mask == MaskKind::kNone && !p.page_aliasing && p.shared_prefix == 0;
}

// Of a backend that is causal only, rows that decode one token.
void BecomeAllSeen(const Claims& claims, Problem& p) {
  if ((claims.features & ATTEST_CLAIM_DECODER_NON_CAUSAL) != 0) {
    BecomeDecoder(claims, Causality::kNonCausal, p);
  } else if ((claims.features & ATTEST_CLAIM_DECODER_CAUSAL) != 0) {
    BecomeDecoder(claims, Causality::kCausal, p);
    p.local_block_size = p.local_block_lookback = 0;
    for (Request& request : p.requests) request.q_len = std::min<std::int64_t>(request.q_len, 1);
  }
}

void Fit(const Claims& claims, Dice&, Sample& sample) {
  Problem& p = sample.problem;
  if (p.attention_type == AttentionType::kDecoder) BecomeAllSeen(claims, p);
  DropMaskTensors(p);
  p.window_left = p.window_right = 0;
  p.prefix_clamped = p.alibi = p.page_aliasing = false;
  p.shared_prefix = 0;
}

}  // namespace

Law KeyOrderLaw() {
  return {.name = "key-order",
          .sentence = "Where nothing depends on a position, the order of the keys changes nothing.",
          .fit = Fit,
          .applies = [](const Sample& s) { return NothingDependsOnPosition(s.problem); },
          .check = Check};
}

}  // namespace attest
