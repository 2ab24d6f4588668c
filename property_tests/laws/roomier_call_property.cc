// SPDX-License-Identifier: Apache-2.0
//
// A wider table, larger bounds, padding rows and an empty request at the end change nothing.
#include "conformance/run/inputs_random.h"
#include "property_tests/laws/agree.h"

namespace attest {
namespace {

Problem Roomier(const Problem& problem) {
  Problem roomier = problem;
  roomier.padding_tokens += 3;
  roomier.max_seq_len_slack += 4097;
  roomier.max_query_len_slack += 17;
  if (problem.uses_paged_kv()) roomier.block_table_extra += 2;
  // Requests of a shared prefix all have its keys.
  if (problem.shared_prefix > 0) return roomier;
  roomier.requests.push_back({0, 0});
  if (problem.causality == Causality::kPerRequest) roomier.request_causal.push_back(true);
  return roomier;
}

void Check(Subject& subject, const Sample& sample) {
  const Problem& problem = sample.problem;
  const Problem roomier = Roomier(problem);
  const CaseInputs inputs = Subject::Build(sample);
  const CaseInputs other = Subject::BuildFor(
      roomier, sample, {.texts = TextsOf(roomier), .code_unit = inputs.code_unit});
  const JudgedCall first = subject.Ask(problem, inputs, "forward");
  const JudgedCall second = subject.Ask(roomier, other, "a roomier call");
  ExpectSameRows("a roomier call", problem.batch_invariant, first, second, AllRowPairs(problem));
}

}  // namespace

Law RoomierCallLaw() {
  return {.name = "roomier-call",
          .sentence =
              "A wider table, larger bounds, padding rows and empty requests change "
              "nothing.",
          .check = Check};
}

}  // namespace attest
