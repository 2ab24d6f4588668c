// SPDX-License-Identifier: Apache-2.0
#include "reference/block_pass.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// A block whose keys are one tile gathers them once for both passes.
void FetchKeys(const KeySource& source, KeyRange keys, Gathered* gathered) {
  if (gathered->range.first == keys.first && gathered->range.last == keys.last) return;
  GatherKeyTile(source, keys, gathered);
}

// Where the maximum of a line starts. A sink of NaN or +inf leaves no weight a number.
Eigen::VectorXd StartOfMaximum(const QueryBlock& block) {
  Eigen::VectorXd max = Eigen::VectorXd::Constant(block.lines(), -kInfinity);
  for (std::size_t n = 0; n < block.sink.size(); ++n) {
    max[static_cast<Eigen::Index>(n)] = block.sink[n] < kInfinity ? block.sink[n] : kNaN;
  }
  return max;
}

double Larger(double a, double b) { return std::isnan(a) || std::isnan(b) ? kNaN : std::max(a, b); }

// Nothing but scores of -inf is 0 / 0.
void MarkHopeless(const QueryBlock& block, Eigen::VectorXd* max) {
  for (Eigen::Index n = 0; n < block.lines(); ++n) {
    const bool any = block.count[static_cast<std::size_t>(n)] > 0;
    if (any && (*max)[n] == -kInfinity) (*max)[n] = kNaN;
  }
}

BlockSums NoSums(const QueryBlock& block, const KeySource& source, const Eigen::VectorXd& max) {
  return {RowMajorMatrix::Zero(block.lines(), source.problem.head_dim_v),
          Eigen::VectorXd::Zero(block.lines()), max};
}

void RaiseMaximum(const QueryBlock& block, const ScoreTile& tile, BlockSums* sums) {
  for (Eigen::Index n = tile.lines.first; n < tile.lines.first + tile.lines.count; ++n) {
    const double before = sums->max[n];
    const double after = Larger(before, LargestScore(block, tile, n));
    if (after == before || std::isnan(before)) continue;
    sums->max[n] = after;
    if (before == -kInfinity || std::isnan(after)) continue;
    const double factor = std::exp(before - after);
    sums->values.row(n) *= factor;
    sums->weights[n] *= factor;
  }
}

// Adds weight * value for the elements that stand as 0 in the matrix of values.
void AddOddValues(const QueryBlock& block, const TileWork& work, RowMajorMatrix* sum) {
  const LineRange lines = work.scores.lines;
  for (const NonFinite& odd : work.values.odd) {
    for (Eigen::Index n = 0; n < lines.count; ++n) {
      if (!block.Sees(lines.first + n, odd.key)) continue;
      (*sum)(lines.first + n, odd.column) +=
          work.weights(n, odd.key - work.values.range.first) * odd.value;
    }
  }
}

void AddWeights(const QueryBlock& block, TileWork* work, BlockSums* sums) {
  FillWeights(block, work->scores, sums->max, &work->weights);
  const auto [first, count] = work->scores.lines;
  sums->weights.segment(first, count) += work->weights.rowwise().sum();
  sums->values.middleRows(first, count).noalias() += work->weights * work->values.lines;
  AddOddValues(block, *work, &sums->values);
}

void AddSinks(const QueryBlock& block, BlockSums* sums) {
  for (std::size_t i = 0; i < block.sink.size(); ++i) {
    const auto n = static_cast<Eigen::Index>(i);
    if (block.sink[i] > -kInfinity) {
      sums->weights[n] += std::exp(block.sink[i] - sums->max[n]);
    }
  }
}

}  // namespace

Maximum FindMaximum(const QueryBlock& block, const KeySource& source, ScoreRules rules,
                    TileWork* work) {
  rules.errors = false;
  Maximum found{StartOfMaximum(block), {}};
  Eigen::VectorXd smallest = Eigen::VectorXd::Constant(block.lines(), kInfinity);
  for (const TileShape& shape : block.tiles) {
    FetchKeys(source, shape.keys, &work->keys);
    ComputeScores(block, shape, work->keys, rules, &work->scores);
    for (Eigen::Index n = shape.lines.first; n < shape.lines.first + shape.lines.count; ++n) {
      found.max[n] = Larger(found.max[n], LargestScore(block, work->scores, n));
      smallest[n] = std::min(smallest[n], SmallestScore(block, work->scores, n));
    }
  }
  MarkHopeless(block, &found.max);
  for (Eigen::Index n = 0; n < block.lines(); ++n) {
    const bool any = block.count[static_cast<std::size_t>(n)] > 0;
    found.flat.push_back(any && smallest[n] == found.max[n]);
  }
  return found;
}

BlockSums SumOverKeys(const QueryBlock& block, const KeySource& source, const ScoreRules& rules,
                      const Eigen::VectorXd& max, const TileVisitor& visit, TileWork* work) {
  BlockSums sums = NoSums(block, source, max);
  for (const TileShape& shape : block.tiles) {
    FetchKeys(source, shape.keys, &work->keys);
    GatherValueTile(source, shape.keys, &work->values);
    ComputeScores(block, shape, work->keys, rules, &work->scores);
    AddWeights(block, work, &sums);
    if (visit) visit(*work);
  }
  AddSinks(block, &sums);
  return sums;
}

BlockSums SumWithRunningMaximum(const QueryBlock& block, const KeySource& source,
                                const ScoreRules& rules, TileWork* work) {
  BlockSums sums = NoSums(block, source, StartOfMaximum(block));
  for (const TileShape& shape : block.tiles) {
    FetchKeys(source, shape.keys, &work->keys);
    GatherValueTile(source, shape.keys, &work->values);
    // What an infinite value does depends on whether its weight is 0 in the end.
    if (!work->values.odd.empty()) {
      const Maximum known = FindMaximum(block, source, rules, work);
      return SumOverKeys(block, source, rules, known.max, {}, work);
    }
    ComputeScores(block, shape, work->keys, rules, &work->scores);
    RaiseMaximum(block, work->scores, &sums);
    AddWeights(block, work, &sums);
  }
  MarkHopeless(block, &sums.max);
  AddSinks(block, &sums);
  return sums;
}

}  // namespace attest
