// SPDX-License-Identifier: Apache-2.0
//
// junit.xml, as CI servers read it: one test suite a topic, one test case a case.
#ifndef ATTEST_CONFORMANCE_REPORT_JUNIT_H_
#define ATTEST_CONFORMANCE_REPORT_JUNIT_H_

#include <string>

#include "conformance/report/report.h"

namespace attest {

// fail and refused become <failure>; crash, timeout, device-lost, error, mistrusted and missing
// <error>; waived cases and cases outside the expected set <skipped> with the reason.
std::string JUnitText(const Report& report);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_JUNIT_H_
