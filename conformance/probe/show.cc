// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/show.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "conformance/report/markup.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMostCells = 64;
constexpr std::size_t kMostLines = 8;
constexpr int kGap = 26;

struct Span {
  std::int64_t first = 0;
  std::int64_t last = 0;  // exclusive
};

// At most kMostCells of [0, size), around `wanted` (inclusive).
Span Window(std::int64_t size, std::int64_t from, std::int64_t to) {
  if (size <= kMostCells) return {0, size};
  const std::int64_t middle = std::min((from + to) / 2, from + kMostCells / 2 - 3);
  const std::int64_t first =
      std::clamp<std::int64_t>(middle - kMostCells / 2, 0, size - kMostCells);
  return {first, first + kMostCells};
}

std::string KeysText(const std::vector<KeyRange>& runs) {
  std::string text;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (i == kMostLines) return text + fmt::format(", ... ({} runs)", runs.size());
    text += i == 0 ? "" : ", ";
    text += runs[i].last - runs[i].first == 1
                ? fmt::format("{}", runs[i].first)
                : fmt::format("{}..{}", runs[i].first, runs[i].last - 1);
  }
  return text;
}

Json KeysJson(const std::vector<KeyRange>& runs) {
  Json json = Json::array();
  for (const KeyRange& run : runs) json.push_back({run.first, run.last - 1});
  return json;
}

Json OddJson(const Box& box, const std::vector<OddRead>& reads) {
  Json json = Json::array();
  for (const OddRead& read : reads) {
    json.push_back({{"place", box.Describe(read.place)}, {"times", read.times}});
  }
  return json;
}

std::string OddText(const Box& box, const std::vector<OddRead>& reads, const char* what) {
  std::string text;
  for (std::size_t i = 0; i < reads.size(); ++i) {
    if (i == 3) return text + fmt::format("; and {} more", reads.size() - i);
    text += fmt::format("{}{} {}", text.empty() ? "" : "; ", what, box.Describe(reads[i].place));
    if (reads[i].times > 1) text += fmt::format(" ({} times)", reads[i].times);
  }
  return text;
}

bool Contains(const std::vector<KeyRange>& runs, std::int64_t key) {
  return std::any_of(runs.begin(), runs.end(),
                     [key](const KeyRange& run) { return key >= run.first && key < run.last; });
}

