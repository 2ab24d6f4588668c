// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "conformance/report/markup.h"
#include "conformance/report/picture.h"

namespace attest {
namespace {

constexpr int kCell = 14;
constexpr int kLeft = 56;  // row labels
constexpr int kTop = 34;   // column title and labels

constexpr std::string_view kInk = "#1c1c1c";
constexpr std::string_view kRed = "#b3261e";

// One symbol in a cell whose upper left corner is (x, y). Shape first, colour second.
std::string Glyph(Symbol symbol, int x, int y) {
  const auto box = [&](std::string_view fill, std::string_view stroke) {
    return fmt::format("<rect x='{}' y='{}' width='{}' height='{}' fill='{}' stroke='{}'/>", x, y,
                       kCell, kCell, fill, stroke);
  };
  const auto letter = [&](std::string_view text, std::string_view colour) {
    return fmt::format(
        "<text x='{}' y='{}' text-anchor='middle' font-size='12' font-weight='700' "
        "fill='{}'>{}</text>",
        x + kCell / 2, y + kCell - 3, colour, text);
  };
  switch (symbol) {
    case Symbol::kRight:
      return box("#f4f4f2", "#dcdcd8");
    case Symbol::kWrong:
      return box(kRed, kInk) + letter("×", "#ffffff");
    case Symbol::kNoNumber:
      return box("#000000", kInk) + letter("N", "#ffffff");
    case Symbol::kVisible:
      return box("#cfd8e3", "#ffffff") + fmt::format("<circle cx='{}' cy='{}' r='1.5' fill='{}'/>",
                                                     x + kCell / 2, y + kCell / 2, "#5d6b7c");
    case Symbol::kHidden:
      return box("#ffffff", "#e6e6e2");
    case Symbol::kExtra:
      return box(kRed, kInk) + letter("+", "#ffffff");
    case Symbol::kMissed:
      // Inset, so that neighbours drawn later leave the heavy border whole.
      return fmt::format(
                 "<rect x='{}' y='{}' width='{}' height='{}' fill='#ffffff' stroke='{}' "
                 "stroke-width='2'/>",
                 x + 1, y + 1, kCell - 2, kCell - 2, kInk) +
             letter("–", kInk);
  }
  return {};
}

// Every label where there is room, every 5th or 10th otherwise.
int LabelStep(const std::vector<std::string>& labels, int room_characters) {
  std::size_t width = 1;
  for (const std::string& label : labels) width = std::max(width, label.size());
  for (const int step : {1, 2, 4, 5, 8, 10}) {
    if (step * room_characters >= static_cast<int>(width) * 3 / 2) return step;
  }
  return 16;
}

std::string ColumnLabels(const PictureAxis& axis) {
  std::string text =
      fmt::format("<text x='{}' y='11' fill='#555'>{} →</text>", kLeft, EscapeMarkup(axis.title));
  const int step = LabelStep(axis.labels, 2);
  for (std::size_t i = 0; i < axis.labels.size(); i += step) {
    text += fmt::format("<text x='{}' y='{}' text-anchor='middle'>{}</text>",
                        kLeft + static_cast<int>(i) * kCell + kCell / 2, kTop - 6,
                        EscapeMarkup(axis.labels[i]));
  }
  return text;
}

std::string LineLabels(const PictureAxis& axis) {
  std::string text;
  const int step = axis.labels.size() > 24 ? 4 : 1;
  for (std::size_t i = 0; i < axis.labels.size(); i += step) {
    text +=
        fmt::format("<text x='{}' y='{}' text-anchor='end'>{}</text>", kLeft - 6,
                    kTop + static_cast<int>(i) * kCell + kCell - 3, EscapeMarkup(axis.labels[i]));
  }
  return text;
}

std::string Rules(const Picture& picture, int width, int height) {
  std::string text;
  const auto line = [&](int x1, int y1, int x2, int y2) {
    text += fmt::format("<line x1='{}' y1='{}' x2='{}' y2='{}' stroke='{}' stroke-width='1.5'/>",
                        x1, y1, x2, y2, kInk);
  };
  for (const int i : picture.x.breaks) {
    line(kLeft + i * kCell, kTop - 4, kLeft + i * kCell, kTop + height + 5);
    text += fmt::format("<text x='{}' y='{}' text-anchor='middle' fill='#555'>{}</text>",
                        kLeft + i * kCell, kTop + height + 15, EscapeMarkup(picture.x.break_label));
  }
  for (const int i : picture.y.breaks) {
    line(kLeft - 4, kTop + i * kCell, kLeft + width, kTop + i * kCell);
  }
  return text;
}

std::string Legend(const Picture& picture, int y) {
  std::string text;
  int line = 0;
  const std::set<Symbol> used(picture.cells.begin(), picture.cells.end());
  for (const Symbol symbol : used) {
    const int top = y + 19 * line++;
    text += Glyph(symbol, kLeft, top);
    text += fmt::format("<text x='{}' y='{}'>{}</text>", kLeft + kCell + 8, top + kCell - 3,
                        EscapeMarkup(Meaning(symbol)));
  }
  return text;
}

}  // namespace

std::string DrawSvg(const Picture& picture) {
  const int width = static_cast<int>(picture.x.labels.size()) * kCell;
  const int height = static_cast<int>(picture.y.labels.size()) * kCell;
  const std::set<Symbol> used(picture.cells.begin(), picture.cells.end());
  const int legend = kTop + height + (picture.x.break_label.empty() ? 12 : 26);
  const int total_width = std::max(kLeft + width + 14, 260);
  const int total_height = legend + 19 * static_cast<int>(used.size()) + 4;
  std::string svg = fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' role='img' aria-label='{0}' width='{1}' "
      "height='{2}' viewBox='0 0 {1} {2}' font-size='10' fill='{3}'>",
      EscapeMarkup(picture.title), total_width, total_height, kInk);
  svg += ColumnLabels(picture.x) + LineLabels(picture.y);
  svg += fmt::format(
      "<text transform='translate(10 {}) rotate(-90)' text-anchor='end' "
      "fill='#555'>← {}</text>",
      kTop, EscapeMarkup(picture.y.title));
  for (std::size_t y = 0; y < picture.y.labels.size(); ++y) {
    for (std::size_t x = 0; x < picture.x.labels.size(); ++x) {
      svg += Glyph(picture.at(y, x), kLeft + static_cast<int>(x) * kCell,
                   kTop + static_cast<int>(y) * kCell);
    }
  }
  return svg + Rules(picture, width, height) + Legend(picture, legend) + "</svg>\n";
}

}  // namespace attest
