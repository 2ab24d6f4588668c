// SPDX-License-Identifier: Apache-2.0
#include "reference/score_block.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/exponentials.h"

namespace attest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kU = 0x1p-24;  // unit roundoff of float32

using Segment = Eigen::Map<Eigen::Array<double, 1, Eigen::Dynamic>>;

// scale * q.k of the tile's lines, and S_j where errors are asked for.
void Multiply(const QueryBlock& block, const Gathered& keys, const ScoreRules& rules,
              ScoreTile* tile) {
  const auto [first, count] = tile->lines;
  tile->score.resize(count, keys.lines.rows());
  tile->score.noalias() = block.scaled.middleRows(first, count) * keys.lines.transpose();
  if (!rules.errors) return;
  const RowMajorMatrix sizes = keys.lines.cwiseAbs();
  tile->error.resize(count, keys.lines.rows());
  tile->error.noalias() = block.absolute.middleRows(first, count) * sizes.transpose();
}

// Scores of keys with non-finite elements, which stand as 0 in the matrix product, by plain sums.
void PatchOddKeys(const QueryBlock& block, const Gathered& keys, double scale, ScoreTile* tile) {
  for (auto odd = keys.odd.begin(); odd != keys.odd.end();) {
    const std::int64_t key = odd->key;
    Eigen::RowVectorXd line = keys.lines.row(key - keys.range.first);
    for (; odd != keys.odd.end() && odd->key == key; ++odd) line[odd->column] = odd->value;
    for (Eigen::Index n = 0; n < tile->lines.count; ++n) {
      tile->score(n, key - keys.range.first) =
          scale * block.query.row(tile->lines.first + n).dot(line);
    }
  }
}

// The slope of tanh at x, without cancellation.
double TanhSlope(double x) {
  const double w = std::exp(-2.0 * x);
  return 4.0 * w / ((1.0 + w) * (1.0 + w));
}

// score := c tanh(score / c); error: from S_j to dz_j + coh_j with the cap, or nothing.
void Cap(const ScoreRules& rules, double* score, double* error) {
  const double z = std::min(std::abs(*score), 1e300);
  const double capped = rules.softcap * std::tanh(*score / rules.softcap);
  *score = capped;
  if (error == nullptr) return;
  const double reach = rules.product * *error + (6.0 * kU + rules.u_s) * z;
  const double nearest = std::max(z - reach, 0.0) / rules.softcap;
  *error = reach * TanhSlope(nearest) +
           (rules.eps_tanh + 3.0 * kU + rules.u_s) * std::min(std::abs(capped), rules.softcap);
}

void AddBias(const ScoreRules& rules, const LineBias& bias, std::int64_t key, double* score,
             double* error) {
  const double additive = bias.Additive(key);
  const double distance = bias.Distance(key);
  *score += additive + distance;
  if (error == nullptr || !std::isfinite(*score)) return;
  const int terms = (bias.has_additive() ? 1 : 0) + (bias.slope != 0.0 ? 1 : 0);
  *error += 3.0 * kU * (std::abs(additive) + std::abs(distance)) +
            terms * (kU + rules.u_s) * std::abs(*score);
}

// Softcap, biases, mask and errors of the visible part of one line.
void FinishLine(const QueryBlock& block, const ScoreRules& rules, Eigen::Index n, ScoreTile* tile) {
  const auto line = static_cast<std::size_t>(n);
  const KeyRange range = Intersect(block.visible[line], tile->keys);
  const Eigen::Index count = range.last - range.first;
  if (count == 0) return;
  const Eigen::Index row = n - tile->lines.first;
  const Eigen::Index column = range.first - tile->keys.first;
  double* score = &tile->score(row, column);
  double* error = rules.errors ? &tile->error(row, column) : nullptr;
  if (rules.softcap == 0.0 && rules.errors) {
    const auto size = Segment(score, count).abs().min(1e300);
    Segment(error, count) = rules.product * Segment(error, count) + (3.0 * kU + rules.u_s) * size;
  }
  for (Eigen::Index i = 0; i < count && rules.softcap > 0.0; ++i) {
    Cap(rules, score + i, rules.errors ? error + i : nullptr);
  }
  for (Eigen::Index i = 0; i < count && !block.bias.empty(); ++i) {
    if (!block.Sees(n, range.first + i)) continue;  // a masked entry may hold anything
    AddBias(rules, block.bias[line], range.first + i, score + i,
            rules.errors ? error + i : nullptr);
  }
  for (Eigen::Index i = 0; i < count && !block.seen.empty(); ++i) {
    if (!block.Sees(n, range.first + i)) score[i] = -kInfinity;
  }
  for (Eigen::Index i = 0; i < count && rules.errors; ++i) {
    if (score[i] == -kInfinity) error[i] = 0.0;
  }
}

// Fills count and seen_by_any.
void CountSeen(QueryBlock* block) {
  block->seen_by_any.assign(static_cast<std::size_t>(block->hull.last - block->hull.first), 0);
  for (std::size_t line = 0; line < block->visible.size(); ++line) {
    const auto [first, last] = block->visible[line];
    std::uint8_t* any = block->seen_by_any.data() + (first - block->hull.first);
    if (first == last) {
      block->count.push_back(0);
    } else if (block->seen.empty()) {
      std::fill(any, any + (last - first), std::uint8_t{1});
      block->count.push_back(last - first);
    } else {
      std::int64_t keys = 0;
      for (const std::uint8_t byte : block->seen[line]) {
        *any++ |= byte;
        keys += byte;
      }
      block->count.push_back(keys);
    }
  }
}

