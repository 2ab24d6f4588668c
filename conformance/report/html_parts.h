// SPDX-License-Identifier: Apache-2.0
//
// The parts of report.html, in the order in which they stand on the page.
#ifndef ATTEST_CONFORMANCE_REPORT_HTML_PARTS_H_
#define ATTEST_CONFORMANCE_REPORT_HTML_PARTS_H_

#include <optional>
#include <string>
#include <string_view>

#include "conformance/report/picture.h"
#include "conformance/report/report.h"

namespace attest {

std::string_view HtmlStyle();

// First screen: the verdict, what was run, what was claimed, and what was left out.
std::string HtmlVerdict(const Report& report);
std::string HtmlFacts(const Report& report);
std::string HtmlClaims(const Report& report);
std::string HtmlWaivers(const Report& report);  // empty without waivers

std::string HtmlProfiles(const Report& report);
std::string HtmlFailures(const Report& report);
std::string HtmlClauses(const Report& report);
std::string HtmlUnexpected(const Report& report);  // cases outside the expected set, by reason

// One failure, pictures included.
std::string HtmlFailureCard(const Report& report, const Failure& failure, std::size_t number);

// A picture with its title and notes; empty without one.
std::string HtmlFigure(const std::optional<Picture>& picture);
// The worst numbers of a record as a table; empty without any.
std::string HtmlWorst(const Record& record);

// A verdict as a word in a frame; each verdict has its own border and mark, not only its colour.
std::string HtmlBadge(std::string_view verdict);

// <tr><th>name</th><td>value</td></tr> of a table of facts; `value` is markup.
std::string HtmlFact(std::string_view name, std::string_view value);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_HTML_PARTS_H_
