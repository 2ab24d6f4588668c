// SPDX-License-Identifier: Apache-2.0
//
// The one honest inmate of the zoo: scalar attention in float32 tensors and double sums. The others
// are this one with a single sin.
#ifndef ATTEST_CONFORMANCE_TESTING_ZOO_HONEST_H_
#define ATTEST_CONFORMANCE_TESTING_ZOO_HONEST_H_

#include <string_view>

#include "spec/abi/attest.h"

namespace zoo {

void HonestClaims(attest_claims_t& claims);

// ATTEST_OK, or the refusal or objection with its text in `error`.
attest_status_t HonestSupports(const attest_problem_t& problem, attest_error_t* error);

// Computes what HonestSupports accepts.
attest_status_t HonestForward(const attest_problem_t& problem, const attest_forward_args_t& args,
                              attest_error_t* error);

// Puts `text` into `error`, cut to fit, and returns `status`.
attest_status_t Say(attest_error_t* error, attest_status_t status, std::string_view text);

// Address of element [i0, i1, i2] of a float32 tensor with three axes.
float* At(const attest_tensor_t& tensor, int64_t i0, int64_t i1, int64_t i2);

}  // namespace zoo

#endif  // ATTEST_CONFORMANCE_TESTING_ZOO_HONEST_H_
