// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "conformance/judge/graph_walk.h"
#include "conformance/judge/mutant_session.h"
#include "conformance/judge/power.h"

namespace attest {

bool WalkExposes(const Case& value, const GraphWalk& walk, const Mutant& mutant) {
  MutantSession session(mutant);
  const Record record = JudgeGraphWalk(session, value, walk, {.case_id = value.id});
  return record.verdict == Verdict::kFail;
}

std::vector<std::string> ExposedByWalk(const Case& value, const GraphWalk& walk, bool all) {
  std::vector<std::string> exposed;
  for (const Mutant& mutant : Mutants()) {
    if (!mutant.hooks.of_graphs() || !ClaimsToKill(value, mutant)) continue;
    if (!WalkExposes(value, walk, mutant)) continue;
    exposed.emplace_back(mutant.id);
    if (!all) break;
  }
  return exposed;
}

}  // namespace attest
