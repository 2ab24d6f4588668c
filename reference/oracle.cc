// SPDX-License-Identifier: Apache-2.0
#include "reference/oracle.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <thread>

#include "reference/block_pass.h"
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
  lines.Finish(work.score_rules);
  return lines;
}

void StoreLine(std::int64_t count, const BlockSums& sums, Eigen::Index n, Eigen::Index line,
               Expected* expected) {
  const double weights = sums.weights[n];
  expected->visible[static_cast<std::size_t>(line)] = count;
  expected->weight_sum[line] = weights;
  expected->lse[line] =
      weights == 0.0 ? -std::numeric_limits<double>::infinity() : sums.max[n] + std::log(weights);
  if (count == 0) {
    expected->out.row(line).setZero();
  } else if (std::isnan(sums.max[n])) {
    expected->out.row(line).setConstant(sums.max[n]);
  } else {
    expected->out.row(line) = sums.values.row(n) / weights;
  }
}

// Every key of a line's range stands as masked until a tile tells more: a tile that nobody sees
// never does.
LineDetail HiddenLine(KeyRange range) {
  const auto count = static_cast<std::size_t>(range.last - range.first);
  return {.first_key = range.first,
          .visible = std::vector<std::uint8_t>(count, 0),
          .score = std::vector<double>(count, -std::numeric_limits<double>::infinity()),
          .weight = std::vector<double>(count, 0.0)};
}

// Weights are relative to the maximum.
void AddDetail(const QueryBlock& block, const TileWork& work, Eigen::Index n, LineDetail* detail) {
  const ScoreTile& tile = work.scores;
  const KeyRange range = Intersect(block.visible[static_cast<std::size_t>(n)], tile.keys);
  for (std::int64_t key = range.first; key < range.last; ++key) {
    if (!block.Sees(n, key)) continue;
    const auto at = static_cast<std::size_t>(key - detail->first_key);
    detail->visible[at] = 1;
    detail->score[at] = tile.score(n - tile.lines.first, key - tile.keys.first);
    detail->weight[at] = work.weights(n - tile.lines.first, key - tile.keys.first);
  }
}

void DivideWeights(double sum, LineDetail* detail) {
  for (std::size_t i = 0; i < detail->weight.size(); ++i) {
    if (detail->visible[i] != 0) detail->weight[i] /= sum;
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

// Looks at the values again for the lines whose bound their own values may lower.
void AddRanges(const Work& work, const std::vector<Target>& targets, const QueryBlock& block,
               const KeySource& source, TileWork* memory, BlockBound* bound) {
  std::vector<Eigen::Index> lines;
  std::vector<KeyRange> visible;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const auto n = static_cast<Eigen::Index>(i);
    const Eigen::Index line = targets[i].line;
    if (!bound->WantsRange(n, work.expected->out.row(line), work.expected->weight_sum[line])) {
      continue;
    }
    lines.push_back(n);
    visible.push_back(block.visible[i]);
  }
  const KeyRange hull = HullOf(visible);
  for (const TileShape& shape : block.tiles) {
    const KeyRange keys = Intersect(shape.keys, hull);
    if (keys.first == keys.last) continue;
    GatherValueTile(source, keys, &memory->values);
    bound->AddRanges(lines, memory->values);
  }
}

void StoreBounds(const Work& work, const std::vector<Target>& targets, const BlockBound& bound) {
  Expected& expected = *work.expected;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Eigen::Index line = targets[i].line;
    bound.Finish(static_cast<Eigen::Index>(i), expected.out.row(line), expected.weight_sum[line],
                 expected.lse[line], expected.out_bound.row(line), &expected.lse_bound[line]);
  }
}

// Bound and detail are relative to the maximum, which one pass finds before another sums up.
BlockSums SumInTwoPasses(const Work& work, const std::vector<Target>& targets,
                         const QueryBlock& block, const KeySource& source, TileWork* memory,
                         const Maximum& known, BlockBound* bound) {
  std::vector<LineDetail>& detail = work.expected->detail;
  for (std::size_t i = 0; i < targets.size() && work.options.detail; ++i) {
    detail[static_cast<std::size_t>(targets[i].line)] = HiddenLine(block.visible[i]);
  }
  const auto visit = [&](const TileWork& tile) {
    if (bound != nullptr) bound->AddTile(tile.scores, tile.weights, tile.values);
    const auto [first, count] = tile.scores.lines;
    for (Eigen::Index n = first; n < first + count && work.options.detail; ++n) {
      const Eigen::Index line = targets[static_cast<std::size_t>(n)].line;
      AddDetail(block, tile, n, &detail[static_cast<std::size_t>(line)]);
    }
  };
  BlockSums sums = SumOverKeys(block, source, work.score_rules, known.max, visit, memory);
  for (std::size_t i = 0; i < targets.size() && work.options.detail; ++i) {
    DivideWeights(sums.weights[static_cast<Eigen::Index>(i)],
                  &detail[static_cast<std::size_t>(targets[i].line)]);
  }
  return sums;
}

// `memory` is the thread's: what it allocates once serves all its units.
void ComputeUnit(const Work& work, const Unit& unit, TileWork* memory) {
  const std::vector<Target> targets = TargetsOf(work, unit);
  const QueryBlock block = GatherBlock(work, targets);
  const KeySource source{work.problem, work.tensors, unit.request, unit.kv_head};
  memory->keys.range = {};  // of another request or head
  BlockSums sums;
  Maximum known;
  std::unique_ptr<BlockBound> bound;
  if (work.options.bound || work.options.detail) {
    known = FindMaximum(block, source, work.score_rules, memory);
    if (work.options.bound) {
      bound = std::make_unique<BlockBound>(work.rules, block, known, work.problem.head_dim_v);
    }
    sums = SumInTwoPasses(work, targets, block, source, memory, known, bound.get());
  } else {
    sums = SumWithRunningMaximum(block, source, work.score_rules, memory);
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    StoreLine(block.count[i], sums, static_cast<Eigen::Index>(i), targets[i].line, work.expected);
  }
  if (bound == nullptr) return;
  AddRanges(work, targets, block, source, memory, bound.get());
  StoreBounds(work, targets, *bound);
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
  // From the last on: under a causal mask it is the longest.
  const auto run = [&] {
    TileWork memory;
    for (std::size_t n = next++; n < units.size(); n = next++) {
      ComputeUnit(work, units[units.size() - 1 - n], &memory);
    }
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
