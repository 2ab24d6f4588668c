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
  ScoreRules score_rules;
  Mask mask;
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

// A custom mask with a plane for each head is the only mask that tells heads apart.
bool MaskDependsOnHead(const Work& work) {
  return work.problem.custom_mask != MaskKind::kNone && work.tensors.custom_mask.strides[1] != 0;
}

// Asks the mask for every key of the line's range, and shortens the range to what is seen.
void FillSeen(const Work& work, const Target& target, KeyRange* range,
              std::vector<std::uint8_t>* seen) {
  seen->resize(static_cast<std::size_t>(range->last - range->first));
  work.mask.Fill(static_cast<std::size_t>(target.row.request), target.q_head, target.row.row,
                 *range, seen->data());
  const auto first = std::find(seen->begin(), seen->end(), std::uint8_t{1});
  const auto last = std::find(seen->rbegin(), seen->rend(), std::uint8_t{1}).base();
  if (first == seen->end()) {
    *range = {};
    seen->clear();
    return;
  }
  *range = {range->first + (first - seen->begin()), range->first + (last - seen->begin())};
  *seen = std::vector<std::uint8_t>(first, last);
}

QueryLines GatherLines(const Work& work, const Target* first, std::size_t count) {
  QueryLines lines;
  lines.query.resize(static_cast<Eigen::Index>(count), work.problem.head_dim_qk);
  const bool intervals = IsInterval(work.problem);
  const bool heads_differ = MaskDependsOnHead(work);
  for (std::size_t n = 0; n < count; ++n) {
    const Target& target = first[n];
    GatherQuery(work.problem, work.tensors, target.row, target.q_head,
                lines.query.row(static_cast<Eigen::Index>(n)));
    lines.visible.push_back(RangeOf(work.problem, target.row));
    if (!intervals && n > 0 && !heads_differ && first[n - 1].row == target.row) {
      lines.visible.back() = lines.visible[n - 1];
      lines.seen.push_back(lines.seen[n - 1]);
    } else if (!intervals) {
      lines.seen.emplace_back();
      FillSeen(work, target, &lines.visible.back(), &lines.seen.back());
    }
    if (HasBias(work.problem)) {
      lines.bias.push_back(GatherBias(work.problem, work.tensors, target.row, target.q_head));
    }
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
      if (!block.Sees(n, odd.key)) continue;
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
  for (std::int64_t first = block.hull.first; first < block.hull.last; first += kKeyTile) {
    const KeyRange tile{first, std::min(first + kKeyTile, block.hull.last)};
    if (!block.Touches(tile)) continue;
    const auto values = keys.values.middleRows(first - keys.range.first, tile.last - first);
    weights.resize(block.max.size(), tile.last - first);
    FillWeights(block, tile, weights);
    sums.weights += weights.rowwise().sum();
    sums.values.noalias() += weights * values;
    AddOddValues(block, keys, tile, weights, &sums.values);
    if (bound != nullptr) bound->AddTile(tile, weights);
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
  const std::int64_t count = block.count[static_cast<std::size_t>(n)];
  expected->visible[static_cast<std::size_t>(line)] = count;
  expected->weight_sum[line] = sums.weights[n];
  expected->lse[line] = sums.weights[n] == 0.0 ? -std::numeric_limits<double>::infinity()
                                               : block.max[n] + std::log(sums.weights[n]);
  if (count == 0) {
    expected->out.row(line).setZero();
  } else if (std::isnan(block.max[n])) {
    expected->out.row(line).setConstant(block.max[n]);
  } else {
    expected->out.row(line) = sums.values.row(n) / sums.weights[n];
  }
}

LineDetail DetailOf(const ScoreBlock& block, Eigen::Index n, double weight_sum) {
  const KeyRange range = block.visible[static_cast<std::size_t>(n)];
  LineDetail detail;
  detail.first_key = range.first;
  for (std::int64_t key = range.first; key < range.last; ++key) {
    const bool seen = block.Sees(n, key);
    const double score = block.score(n, key - block.hull.first);
    detail.visible.push_back(seen ? 1 : 0);
    detail.score.push_back(score);
    detail.weight.push_back(seen ? std::exp(score - block.max[n]) / weight_sum : 0.0);
  }
  return detail;
}

void ComputeBlock(const Work& work, const KeysAndValues& keys, const Target* targets,
                  std::size_t count) {
  const QueryLines lines = GatherLines(work, targets, count);
  const ScoreBlock block = ComputeScores(lines, keys, work.score_rules);
  std::unique_ptr<BlockBound> bound;
  if (work.options.bound) {
    bound = std::make_unique<BlockBound>(work.rules, block, keys);
  }
  const BlockSums sums = SumOverKeys(block, keys, bound.get());
  for (std::size_t i = 0; i < count; ++i) {
    const auto n = static_cast<Eigen::Index>(i);
    const Eigen::Index line = targets[i].line;
    StoreLine(block, sums, n, line, work.expected);
    if (work.options.detail) {
      work.expected->detail[static_cast<std::size_t>(line)] = DetailOf(block, n, sums.weights[n]);
    }
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
  const std::int64_t key_bytes = 2 * sizeof(double) + (IsInterval(work.problem) ? 0 : 1);
  const std::int64_t line_bytes = std::max<std::int64_t>(hull.last - hull.first, 1) * key_bytes;
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

Expected Allocate(const Problem& problem, const std::vector<QueryRow>& rows,
                  const OracleOptions& options) {
  Expected expected;
  expected.rows = rows;
  const auto lines = static_cast<Eigen::Index>(rows.size()) * problem.num_q_heads;
  expected.out.setZero(lines, problem.head_dim_v);
  expected.lse.setZero(lines);
  expected.weight_sum.setZero(lines);
  expected.visible.assign(static_cast<std::size_t>(lines), 0);
  if (options.detail) expected.detail.resize(static_cast<std::size_t>(lines));
  if (options.bound) {
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
  Expected expected = Allocate(problem, rows, options);
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
                  MakeScoreRules(problem, arithmetic, options.bound),
                  Mask(problem, {tensors.tree_mask, tensors.custom_mask}),
                  GatherSinks(problem, tensors),
                  &expected};
  ComputeUnits(work, units);
  return expected;
}

}  // namespace attest
