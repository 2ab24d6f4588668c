// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_CONFORMANCE_DIAGNOSE_CLASS_OF_NEEDS_H_
#define ATTEST_CONFORMANCE_DIAGNOSE_CLASS_OF_NEEDS_H_

#include <string_view>

#include "conformance/run/record.h"
#include "spec/cases/case.h"

namespace attest {

// The class of a mistake that nobody has listed, by what the smallest case that shows it still
// needs: one that needs a window is of sliding windows. Empty where the needs do not point to one
// class. Each rule was kept because it names no mutant wrongly, or nearly none, while that mutant
// is off the shelf (`attest study naming --unlisted`).
std::string_view ClassOfNeeds(const Case& smallest, const Record& record);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_DIAGNOSE_CLASS_OF_NEEDS_H_
