// SPDX-License-Identifier: Apache-2.0
//
// The canary: before a run counts, the judge must accept a right answer and reject wrong ones on
// this machine.
#ifndef ATTEST_CONFORMANCE_JUDGE_SELF_CHECK_H_
#define ATTEST_CONFORMANCE_JUDGE_SELF_CHECK_H_

#include "spec/vocabulary/status.h"

namespace attest {

// Builds small cases, answers them from the oracle itself (rounded to the output type) and then
// with planted errors: zeros, a missing key, a NaN, a changed input, a byte past the end; and lets
// mutants of attention answer one (conformance/mutants), none of which may survive. Internal
// error naming the first wrong judgement; also when the host rounds otherwise than to nearest or
// flushes subnormals.
Status JudgeSelfCheck();

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_SELF_CHECK_H_
