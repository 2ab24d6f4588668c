// SPDX-License-Identifier: Apache-2.0
//
// A session that walks a graph case: spec/clauses/graph.md.
#include <fmt/format.h>

#include <functional>
#include <optional>
#include <utility>

#include "conformance/judge/bits.h"
#include "conformance/judge/compare.h"
#include "conformance/judge/graph_walk.h"
#include "conformance/judge/persistent_views.h"
#include "conformance/judge/run_call.h"
#include "conformance/judge/run_kinds.h"
#include "conformance/judge/untouched.h"

namespace attest {
namespace {

class Walker {
 public:
  Walker(Session& session, const Case& value, const GraphWalk& walk, Record record)
      : session_(session), value_(value), walk_(walk), record_(std::move(record)) {}

  Record Run() {
    if (!Promised(session_, walk_.maximum, record_)) return std::move(record_);
    if (!Capture()) return std::move(record_);  // there is no graph to leave behind
    const bool walked = Steps() && Misfits();
    if (!walked) {
      session_.StartAfresh();  // takes the graph along
      return std::move(record_);
    }
    const CallResult destroyed = session_.GraphDestroy();
    if (destroyed.end != CallEnd::kAnswered) {
      return Unanswered(std::move(record_), destroyed, "graph_destroy");
    }
    if (destroyed.status != ATTEST_OK) {
      return With(std::move(record_), Verdict::kError,
                  "graph_destroy answered " + DescribeAnswer(destroyed));
    }
    return std::move(record_);
  }

 private:
  // False, and the record finished.
  bool Fail(std::string_view rule, const std::string& reason) {
    record_.rule = rule;
    record_ = With(std::move(record_), Verdict::kFail, reason);
    return false;
  }

  // A promised call after which only rows below `written_rows` of the outputs may have changed.
  std::optional<CallImage> Call(std::string_view name, const std::string& how,
                                const std::function<CallResult(CallImage&)>& invoke,
                                const CallImage& before, std::int64_t written_rows) {
    Ran ran = RunPromised(name, invoke, before, std::move(record_));
    record_ = std::move(ran.record);
    if (!ran.ok) {
      record_.reason = fmt::format("{}, {}", how, record_.reason);
      return std::nullopt;
    }
    std::string change = FirstForbiddenChange(before, ran.image, written_rows);
    if (change.empty()) return std::move(ran.image);
    if (const std::size_t end = change.find(" although it refused"); end != std::string::npos) {
      change.resize(end);
    }
    Fail("untouched", fmt::format("{}, {} {}", how, name, change));
    return std::nullopt;
  }

  bool Capture() {
    const CaseInputs& maximum = walk_.maximum;
    const auto invoke = [&](CallImage& image) {
      return session_.GraphCapture(maximum.abi, MultiplyAdds(value_.problem), image);
    };
    return Call("graph_capture", "the capture", invoke, maximum.image,
                maximum.abi.num_actual_tokens)
        .has_value();
  }

  bool Steps() {
    for (const WalkedStep& step : walk_.steps) {
      if (!Update(step) || !Inspect(step)) return false;
      const std::optional<CallImage> replayed =
          Replay(step, step.how, step.call.inputs, step.expected);
      if (!replayed) return false;
      if (value_.problem.batch_invariant && !EqualsForward(step, *replayed)) return false;
      if (!Replay(step, step.how + ", other contents and no update", step.changed,
                  step.changed_expected)) {
        return false;
      }
    }
    return true;
  }

  bool Update(const WalkedStep& step) {
    const CaseInputs& inputs = step.call.inputs;
    const auto invoke = [&](CallImage& image) { return session_.GraphUpdate(inputs.abi, image); };
    return Call("graph_update", step.how, invoke, inputs.image, 0).has_value();
  }

