// SPDX-License-Identifier: Apache-2.0
//
// Attention one number at a time, in double, with one planted error.
#ifndef ATTEST_CONFORMANCE_TESTING_PLANTED_ATTENTION_H_
#define ATTEST_CONFORMANCE_TESTING_PLANTED_ATTENTION_H_

#include "conformance/testing/planted/errors.h"
#include "spec/abi/attest.h"

namespace attest {

// Fills out, and lse if it is asked for. Problem and arguments were accepted by checks.h. Never
// reads outside the tensors of the call, whatever the error.
void PlantedAttention(const attest_problem_t& problem, const attest_forward_args_t& args,
                      Planted planted);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_TESTING_PLANTED_ATTENTION_H_
