// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "conformance/judge/compare.h"
#include "conformance/judge/run_call.h"
#include "conformance/judge/run_kinds.h"
#include "conformance/judge/sample_rows.h"
#include "reference/oracle.h"

namespace attest {
namespace {

// A class that is looser than the default may admit zeros where scores are extreme; that is the
// backend's own declaration and no fault of the case.
bool ZerosWouldFailByDefault(const Case& value, const CaseInputs& inputs,
                             const std::vector<QueryRow>& rows, const RunOptions& options) {
  if (options.arithmetic == DefaultArithmetic()) return false;
  const Result<Expected> expected =
      ComputeExpected(value.problem, TensorsOf(inputs.image), rows, DefaultArithmetic(),
                      {.bound = true, .threads = options.threads});
  return expected.ok() && ZerosWouldFail(value, inputs, *expected);
}

// Empty if this expectation can judge anything.
std::string WhyMistrusted(const Case& value, const CaseInputs& inputs,
                          const Result<Expected>& expected, const RunOptions& options,
                          Record& record) {
  if (!expected.ok()) return expected.status().message();
  if (!expected->out_bound.allFinite() || !expected->lse_bound.allFinite()) {
    return "the bound of this case is not finite";
  }
  if (ZerosWouldFail(value, inputs, *expected)) return {};
  if (!ZerosWouldFailByDefault(value, inputs, expected->rows, options)) {
    return "an output of zeros would pass this case";
  }
  record.note = "weak: the declared arithmetic admits an output of zeros here";
  return {};
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
  const bool passed = ran.record.verdict == Verdict::kPass;
  return {.passed = passed, .record = std::move(ran.record), .image = std::move(ran.image)};
}

}  // namespace attest
