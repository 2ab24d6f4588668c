// SPDX-License-Identifier: Apache-2.0
//
// report.html: one self-contained page. No script, no font, no image and no link is loaded from
// anywhere; it prints, and it reads in black and white.
#ifndef ATTEST_CONFORMANCE_REPORT_HTML_H_
#define ATTEST_CONFORMANCE_REPORT_HTML_H_

#include <string>

#include "conformance/report/report.h"

namespace attest {

// The first failures get a card each (sentence, clauses, numbers, pictures, replay command); the
// rest stand in a table.
inline constexpr std::size_t kFailureCards = 200;

std::string HtmlText(const Report& report);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_HTML_H_
