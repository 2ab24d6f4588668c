// SPDX-License-Identifier: Apache-2.0
#include "reference/oracle.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <thread>

#include "reference/bound.h"
#include "reference/gather.h"
#include "reference/score_block.h"
#include "reference/tensor_checks.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

constexpr std::int64_t kWeightTile = 512;  // keys
// Tall blocks spread the cost of a tile of V, |V| and V^2 over many lines.
constexpr std::int64_t kMaxLines = 256;
constexpr std::int64_t kMinLines = 8;
constexpr std::int64_t kScoreBytes = std::int64_t{64} << 20;  // scores and magnitudes of a block

// One request and one KV head: the part of the work that shares gathered keys.
struct Unit {
  int request = 0;
  int kv_head = 0;
  const std::vector<std::size_t>* rows = nullptr;  // indices into Expected::rows, in row order
};

struct Work {
  const Problem& problem;
  const AttentionTensors& tensors;
  const OracleOptions& options;
  BoundRules rules;
  std::vector<double> sinks;  // of each query head, or none
  Expected* expected;
};

// A query line of the block and the line of Expected that it fills.
struct Target {
  QueryRow row;
  int q_head = 0;
  Eigen::Index line = 0;
};

KeyRange RangeOf(const Problem& problem, QueryRow row) {
  const KeyRange hull = VisibleHull(problem, static_cast<std::size_t>(row.request), row.row);
  return hull.first < hull.last ? hull : KeyRange{};
}

QueryLines GatherLines(const Work& work, const Target* first, std::size_t count) {
  QueryLines lines;
  lines.query.resize(static_cast<Eigen::Index>(count), work.problem.head_dim_qk);
  for (std::size_t n = 0; n < count; ++n) {
    const Target& target = first[n];
    GatherQuery(work.problem, work.tensors, target.row, target.q_head,
                lines.query.row(static_cast<Eigen::Index>(n)));
    lines.visible.push_back(RangeOf(work.problem, target.row));
    if (!work.sinks.empty()) {
      lines.sink.push_back(work.sinks[static_cast<std::size_t>(target.q_head)]);
    }
  }
  return lines;
}

// Adds weight * value for the elements that stand as 0 in the matrix of values.
void AddOddValues(const ScoreBlock& block, const KeysAndValues& keys, KeyRange tile,
                  const RowMajorMatrix& weights, RowMajorMatrix* sum) {
  for (const NonFinite& odd : keys.odd_values) {
    if (odd.key < tile.first || odd.key >= tile.last) continue;
    for (Eigen::Index n = 0; n < sum->rows(); ++n) {
      const KeyRange seen = block.visible[static_cast<std::size_t>(n)];
      if (odd.key < seen.first || odd.key >= seen.last) continue;
      (*sum)(n, odd.column) += weights(n, odd.key - tile.first) * odd.value;
    }
  }
}

// sum p v and sum p of each line, and the sums of the bound where there is one.
struct BlockSums {
  RowMajorMatrix values;
  Eigen::VectorXd weights;
};

BlockSums SumOverKeys(const ScoreBlock& block, const KeysAndValues& keys, BlockBound* bound) {
  BlockSums sums;
  sums.values.setZero(block.max.size(), keys.values.cols());
  sums.weights.setZero(block.max.size());
  RowMajorMatrix weights;
  for (std::int64_t first = block.hull.first; first < block.hull.last; first += kWeightTile) {
    const KeyRange tile{first, std::min(first + kWeightTile, block.hull.last)};
    const auto values = keys.values.middleRows(first - keys.range.first, tile.last - first);
    weights.resize(block.max.size(), tile.last - first);
    FillWeights(block, tile, weights);
    sums.weights += weights.rowwise().sum();
    sums.values.noalias() += weights * values;
    AddOddValues(block, keys, tile, weights, &sums.values);
    if (bound != nullptr) bound->AddTile(tile, weights, values);
  }
  for (Eigen::Index n = 0; n < sums.weights.size() && !block.sink.empty(); ++n) {
    const double sink = block.sink[static_cast<std::size_t>(n)];
    if (sink > -std::numeric_limits<double>::infinity()) {
      sums.weights[n] += std::exp(sink - block.max[n]);
    }
  }
  return sums;
}

void StoreLine(const ScoreBlock& block, const BlockSums& sums, Eigen::Index n, Eigen::Index line,
               Expected* expected) {
  const KeyRange seen = block.visible[static_cast<std::size_t>(n)];
  expected->visible[static_cast<std::size_t>(line)] = seen.last - seen.first;
  expected->weight_sum[line] = sums.weights[n];
  expected->lse[line] = sums.weights[n] == 0.0 ? -std::numeric_limits<double>::infinity()
                                               : block.max[n] + std::log(sums.weights[n]);
  if (seen.first == seen.last) {
    expected->out.row(line).setZero();
  } else if (std::isnan(block.max[n])) {
    expected->out.row(line).setConstant(block.max[n]);
  } else {
    expected->out.row(line) = sums.values.row(n) / sums.weights[n];
  }
}

