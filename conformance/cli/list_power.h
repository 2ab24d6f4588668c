// SPDX-License-Identifier: Apache-2.0
//
// The power certificates of cases, without a backend.
#ifndef ATTEST_CONFORMANCE_CLI_LIST_POWER_H_
#define ATTEST_CONFORMANCE_CLI_LIST_POWER_H_

#include <string>
#include <vector>

#include "spec/cases/case.h"

namespace attest {

struct PowerRow {
  const Case* value = nullptr;
  std::vector<std::string> exposes;  // empty: the case proves nothing
  std::string problem;               // why there is no certificate: the inputs cannot be built, ...
};

// One row a case, in order, by the default arithmetic class and seed 0. `all`: every mutant of the
// cited clauses that is exposed, not the first one alone.
std::vector<PowerRow> CertifyPower(const std::vector<const Case*>& cases, bool all, int jobs);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_LIST_POWER_H_
