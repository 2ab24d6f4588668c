// SPDX-License-Identifier: Apache-2.0
//
// From the tensors of a forward call to what kernels are told.
#ifndef ATTEST_BACKENDS_GPU_CALL_H_
#define ATTEST_BACKENDS_GPU_CALL_H_

#include "backends/gpu/answer.h"
#include "backends/gpu/family.h"
#include "spec/abi/attest.h"

namespace attest::gpu {

// Do the tensors have the shapes and types that the problem gives them, and the lengths, as far as
// the host knows them, an order? ATTEST_INVALID_ARGUMENT names the field. Looks at no device
// memory.
Answer CheckCall(const attest_problem_t& problem, const attest_forward_args_t& args,
                 bool needs_step_keys);

// The call has passed CheckCall.
Step StepOf(const attest_problem_t& problem, const attest_forward_args_t& args,
            const DeviceFacts& device);

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_CALL_H_
