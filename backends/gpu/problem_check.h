// SPDX-License-Identifier: Apache-2.0
//
// Problems that contradict themselves or the spec. What is sound but not claimed is no matter of
// this file (claims.h).
#ifndef ATTEST_BACKENDS_GPU_PROBLEM_CHECK_H_
#define ATTEST_BACKENDS_GPU_PROBLEM_CHECK_H_

#include "backends/gpu/answer.h"
#include "spec/abi/attest.h"

namespace attest::gpu {

// ATTEST_INVALID_ARGUMENT names the field and its value.
Answer CheckProblem(const attest_problem_t& problem);

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_PROBLEM_CHECK_H_
