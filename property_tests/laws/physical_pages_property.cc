// SPDX-License-Identifier: Apache-2.0
//
// Which physical page holds what changes nothing: not the bits, in batch-invariant mode.
#include "property_tests/laws/agree.h"
#include "property_tests/laws/fit.h"

namespace attest {
namespace {

void Check(Subject& subject, const Sample& sample) {
  const Problem& problem = sample.problem;
  const JudgedCall first = subject.Ask(problem, Subject::Build(sample), "forward");
  const CaseInputs moved = Subject::Build(sample, {.page_seed = sample.seed + 1});
  const JudgedCall second = subject.Ask(problem, moved, "on other pages");
  ExpectSameRows("on other pages", problem.batch_invariant, first, second, AllRowPairs(problem));
}

}  // namespace

Law PhysicalPagesLaw() {
  return {.name = "physical-pages",
          .sentence = "Which physical page holds what changes nothing.",
          .fit =
              [](const Claims& claims, Dice&, Sample& sample) {
                const bool causal = (claims.features & ATTEST_CLAIM_DECODER_CAUSAL) != 0;
                if (causal && !sample.problem.uses_paged_kv()) {
                  BecomeDecoder(claims, Causality::kCausal, sample.problem);
                }
              },
          .applies = [](const Sample& sample) { return sample.problem.uses_paged_kv(); },
          .check = Check};
}

}  // namespace attest
