// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/sample_rows.h"

#include <algorithm>
#include <set>

#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

constexpr std::int64_t kTreeRows = 256;
constexpr std::int64_t kSmallestChunk = 16;
constexpr std::int64_t kResidues = 256;  // rows of the largest query tile in use

std::uint64_t Mix(std::uint64_t value) {  // SplitMix64
  value += 0x9E3779B97F4A7C15ULL;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

void AddAround(std::set<std::int64_t>& rows, std::int64_t row, std::int64_t q_len) {
  for (std::int64_t near = row - 1; near <= row + 1; ++near) {
    if (near >= 0 && near < q_len) rows.insert(near);
  }
}

// Where a local block begins: the first and the last such rows of the call, and where the look-back
// has its whole length for the first time.
void AddLocalBlocks(std::set<std::int64_t>& rows, const Problem& problem, std::int64_t first,
                    std::int64_t q_len) {
  const std::int64_t block = problem.local_block_size;
  if (block == 0) return;
  const std::int64_t begin = (std::max<std::int64_t>(first, 0) / block + 1) * block;
  const std::int64_t end = (first + q_len - 1) / block * block;
  for (const std::int64_t start :
       {begin, begin + block, (problem.local_block_lookback + 1) * block, end - block, end}) {
    AddAround(rows, start - first, q_len);
  }
}

std::set<std::int64_t> EdgeRows(const Problem& problem, std::size_t request) {
  const std::int64_t q_len = problem.requests[request].q_len;
  std::set<std::int64_t> rows;
  AddAround(rows, 1, q_len);
  AddAround(rows, q_len - 1, q_len);
  for (std::int64_t power = 1; power <= q_len; power *= 2) AddAround(rows, power, q_len);
  if (problem.attention_type == AttentionType::kEncoderDecoder) return rows;
  // Row 0 stands at this position; row = position - first turns a position into a row.
  const std::int64_t first = PositionOf(problem, request, 0);
  for (const std::int64_t window : {problem.window_left, problem.window_right}) {
    if (window > 0) AddAround(rows, window - first, q_len);
  }
  if (problem.block_size > 0) {
    const std::int64_t page_start = (first / problem.block_size + 1) * problem.block_size;
    AddAround(rows, page_start - first, q_len);
  }
  AddLocalBlocks(rows, problem, first, q_len);
  for (const PrefixRange& range : problem.prefix_ranges) {
    if (range.request != static_cast<std::int64_t>(request)) continue;
    for (const std::int64_t edge :
         {range.first, range.last, range.last + 1, range.first + problem.window_left}) {
      AddAround(rows, edge - first, q_len);
    }
  }
  // Each row of a tree has ancestors of its own.
  const std::int64_t tree_rows = problem.tree_mask ? std::min(q_len, kTreeRows) : 0;
  for (std::int64_t row = 0; row < tree_rows; ++row) rows.insert(row);
  return rows;
}

// Both sides of every multiple of a power of two, the smallest whose edges are no more than a
// fourth of the sample: tiles of a short call, chunks of a prefill that took several steps of a
// long one.
void AddChunkEdges(std::set<std::int64_t>& rows, std::int64_t first, std::int64_t q_len,
                   std::int64_t wanted) {
  std::int64_t chunk = kSmallestChunk;
  while (chunk < q_len && 2 * (q_len / chunk) > wanted / 4) chunk *= 2;
  for (std::int64_t at = (first / chunk + 1) * chunk; at - first < q_len; at += chunk) {
    for (const std::int64_t row : {at - first - 1, at - first}) {
      if (row >= 0) rows.insert(row);
    }
  }
}

void AddLatinSample(std::set<std::int64_t>& rows, std::int64_t q_len, std::int64_t wanted,
                    std::uint64_t key) {
  for (std::int64_t slice = 0; slice < wanted; ++slice) {
    const std::int64_t begin = q_len * slice / wanted;
    const std::int64_t end = q_len * (slice + 1) / wanted;
    if (begin >= end) continue;
    // A row of this slice whose residue modulo 256 is the slice's own: 97 is prime to 256, so 256
    // slices in a row have 256 different residues.
    const std::int64_t residue =
        (static_cast<std::int64_t>(Mix(key) % kResidues) + 97 * slice) % kResidues;
    const std::int64_t aligned = begin + (residue - begin % kResidues + kResidues) % kResidues;
    rows.insert(aligned < end
                    ? aligned
                    : begin + static_cast<std::int64_t>(Mix(key + slice) % (end - begin)));
  }
}

}  // namespace

std::vector<QueryRow> SampleRows(const Problem& problem, double max_multiply_adds,
                                 std::uint64_t seed) {
  const double cost = MultiplyAdds(problem);
  if (cost <= max_multiply_adds) return AllRows(problem);
  const double fraction = max_multiply_adds / cost;
  std::vector<QueryRow> sample;
  for (std::size_t request = 0; request < problem.requests.size(); ++request) {
    const std::int64_t q_len = problem.requests[request].q_len;
    std::set<std::int64_t> rows = EdgeRows(problem, request);
    const auto wanted = static_cast<std::int64_t>(fraction * static_cast<double>(q_len));
    if (problem.attention_type != AttentionType::kEncoderDecoder) {
      AddChunkEdges(rows, std::max<std::int64_t>(PositionOf(problem, request, 0), 0), q_len,
                    wanted);
    }
    AddLatinSample(rows, q_len, wanted - static_cast<std::int64_t>(rows.size()),
                   Mix(seed) ^ request);
    for (const std::int64_t row : rows) sample.push_back({static_cast<int>(request), row});
  }
  return sample;
}

}  // namespace attest
