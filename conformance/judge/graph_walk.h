// SPDX-License-Identifier: Apache-2.0
//
// The walk of a graph case: what every step holds and what is expected of it, worked out before any
// backend runs, and the judging of a session that walks it.
#ifndef ATTEST_CONFORMANCE_JUDGE_GRAPH_WALK_H_
#define ATTEST_CONFORMANCE_JUDGE_GRAPH_WALK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/mutants/mutant.h"
#include "conformance/run/inputs_arena.h"
#include "conformance/run/run_case.h"
#include "reference/oracle.h"

namespace attest {

struct WalkedStep {
  std::string how;  // "step 2, fewer requests"
  StepInputs call;
  Expected expected;
  // The same sizes, pages and addresses, with other queries, keys and values.
  CaseInputs changed;
  Expected changed_expected;
};

// A step that the graph must decline.
struct MisfitStep {
  std::string how;
  CaseInputs inputs;
};

struct GraphWalk {
  CaseInputs maximum;
  std::vector<WalkedStep> steps;
  std::vector<MisfitStep> misfits;
};

Result<GraphWalk> BuildGraphWalk(const Case& value, const RunOptions& options);

// Captures, then updates, inspects and replays each step, each once more with other contents and no
// update; in batch-invariant mode beside forward; then the misfits. `record` comes back finished;
// whatever happened, `session` holds no graph.
Record JudgeGraphWalk(Session& session, const Case& value, const GraphWalk& walk, Record record);

// Does the judge fail a graph of `mutant`? In this process, without the ABI.
bool WalkExposes(const Case& value, const GraphWalk& walk, const Mutant& mutant);
// Those of the mutants of the cited clauses; without `all` the first alone.
std::vector<std::string> ExposedByWalk(const Case& value, const GraphWalk& walk, bool all);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_GRAPH_WALK_H_
