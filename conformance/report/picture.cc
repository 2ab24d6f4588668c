// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "conformance/run/inputs.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

constexpr std::int64_t kMaxRows = 64;
constexpr std::int64_t kMaxKeys = 64;
constexpr int kMaxHeads = 48;
constexpr std::int64_t kMargin = 3;  // cells shown around what is wrong

struct Token {
  int request = 0;
  std::int64_t row = 0;
  auto operator<=>(const Token&) const = default;
};

struct Span {
  std::int64_t first = 0;
  std::int64_t last = 0;  // exclusive
  std::int64_t size() const { return last - first; }
};

// At most `limit` places of [0, size) that hold `wrong` (inclusive), with a margin.
Span Crop(std::int64_t size, std::int64_t wrong_first, std::int64_t wrong_last,
          std::int64_t limit) {
  if (size <= limit) return {0, size};
  Span span{std::max<std::int64_t>(0, wrong_first - kMargin),
            std::min(size, wrong_last + 1 + kMargin)};
  if (span.size() > limit) span.last = span.first + limit;
  // Room that is left shows what lies before and after.
  const std::int64_t room = limit - span.size();
  span.first = std::max<std::int64_t>(0, span.first - room / 2);
  span.last = std::min(size, span.first + limit);
  span.first = std::max<std::int64_t>(0, span.last - limit);
  return span;
}

std::vector<Token> AllTokens(const Problem& problem) {
  std::vector<Token> tokens;
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    for (std::int64_t row = 0; row < problem.requests[r].q_len; ++row) {
      tokens.push_back({static_cast<int>(r), row});
    }
  }
  return tokens;
}

// The tokens to draw: all of them, or those with a wrong cell.
std::vector<Token> DrawnTokens(const Problem& problem, const Record& record, Picture& picture) {
  std::vector<Token> tokens = AllTokens(problem);
  if (static_cast<std::int64_t>(tokens.size()) <= kMaxRows) return tokens;
  const std::size_t all = tokens.size();
  std::set<Token> wrong;
  for (const WrongCell& cell : record.wrong_cells) wrong.insert({cell.request, cell.row});
  tokens.assign(wrong.begin(), wrong.end());
  picture.notes.push_back(
      fmt::format("only rows with a wrong cell: {} of {} rows", tokens.size(), all));
  if (static_cast<std::int64_t>(tokens.size()) > kMaxRows) {
    tokens.resize(kMaxRows);
    picture.notes.push_back(fmt::format("only the first {} of them", kMaxRows));
  }
  return tokens;
}

PictureAxis TokenAxis(const std::vector<Token>& tokens, bool many_requests) {
  PictureAxis axis{.title = many_requests ? "query row, as request:row" : "query row"};
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    axis.labels.push_back(many_requests ? fmt::format("{}:{}", tokens[i].request, tokens[i].row)
                                        : fmt::format("{}", tokens[i].row));
    if (i > 0 && tokens[i].request != tokens[i - 1].request) {
      axis.breaks.push_back(static_cast<int>(i));
    }
  }
  return axis;
}

PictureAxis HeadAxis(const Problem& problem, Picture& picture) {
  PictureAxis axis{.title = "query head"};
  const int shown = std::min(problem.num_q_heads, kMaxHeads);
  for (int head = 0; head < shown; ++head) {
    axis.labels.push_back(fmt::format("{}", head));
    if (head > 0 && problem.group() > 1 && head % problem.group() == 0) axis.breaks.push_back(head);
  }
  if (shown < problem.num_q_heads) {
    picture.notes.push_back(
        fmt::format("only the first {} of {} heads", shown, problem.num_q_heads));
  }
  return axis;
}

// (request, head) with the most wrong keys; the first of equals.
std::pair<int, int> MostWrong(const std::vector<WrongKey>& keys) {
  std::map<std::pair<int, int>, int> counts;
  for (const WrongKey& key : keys) ++counts[{key.request, key.head}];
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

struct Box {
  Span rows;
  Span keys;
};

// What to draw of one request: all of it, or the surroundings of the wrong keys.
Box BoxOf(const Request& request, const std::vector<WrongKey>& wrong, Picture& picture) {
  const auto by_row = [](const WrongKey& a, const WrongKey& b) { return a.row < b.row; };
  const auto by_key = [](const WrongKey& a, const WrongKey& b) { return a.key < b.key; };
  const auto [first_row, last_row] = std::minmax_element(wrong.begin(), wrong.end(), by_row);
  const auto [first_key, last_key] = std::minmax_element(wrong.begin(), wrong.end(), by_key);
  // One column past the end shows that nothing there is seen.
  const std::int64_t num_keys = std::max(request.seq_len + 1, last_key->key + 1);
  const Box box{Crop(request.q_len, first_row->row, last_row->row, kMaxRows),
                Crop(num_keys, first_key->key, last_key->key, kMaxKeys)};
  if (box.rows.size() < request.q_len || box.keys.size() < num_keys) {
    picture.notes.push_back(fmt::format("cropped: rows {}..{} of {}, keys {}..{} of {}",
                                        box.rows.first, box.rows.last - 1, request.q_len,
                                        box.keys.first, box.keys.last - 1, request.seq_len));
  }
  return box;
}

// The tensors of the case that have a say in its mask, as they were in the run; none where the mask
// follows from the problem. Absent if they cannot be had again.
std::optional<CallImage> MaskImage(const Case& value, const Record& record) {
  if (!value.problem.tree_mask && value.problem.custom_mask == MaskKind::kNone) return CallImage{};
  Result<CaseInputs> inputs = BuildInputs(value, record.seed);
  if (!inputs.ok()) return std::nullopt;
  return std::move(inputs->image);
}

}  // namespace

