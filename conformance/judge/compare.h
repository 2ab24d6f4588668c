// SPDX-License-Identifier: Apache-2.0
//
// Compare: output and LSE of one call against the oracle. Special values are settled by position,
// then every element by the smaller of its exact tolerance (flat scores) and its deterministic
// bound. Phrased so that a NaN can only fail.
#ifndef ATTEST_CONFORMANCE_JUDGE_COMPARE_H_
#define ATTEST_CONFORMANCE_JUDGE_COMPARE_H_

#include "conformance/run/inputs.h"
#include "conformance/run/record.h"
#include "reference/oracle.h"
#include "spec/cases/case.h"

namespace attest {

// Fills verdict (pass or fail), reason, rule, counts and failure details of `record`.
// `after` is the image that the backend left behind. All rows are checked for never-written and
// non-finite elements; the rows of `expected` for their values.
void Compare(const Case& value, const CaseInputs& inputs, const CallImage& after,
             const Expected& expected, Record& record);

// Would an output of zeros be noticed? False only for inputs that prove nothing (or whose rows are
// all empty).
bool ZerosWouldFail(const Case& value, const CaseInputs& inputs, const Expected& expected);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_COMPARE_H_
