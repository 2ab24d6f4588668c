// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/html.h"

#include <fmt/format.h>

#include "conformance/report/html_parts.h"
#include "conformance/report/markup.h"
#include "conformance/report/picture.h"

namespace attest {

std::string HtmlText(const Report& report) {
  const std::string title =
      fmt::format("{}: {}", EscapeMarkup(report.claims.name), Name(report.summary.verdict));
  std::string text = fmt::format(
      "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
      "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
      "<title>attest · {}</title>\n<style>{}</style>\n</head>\n<body>\n{}<main>\n"
      "<h1>attest · conformance report of attention backend {}</h1>\n",
      title, HtmlStyle(), SvgPatterns(), EscapeMarkup(report.claims.name));
  text += HtmlVerdict(report);
  text += "<div class='columns'>\n" + HtmlFacts(report) + HtmlClaims(report) + "</div>\n";
  text += HtmlWaivers(report) + HtmlProfiles(report) + HtmlFailures(report) + HtmlClauses(report) +
          HtmlUnexpected(report);
  text +=
      "<footer>The files of this directory belong together: <code>attest verify DIR</code> finds "
      "any changed byte in them and derives the verdict again from the records. That shows damage "
      "and editing; it is no signature.</footer>\n</main>\n</body>\n</html>\n";
  return text;
}

}  // namespace attest
