// SPDX-License-Identifier: Apache-2.0
//
// Query heads that share a KV head compute what they would with a copy of it each.
#include "conformance/judge/rearrange.h"
#include "property_tests/generators/scope.h"
#include "property_tests/laws/agree.h"
#include "property_tests/laws/key_rows.h"

namespace attest {
namespace {

// The call with each KV head repeated for every query head of its group.
CaseInputs Repeated(const Sample& sample, CaseInputs& grouped, Problem& repeated) {
  const Problem& problem = sample.problem;
  repeated = problem;
  repeated.num_kv_heads = problem.num_q_heads;
  CaseInputs inputs = Subject::BuildFor(repeated, sample);
  CopyGlobals(grouped.image, inputs.image);
  const KeyRows from(problem, grouped.image);
  KeyRows to(repeated, inputs.image);
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    CopyRequest(grouped.image, {problem, r}, inputs.image, {repeated, r});
    for (std::int64_t key = 0; key < problem.requests[r].seq_len; ++key) {
      for (int head = 0; head < problem.num_q_heads; ++head) {
        to.Write({r, key, head}, from.Read({r, key, head / problem.group()}));
      }
    }
  }
  return inputs;
}

void Check(Subject& subject, const Sample& sample) {
  CaseInputs grouped = Subject::Build(sample);
  Problem repeated;
  const CaseInputs inputs = Repeated(sample, grouped, repeated);
  const JudgedCall first = subject.Ask(sample.problem, grouped, "forward");
  const JudgedCall second = subject.Ask(repeated, inputs, "repeated KV heads");
  ExpectEqualRows("repeated KV heads", first, second, AllRowPairs(sample.problem));
}

void Fit(const Claims& claims, Dice& dice, Sample& sample) {
  Problem& p = sample.problem;
  if (p.group() > 1) return;
  const std::vector<int> groups = ClaimedSizes(claims.group_sizes, 4);
  p.num_q_heads = p.num_kv_heads * (groups.back() > 1 ? dice.Pick(groups) : 1);
  if (p.group() == 1) p.num_q_heads = p.num_kv_heads * groups.back();
}

}  // namespace

Law GroupedHeadsLaw() {
  return {.name = "grouped-heads",
          .sentence = "Query heads that share a KV head compute what they would with a copy each.",
          .fit = Fit,
          .applies = [](const Sample& sample) { return sample.problem.group() > 1; },
          .check = Check};
}

}  // namespace attest
