// SPDX-License-Identifier: Apache-2.0
//
// Is a problem sound, and does this backend do it?
#ifndef ATTEST_BACKENDS_CPU_PROBLEM_CHECK_H_
#define ATTEST_BACKENDS_CPU_PROBLEM_CHECK_H_

#include "backends/cpu/answer.h"
#include "spec/abi/attest.h"

namespace attest::cpu {

// ATTEST_INVALID_ARGUMENT: an unknown enum value, or a contradiction. ATTEST_REFUSED: sound, but
// not among the claims.
Answer CheckProblem(const attest_problem_t& problem);

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_PROBLEM_CHECK_H_