std::string_view Meaning(Symbol symbol) {
  switch (symbol) {
    case Symbol::kRight:
      return "no error recorded";
    case Symbol::kWrong:
      return "wrong";
    case Symbol::kNoNumber:
      return "not a number, or never written";
    case Symbol::kVisible:
      return "visible and seen";
    case Symbol::kHidden:
      return "not visible, not seen";
    case Symbol::kExtra:
      return "seen, should not be";
    case Symbol::kMissed:
      return "missed, should be seen";
    case Symbol::kAllowed:
      return "visible by the spec";
    case Symbol::kSeen:
      return "seen by the backend";
    case Symbol::kUnread:
      return "not conclusive";
  }
  return "";
}

std::optional<Picture> CellPicture(const Case& value, const Record& record) {
  if (record.wrong_cells.empty()) return std::nullopt;
  Picture picture;
  const std::vector<Token> tokens = DrawnTokens(value.problem, record, picture);
  picture.x = TokenAxis(tokens, value.problem.requests.size() > 1);
  picture.y = HeadAxis(value.problem, picture);
  picture.cells.assign(picture.x.labels.size() * picture.y.labels.size(), Symbol::kRight);
  for (const WrongCell& cell : record.wrong_cells) {
    const auto found =
        std::lower_bound(tokens.begin(), tokens.end(), Token{cell.request, cell.row});
    if (found == tokens.end() || *found != Token{cell.request, cell.row}) continue;
    if (cell.head < 0 || cell.head >= static_cast<int>(picture.y.labels.size())) continue;
    picture.at(cell.head, found - tokens.begin()) =
        std::isfinite(cell.ratio) ? Symbol::kWrong : Symbol::kNoNumber;
  }
  picture.title =
      fmt::format("Wrong cells: {} of {} judged", record.wrong_cells_total, record.rows_judged);
  if (record.wrong_cells_total > static_cast<std::int64_t>(record.wrong_cells.size())) {
    picture.notes.push_back(
        fmt::format("the record holds the first {} wrong cells", record.wrong_cells.size()));
  }
  return picture;
}

std::optional<Picture> MaskPicture(const Case& value, const Record& record) {
  if (record.wrong_keys.empty()) return std::nullopt;
  const auto [request, head] = MostWrong(record.wrong_keys);
  if (request < 0 || request >= static_cast<int>(value.problem.requests.size()))
    return std::nullopt;
  std::vector<WrongKey> wrong;
  for (const WrongKey& key : record.wrong_keys) {
    if (key.request == request && key.head == head) wrong.push_back(key);
  }
  const Request& shape = value.problem.requests[request];
  const std::optional<CallImage> image = MaskImage(value, record);
  if (!image) return std::nullopt;
  Picture picture;
  picture.title =
      fmt::format("Mask of request {}, query head {}: read off the output", request, head);
  const Box box = BoxOf(shape, wrong, picture);
  picture.x.title = "key";
  picture.x.break_label = "seq_len";
  for (std::int64_t key = box.keys.first; key < box.keys.last; ++key) {
    picture.x.labels.push_back(fmt::format("{}", key));
    // The rule marks seq_len: what lies right of it is past the end.
    if (key == shape.seq_len) picture.x.breaks.push_back(static_cast<int>(key - box.keys.first));
  }
  picture.y.title = "query row";
  const Mask mask(value.problem, {.tree_mask = image->View("tree_mask"),
                                  .custom_mask = image->View("custom_mask")});
  for (std::int64_t row = box.rows.first; row < box.rows.last; ++row) {
    picture.y.labels.push_back(fmt::format("{}", row));
    for (std::int64_t key = box.keys.first; key < box.keys.last; ++key) {
      picture.cells.push_back(mask.Visible(request, head, row, key) ? Symbol::kVisible
                                                                    : Symbol::kHidden);
    }
  }
  for (const WrongKey& key : wrong) {
    if (key.row < box.rows.first || key.row >= box.rows.last) continue;
    if (key.key < box.keys.first || key.key >= box.keys.last) continue;
    picture.at(key.row - box.rows.first, key.key - box.keys.first) =
        key.extra ? Symbol::kExtra : Symbol::kMissed;
  }
  return picture;
}

}  // namespace attest