// No lines if none sees a key of `keys`, which lie in the hull.
TileShape ShapeOf(const QueryBlock& block, KeyRange keys) {
  TileShape tile{keys, {}};
  const auto at = [&](std::int64_t key) {
    return block.seen_by_any.begin() + (key - block.hull.first);
  };
  if (std::find(at(keys.first), at(keys.last), std::uint8_t{1}) == at(keys.last)) return tile;
  for (Eigen::Index line = 0; line < block.lines(); ++line) {
    const KeyRange seen = Intersect(block.visible[static_cast<std::size_t>(line)], keys);
    if (seen.first == seen.last) continue;
    if (tile.lines.count == 0) tile.lines.first = line;
    tile.lines.count = line + 1 - tile.lines.first;
  }
  return tile;
}

// Is more than an eighth of the tile outside what its lines see?
bool IsRagged(const QueryBlock& block, const TileShape& tile) {
  std::int64_t seen = 0;
  for (Eigen::Index n = 0; n < tile.lines.count; ++n) {
    const auto line = static_cast<std::size_t>(tile.lines.first + n);
    const KeyRange range = Intersect(block.visible[line], tile.keys);
    seen += range.last - range.first;
  }
  return 8 * seen < 7 * tile.lines.count * (tile.keys.last - tile.keys.first);
}

}  // namespace

void QueryBlock::Finish(const ScoreRules& rules) {
  scaled = query * rules.scale;
  if (rules.errors) absolute = scaled.cwiseAbs();
  hull = HullOf(visible);
  CountSeen(this);
  for (std::int64_t first = hull.first; first < hull.last;) {
    TileShape tile = ShapeOf(*this, {first, std::min(first + kKeyTile, hull.last)});
    if (IsRagged(*this, tile)) {
      tile = ShapeOf(*this, {first, std::min(first + kRaggedTile, hull.last)});
    }
    first = tile.keys.last;
    if (tile.lines.count > 0) tiles.push_back(tile);
  }
}

bool QueryBlock::Sees(Eigen::Index line, std::int64_t key) const {
  const auto n = static_cast<std::size_t>(line);
  if (key < visible[n].first || key >= visible[n].last) return false;
  return seen.empty() || seen[n][static_cast<std::size_t>(key - visible[n].first)] != 0;
}

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

void ComputeScores(const QueryBlock& block, const TileShape& shape, const Gathered& keys,
                   const ScoreRules& rules, ScoreTile* tile) {
  tile->keys = shape.keys;
  tile->lines = shape.lines;
  Multiply(block, keys, rules, tile);
  PatchOddKeys(block, keys, rules.scale, tile);
  const bool plain =
      !rules.errors && rules.softcap == 0.0 && block.bias.empty() && block.seen.empty();
  for (Eigen::Index n = 0; n < shape.lines.count && !plain; ++n) {
    FinishLine(block, rules, shape.lines.first + n, tile);
  }
}

double LargestScore(const QueryBlock& block, const ScoreTile& tile, Eigen::Index line) {
  const KeyRange range = Intersect(block.visible[static_cast<std::size_t>(line)], tile.keys);
  if (range.first == range.last) return -kInfinity;
  const double largest = tile.score.row(line - tile.lines.first)
                             .segment(range.first - tile.keys.first, range.last - range.first)
                             .maxCoeff<Eigen::PropagateNaN>();
  return largest < kInfinity ? largest : kNaN;
}

double SmallestScore(const QueryBlock& block, const ScoreTile& tile, Eigen::Index line) {
  const KeyRange range = Intersect(block.visible[static_cast<std::size_t>(line)], tile.keys);
  if (range.first == range.last) return kInfinity;
  const auto scores = tile.score.row(line - tile.lines.first)
                          .segment(range.first - tile.keys.first, range.last - range.first);
  if (block.seen.empty()) return scores.minCoeff();
  double smallest = kInfinity;
  for (std::int64_t key = range.first; key < range.last; ++key) {
    if (block.Sees(line, key)) smallest = std::min(smallest, scores[key - range.first]);
  }
  return smallest;
}

void FillWeights(const QueryBlock& block, const ScoreTile& tile, const Eigen::VectorXd& max,
                 RowMajorMatrix* weights) {
  weights->resize(tile.score.rows(), tile.score.cols());
  for (Eigen::Index n = 0; n < weights->rows(); ++n) {
    const Eigen::Index of_block = tile.lines.first + n;
    const KeyRange seen = Intersect(block.visible[static_cast<std::size_t>(of_block)], tile.keys);
    const Eigen::Index count = seen.last - seen.first;
    auto line = weights->row(n);
    if (count == 0) {
      line.setZero();
      continue;
    }
    const Eigen::Index offset = seen.first - tile.keys.first;
    line.head(offset).setZero();
    line.tail(line.size() - offset - count).setZero();
    Exponentials(&tile.score(n, offset), max[of_block], static_cast<std::size_t>(count),
                 &line[offset]);
  }
}

}  // namespace attest
