// SPDX-License-Identifier: Apache-2.0
#include "conformance/diagnose/observation.h"

#include <algorithm>
#include <utility>

#include "conformance/judge/power.h"
#include "conformance/judge/run_call.h"
#include "conformance/judge/sample_rows.h"

namespace attest {
namespace {

// More rows would not tell more, and each mutant computes them again.
constexpr double kMostJudged = 0x1p24;

bool HasForwardNumbers(CaseKind kind) {
  switch (kind) {
    case CaseKind::kRefusal:
    case CaseKind::kInvalid:
    case CaseKind::kWriteKv:
    case CaseKind::kMerge:
    case CaseKind::kCascade:
    case CaseKind::kAfterOthers:  // of the call after others; alone it is another call
    case CaseKind::kGraph:        // of replays; an eager call is another question
    case CaseKind::kCopyToPersistent:
    case CaseKind::kServingLoop:
      return false;
    default:
      return true;
  }
}

std::optional<Question> AskAbout(const Case& value, const RunOptions& options,
                                 const std::vector<QueryRow>& rows) {
  if (!HasForwardNumbers(value.kind)) return std::nullopt;
  Result<CaseInputs> inputs = BuildInputs(value, options.seed);
  if (!inputs.ok()) return std::nullopt;
  auto kept = std::make_unique<CaseInputs>(std::move(*inputs));
  const Result<Expected> expected =
      ComputeExpected(value.problem, TensorsOf(kept->image), rows, options.arithmetic,
                      {.threads = options.threads});
  if (!expected.ok()) return std::nullopt;
  Numbers numbers = NumbersOf(value, *kept, kept->image, *expected);
  return Question{std::move(kept), std::move(numbers)};
}

}  // namespace

std::optional<Question> Ask(const Case& value, const RunOptions& options) {
  return AskAbout(value, options, PowerRows(value.problem));
}

bool Answer(Session& session, const Case& value, Question& question) {
  const Ran ran = RunForward(session, MultiplyAdds(value.problem), *question.inputs, {});
  if (!ran.ok) return false;
  question.numbers = NumbersOf(value, *question.inputs, ran.image, question.numbers.expected);
  return true;
}

Result<Observation> Observe(Session& session, const Case& written, const RunOptions& options) {
  const Case value = AsAskedOf(session.claims(), written);
  session.StartAfresh();  // what earlier calls left behind is no part of this case
  Observation observation{.value = value, .record = RunCase(session, value, options)};
  if (observation.record.verdict == Verdict::kMistrusted) {
    return InternalError(value.id + ": " + observation.record.reason);
  }
  const double judged = std::min(options.max_judged, kMostJudged);
  std::optional<Question> question =
      AskAbout(value, options, SampleRows(value.problem, judged, options.seed));
  if (!question || !Answer(session, value, *question)) return observation;
  observation.inputs = std::move(question->inputs);
  observation.numbers = std::move(question->numbers);
  return observation;
}

}  // namespace attest