void ComputeBlock(const Work& work, const KeysAndValues& keys, const Target* targets,
                  std::size_t count) {
  const QueryLines lines = GatherLines(work, targets, count);
  const ScoreBlock block =
      ComputeScores(lines, keys, static_cast<double>(work.problem.scale), work.options.bound);
  std::unique_ptr<BlockBound> bound;
  if (work.options.bound) {
    bound = std::make_unique<BlockBound>(work.rules, block, work.problem.head_dim_v);
  }
  const BlockSums sums = SumOverKeys(block, keys, bound.get());
  for (std::size_t i = 0; i < count; ++i) {
    const auto n = static_cast<Eigen::Index>(i);
    const Eigen::Index line = targets[i].line;
    StoreLine(block, sums, n, line, work.expected);
    if (bound == nullptr) continue;
    bound->Finish(n, work.expected->out.row(line), sums.weights[n], work.expected->lse[line],
                  work.expected->out_bound.row(line), &work.expected->lse_bound[line]);
  }
}

std::vector<Target> TargetsOf(const Work& work, const Unit& unit) {
  const int group = work.problem.group();
  std::vector<Target> targets;
  for (const std::size_t n : *unit.rows) {
    for (int head = unit.kv_head * group; head < (unit.kv_head + 1) * group; ++head) {
      const auto line = static_cast<Eigen::Index>(n) * work.problem.num_q_heads + head;
      targets.push_back({work.expected->rows[n], head, line});
    }
  }
  return targets;
}

void ComputeUnit(const Work& work, const Unit& unit) {
  const std::vector<Target> targets = TargetsOf(work, unit);
  std::vector<KeyRange> visible;
  for (const Target& target : targets) visible.push_back(RangeOf(work.problem, target.row));
  const KeyRange hull = HullOf(visible);
  const KeysAndValues keys =
      GatherKeys(work.problem, work.tensors, unit.request, unit.kv_head, hull);
  const std::int64_t line_bytes = std::max<std::int64_t>(hull.last - hull.first, 1) * 2 *
                                  static_cast<std::int64_t>(sizeof(double));
  const auto lines =
      static_cast<std::size_t>(std::clamp(kScoreBytes / line_bytes, kMinLines, kMaxLines));
  for (std::size_t first = 0; first < targets.size(); first += lines) {
    ComputeBlock(work, keys, &targets[first], std::min(lines, targets.size() - first));
  }
}

// Each unit fills lines of its own, so threads share nothing but the counter.
void ComputeUnits(const Work& work, const std::vector<Unit>& units) {
  std::atomic<std::size_t> next = 0;
  const auto run = [&] {
    for (std::size_t n = next++; n < units.size(); n = next++) ComputeUnit(work, units[n]);
  };
  std::vector<std::thread> helpers;
  const auto wanted = std::min<std::size_t>(
      units.size(), static_cast<std::size_t>(std::max(work.options.threads, 1)));
  for (std::size_t n = 1; n < wanted; ++n) helpers.emplace_back(run);
  run();
  for (std::thread& helper : helpers) helper.join();
}

Expected Allocate(const Problem& problem, const std::vector<QueryRow>& rows, bool bound) {
  Expected expected;
  expected.rows = rows;
  const auto lines = static_cast<Eigen::Index>(rows.size()) * problem.num_q_heads;
  expected.out.setZero(lines, problem.head_dim_v);
  expected.lse.setZero(lines);
  expected.weight_sum.setZero(lines);
  expected.visible.assign(static_cast<std::size_t>(lines), 0);
  if (bound) {
    expected.out_bound.setZero(lines, problem.head_dim_v);
    expected.lse_bound.setZero(lines);
  }
  return expected;
}

}  // namespace

std::vector<QueryRow> AllRows(const Problem& problem) {
  std::vector<QueryRow> rows;
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    for (std::int64_t row = 0; row < problem.requests[r].q_len; ++row) {
      rows.push_back({static_cast<int>(r), row});
    }
  }
  return rows;
}

Result<Expected> ComputeExpected(const Problem& problem, const AttentionTensors& tensors,
                                 const std::vector<QueryRow>& rows, const Arithmetic& arithmetic,
                                 const OracleOptions& options) {
  if (Status status = CheckTensors(problem, tensors, rows); !status.ok()) return status;
  Expected expected = Allocate(problem, rows, options.bound);
  // Neighbouring rows see nearly the same keys, so a block of them wastes little of its hull.
  std::vector<std::vector<std::size_t>> rows_of(problem.requests.size());
  for (std::size_t n = 0; n < rows.size(); ++n) {
    rows_of[static_cast<std::size_t>(rows[n].request)].push_back(n);
  }
  std::vector<Unit> units;
  for (std::size_t r = 0; r < rows_of.size(); ++r) {
    std::sort(rows_of[r].begin(), rows_of[r].end(),
              [&rows](std::size_t a, std::size_t b) { return rows[a].row < rows[b].row; });
    for (int head = 0; head < problem.num_kv_heads && !rows_of[r].empty(); ++head) {
      units.push_back({static_cast<int>(r), head, &rows_of[r]});
    }
  }
  const Work work{problem,
                  tensors,
                  options,
                  MakeBoundRules(problem, arithmetic),
                  GatherSinks(problem, tensors),
                  &expected};
  ComputeUnits(work, units);
  return expected;
}

}  // namespace attest
