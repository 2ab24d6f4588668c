// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/graph_walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "conformance/judge/rearrange.h"
#include "conformance/judge/sample_rows.h"

namespace attest {
namespace {

constexpr std::uint64_t kStepSeed = 0x57E95EED00000001ULL;     // times the step's number
constexpr std::uint64_t kChangedSeed = 0xC4A26ED5EED00001ULL;  // of contents after the update

Result<Expected> Expect(const Case& value, const CaseInputs& inputs, const RunOptions& options) {
  return ComputeExpected(value.problem, TensorsOf(inputs.image),
                         SampleRows(value.problem, options.max_judged, options.seed),
                         options.arithmetic, {.bound = true, .threads = options.threads});
}

// `call` with the contents that the step would have by another seed, on its own pages.
Result<CaseInputs> Changed(const StepInputs& call, std::uint64_t seed) {
  const Result<CaseInputs> other = BuildInputs(call.value, seed);
  if (!other.ok()) return other.status();
  CaseInputs changed = call.inputs;
  const Problem& problem = call.value.problem;
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    CopyRequest(other->image, {problem, r}, changed.image, {problem, r});
  }
  return changed;
}

Result<WalkedStep> WalkTo(const Case& value, std::size_t number, Arena& arena,
                          const RunOptions& options) {
  const Step& step = value.steps[number];
  const std::uint64_t seed = options.seed ^ (kStepSeed * (number + 1));
  Result<StepInputs> call = arena.Put(ProblemOf(value.problem, step), seed);
  if (!call.ok()) return call.status();
  WalkedStep walked{.how = fmt::format("step {}, {}", number, step.how), .call = std::move(*call)};
  Result<Expected> expected = Expect(walked.call.value, walked.call.inputs, options);
  if (!expected.ok()) return expected.status();
  walked.expected = std::move(*expected);
  Result<CaseInputs> changed = Changed(walked.call, seed ^ kChangedSeed);
  if (!changed.ok()) return changed.status();
  walked.changed = std::move(*changed);
  Result<Expected> again = Expect(walked.call.value, walked.changed, options);
  if (!again.ok()) return again.status();
  walked.changed_expected = std::move(*again);
  return walked;
}

// The maximum with one row more than were captured. Where no request can be longer (encoders are as
// long as their rows) there is no such step that the other sizes allow.
void AddTooManyTokens(const Case& value, Arena& arena, std::uint64_t seed, GraphWalk& walk) {
  Problem larger = value.problem;
  const std::int64_t more = larger.padding_tokens + 1;
  larger.padding_tokens = 0;
  for (Request& request : larger.requests) {
    if (request.q_len + more > request.seq_len) continue;
    request.q_len += more;
    Result<StepInputs> step = arena.Put(larger, seed);
    if (step.ok()) walk.misfits.push_back({"more tokens than captured", std::move(step->inputs)});
    return;
  }
}

void AddOtherNumbers(const WalkedStep& last, GraphWalk& walk) {
  MisfitStep bound{"a larger max_seq_len than captured", last.call.inputs};
  bound.inputs.abi.max_seq_len = walk.maximum.abi.max_seq_len + 1;
  walk.misfits.push_back(std::move(bound));
  MisfitStep scale{"another scale than captured", last.call.inputs};
  scale.inputs.abi.scale *= 0.5F;
  walk.misfits.push_back(std::move(scale));
}

}  // namespace

Result<GraphWalk> BuildGraphWalk(const Case& value, const RunOptions& options) {
  Result<Arena> arena = Arena::Build(value, options.seed);
  if (!arena.ok()) return arena.status();
  GraphWalk walk{.maximum = arena->maximum()};
  for (std::size_t i = 0; i < value.steps.size(); ++i) {
    Result<WalkedStep> step = WalkTo(value, i, *arena, options);
    if (!step.ok()) {
      return BadInput(fmt::format("steps[{}]: {}", i, step.status().message()));
    }
    walk.steps.push_back(std::move(*step));
  }
  AddOtherNumbers(walk.steps.back(), walk);
  AddTooManyTokens(value, *arena, options.seed ^ kChangedSeed, walk);
  return walk;
}

}  // namespace attest
