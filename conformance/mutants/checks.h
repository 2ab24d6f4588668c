// SPDX-License-Identifier: Apache-2.0
//
// What the mutants accept: everything that contradicts neither itself nor the spec, but for graphs.
#ifndef ATTEST_CONFORMANCE_MUTANTS_CHECKS_H_
#define ATTEST_CONFORMANCE_MUTANTS_CHECKS_H_

#include <string>

#include "spec/abi/attest.h"

namespace attest {

struct Finding {
  attest_status_t status = ATTEST_OK;
  std::string text;
};

Finding CheckMutantProblem(const attest_problem_t& problem);
// What the contents of the metadata tensors contradict; the problem is one that was accepted.
Finding CheckMutantArguments(const attest_problem_t& problem, const attest_forward_args_t& args);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_MUTANTS_CHECKS_H_
