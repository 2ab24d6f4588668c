// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/sample_cover.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

constexpr std::int64_t kLargestTile = 4096;

// The judged rows of each request, sorted.
std::vector<std::vector<std::int64_t>> ByRequest(const Problem& problem,
                                                 const std::vector<QueryRow>& rows) {
  std::vector<std::vector<std::int64_t>> lists(problem.requests.size());
  for (const QueryRow& row : rows) lists[static_cast<std::size_t>(row.request)].push_back(row.row);
  return lists;
}

std::int64_t LongestUnjudgedRun(const std::vector<std::int64_t>& judged, std::int64_t q_len) {
  std::int64_t longest = 0;
  std::int64_t next = 0;  // first row not yet looked at
  for (const std::int64_t row : judged) {
    longest = std::max(longest, row - next);
    next = row + 1;
  }
  return std::max(longest, q_len - next);
}

bool EveryResidue(const std::vector<QueryRow>& rows, std::int64_t modulus) {
  std::set<std::int64_t> seen;
  for (const QueryRow& row : rows) seen.insert(row.row % modulus);
  return static_cast<std::int64_t>(seen.size()) == modulus;
}

// Are the rows on both sides of every multiple of `chunk` among the judged ones?
bool EveryChunkEdge(const Problem& problem, const std::vector<std::vector<std::int64_t>>& judged,
                    std::int64_t chunk) {
  for (std::size_t r = 0; r < judged.size(); ++r) {
    const auto has = [&](std::int64_t row) {
      return std::binary_search(judged[r].begin(), judged[r].end(), row);
    };
    const std::int64_t q_len = problem.requests[r].q_len;
    const std::int64_t first = PositionOf(problem, r, 0);
    for (std::int64_t at = std::max<std::int64_t>(first / chunk + 1, 1) * chunk; at - first < q_len;
         at += chunk) {
      if (!has(at - first) || !has(at - first - 1)) return false;
    }
  }
  return true;
}

std::int64_t SmallestChunk(const Problem& problem,
                           const std::vector<std::vector<std::int64_t>>& judged) {
  for (std::int64_t chunk = 16; chunk <= MaxQueryLen(problem) / 4; chunk *= 2) {
    if (EveryChunkEdge(problem, judged, chunk)) return chunk;
  }
  return 0;
}

// Ranges of `rows` of one request, joined, as sorted pieces.
std::vector<KeyRange> KeysOf(const Problem& problem, std::size_t request,
                             const std::vector<std::int64_t>& rows) {
  std::vector<KeyRange> ranges;
  for (const std::int64_t row : rows) {
    const KeyRange range = VisibleHull(problem, request, row);
    if (range.first < range.last) ranges.push_back(range);
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const KeyRange& a, const KeyRange& b) { return a.first < b.first; });
  std::vector<KeyRange> pieces;
  for (const KeyRange& range : ranges) {
    if (pieces.empty() || range.first > pieces.back().last) {
      pieces.push_back(range);
    } else {
      pieces.back().last = std::max(pieces.back().last, range.last);
    }
  }
  return pieces;
}

bool EveryKey(const Problem& problem, std::size_t request,
              const std::vector<std::int64_t>& judged) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(problem.requests[request].q_len));
  std::iota(all.begin(), all.end(), 0);
  const auto same = [](const KeyRange& a, const KeyRange& b) {
    return a.first == b.first && a.last == b.last;
  };
  const std::vector<KeyRange> want = KeysOf(problem, request, all);
  const std::vector<KeyRange> got = KeysOf(problem, request, judged);
  return std::equal(want.begin(), want.end(), got.begin(), got.end(), same);
}

}  // namespace

SampleCover CoverOf(const Problem& problem, const std::vector<QueryRow>& rows) {
  const std::vector<std::vector<std::int64_t>> judged = ByRequest(problem, rows);
  SampleCover cover{.judged = static_cast<std::int64_t>(rows.size()),
                    .rows = NumTokens(problem),
                    .run = 1,
                    .ends = true,
                    .keys = true};
  for (std::size_t r = 0; r < judged.size(); ++r) {
    const std::int64_t q_len = problem.requests[r].q_len;
    cover.run = std::max(cover.run, LongestUnjudgedRun(judged[r], q_len) + 1);
    const bool both = q_len == 0 || (!judged[r].empty() && judged[r].front() == 0 &&
                                     judged[r].back() == q_len - 1);
    cover.ends = cover.ends && both;
    cover.keys = cover.keys && EveryKey(problem, r, judged[r]);
  }
  while (cover.residues < kLargestTile && EveryResidue(rows, cover.residues * 2)) {
    cover.residues *= 2;
  }
  if (problem.attention_type != AttentionType::kEncoderDecoder) {
    cover.chunk = SmallestChunk(problem, judged);
  }
  return cover;
}

std::string Describe(const SampleCover& cover) {
  std::string text =
      fmt::format("{} of {} rows ({:.3g} %)", cover.judged, cover.rows, 100.0 * cover.fraction());
  if (cover.judged == cover.rows) return text;
  text += fmt::format("; certain to meet: any {} neighbouring rows", cover.run);
  if (cover.ends) text += ", the first and the last row";
  if (cover.residues > 1) text += fmt::format(", one row in every {}", cover.residues);
  if (cover.keys) text += ", every key";
  if (cover.chunk > 0) text += fmt::format(", the first or last row of chunks of {}", cover.chunk);
  return text;
}

}  // namespace attest
