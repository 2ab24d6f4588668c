// SPDX-License-Identifier: Apache-2.0
//
// What the planted backends accept: the same problems as the backend `cpu`.
#ifndef ATTEST_CONFORMANCE_TESTING_PLANTED_CHECKS_H_
#define ATTEST_CONFORMANCE_TESTING_PLANTED_CHECKS_H_

#include <string>

#include "spec/abi/attest.h"

namespace attest {

struct Finding {
  attest_status_t status = ATTEST_OK;
  std::string text;
};

Finding CheckPlantedProblem(const attest_problem_t& problem);
// What the contents of the metadata tensors contradict; the problem is one that was accepted.
Finding CheckPlantedArguments(const attest_problem_t& problem, const attest_forward_args_t& args);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_TESTING_PLANTED_CHECKS_H_
