// SPDX-License-Identifier: Apache-2.0
//
// Every number is within its error bound of the exact one.
#include "conformance/judge/compare.h"
#include "property_tests/laws/subject.h"

namespace attest {
namespace {

void Check(Subject& subject, const Sample& sample) {
  const CaseInputs inputs = Subject::Build(sample);
  const JudgedCall answer = subject.Ask(sample.problem, inputs, "forward");
  Record record;
  Compare(CaseOf(sample), inputs, answer.image, answer.expected, record);
  if (record.verdict != Verdict::kPass) EndAsBroken(record.reason);
}

}  // namespace

Law AgreesWithOracleLaw() {
  return {.name = "oracle",
          .sentence = "Every number is within its error bound of the exact one.",
          .check = Check};
}

}  // namespace attest
