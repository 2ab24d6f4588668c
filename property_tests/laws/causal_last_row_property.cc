// SPDX-License-Identifier: Apache-2.0
//
// The last row of a request sees every key, so causal and non-causal attention agree in it.
//
// Both calls read the same memory, that of the non-causal one, in which every key is there.
#include "conformance/judge/rearrange.h"
#include "property_tests/generators/scope.h"
#include "property_tests/laws/agree.h"
#include "property_tests/laws/fit.h"

namespace attest {
namespace {

void Check(Subject& subject, const Sample& sample) {
  const Problem& causal = sample.problem;
  Problem non_causal = causal;
  non_causal.causality = Causality::kNonCausal;
  const CaseInputs inputs = Subject::BuildFor(non_causal, sample);
  const JudgedCall first = subject.Ask(causal, Retitled(inputs, causal), "causal");
  const JudgedCall second = subject.Ask(non_causal, inputs, "non-causal");
  std::vector<RowPair> rows;
  for (std::size_t r = 0; r < causal.requests.size(); ++r) {
    const std::vector<RowPair> all = RowsOfRequest(causal, r, causal, r);
    if (!all.empty()) rows.push_back(all.back());
  }
  ExpectEqualRows("non-causal", first, second, rows);
}

bool Applies(const Sample& sample) {
  const Problem& p = sample.problem;
  return p.attention_type == AttentionType::kDecoder && p.causality == Causality::kCausal &&
         !p.tree_mask && p.local_block_size == 0;
}

void Fit(const Claims& claims, Dice&, Sample& sample) {
  Problem& p = sample.problem;
  BecomeDecoder(claims, Causality::kCausal, p);
  p.tree_mask = false;
  p.local_block_size = p.local_block_lookback = 0;
  // One window with both claims: the same number of keys on both sides.
  if (p.window_left > 0 && !ClaimsAll(claims, ATTEST_CLAIM_WINDOW_ASYMMETRIC)) {
    const bool both = ClaimsAll(claims, ATTEST_CLAIM_WINDOW_SYMMETRIC | ATTEST_CLAIM_WINDOW_CAUSAL);
    p.window_left = both ? p.window_left : 0;
    p.window_right = p.window_left;
    p.prefix_clamped = p.prefix_clamped && both;
  }
}

}  // namespace

Law CausalLastRowLaw() {
  return {.name = "causal-last-row",
          .sentence = "Causal and non-causal attention agree in the last row of a request.",
          .needs = ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_DECODER_NON_CAUSAL,
          .fit = Fit,
          .applies = Applies,
          .check = Check};
}

}  // namespace attest
