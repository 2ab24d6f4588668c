// SPDX-License-Identifier: Apache-2.0
//
// Compare: output and LSE of one call against the oracle. Special values are settled by position,
// then every element by the smaller of its exact tolerance (flat scores) and its deterministic
// bound. Phrased so that a NaN can only fail.
//
// The exact tolerance is a quarter of a code unit in the sum of a row's codes. It needs flat scores
// (HasFlatScores), and for each element a code sum I so small that rounding the output moves it by
// less than a tenth: u |I| <= 0.1, where u is the output type's unit roundoff. An interval of keys
// has |I| <= 2, n intervals |I| <= 2n; a mask of many pieces falls back to the bound.
#ifndef ATTEST_CONFORMANCE_JUDGE_COMPARE_H_
#define ATTEST_CONFORMANCE_JUDGE_COMPARE_H_

#include "conformance/run/inputs.h"
#include "conformance/run/record.h"
#include "reference/oracle.h"
#include "spec/cases/case.h"

namespace attest {

// Do all visible keys of a row have the same score? v-coded inputs without ALiBi and additive
// masks, and with sinks of at most e^8 keys' weight: past that the sink's own rounding would count.
bool HasFlatScores(const Case& value, const CallImage& image);

// Fills verdict (pass or fail), reason, rule, counts and failure details of `record`.
// `after` is the image that the backend left behind. All rows are checked for never-written and
// non-finite elements; the rows of `expected` for their values.
void Compare(const Case& value, const CaseInputs& inputs, const CallImage& after,
             const Expected& expected, Record& record);

// The exact probe's share of the allowed error of an output element; infinite where it does not
// apply. `flat`: HasFlatScores; `weight_sum` as in Expected.
double ExactTolerance(const Case& value, const CaseInputs& inputs, bool flat, double expected,
                      double weight_sum);

// Would an output of zeros be noticed? False only for inputs that prove nothing (or whose rows are
// all empty).
bool ZerosWouldFail(const Case& value, const CaseInputs& inputs, const Expected& expected);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_COMPARE_H_
