// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "conformance/report/markup.h"
#include "conformance/report/picture.h"

namespace attest {
namespace {

constexpr int kCell = 14;
// The patterns repeat every kCell from the picture's origin, so cells begin at multiples of it.
constexpr int kLeft = 4 * kCell;  // row labels
constexpr int kTop = 3 * kCell;   // column title and labels
constexpr int kLegendStep = 19;

constexpr std::string_view kInk = "#1c1c1c";
constexpr std::string_view kGrey = "#555";

// How one cell looks: its box, and a mark of strokes in a shape of its own.
struct Look {
  Symbol symbol;
  std::string_view id;
  std::string_view fill;
  std::string_view border;
  std::string_view mark;  // SVG path
  std::string_view mark_stroke;
};
constexpr std::array kLooks = {
    Look{Symbol::kRight, "attest-right", "#f4f4f2", "#dcdcd8", "", ""},
    Look{Symbol::kWrong, "attest-wrong", "#b3261e", "#1c1c1c", "M4 4l6 6M10 4l-6 6", "#fff"},
    Look{Symbol::kNoNumber, "attest-no-number", "#000", "#1c1c1c", "M4.5 11V3.5l5 7V3", "#fff"},
    Look{Symbol::kVisible, "attest-visible", "#cfd8e3", "#fff", "M6 7h2", "#5d6b7c"},
    Look{Symbol::kHidden, "attest-hidden", "#fff", "#e6e6e2", "", ""},
    Look{Symbol::kExtra, "attest-extra", "#b3261e", "#1c1c1c", "M7 3v8M3 7h8", "#fff"},
    Look{Symbol::kMissed, "attest-missed", "#fff", "#1c1c1c", "M2 2h10v10h-10zM4 7h6", "#1c1c1c"},
    Look{Symbol::kAllowed, "attest-allowed", "#cfd8e3", "#fff", "M6 7h2", "#5d6b7c"},
    Look{Symbol::kSeen, "attest-seen", "#cfd8e3", "#fff", "M6 7h2", "#5d6b7c"},
    Look{Symbol::kUnread, "attest-unread", "#fff", "#9a9a94",
         "M4.5 5.5a2.5 2.5 0 1 1 2.5 2.5v1M7 11v1", "#1c1c1c"},
};

const Look& LookOf(Symbol symbol) {
  return *std::find_if(kLooks.begin(), kLooks.end(),
                       [symbol](const Look& look) { return look.symbol == symbol; });
}

// The cells of one symbol as one shape, neighbours in a line joined.
std::string CellsOf(const Picture& picture, Symbol symbol) {
  std::string path;
  const std::size_t columns = picture.x.labels.size();
  for (std::size_t line = 0; line < picture.y.labels.size(); ++line) {
    for (std::size_t first = 0; first < columns; ++first) {
      if (picture.at(line, first) != symbol) continue;
      std::size_t last = first + 1;
      while (last < columns && picture.at(line, last) == symbol) ++last;
      const int width = static_cast<int>(last - first) * kCell;
      path += fmt::format("M{} {}h{}v{}h-{}z", kLeft + static_cast<int>(first) * kCell,
                          kTop + static_cast<int>(line) * kCell, width, kCell, width);
      first = last;
    }
  }
  return fmt::format("<path fill='url(#{})' d='{}'/>", LookOf(symbol).id, path);
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
  std::string text = fmt::format("<text x='{}' y='13' fill='{}'>{} →</text>", kLeft, kGrey,
                                 EscapeMarkup(axis.title));
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
    text += fmt::format("<text x='{}' y='{}' text-anchor='middle' fill='{}'>{}</text>",
                        kLeft + i * kCell, kTop + height + 15, kGrey,
                        EscapeMarkup(picture.x.break_label));
  }
  for (const int i : picture.y.breaks) {
    line(kLeft - 4, kTop + i * kCell, kLeft + width, kTop + i * kCell);
  }
  return text;
}

std::string Legend(const std::set<Symbol>& symbols, int top) {
  std::string text;
  for (const Symbol symbol : symbols) {
    text += fmt::format(
        "<g transform='translate({} {})'><path fill='url(#{})' d='M0 0h{}v{}h-{}z'/>"
        "<text x='{}' y='{}'>{}</text></g>",
        kLeft, top, LookOf(symbol).id, kCell, kCell, kCell, kCell + 8, kCell - 3,
        EscapeMarkup(Meaning(symbol)));
    top += kLegendStep;
  }
  return text;
}

}  // namespace

std::string SvgPatterns() {
  std::string text =
      "<svg width='0' height='0' style='position:absolute' aria-hidden='true'><defs>";
  for (const Look& look : kLooks) {
    text += fmt::format(
        "<pattern id='{0}' patternUnits='userSpaceOnUse' width='{1}' height='{1}'>"
        "<rect width='{1}' height='{1}' fill='{2}' stroke='{3}'/>"
        "<path d='{4}' fill='none' stroke='{5}' stroke-width='2'/></pattern>",
        look.id, kCell, look.fill, look.border, look.mark,
        look.mark_stroke.empty() ? "none" : look.mark_stroke);
  }
  return text + "</defs></svg>\n";
}

std::string DrawSvg(const Picture& picture) {
  const int width = static_cast<int>(picture.x.labels.size()) * kCell;
  const int height = static_cast<int>(picture.y.labels.size()) * kCell;
  const std::set<Symbol> symbols(picture.cells.begin(), picture.cells.end());
  const int legend = kTop + height + (picture.x.break_label.empty() ? 12 : 26);
  const int total_width = std::max(kLeft + width + 14, 300);
  const int total_height = legend + kLegendStep * static_cast<int>(symbols.size());
  std::string svg = fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' role='img' aria-label='{0}' width='{1}' "
      "height='{2}' viewBox='0 0 {1} {2}' font-size='10' fill='{3}'>",
      EscapeMarkup(picture.title), total_width, total_height, kInk);
  svg += ColumnLabels(picture.x) + LineLabels(picture.y);
  svg += fmt::format(
      "<text transform='translate(10 {}) rotate(-90)' text-anchor='end' fill='{}'>← {}</text>",
      kTop, kGrey, EscapeMarkup(picture.y.title));
  for (const Symbol symbol : symbols) svg += CellsOf(picture, symbol);
  return svg + Rules(picture, width, height) + Legend(symbols, legend) + "</svg>\n";
}

}  // namespace attest
