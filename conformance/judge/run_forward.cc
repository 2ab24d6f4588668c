// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "conformance/judge/compare.h"
#include "conformance/judge/power.h"
#include "conformance/judge/run_call.h"
#include "conformance/judge/run_kinds.h"
#include "conformance/judge/sample_rows.h"
#include "conformance/judge/statistics_case.h"
#include "reference/oracle.h"

namespace attest {
namespace {

// Has the case power by the default class? A class that is looser may admit zeros, or every mutant,
// where scores are extreme; that is the backend's own declaration and no fault of the case.
bool HasPowerByDefault(const Case& value, const CaseInputs& inputs,
                       const std::vector<QueryRow>& rows, const RunOptions& options) {
  if (options.arithmetic == DefaultArithmetic()) return false;
  const Result<Expected> expected =
      ComputeExpected(value.problem, TensorsOf(inputs.image), rows, DefaultArithmetic(),
                      {.bound = true, .threads = options.threads});
  return expected.ok() && ZerosWouldFail(value, inputs, *expected) &&
         !ExposedMutants(value, inputs, *expected, {}).empty();
}

// Empty if this expectation can judge anything.
std::string WhyMistrusted(const Case& value, const CaseInputs& inputs,
                          const Result<Expected>& expected, const RunOptions& options,
                          Record& record) {
  if (!expected.ok()) return expected.status().message();
  if (!expected->out_bound.allFinite() || !expected->lse_bound.allFinite()) {
    return "the bound of this case is not finite";
  }
  if (!options.power) return {};
  record.exposes = ExposedMutants(value, inputs, *expected, {});
  const bool zeros_fail = ZerosWouldFail(value, inputs, *expected);
  if (zeros_fail && !record.exposes.empty()) return {};
  if (!HasPowerByDefault(value, inputs, expected->rows, options)) {
    return zeros_fail ? "no mutant would fail this case"
                      : "an output of zeros would pass this case";
  }
  record.note = zeros_fail ? "weak: the declared arithmetic admits the mutants of this case"
                           : "weak: the declared arithmetic admits an output of zeros here";
  return {};
}

// The same case on a fresh seed. A call that gives no answer there accuses nobody.
Accusation AccuseAgain(Session& session, const Case& value, RunOptions options,
                       std::uint64_t seed) {
  options.seed = seed;
  const Result<CaseInputs> inputs = BuildInputs(value, seed);
  if (!inputs.ok()) return {};
  const Result<Expected> expected =
      ComputeExpected(value.problem, TensorsOf(inputs->image),
                      SampleRows(value.problem, options.max_judged, options.seed),
                      options.arithmetic, {.bound = true, .threads = options.threads});
  const Ran ran = RunForward(session, MultiplyAdds(value.problem), *inputs, {});
  if (!expected.ok() || !ran.ok) return {};
  return AccuseCase(value, *inputs, ran.image, *expected, options.arithmetic);
}

}  // namespace

JudgedForward JudgeForward(Session& session, const Case& value, const CaseInputs& inputs,
                           const RunOptions& options, Record record) {
  const std::vector<QueryRow> rows = SampleRows(value.problem, options.max_judged, options.seed);
  const Result<Expected> expected =
      ComputeExpected(value.problem, TensorsOf(inputs.image), rows, options.arithmetic,
                      {.bound = true, .threads = options.threads});
  std::string mistrust = WhyMistrusted(value, inputs, expected, options, record);
  if (!mistrust.empty()) {
    return {.record = With(std::move(record), Verdict::kMistrusted, std::move(mistrust))};
  }
  if (!Promised(session, inputs, record)) return {.record = std::move(record)};
  Ran ran = RunForward(session, MultiplyAdds(value.problem), inputs, std::move(record));
  if (!ran.ok) return {.record = std::move(ran.record)};
  Compare(value, inputs, ran.image, *expected, ran.record);
  if (options.statistics && value.kind == CaseKind::kForward) {
    Settle(ran.record, AccuseCase(value, inputs, ran.image, *expected, options.arithmetic),
           [&](std::uint64_t seed) { return AccuseAgain(session, value, options, seed); });
  }
  const bool passed = ran.record.verdict == Verdict::kPass;
  return {.passed = passed, .record = std::move(ran.record), .image = std::move(ran.image)};
}

}  // namespace attest
