// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/power_case.h"

#include "conformance/judge/expect_merge.h"
#include "conformance/run/inputs_merge.h"
#include "conformance/run/inputs_write_kv.h"

namespace attest {

Result<CaseInputs> PowerInputs(const Case& value) {
  if (value.kind == CaseKind::kWriteKv) return BuildWriteKvInputs(value, 0);
  if (value.kind == CaseKind::kMerge) return BuildMergeInputs(value, value.parts, 0);
  return BuildInputs(value, 0);
}

Result<Expected> PowerExpectation(const Case& value, const CaseInputs& inputs,
                                  const std::vector<QueryRow>& rows) {
  switch (value.kind) {
    case CaseKind::kRefusal:
    case CaseKind::kInvalid:
    case CaseKind::kWriteKv:
    case CaseKind::kGraph:
    case CaseKind::kCopyToPersistent:
      return Expected{};
    case CaseKind::kMerge:
      return ExpectMerge(value.problem, inputs.image, value.parts, DefaultArithmetic());
    default:
      return ComputeExpected(value.problem, TensorsOf(inputs.image), rows, DefaultArithmetic(),
                             {.bound = true, .threads = 1});
  }
}

}  // namespace attest