  bool Inspect(const WalkedStep& step) {
    std::vector<SeenView> views;
    for (int index = 0; index <= kMostViews; ++index) {
      SeenView seen;
      const CallResult answer = session_.GraphInspect(index, seen);
      if (answer.end != CallEnd::kAnswered) {
        record_ = Unanswered(std::move(record_), answer, step.how);
        return false;
      }
      if (answer.status == ATTEST_INVALID_ARGUMENT) break;
      if (answer.status != ATTEST_OK || index == kMostViews) {
        return Fail("views", fmt::format("{}, graph_inspect of view {} answered {}", step.how,
                                         index, DescribeAnswer(answer)));
      }
      views.push_back(std::move(seen));
    }
    const std::string wrong = WrongViews(views, first_ ? &*first_ : nullptr);
    if (!wrong.empty()) return Fail("views", fmt::format("{}, {}", step.how, wrong));
    if (!first_) first_ = std::move(views);
    return true;
  }

  // Outputs are poisoned again: what update may have left there is gone.
  std::optional<CallImage> Replay(const WalkedStep& step, const std::string& how,
                                  const CaseInputs& inputs, const Expected& expected) {
    const double multiply_adds = MultiplyAdds(step.call.value.problem);
    const auto invoke = [&](CallImage& image) {
      return session_.GraphReplay(multiply_adds, image);
    };
    std::optional<CallImage> after =
        Call("graph_replay", how, invoke, inputs.image, inputs.abi.num_actual_tokens);
    if (!after) return std::nullopt;
    Compare(step.call.value, inputs, *after, expected, record_);
    if (record_.verdict == Verdict::kPass) return after;
    record_.reason = fmt::format("{}, {}", how, record_.reason);
    return std::nullopt;
  }

  bool EqualsForward(const WalkedStep& step, const CallImage& replayed) {
    Ran ran = RunForward(session_, MultiplyAdds(step.call.value.problem), step.call.inputs,
                         std::move(record_));
    record_ = std::move(ran.record);
    if (!ran.ok) {
      record_.reason = fmt::format("{}, eager, {}", step.how, record_.reason);
      return false;
    }
    const std::string moved = MovedBits(ran.image, replayed, AllRowPairs(step.call.value.problem));
    if (moved.empty()) return true;
    return Fail("bitwise", fmt::format("{}, eager and then replayed: {}", step.how, moved));
  }

  bool Misfits() {
    for (const MisfitStep& misfit : walk_.misfits) {
      CallImage image = misfit.inputs.image;
      const CallResult answer = session_.GraphUpdate(misfit.inputs.abi, image);
      if (answer.end != CallEnd::kAnswered) {
        record_ = Unanswered(std::move(record_), answer, misfit.how);
        return false;
      }
      if (answer.status != ATTEST_INVALID_ARGUMENT || answer.message.empty()) {
        return Fail("misfit", fmt::format("{}, graph_update answered {}", misfit.how,
                                          DescribeAnswer(answer)));
      }
      const std::string change = FirstForbiddenChange(misfit.inputs.image, image, 0);
      if (!change.empty()) return Fail("untouched", fmt::format("{}, {}", misfit.how, change));
    }
    return true;
  }

  Session& session_;
  const Case& value_;
  const GraphWalk& walk_;
  Record record_;
  std::optional<std::vector<SeenView>> first_;
};

// Empty if the walk can judge anything.
std::string WhyMistrusted(const Case& value, const GraphWalk& walk, Record& record) {
  for (const WalkedStep& step : walk.steps) {
    if (!step.expected.out_bound.allFinite() || !step.expected.lse_bound.allFinite()) {
      return step.how + ": the bound is not finite";
    }
    if (!ZerosWouldFail(step.call.value, step.call.inputs, step.expected)) {
      return step.how + ": an output of zeros would pass";
    }
  }
  record.exposes = ExposedByWalk(value, walk, false);
  return record.exposes.empty() ? "no mutant would fail this case" : "";
}

}  // namespace

Record JudgeGraphWalk(Session& session, const Case& value, const GraphWalk& walk, Record record) {
  return Walker(session, value, walk, std::move(record)).Run();
}

Record RunGraphCase(Session& session, const Case& value, const RunOptions& options, Record record) {
  const Result<GraphWalk> walk = BuildGraphWalk(value, options);
  if (!walk.ok()) return With(std::move(record), Verdict::kMistrusted, walk.status().message());
  const std::string mistrust = options.power ? WhyMistrusted(value, *walk, record) : "";
  if (!mistrust.empty()) return With(std::move(record), Verdict::kMistrusted, mistrust);
  return JudgeGraphWalk(session, value, *walk, std::move(record));
}

}  // namespace attest
