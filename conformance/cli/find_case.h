// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_CONFORMANCE_CLI_FIND_CASE_H_
#define ATTEST_CONFORMANCE_CLI_FIND_CASE_H_

#include <string>

#include "spec/cases/case.h"
#include "spec/vocabulary/status.h"

namespace attest {

// Is `what` the name of a file, and no case id?
bool IsCaseFile(const std::string& what);

// The case with this id, or the one in this file. Bad input: neither, with the nearest ids or the
// place in the file.
Result<Case> FindOrReadCase(const CaseSet& cases, const std::string& what);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_FIND_CASE_H_
