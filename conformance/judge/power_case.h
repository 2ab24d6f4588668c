// SPDX-License-Identifier: Apache-2.0
//
// Inputs and expectation of a case of any kind, for those who judge mutants and run no backend.
#ifndef ATTEST_CONFORMANCE_JUDGE_POWER_CASE_H_
#define ATTEST_CONFORMANCE_JUDGE_POWER_CASE_H_

#include <vector>

#include "conformance/run/inputs.h"
#include "reference/oracle.h"
#include "spec/cases/case.h"

namespace attest {

// Of seed 0: a forward call's, or those of write_kv or merge.
Result<CaseInputs> PowerInputs(const Case& value);

// By the default arithmetic, on one thread. Of a forward call for `rows`, of a merge whole; empty
// for kinds that are not judged by numbers of the oracle.
Result<Expected> PowerExpectation(const Case& value, const CaseInputs& inputs,
                                  const std::vector<QueryRow>& rows);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_POWER_CASE_H_
