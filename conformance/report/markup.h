// SPDX-License-Identifier: Apache-2.0
//
// Text inside XML and HTML, and numbers for people.
#ifndef ATTEST_CONFORMANCE_REPORT_MARKUP_H_
#define ATTEST_CONFORMANCE_REPORT_MARKUP_H_

#include <string>
#include <string_view>

namespace attest {

// & < > " ' as entities; control characters, which XML 1.0 cannot hold, as '?'.
std::string EscapeMarkup(std::string_view text);

// The same, with text between backquotes as <code>.
std::string ProseMarkup(std::string_view text);

// Six significant digits; "NaN", "inf", "-inf".
std::string FormatNumber(double value);

// 1234567 as "1,234,567".
std::string FormatCount(long long value);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_MARKUP_H_
