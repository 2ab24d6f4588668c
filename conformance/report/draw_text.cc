// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "conformance/report/picture.h"

namespace attest {
namespace {

std::size_t WidthOf(const std::vector<std::string>& labels) {
  std::size_t width = 0;
  for (const std::string& label : labels) width = std::max(width, label.size());
  return width;
}

bool BreaksBefore(const PictureAxis& axis, std::size_t index) {
  return std::find(axis.breaks.begin(), axis.breaks.end(), static_cast<int>(index)) !=
         axis.breaks.end();
}

// "|" where the axis breaks, so that requests and seq_len can be told apart in every line.
std::string LineOf(const Picture& picture, std::size_t line) {
  std::string text;
  for (std::size_t column = 0; column < picture.x.labels.size(); ++column) {
    if (BreaksBefore(picture.x, column)) text += '|';
    text += static_cast<char>(picture.at(line, column));
  }
  return text;
}

}  // namespace

std::string DrawText(const Picture& picture) {
  const std::size_t margin = std::max(WidthOf(picture.y.labels), picture.y.title.size());
  const auto& columns = picture.x.labels;
  std::string text = fmt::format("{}\n", picture.title);
  text +=
      fmt::format("  {:>{}}  {} {} .. {}\n", picture.y.title, margin, picture.x.title,
                  columns.empty() ? "" : columns.front(), columns.empty() ? "" : columns.back());
  std::set<Symbol> used(picture.cells.begin(), picture.cells.end());
  for (std::size_t line = 0; line < picture.y.labels.size(); ++line) {
    text += fmt::format("  {:>{}}  [{}]\n", picture.y.labels[line], margin, LineOf(picture, line));
  }
  for (const Symbol symbol : used) {
    text += fmt::format("  '{}' {}\n", static_cast<char>(symbol), Meaning(symbol));
  }
  if (!picture.x.breaks.empty() && !picture.x.break_label.empty()) {
    text += fmt::format("  '|' {}\n", picture.x.break_label);
  }
  for (const std::string& note : picture.notes) text += fmt::format("  ({})\n", note);
  return text;
}

}  // namespace attest
