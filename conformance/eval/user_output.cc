// SPDX-License-Identifier: Apache-2.0
#include "conformance/eval/user_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace attest {
namespace {

// bsh has no axis of heads; its lines of numbers lie as in bhsd.
BatchLayout LayoutOf(const UserProblem& about, LineKind kind) {
  if (kind != LineKind::kOut && about.layout == BatchLayout::kBsh) return BatchLayout::kBhsd;
  return about.layout;
}

std::optional<std::int64_t> Number(std::string_view text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [after, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || after != end || value < 0) return std::nullopt;
  return value;
}

// "request", "request:row" or "request:first-last".
Status AddRows(std::string_view part, const Problem& problem, std::vector<QueryRow>& rows) {
  const auto bad = [part](const std::string& what) {
    return BadInput(fmt::format("--rows: '{}': {}", part, what));
  };
  const std::size_t colon = part.find(':');
  const std::optional<std::int64_t> request = Number(part.substr(0, colon));
  if (!request) return bad("not of the form REQUEST:FIRST-LAST");
  if (*request >= static_cast<std::int64_t>(problem.requests.size())) {
    return bad(fmt::format("there are {} requests", problem.requests.size()));
  }
  const std::int64_t q_len = problem.requests[static_cast<std::size_t>(*request)].q_len;
  std::optional<std::int64_t> first = 0;
  std::optional<std::int64_t> last = q_len - 1;
  if (colon != std::string_view::npos) {
    const std::string_view range = part.substr(colon + 1);
    const std::size_t dash = range.find('-');
    first = Number(range.substr(0, dash));
    last = dash == std::string_view::npos ? first : Number(range.substr(dash + 1));
    if (!first || !last || *last < *first) return bad("not of the form REQUEST:FIRST-LAST");
    if (*last >= q_len) return bad(fmt::format("request {} has {} rows", *request, q_len));
  }
  for (std::int64_t row = *first; row <= *last; ++row) {
    rows.push_back({static_cast<int>(*request), row});
  }
  return {};
}

}  // namespace

std::vector<std::int64_t> LineShape(const UserProblem& about, LineKind kind) {
  TokenSizes sizes = about.query;
  sizes.dim = kind == LineKind::kOut ? about.problem.head_dim_v : 1;
  if (kind == LineKind::kKeys) sizes.dim = MaxSeqLen(about.problem);
  std::vector<std::int64_t> shape = ShapeOf(LayoutOf(about, kind), sizes);
  if (kind == LineKind::kNumber) shape.pop_back();
  return shape;
}

LineFinder::LineFinder(const UserProblem& about, LineKind kind,
                       const std::vector<std::int64_t>& strides) {
  std::vector<std::int64_t> all = strides;
  if (kind == LineKind::kNumber) all.push_back(1);
  strides_ = StridesOf(LayoutOf(about, kind), all, about.problem.head_dim_v, about.QueryLens());
}

LinePlace LineFinder::At(QueryRow row, int q_head) const {
  return {strides_.At(static_cast<std::size_t>(row.request), row.row, q_head, 0), strides_.dim};
}

Result<std::vector<QueryRow>> ParseRows(const std::string& text, const Problem& problem) {
  std::vector<QueryRow> rows;
  std::string_view rest = text;
  while (true) {
    const std::size_t comma = rest.find(',');
    if (Status s = AddRows(rest.substr(0, comma), problem, rows); !s.ok()) return s;
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  const auto order = [](const QueryRow& a, const QueryRow& b) {
    return a.request != b.request ? a.request < b.request : a.row < b.row;
  };
  std::sort(rows.begin(), rows.end(), order);
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

}  // namespace attest
