// SPDX-License-Identifier: Apache-2.0
//
// A call that must not remember the one before it.
#include <fmt/format.h>

#include <utility>

#include "conformance/judge/compare.h"
#include "conformance/judge/preludes.h"
#include "conformance/judge/run_call.h"
#include "conformance/judge/run_kinds.h"
#include "conformance/judge/sample_rows.h"

namespace attest {
namespace {

// Is the prelude something that this backend offers?
bool Offered(Session& session, const Prelude& prelude, const CaseInputs& inputs) {
  if (ScopeOf(session.claims(), prelude.value.problem).scope != ClaimScope::kInside) return false;
  const CallResult answer = session.Supports(inputs.abi);
  return answer.end == CallEnd::kAnswered && answer.status == ATTEST_OK;
}

Record After(Record record, const std::string& how) {
  record.reason = fmt::format("after {}: {}", how, record.reason);
  return record;
}

}  // namespace

Record RunAfterOthersCase(Session& session, const Case& value, const CaseInputs& inputs,
                          const RunOptions& options, Record record) {
  const Result<Expected> expected = ComputeExpected(
      value.problem, TensorsOf(inputs.image), SampleRows(value.problem, options.max_judged, 0),
      options.arithmetic, {.bound = true, .threads = options.threads});
  if (!expected.ok()) {
    return With(std::move(record), Verdict::kMistrusted, expected.status().message());
  }
  JudgedForward first = JudgeForward(session, value, inputs, options, std::move(record));
  if (!first.passed) return std::move(first.record);
  for (const Prelude& prelude : PreludesOf(value)) {
    const Result<CaseInputs> earlier = BuildPrelude(prelude, options.seed);
    if (!earlier.ok()) continue;
    session.StartAfresh();
    if (!Offered(session, prelude, *earlier)) continue;
    Ran before = RunForward(session, MultiplyAdds(prelude.value.problem), *earlier, first.record);
    if (!before.ok) return After(std::move(before.record), "the start of " + prelude.how);
    Ran ran = RunForward(session, MultiplyAdds(value.problem), inputs, first.record);
    if (!ran.ok) return After(std::move(ran.record), prelude.how);
    Compare(value, inputs, ran.image, *expected, ran.record);
    if (ran.record.verdict != Verdict::kPass) return After(std::move(ran.record), prelude.how);
  }
  return std::move(first.record);
}

}  // namespace attest
