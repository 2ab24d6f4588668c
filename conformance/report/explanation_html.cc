// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/explanation_html.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "conformance/report/html_parts.h"
#include "conformance/report/markup.h"
#include "conformance/report/picture.h"

namespace attest {
namespace {

std::string CaseCard(const std::string& title, const Case& value, const Record& record) {
  std::string text =
      fmt::format("<article class='card'><div class='head'>{}<h3 class='mono'>{}</h3></div>\n",
                  HtmlBadge(Name(record.verdict)), EscapeMarkup(title));
  if (!value.sentence.empty()) text += fmt::format("<p>{}</p>\n", ProseMarkup(value.sentence));
  text += fmt::format("<p class='reason'>{}</p>\n", EscapeMarkup(record.reason));
  text += "<div class='pictures'>" + HtmlFigure(MaskPicture(value, record)) +
          HtmlFigure(CellPicture(value, record)) + "</div>\n";
  return text + HtmlWorst(record);
}

}  // namespace

std::string ExplanationHtml(const Explanation& explanation,
                            const std::vector<MutantEntry>& catalogue, const std::string& backend,
                            const std::string& replay, const ReadPicture& mask) {
  std::string text = fmt::format(
      "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
      "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
      "<title>attest · {0}</title>\n<style>{1}</style>\n</head>\n<body>\n{2}<main>\n"
      "<h1>attest · why {3} fails {0}</h1>\n",
      EscapeMarkup(explanation.value.id), HtmlStyle(), SvgPatterns(), EscapeMarkup(backend));
  text += fmt::format("<h2>Diagnosis</h2>\n<pre>{}</pre>\n",
                      EscapeMarkup(DiagnosisText(explanation.diagnosis, catalogue)));
  text += "<h2>The failure</h2>\n" +
          CaseCard(explanation.value.id, explanation.value, explanation.record) + "</article>\n";
  text +=
      fmt::format("<h2>The smallest case that fails in the same way</h2>\n<p>It needs {}.</p>\n",
                  EscapeMarkup(fmt::format("{}", fmt::join(Needs(explanation.smallest), ", "))));
  text += CaseCard("smallest.json", explanation.smallest, explanation.smallest_record);
  text += fmt::format("<pre>{}</pre></article>\n", EscapeMarkup(replay));
  text += fmt::format(
      "<h2>Its mask, read off the backend with other inputs</h2>\n<div class='pictures'>{}</div>\n"
      "<pre>{}</pre>\n",
      mask.svg, EscapeMarkup(mask.text));
  return text + "</main>\n</body>\n</html>\n";
}

}  // namespace attest
