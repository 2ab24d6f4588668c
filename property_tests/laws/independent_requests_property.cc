// SPDX-License-Identifier: Apache-2.0
//
// A request does not see the others: with other contents in them, and alone, it gives the same.
//
// Bit for bit with other contents at equal lengths where the backend claims to be deterministic,
// and alone in batch-invariant mode; otherwise within the bounds.
#include <fmt/format.h>

#include "conformance/judge/rearrange.h"
#include "conformance/run/inputs_random.h"
#include "property_tests/laws/agree.h"
#include "property_tests/laws/fit.h"

namespace attest {
namespace {

std::size_t ChosenRequest(const Sample& sample) {
  std::vector<std::size_t> with_rows;
  for (std::size_t r = 0; r < sample.problem.requests.size(); ++r) {
    if (sample.problem.requests[r].q_len > 0) with_rows.push_back(r);
  }
  return with_rows[Below(sample.seed, with_rows.size())];
}

void Check(Subject& subject, const Sample& sample) {
  const Problem& problem = sample.problem;
  const std::size_t kept = ChosenRequest(sample);
  const CaseInputs inputs = Subject::Build(sample);
  const JudgedCall first = subject.Ask(problem, inputs, "forward");
  const CaseInputs changed = Subject::Build(sample, OtherNeighbours(problem, kept));
  const JudgedCall second = subject.Ask(problem, changed, "other contents in other requests");
  ExpectSameRows("other contents in other requests", subject.Has(ATTEST_CLAIM_DETERMINISTIC), first,
                 second, RowsOfRequest(problem, kept, problem, kept));

  const Problem alone = PickRequests(problem, {kept});
  const CaseInputs taken = Subject::BuildFor(alone, sample,
                                             {.texts = {TextsOf(problem)[kept]},
                                              .shared_text = problem.shared_prefix,
                                              .code_unit = inputs.code_unit});
  const JudgedCall third = subject.Ask(alone, taken, "the request alone");
  ExpectSameRows("the request alone", problem.batch_invariant, first, third,
                 RowsOfRequest(problem, kept, alone, 0));
}

}  // namespace

Law IndependentRequestsLaw() {
  return {
      .name = "independent-requests",
      .sentence = "A request does not see the others, neither their contents nor their lengths.",
      .fit = [](const Claims&, Dice& dice, Sample& sample) { BecomeBatch(dice, sample.problem); },
      .applies = [](const Sample& sample) { return sample.problem.requests.size() > 1; },
      .check = Check};
}

}  // namespace attest
