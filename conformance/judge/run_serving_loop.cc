// SPDX-License-Identifier: Apache-2.0
//
// Many steps of one process, as a serving or RL loop makes them. In each step every request must
// have the bits that it has alone, on other pages, by forward and, where the backend has graphs, by
// replay.
#include <fmt/format.h>

#include <utility>

#include "conformance/judge/bits.h"
#include "conformance/judge/compare.h"
#include "conformance/judge/power.h"
#include "conformance/judge/power_case.h"
#include "conformance/judge/rearrange.h"
#include "conformance/judge/run_call.h"
#include "conformance/judge/run_kinds.h"
#include "conformance/judge/sample_rows.h"
#include "conformance/run/inputs_arena.h"

namespace attest {
namespace {

constexpr std::uint64_t kStepSeed = 0x10095EED00000001ULL;   // times the step's number
constexpr std::uint64_t kAloneSeed = 0xA10E5EED00000001ULL;  // of other pages

class Loop {
 public:
  Loop(Session& session, const Case& value, const RunOptions& options, Arena arena, Record record)
      : session_(session),
        value_(value),
        options_(options),
        arena_(std::move(arena)),
        record_(std::move(record)),
        graphs_(session.claims().graph_level >= GraphLevelOf(value)) {}

  Record Run() {
    if (!Promised(session_, arena_.maximum(), record_)) return std::move(record_);
    const bool ok = (!graphs_ || Capture()) && Steps();
    if (graphs_ && ok) {
      (void)session_.GraphDestroy();
    } else if (graphs_) {
      session_.StartAfresh();  // takes the graph along
    }
    return std::move(record_);
  }

 private:
  bool Mistrust(const Status& status) {
    record_ = With(std::move(record_), Verdict::kMistrusted, status.message());
    return false;
  }

  bool Take(Ran ran, const std::string& how, CallImage& image) {
    record_ = std::move(ran.record);
    if (!ran.ok) {
      record_.reason = fmt::format("{}, {}", how, record_.reason);
      return false;
    }
    image = std::move(ran.image);
    return true;
  }

  bool Capture() {
    const CaseInputs& maximum = arena_.maximum();
    const auto invoke = [&](CallImage& image) {
      return session_.GraphCapture(maximum.abi, MultiplyAdds(value_.problem), image);
    };
    CallImage ignored;
    return Take(RunPromised("graph_capture", invoke, maximum.image, std::move(record_)),
                "the capture", ignored);
  }

  bool Steps() {
    for (std::size_t i = 0; i < value_.steps.size(); ++i) {
      const std::uint64_t seed = options_.seed ^ (kStepSeed * (i + 1));
      const Problem problem = ProblemOf(value_.problem, value_.steps[i]);
      const Result<StepInputs> step = arena_.Put(problem, seed);
      if (!step.ok()) return Mistrust(step.status());
      if (!StepOf(fmt::format("step {}, {}", i, value_.steps[i].how), *step, seed)) return false;
    }
    return true;
  }

  bool StepOf(const std::string& how, const StepInputs& step, std::uint64_t seed) {
    CallImage batch;
    if (!Forward(how, step, batch) || !Judge(how, step, batch)) return false;
    const std::vector<RowPair> rows = AllRowPairs(step.value.problem);
    if (graphs_ && !Replayed(how + ", eager and then replayed", step, batch, rows)) return false;
    for (std::size_t r = 0; r < step.value.problem.requests.size(); ++r) {
      if (step.value.problem.requests[r].q_len == 0) continue;
      if (!AloneOf(how, step, r, batch, seed ^ (kAloneSeed * (r + 1)))) return false;
    }
    return true;
  }

  // Request `r` of `step`, on pages of its own.
  bool AloneOf(const std::string& how, const StepInputs& step, std::size_t r,
               const CallImage& batch, std::uint64_t seed) {
    const Problem problem = PickRequests(step.value.problem, {r});
    Result<StepInputs> alone = arena_.Put(problem, seed);
    if (!alone.ok()) return Mistrust(alone.status());
    CopyGlobals(step.inputs.image, alone->inputs.image);
    CopyRequest(step.inputs.image, {step.value.problem, r}, alone->inputs.image, {problem, 0});
    std::vector<RowPair> rows;
    const std::int64_t first = FirstTokens(step.value.problem)[r];
    for (std::int64_t row = 0; row < problem.requests[0].q_len; ++row) {
      rows.push_back({static_cast<int>(r), row, first + row, row});
    }
    const std::string which = fmt::format("{}, in the batch and then request {} alone", how, r);
    CallImage image;
    if (!Forward(which, *alone, image) || !Same(which, batch, image, rows)) return false;
    return !graphs_ || Replayed(which + " and replayed", *alone, batch, rows);
  }

  bool Forward(const std::string& how, const StepInputs& step, CallImage& image) {
    return Take(
        RunForward(session_, MultiplyAdds(step.value.problem), step.inputs, std::move(record_)),
        how, image);
  }

  bool Judge(const std::string& how, const StepInputs& step, const CallImage& image) {
    const Result<Expected> expected =
        ComputeExpected(step.value.problem, TensorsOf(step.inputs.image),
                        SampleRows(step.value.problem, options_.max_judged / 16, options_.seed),
                        options_.arithmetic, {.bound = true, .threads = options_.threads});
    if (!expected.ok()) return Mistrust(expected.status());
    Compare(step.value, step.inputs, image, *expected, record_);
    if (record_.verdict == Verdict::kPass) return true;
    record_.reason = fmt::format("{}, {}", how, record_.reason);
    return false;
  }

  bool Replayed(const std::string& how, const StepInputs& step, const CallImage& first,
                const std::vector<RowPair>& rows) {
    const auto update = [&](CallImage& image) {
      return session_.GraphUpdate(step.inputs.abi, image);
    };
    const auto replay = [&](CallImage& image) {
      return session_.GraphReplay(MultiplyAdds(step.value.problem), image);
    };
    CallImage image;
    return Take(RunPromised("graph_update", update, step.inputs.image, std::move(record_)), how,
                image) &&
           Take(RunPromised("graph_replay", replay, step.inputs.image, std::move(record_)), how,
                image) &&
           Same(how, first, image, rows);
  }

  bool Same(const std::string& how, const CallImage& first, const CallImage& second,
            const std::vector<RowPair>& rows) {
    const std::string moved = MovedBits(first, second, rows);
    if (moved.empty()) return true;
    record_.rule = "bitwise";
    record_ = With(std::move(record_), Verdict::kFail, fmt::format("{}: {}", how, moved));
    return false;
  }

  Session& session_;
  const Case& value_;
  const RunOptions& options_;
  Arena arena_;
  Record record_;
  bool graphs_;
};

}  // namespace

Record RunServingLoopCase(Session& session, const Case& value, const RunOptions& options,
                          Record record) {
  Result<Arena> arena = Arena::Build(value, options.seed);
  if (!arena.ok()) return With(std::move(record), Verdict::kMistrusted, arena.status().message());
  if (options.power) {
    const Result<Expected> expected =
        PowerExpectation(value, arena->maximum(), PowerRows(value.problem));
    if (!expected.ok()) {
      return With(std::move(record), Verdict::kMistrusted, expected.status().message());
    }
    record.exposes = ExposedMutants(value, arena->maximum(), *expected, {});
    if (record.exposes.empty()) {
      return With(std::move(record), Verdict::kMistrusted, "no mutant would fail this case");
    }
  }
  return Loop(session, value, options, std::move(*arena), std::move(record)).Run();
}

}  // namespace attest