// (request, head) whose rows differ in the most keys.
std::pair<int, int> MostWrong(const Box& box, const MaskReading& reading) {
  std::map<std::pair<int, int>, std::int64_t> wrong;
  for (const RowReading& row : reading.rows) {
    std::int64_t& count = wrong[{row.row.request, row.row.head}];
    if (!row.conclusive) {
      ++count;
      continue;
    }
    const RowDifference difference = DifferenceOf(box, row);
    count += KeyCount(difference.extra) + KeyCount(difference.missed);
  }
  if (wrong.empty()) return {0, 0};
  return std::max_element(wrong.begin(), wrong.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

// Rows of one request and head; the part of their keys that is drawn.
struct Drawn {
  std::vector<const RowReading*> rows;
  Span keys;
  std::string note;
};

Drawn Choose(const Box& box, const MaskReading& reading, int request, int head) {
  Drawn drawn;
  std::vector<const RowReading*> rows;
  std::int64_t first_row = -1;
  std::int64_t last_row = -1;
  std::int64_t first_key = -1;
  std::int64_t last_key = -1;
  for (const RowReading& row : reading.rows) {
    if (row.row.request != request || row.row.head != head) continue;
    rows.push_back(&row);
    if (!row.conclusive) continue;
    const RowDifference difference = DifferenceOf(box, row);
    for (const auto& runs : {difference.extra, difference.missed}) {
      if (runs.empty()) continue;
      const auto at = static_cast<std::int64_t>(rows.size()) - 1;
      if (first_row < 0) first_row = at;
      last_row = at;
      first_key = first_key < 0 ? runs.front().first : std::min(first_key, runs.front().first);
      last_key = std::max(last_key, runs.back().last - 1);
    }
  }
  const auto& p = box.problem();
  const std::int64_t seq_len = p.requests[static_cast<std::size_t>(request)].seq_len;
  const auto size = static_cast<std::int64_t>(rows.size());
  if (first_row < 0) {  // nothing differs: the last rows, where the mask ends
    first_row = last_row = std::max<std::int64_t>(0, size - 1);
    first_key = last_key = std::max<std::int64_t>(0, seq_len - 1);
  }
  const std::int64_t keys = std::max(seq_len + 1, box.KeysOf(static_cast<std::size_t>(request)));
  drawn.keys = Window(keys, first_key, last_key);
  const Span span = Window(size, first_row, last_row);
  drawn.rows.assign(rows.begin() + span.first, rows.begin() + span.last);
  if (span.last - span.first < size || drawn.keys.last - drawn.keys.first < keys) {
    drawn.note = fmt::format("cropped: {} of {} rows, keys {}..{} of {}", span.last - span.first,
                             size, drawn.keys.first, drawn.keys.last - 1, seq_len);
  }
  return drawn;
}

Picture Frame(const Box& box, const Drawn& drawn, int request) {
  Picture picture;
  const std::int64_t seq_len = box.problem().requests[static_cast<std::size_t>(request)].seq_len;
  picture.x.title = "key";
  picture.x.break_label = "seq_len";
  for (std::int64_t key = drawn.keys.first; key < drawn.keys.last; ++key) {
    picture.x.labels.push_back(fmt::format("{}", key));
    if (key == seq_len && key > drawn.keys.first) {
      picture.x.breaks.push_back(static_cast<int>(key - drawn.keys.first));
    }
  }
  picture.y.title = "query row";
  for (const RowReading* row : drawn.rows) {
    picture.y.labels.push_back(fmt::format("{}", row->row.row));
  }
  picture.cells.assign(picture.x.labels.size() * picture.y.labels.size(), Symbol::kHidden);
  if (!drawn.note.empty()) picture.notes.push_back(drawn.note);
  return picture;
}

Symbol DifferenceSymbol(bool spec, bool seen) {
  if (spec) return seen ? Symbol::kVisible : Symbol::kMissed;
  return seen ? Symbol::kExtra : Symbol::kHidden;
}

// A whole <svg> element moved down by `top`.
std::string Placed(const Picture& picture, const std::string& heading, int& top, int& width) {
  const std::string svg = DrawSvg(picture);
  const auto number = [&svg](const std::string& name) {
    const std::size_t at = svg.find(name + "='") + name.size() + 2;
    return std::stoi(svg.substr(at));
  };
  const std::string text = fmt::format(
      "<text x='14' y='{}' font-size='13' font-weight='bold'>{}</text>"
      "<g transform='translate(0 {})'>{}</g>\n",
      top + 14, EscapeMarkup(heading), top + 22, svg);
  top += 22 + number(" height") + kGap;
  // A bold character of the widest font is less than 9 wide; a page's own may be a monospaced one.
  width = std::max({width, number(" width"), 28 + 9 * static_cast<int>(heading.size())});
  return text;
}

std::string RowText(const Box& box, const RowReading& row) {
  const RowDifference difference = DifferenceOf(box, row);
  std::string text =
      fmt::format("  request {}, row {}, head {}:", row.row.request, row.row.row, row.row.head);
  if (!difference.extra.empty()) {
    text += fmt::format(" sees {} and should not;", KeysText(difference.extra));
  }
  if (!difference.missed.empty()) {
    text += fmt::format(" misses {};", KeysText(difference.missed));
  }
  if (difference.strays) text += " " + OddText(box, row.strays, "reads") + ";";
  if (difference.repeats) text += " " + OddText(box, row.repeats, "reads more than once:") + ";";
  if (row.other_values) text += " " + row.why + ";";
  text.back() = '\n';
  return text;
}

}  // namespace

MaskPictures PicturesOf(const Box& box, const MaskReading& reading) {
  const auto [request, head] = MostWrong(box, reading);
  const Drawn drawn = Choose(box, reading, request, head);
  MaskPictures pictures;
  pictures.spec = pictures.backend = pictures.difference = Frame(box, drawn, request);
  const std::string where = fmt::format("request {}, query head {}", request, head);
  pictures.spec.title = fmt::format("What {} sees by the spec", where);
  pictures.backend.title = fmt::format("What {} sees in the backend, read off its outputs", where);
  pictures.difference.title = fmt::format("Where they differ, {}", where);
  for (std::size_t line = 0; line < drawn.rows.size(); ++line) {
    const RowReading& row = *drawn.rows[line];
    const std::vector<KeyRange> spec = box.SpecKeys(row.row);
    for (std::size_t column = 0; column < pictures.spec.x.labels.size(); ++column) {
      const std::int64_t key = drawn.keys.first + static_cast<std::int64_t>(column);
      const bool by_spec = Contains(spec, key);
      const bool seen = Contains(row.keys, key);
      pictures.spec.at(line, column) = by_spec ? Symbol::kAllowed : Symbol::kHidden;
      pictures.backend.at(line, column) = !row.conclusive ? Symbol::kUnread
                                          : seen          ? Symbol::kSeen
                                                          : Symbol::kHidden;
      pictures.difference.at(line, column) =
          row.conclusive ? DifferenceSymbol(by_spec, seen) : Symbol::kUnread;
    }
  }
  return pictures;
}

std::string DrawText(const MaskPictures& pictures) {
  const auto& cells = pictures.difference.cells;
  const bool differs = std::any_of(cells.begin(), cells.end(), [](Symbol symbol) {
    return symbol != Symbol::kHidden && symbol != Symbol::kVisible;
  });
  if (!differs) return DrawText(pictures.backend);
  return DrawText(pictures.spec) + "\n" + DrawText(pictures.backend) + "\n" +
         DrawText(pictures.difference);
}

std::string DrawSvg(const MaskPictures& pictures, const std::string& title) {
  int top = 40;
  int width = 480;
  std::string body;
  for (const Picture* picture : {&pictures.spec, &pictures.backend, &pictures.difference}) {
    body += Placed(*picture, picture->title, top, width);
  }
  for (const std::string& note : pictures.spec.notes) {
    body +=
        fmt::format("<text x='14' y='{}' font-size='11'>({})</text>\n", top, EscapeMarkup(note));
    top += 18;
  }
  width = std::max(width, 28 + 10 * static_cast<int>(title.size()));
  return fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' width='{0}' height='{1}' viewBox='0 0 {0} {1}' "
      "font-family='sans-serif' fill='#1c1c1c'>\n<rect width='{0}' height='{1}' fill='#fff'/>\n"
      "<text x='14' y='24' font-size='15' font-weight='bold'>{2}</text>\n{3}{4}</svg>\n",
      width, top + 4, EscapeMarkup(title), SvgPatterns(), body);
}

