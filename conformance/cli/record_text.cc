// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/record_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "conformance/report/markup.h"
#include "conformance/report/picture.h"

namespace attest {
namespace {

std::string ElementText(const Element& element) {
  const std::string where = element.dim < 0 ? "LSE" : fmt::format("dim {}", element.dim);
  return fmt::format("  request {}, row {}, head {}, {}: expected {}, got {}, bound {}\n",
                     element.request, element.row, element.head, where,
                     FormatNumber(element.expected), FormatNumber(element.got),
                     FormatNumber(element.bound));
}

}  // namespace

std::string RecordText(const Case& value, const Record& record) {
  std::string text = fmt::format("{}: {}\n", Name(record.verdict), record.case_id);
  if (!value.sentence.empty()) text += fmt::format("  {}\n", value.sentence);
  text += fmt::format("  clauses {}, seed {}, judged by {}, {} of {} rows, worst error/bound {}\n",
                      fmt::join(record.clauses, ", "), record.seed,
                      record.rule.empty() ? "nothing" : record.rule, record.rows_judged,
                      record.rows_total, FormatNumber(record.worst_ratio));
  if (!record.exposes.empty()) {
    text += fmt::format("  must expose {}\n", fmt::join(record.exposes, ", "));
  }
  if (!record.note.empty()) text += fmt::format("  note: {}\n", record.note);
  if (!record.reason.empty()) text += fmt::format("  {}\n", record.reason);
  for (const Element& element : record.worst) text += ElementText(element);
  for (const auto& picture : {MaskPicture(value, record), CellPicture(value, record)}) {
    if (picture) text += fmt::format("\n{}", DrawText(*picture));
  }
  return text;
}

}  // namespace attest
