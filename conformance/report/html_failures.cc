// SPDX-License-Identifier: Apache-2.0
//
// The failures of report.html: what broke, where, and how to see it again.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "conformance/report/html.h"
#include "conformance/report/html_parts.h"
#include "conformance/report/markup.h"
#include "conformance/report/picture.h"

namespace attest {
namespace {

double Ratio(const Element& element) {
  const double error = std::abs(element.got - element.expected);
  if (error <= element.bound) return element.bound > 0 ? error / element.bound : 0;
  return element.bound > 0 ? error / element.bound : std::numeric_limits<double>::infinity();
}

std::string Citations(const Report& report, const Record& record) {
  std::string text = "<dl>";
  for (const std::string& id : record.clauses) {
    const Clause* clause = FindClause(report, id);
    text += fmt::format("<dt><a href='#{0}' class='mono'>{0}</a></dt><dd>{1}</dd>",
                        EscapeMarkup(id), ProseMarkup(clause == nullptr ? "" : clause->sentence));
  }
  if (!record.rule.empty()) {
    text += fmt::format("<dt>judged by</dt><dd>{}{}</dd>", EscapeMarkup(record.rule),
                        record.rows_total > 0
                            ? fmt::format(", {} of {} rows judged", FormatCount(record.rows_judged),
                                          FormatCount(record.rows_total))
                            : "");
  }
  return text + "</dl>\n";
}

std::string RestTable(const std::vector<Failure>& failures) {
  std::string text = fmt::format(
      "<h3>And {} more</h3>\n<table><thead><tr><th>Verdict</th><th>Case</th><th>Reason</th></tr>"
      "</thead><tbody>\n",
      failures.size() - kFailureCards);
  for (std::size_t i = kFailureCards; i < failures.size(); ++i) {
    const Record& record = failures[i].record;
    text += fmt::format("<tr><td>{}</td><td class='mono'>{}</td><td>{}</td></tr>\n",
                        HtmlBadge(Name(record.verdict)), EscapeMarkup(record.case_id),
                        EscapeMarkup(record.reason));
  }
  return text + "</tbody></table>\n";
}

}  // namespace

std::string HtmlFigure(const std::optional<Picture>& picture) {
  if (!picture) return {};
  std::string notes;
  for (const std::string& note : picture->notes) notes += " · " + EscapeMarkup(note);
  return fmt::format("<figure><figcaption>{}<small>{}</small></figcaption>{}</figure>\n",
                     EscapeMarkup(picture->title), notes, DrawSvg(*picture));
}

std::string HtmlWorst(const Record& record) {
  if (record.worst.empty()) return {};
  std::string text =
      "<table class='numbers'><thead><tr><th class='n'>request</th><th class='n'>row</th>"
      "<th class='n'>head</th><th class='n'>dim</th><th class='n'>expected</th>"
      "<th class='n'>got</th><th class='n'>bound</th><th class='n'>error / bound</th></tr></thead>"
      "<tbody>\n";
  for (const Element& element : record.worst) {
    text += fmt::format(
        "<tr><td class='n'>{}</td><td class='n'>{}</td><td class='n'>{}</td><td class='n'>{}</td>"
        "<td class='n'>{}</td><td class='n'><b>{}</b></td><td class='n'>{}</td>"
        "<td class='n'>{}</td></tr>\n",
        element.request, element.row, element.head,
        element.dim < 0 ? "LSE" : fmt::format("{}", element.dim), FormatNumber(element.expected),
        FormatNumber(element.got), FormatNumber(element.bound), FormatNumber(Ratio(element)));
  }
  return text + "</tbody></table>\n";
}

std::string HtmlFailureCard(const Report& report, const Failure& failure, std::size_t number) {
  const Record& record = failure.record;
  std::string text = fmt::format(
      "<article class='card' id='failure-{}'><div class='head'>{}<h3 class='mono'>{}</h3></div>\n",
      number, HtmlBadge(Name(record.verdict)), EscapeMarkup(record.case_id));
  if (failure.value != nullptr && !failure.value->sentence.empty()) {
    text += fmt::format("<p>{}</p>\n", ProseMarkup(failure.value->sentence));
  }
  text += fmt::format("<p class='reason'>{}</p>\n", EscapeMarkup(record.reason));
  const std::string diagnosis = DiagnosisOf(report, record.case_id);
  if (!diagnosis.empty()) text += fmt::format("<pre>{}</pre>\n", EscapeMarkup(diagnosis));
  text += Citations(report, record);
  if (failure.value != nullptr) {
    text += "<div class='pictures'>" + HtmlFigure(MaskPicture(*failure.value, record)) +
            HtmlFigure(CellPicture(*failure.value, record)) + "</div>\n";
  }
  text += HtmlWorst(record);
  return text + fmt::format("<pre>{}</pre></article>\n", EscapeMarkup(record.repro));
}

std::string HtmlFailures(const Report& report) {
  const std::vector<Failure> failures = FailuresOf(report);
  if (failures.empty()) return {};
  std::string text = fmt::format("<h2 id='failures'>Failures ({})</h2>\n",
                                 FormatCount(static_cast<long long>(failures.size())));
  for (std::size_t i = 0; i < std::min(failures.size(), kFailureCards); ++i) {
    text += HtmlFailureCard(report, failures[i], i + 1);
  }
  if (failures.size() > kFailureCards) text += RestTable(failures);
  return text;
}

}  // namespace attest