nlohmann::ordered_json ToJson(const Box& box, const MaskReading& reading) {
  Json rows = Json::array();
  for (const RowReading& row : reading.rows) {
    Json json = {{"request", row.row.request},
                 {"row", row.row.row},
                 {"head", row.row.head},
                 {"conclusive", row.conclusive}};
    if (!row.why.empty()) json["why"] = row.why;
    json["spec"] = KeysJson(box.SpecKeys(row.row));
    if (row.conclusive) {
      const RowDifference difference = DifferenceOf(box, row);
      json["seen"] = KeysJson(row.keys);
      json["extra"] = KeysJson(difference.extra);
      json["missed"] = KeysJson(difference.missed);
      json["strays"] = OddJson(box, row.strays);
      json["repeats"] = OddJson(box, row.repeats);
      json["other_values"] = row.other_values;
      json["margin"] = row.margin;
    }
    rows.push_back(std::move(json));
  }
  const MaskSummary summary = SummaryOf(box, reading);
  return {{"probe", "mask"},
          {"calls", reading.calls},
          {"bits_per_column", reading.bits},
          {"agrees_with_spec", summary.agrees()},
          {"rows_read", summary.rows},
          {"rows_conclusive", summary.conclusive},
          {"rows_that_differ", summary.differ},
          {"extra_keys", summary.extra},
          {"missed_keys", summary.missed},
          {"stray_places", summary.strays},
          {"notes", reading.notes},
          {"rows", std::move(rows)}};
}

MaskSummary SummaryOf(const Box& box, const MaskReading& reading) {
  MaskSummary summary;
  for (const RowReading& row : reading.rows) {
    ++summary.rows;
    if (!row.conclusive) continue;
    ++summary.conclusive;
    const RowDifference difference = DifferenceOf(box, row);
    summary.differ += difference.any() ? 1 : 0;
    summary.other_values += row.other_values ? 1 : 0;
    summary.extra += KeyCount(difference.extra);
    summary.missed += KeyCount(difference.missed);
    summary.strays += static_cast<std::int64_t>(row.strays.size());
  }
  return summary;
}

std::string SummaryText(const Box& box, const MaskReading& reading) {
  const MaskSummary summary = SummaryOf(box, reading);
  std::string text = fmt::format("{} of {} rows (request, query row, query head) read in {} {}\n",
                                 summary.conclusive, summary.rows, reading.calls,
                                 reading.calls == 1 ? "call" : "calls");
  for (const std::string& note : reading.notes) text += fmt::format("  {}\n", note);
  if (summary.differ == 0 && summary.other_values == 0) {
    text += summary.agrees() ? "the backend's mask is the spec's\n"
                             : "what could be read is the spec's mask\n";
  } else {
    text += fmt::format(
        "{} rows differ from the spec: {} keys seen that should not be, {} missed, {} places that "
        "hold no key of the request\n",
        summary.differ + summary.other_values, summary.extra, summary.missed, summary.strays);
  }
  std::size_t shown = 0;
  std::map<std::string, std::int64_t> reasons;
  for (const RowReading& row : reading.rows) {
    if (!row.conclusive) {
      ++reasons[row.why];
    } else if (DifferenceOf(box, row).any() || row.other_values) {
      if (shown++ < kMostLines) text += RowText(box, row);
    } else if (!row.why.empty()) {
      ++reasons["(read all the same) " + row.why];
    }
  }
  if (shown > kMostLines) text += fmt::format("  ... and {} more rows\n", shown - kMostLines);
  std::size_t listed = 0;
  for (const auto& [why, rows] : reasons) {
    if (listed++ == kMostLines) {
      text += fmt::format("  ... and {} more reasons\n", reasons.size() - kMostLines);
      break;
    }
    const bool read = why.front() == '(';
    text += fmt::format("{}{} rows: {}\n", read ? "" : "not conclusive, ", rows, why);
  }
  return text;
}

}  // namespace attest
