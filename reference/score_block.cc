// SPDX-License-Identifier: Apache-2.0
#include "reference/score_block.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Keys in one matrix product: the tile of K (512 * 128 doubles) stays in the second-level cache.
constexpr std::int64_t kScoreTile = 512;

void MultiplyTiles(const QueryLines& lines, const KeysAndValues& keys, double scale,
                   bool magnitudes, ScoreBlock* block) {
  const RowMajorMatrix scaled = lines.query * scale;
  const RowMajorMatrix absolute = magnitudes ? RowMajorMatrix(scaled.cwiseAbs()) : RowMajorMatrix();
  RowMajorMatrix absolute_keys;
  for (std::int64_t first = block->hull.first; first < block->hull.last; first += kScoreTile) {
    const std::int64_t count = std::min(kScoreTile, block->hull.last - first);
    const auto tile = keys.keys.middleRows(first - keys.range.first, count);
    const std::int64_t column = first - block->hull.first;
    block->score.middleCols(column, count).noalias() = scaled * tile.transpose();
    if (!magnitudes) continue;
    absolute_keys = tile.cwiseAbs();
    block->magnitude.middleCols(column, count).noalias() = absolute * absolute_keys.transpose();
  }
}

// Scores of keys with non-finite elements, which stand as 0 in the matrix product, by plain sums.
void PatchOddKeys(const QueryLines& lines, const KeysAndValues& keys, double scale,
                  ScoreBlock* block) {
  for (std::size_t first = 0; first < keys.odd_keys.size();) {
    const std::int64_t key = keys.odd_keys[first].key;
    std::size_t last = first;
    const bool inside = key >= block->hull.first && key < block->hull.last;
    Eigen::RowVectorXd line =
        inside ? Eigen::RowVectorXd(keys.keys.row(key - keys.range.first)) : Eigen::RowVectorXd();
    for (; last < keys.odd_keys.size() && keys.odd_keys[last].key == key; ++last) {
      if (inside) line[keys.odd_keys[last].column] = keys.odd_keys[last].value;
    }
    for (Eigen::Index n = 0; inside && n < lines.query.rows(); ++n) {
      block->score(n, key - block->hull.first) = scale * lines.query.row(n).dot(line);
    }
    first = last;
  }
}

double LargestOf(const ScoreBlock& block, std::size_t line) {
  double largest = block.sink.empty() ? -kInfinity : block.sink[line];
  if (!(largest < kInfinity)) return kNaN;
  const auto [first, last] = block.visible[line];
  if (first == last) return largest;
  const auto scores = block.score.row(static_cast<Eigen::Index>(line))
                          .segment(first - block.hull.first, last - first);
  const double top = scores.maxCoeff<Eigen::PropagateNaN>();
  if (std::isnan(top) || top == kInfinity) return kNaN;
  largest = std::max(largest, top);
  return largest == -kInfinity ? kNaN : largest;
}

}  // namespace

KeyRange Intersect(KeyRange a, KeyRange b) {
  const KeyRange both{std::max(a.first, b.first), std::min(a.last, b.last)};
  return both.first < both.last ? both : KeyRange{a.first, a.first};
}

KeyRange HullOf(const std::vector<KeyRange>& visible) {
  KeyRange hull;
  for (const KeyRange& range : visible) {
    if (range.first == range.last) continue;
    const bool first = hull.first == hull.last;
    hull.first = first ? range.first : std::min(hull.first, range.first);
    hull.last = std::max(hull.last, range.last);
  }
  return hull;
}

ScoreBlock ComputeScores(const QueryLines& lines, const KeysAndValues& keys, double scale,
                         bool magnitudes) {
  ScoreBlock block;
  block.hull = HullOf(lines.visible);
  block.visible = lines.visible;
  block.sink = lines.sink;
  const Eigen::Index width = block.hull.last - block.hull.first;
  block.score.resize(lines.query.rows(), width);
  if (magnitudes) block.magnitude.resize(lines.query.rows(), width);
  MultiplyTiles(lines, keys, scale, magnitudes, &block);
  PatchOddKeys(lines, keys, scale, &block);
  block.max.resize(lines.query.rows());
  for (Eigen::Index n = 0; n < block.max.size(); ++n) {
    block.max[n] = LargestOf(block, static_cast<std::size_t>(n));
  }
  return block;
}

void FillWeights(const ScoreBlock& block, KeyRange tile, Eigen::Ref<RowMajorMatrix> weights) {
  for (Eigen::Index n = 0; n < weights.rows(); ++n) {
    const KeyRange seen = Intersect(block.visible[static_cast<std::size_t>(n)], tile);
    const Eigen::Index count = seen.last - seen.first;
    auto line = weights.row(n);
    if (count == 0) {
      line.setZero();
      continue;
    }
    const Eigen::Index offset = seen.first - tile.first;
    const auto scores = block.score.row(n).segment(seen.first - block.hull.first, count).array();
    line.head(offset).setZero();
    line.tail(line.size() - offset - count).setZero();
    // Eigen's vectorised exp gives about 1e-308 for -inf; the weight of such a score is 0.
    line.segment(offset, count) =
        (scores == -kInfinity).select(0.0, (scores - block.max[n]).exp()).matrix();
  }
}

}  // namespace attest
