// SPDX-License-Identifier: Apache-2.0
#include "reference/score_block.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kU = 0x1p-24;  // unit roundoff of float32

using Segment = Eigen::Map<Eigen::Array<double, 1, Eigen::Dynamic>>;

// scale * q.k of all lines for the keys of `tile`, and S_j where the block has errors.
void MultiplyTile(const RowMajorMatrix& scaled, const RowMajorMatrix& absolute,
                  const KeysAndValues& keys, KeyRange tile, ScoreBlock* block) {
  const std::int64_t count = tile.last - tile.first;
  const auto lines = keys.keys.middleRows(tile.first - keys.range.first, count);
  const std::int64_t column = tile.first - block->hull.first;
  block->score.middleCols(column, count).noalias() = scaled * lines.transpose();
  if (block->error.size() == 0) return;
  const RowMajorMatrix sizes = lines.cwiseAbs();
  block->error.middleCols(column, count).noalias() = absolute * sizes.transpose();
}

// Scores of keys with non-finite elements, which stand as 0 in the matrix product, by plain sums.
void PatchOddKeys(const QueryLines& lines, const KeysAndValues& keys, double scale, KeyRange tile,
                  ScoreBlock* block) {
  auto odd = std::lower_bound(keys.odd_keys.begin(), keys.odd_keys.end(), tile.first,
                              [](const NonFinite& n, std::int64_t key) { return n.key < key; });
  while (odd != keys.odd_keys.end() && odd->key < tile.last) {
    const std::int64_t key = odd->key;
    Eigen::RowVectorXd line = keys.keys.row(key - keys.range.first);
    for (; odd != keys.odd_keys.end() && odd->key == key; ++odd) line[odd->column] = odd->value;
    for (Eigen::Index n = 0; n < lines.query.rows(); ++n) {
      block->score(n, key - block->hull.first) = scale * lines.query.row(n).dot(line);
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

// Softcap, biases, mask and errors of the visible part of one line in `tile`.
void FinishLine(const QueryLines& lines, const ScoreRules& rules, std::size_t line, KeyRange tile,
                ScoreBlock* block) {
  const KeyRange range = Intersect(block->visible[line], tile);
  const Eigen::Index count = range.last - range.first;
  if (count == 0) return;
  const auto n = static_cast<Eigen::Index>(line);
  const std::int64_t column = range.first - block->hull.first;
  double* score = &block->score(n, column);
  double* error = rules.errors ? &block->error(n, column) : nullptr;
  if (rules.softcap == 0.0 && rules.errors) {
    const auto size = Segment(score, count).abs().min(1e300);
    Segment(error, count) = rules.product * Segment(error, count) + (3.0 * kU + rules.u_s) * size;
  }
  for (Eigen::Index i = 0; i < count && rules.softcap > 0.0; ++i) {
    Cap(rules, score + i, rules.errors ? error + i : nullptr);
  }
  for (Eigen::Index i = 0; i < count && !lines.bias.empty(); ++i) {
    if (!block->Sees(n, range.first + i)) continue;  // a masked entry may hold anything
    AddBias(rules, lines.bias[line], range.first + i, score + i,
            rules.errors ? error + i : nullptr);
  }
  for (Eigen::Index i = 0; i < count; ++i) {
    if (!block->seen.empty() && !block->Sees(n, range.first + i)) score[i] = -kInfinity;
    if (rules.errors && score[i] == -kInfinity) error[i] = 0.0;
  }
}

void HideTile(KeyRange tile, ScoreBlock* block) {
  const std::int64_t column = tile.first - block->hull.first;
  block->score.middleCols(column, tile.last - tile.first).setConstant(-kInfinity);
  if (block->error.size() > 0) block->error.middleCols(column, tile.last - tile.first).setZero();
}

void FillSeen(ScoreBlock* block) {
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
      std::int64_t count = 0;
      for (const std::uint8_t byte : block->seen[line]) {
        *any++ |= byte;
        count += byte;
      }
      block->count.push_back(count);
    }
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

bool ScoreBlock::Sees(Eigen::Index line, std::int64_t key) const {
  const auto n = static_cast<std::size_t>(line);
  if (key < visible[n].first || key >= visible[n].last) return false;
  return seen.empty() || seen[n][static_cast<std::size_t>(key - visible[n].first)] != 0;
}

bool ScoreBlock::Touches(KeyRange tile) const {
  const auto at = [this](std::int64_t key) { return seen_by_any.begin() + (key - hull.first); };
  return std::find(at(tile.first), at(tile.last), std::uint8_t{1}) != at(tile.last);
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

ScoreBlock ComputeScores(const QueryLines& lines, const KeysAndValues& keys,
                         const ScoreRules& rules) {
  ScoreBlock block;
  block.hull = HullOf(lines.visible);
  block.visible = lines.visible;
  block.seen = lines.seen;
  block.sink = lines.sink;
  FillSeen(&block);
  const Eigen::Index width = block.hull.last - block.hull.first;
  block.score.resize(lines.query.rows(), width);
  if (rules.errors) block.error.resize(lines.query.rows(), width);
  const RowMajorMatrix scaled = lines.query * rules.scale;
  const RowMajorMatrix absolute = rules.errors ? RowMajorMatrix(scaled.cwiseAbs()) : scaled;
  const bool plain =
      !rules.errors && rules.softcap == 0.0 && lines.bias.empty() && lines.seen.empty();
  for (std::int64_t first = block.hull.first; first < block.hull.last; first += kKeyTile) {
    const KeyRange tile{first, std::min(first + kKeyTile, block.hull.last)};
    if (!block.Touches(tile)) {
      if (!block.seen.empty()) HideTile(tile, &block);
      continue;
    }
    MultiplyTile(scaled, absolute, keys, tile, &block);
    PatchOddKeys(lines, keys, rules.scale, tile, &block);
    for (std::size_t line = 0; line < block.visible.size() && !plain; ++line) {
      FinishLine(lines, rules, line, tile, &block);
    }
  }
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
