// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_CONFORMANCE_CLI_RECORD_TEXT_H_
#define ATTEST_CONFORMANCE_CLI_RECORD_TEXT_H_

#include <string>

#include "conformance/run/record.h"
#include "spec/cases/case.h"

namespace attest {

// The record of one case for a reader: verdict, clauses, worst numbers, pictures.
std::string RecordText(const Case& value, const Record& record);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_RECORD_TEXT_H_
