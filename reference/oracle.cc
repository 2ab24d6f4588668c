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

// Tall blocks spread the cost of a tile of K, V, |V| and V^2 over many lines.
constexpr std::int64_t kMaxLines = 256;
constexpr std::int64_t kMinLines = 8;
constexpr std::int64_t kMaskBytes = std::int64_t{16} << 20;  // of a block whose mask is no interval

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Neighbouring lines of one request and one KV head: what one thread computes at a time.
struct Unit {
  int request = 0;
  int kv_head = 0;
  const std::vector<std::size_t>* rows = nullptr;  // indices into Expected::rows, in row order
  std::size_t first = 0;  // line of the request and head: row * group + head of the group
  std::size_t count = 0;
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

QueryBlock GatherBlock(const Work& work, const std::vector<Target>& targets) {
  QueryBlock lines;
  lines.query.resize(static_cast<Eigen::Index>(targets.size()), work.problem.head_dim_qk);
  const bool intervals = IsInterval(work.problem);
  const bool heads_differ = MaskDependsOnHead(work);
  for (std::size_t n = 0; n < targets.size(); ++n) {
    const Target& target = targets[n];
    GatherQuery(work.problem, work.tensors, target.row, target.q_head,
                lines.query.row(static_cast<Eigen::Index>(n)));
    lines.visible.push_back(RangeOf(work.problem, target.row));
    if (!intervals && n > 0 && !heads_differ && targets[n - 1].row == target.row) {
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
  lines.Finish();
  return lines;
}

// Calls visit(tile) for each tile of keys that some line of the block sees.
template <typename Visit>
void ForEachTile(const QueryBlock& block, const Visit& visit) {
  for (std::int64_t first = block.hull.first; first < block.hull.last; first += kKeyTile) {
    const KeyRange tile{first, std::min(first + kKeyTile, block.hull.last)};
    if (block.Touches(tile)) visit(tile);
  }
}

// The block that a thread works on, and memory that it uses from tile to tile.
struct Workspace {
  const Work& work;
  const Unit& unit;
  QueryBlock block;
  Gathered keys;
  GatheredValues values;
  ScoreTile scores;
  RowMajorMatrix weights;

  // A block whose keys fit one tile gathers them once for both passes.
  void GatherKeysOf(KeyRange tile) {
    if (keys.range.first == tile.first && keys.range.last == tile.last) return;
    GatherKeys(work.problem, work.tensors, unit.request, unit.kv_head, tile, &keys);
  }
};

// What a running softmax starts from. A sink of NaN or +inf leaves no weight a number.
Eigen::VectorXd StartOfMaximum(const QueryBlock& block) {
  Eigen::VectorXd max = Eigen::VectorXd::Constant(block.lines(), -kInfinity);
  for (std::size_t n = 0; n < block.sink.size(); ++n) {
    max[static_cast<Eigen::Index>(n)] = block.sink[n] < kInfinity ? block.sink[n] : kNaN;
  }
  return max;
}

// Largest score or sink of each line; -inf for a line with neither, NaN for a line one of whose
// scores is NaN or +inf, and for one that sees nothing but scores of -inf.
struct Maximum {
  Eigen::VectorXd max;
  std::vector<bool> flat;  // all visible scores equal it
};

Maximum FindMaximum(Workspace* space) {
  const QueryBlock& block = space->block;
  Maximum found{StartOfMaximum(block), std::vector<bool>(block.visible.size(), false)};
  Eigen::VectorXd smallest = Eigen::VectorXd::Constant(block.lines(), kInfinity);
  ScoreRules rules = space->work.score_rules;
  rules.errors = false;
  ForEachTile(block, [&](KeyRange tile) {
    space->GatherKeysOf(tile);
    ComputeScores(block, space->keys, rules, &space->scores);
    for (Eigen::Index n = 0; n < block.lines(); ++n) {
      const Extremes extremes = ExtremesOf(block, space->scores, n);
      found.max[n] = std::isnan(found.max[n]) || std::isnan(extremes.largest)
                         ? kNaN
                         : std::max(found.max[n], extremes.largest);
      smallest[n] = std::min(smallest[n], extremes.smallest);
    }
  });
  for (Eigen::Index n = 0; n < block.lines(); ++n) {
    const bool any = block.count[static_cast<std::size_t>(n)] > 0;
    if (any && found.max[n] == -kInfinity) found.max[n] = kNaN;
    found.flat[static_cast<std::size_t>(n)] = any && smallest[n] == found.max[n];
  }
  return found;
}

// sum p v and sum p of each line, relative to the maximum so far.
struct BlockSums {
  RowMajorMatrix values;
  Eigen::VectorXd weights;
  Eigen::VectorXd max;
};

// Raises the maximum to what the tile holds. Where FindMaximum was asked before, nothing changes.
void RaiseMaximum(const QueryBlock& block, const ScoreTile& tile, BlockSums* sums) {
  for (Eigen::Index n = 0; n < block.lines(); ++n) {
    const double before = sums->max[n];
    const double top = ExtremesOf(block, tile, n).largest;
    if (std::isnan(before) || top <= before) continue;
    sums->max[n] = top;  // perhaps NaN
    if (before == -kInfinity || std::isnan(top)) continue;
    const double factor = std::exp(before - top);
    sums->values.row(n) *= factor;
    sums->weights[n] *= factor;
  }
}

// Adds weight * value for the elements that stand as 0 in the matrix of values.
void AddOddValues(const Workspace& space, RowMajorMatrix* sum) {
  for (const NonFinite& odd : space.values.odd) {
    for (Eigen::Index n = 0; n < sum->rows(); ++n) {
      if (!space.block.Sees(n, odd.key)) continue;
      (*sum)(n, odd.column) += space.weights(n, odd.key - space.values.range.first) * odd.value;
    }
  }
}

// Appends the tile to what a reader of single lines wants to see; weights are relative to the
// maximum, which is final.
void AddDetail(const Workspace& space, const std::vector<Target>& targets, Expected* expected) {
  const QueryBlock& block = space.block;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const auto n = static_cast<Eigen::Index>(i);
    LineDetail& detail = expected->detail[static_cast<std::size_t>(targets[i].line)];
    detail.first_key = block.visible[i].first;
    const KeyRange range = Intersect(block.visible[i], space.scores.keys);
    for (std::int64_t key = range.first; key < range.last; ++key) {
      const Eigen::Index column = key - space.scores.keys.first;
      detail.visible.push_back(block.Sees(n, key) ? 1 : 0);
      detail.score.push_back(space.scores.score(n, column));
      detail.weight.push_back(space.weights(n, column));
    }
  }
}

// A tile that no line sees has no weight; in a line's detail it stands as masked.
void AddHiddenDetail(const QueryBlock& block, KeyRange tile, const std::vector<Target>& targets,
                     Expected* expected) {
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const KeyRange range = Intersect(block.visible[i], tile);
    LineDetail& detail = expected->detail[static_cast<std::size_t>(targets[i].line)];
    for (std::int64_t key = range.first; key < range.last; ++key) {
      detail.visible.push_back(0);
      detail.score.push_back(-kInfinity);
      detail.weight.push_back(0.0);
    }
  }
}

// One pass over the keys. `max` is the final maximum of each line, or where to start from.
BlockSums SumOverKeys(Workspace* space, Eigen::VectorXd max, BlockBound* bound,
                      const std::vector<Target>& targets) {
  const Work& work = space->work;
  const QueryBlock& block = space->block;
  BlockSums sums{RowMajorMatrix::Zero(block.lines(), work.problem.head_dim_v),
                 Eigen::VectorXd::Zero(block.lines()), std::move(max)};
  const auto add = [&](KeyRange tile) {
    space->GatherKeysOf(tile);
    GatherValues(work.problem, work.tensors, space->unit.request, space->unit.kv_head, tile,
                 &space->values);
    ComputeScores(block, space->keys, work.score_rules, &space->scores);
    if (bound == nullptr) RaiseMaximum(block, space->scores, &sums);
    FillWeights(block, space->scores, sums.max, &space->weights);
    sums.weights += space->weights.rowwise().sum();
    sums.values.noalias() += space->weights * space->values.lines;
    AddOddValues(*space, &sums.values);
    if (bound != nullptr) bound->AddTile(space->scores, space->weights, space->values);
    if (work.options.detail) AddDetail(*space, targets, work.expected);
  };
  for (std::int64_t first = block.hull.first; first < block.hull.last; first += kKeyTile) {
    const KeyRange tile{first, std::min(first + kKeyTile, block.hull.last)};
    if (block.Touches(tile)) {
      add(tile);
    } else if (work.options.detail) {
      AddHiddenDetail(block, tile, targets, work.expected);
    }
  }
  for (Eigen::Index n = 0; n < sums.weights.size() && !block.sink.empty(); ++n) {
    const double sink = block.sink[static_cast<std::size_t>(n)];
    if (sink > -kInfinity) sums.weights[n] += std::exp(sink - sums.max[n]);
  }
  return sums;
}

void StoreLine(std::int64_t count, const BlockSums& sums, Eigen::Index n, Eigen::Index line,
               Expected* expected) {
  // All of the visible scores are -inf: 0 / 0.
  const double max = count > 0 && sums.max[n] == -kInfinity ? kNaN : sums.max[n];
  const double weights = std::isnan(max) ? kNaN : sums.weights[n];
  expected->visible[static_cast<std::size_t>(line)] = count;
  expected->weight_sum[line] = weights;
  expected->lse[line] = weights == 0.0 ? -kInfinity : max + std::log(weights);
  if (count == 0) {
    expected->out.row(line).setZero();
  } else if (std::isnan(max)) {
    expected->out.row(line).setConstant(kNaN);
  } else {
    expected->out.row(line) = sums.values.row(n) / weights;
  }
}

std::vector<Target> TargetsOf(const Work& work, const Unit& unit) {
  const auto group = static_cast<std::size_t>(work.problem.group());
  std::vector<Target> targets;
  for (std::size_t at = unit.first; at < unit.first + unit.count; ++at) {
    const std::size_t n = (*unit.rows)[at / group];
    const int head = unit.kv_head * work.problem.group() + static_cast<int>(at % group);
    const auto line = static_cast<Eigen::Index>(n) * work.problem.num_q_heads + head;
    targets.push_back({work.expected->rows[n], head, line});
  }
  return targets;
}

void ComputeUnit(const Work& work, const Unit& unit) {
  const std::vector<Target> targets = TargetsOf(work, unit);
  Workspace space{work, unit, GatherBlock(work, targets)};
  // The bound is relative to the final maximum, so that has to be known first.
  Maximum known;
  std::unique_ptr<BlockBound> bound;
  if (work.options.bound || work.options.detail) known = FindMaximum(&space);
  if (work.options.bound) {
    bound = std::make_unique<BlockBound>(work.rules, space.block, known.max, known.flat,
                                         work.problem.head_dim_v);
  }
  const BlockSums sums = SumOverKeys(
      &space, known.max.size() > 0 ? known.max : StartOfMaximum(space.block), bound.get(), targets);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const auto n = static_cast<Eigen::Index>(i);
    const Eigen::Index line = targets[i].line;
    StoreLine(space.block.count[i], sums, n, line, work.expected);
    if (work.options.detail) {
      LineDetail& detail = work.expected->detail[static_cast<std::size_t>(line)];
      for (double& weight : detail.weight) weight /= work.expected->weight_sum[line];
    }
    if (bound == nullptr) continue;
    bound->Finish(n, work.expected->out.row(line), work.expected->weight_sum[line],
                  work.expected->lse[line], work.expected->out_bound.row(line),
                  &work.expected->lse_bound[line]);
  }
}

// Cuts the lines of one request and KV head into blocks.
void AddUnits(const Problem& problem, int request, int kv_head,
              const std::vector<std::size_t>* rows, std::vector<Unit>* units) {
  const std::size_t lines = rows->size() * static_cast<std::size_t>(problem.group());
  const std::int64_t keys = problem.requests[static_cast<std::size_t>(request)].seq_len;
  std::int64_t most = kMaxLines;
  if (!IsInterval(problem)) {
    most = std::clamp(kMaskBytes / std::max<std::int64_t>(keys, 1), kMinLines, kMaxLines);
  }
  for (std::size_t first = 0; first < lines; first += static_cast<std::size_t>(most)) {
    const std::size_t count = std::min(static_cast<std::size_t>(most), lines - first);
    units->push_back({request, kv_head, rows, first, count});
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
      AddUnits(problem, static_cast<int>(r), head, &rows_of[r], &units);
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
