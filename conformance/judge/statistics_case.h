// SPDX-License-Identifier: Apache-2.0
//
// Statistics of a case: what RunCase asks after the deterministic bound has passed an output.
#ifndef ATTEST_CONFORMANCE_JUDGE_STATISTICS_CASE_H_
#define ATTEST_CONFORMANCE_JUDGE_STATISTICS_CASE_H_

#include "conformance/judge/statistics.h"
#include "conformance/run/inputs.h"
#include "spec/cases/case.h"

namespace attest {

// Accuses nobody unless the recipe is generic. `after` is the image that the backend left behind;
// `expected` has bounds.
Accusation AccuseCase(const Case& value, const CaseInputs& inputs, const CallImage& after,
                      const Expected& expected, const Arithmetic& arithmetic);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_STATISTICS_CASE_H_
