// SPDX-License-Identifier: Apache-2.0
//
// Wrong weights, LSE, sinks, splits and merges.
#include <algorithm>
#include <cmath>
#include <set>

#include "conformance/mutants/attention.h"

namespace attest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t kTile = 16;  // keys of a tile, and of a split

std::int64_t SplitsOf(std::int64_t keys) { return (keys + kTile - 1) / kTile; }

// The output before it is divided, where there was more than one split.
void Undivided(const Call& /*call*/, const Row& row, const std::vector<Scored>& /*scores*/,
               Answer& answer) {
  if (SplitsOf(row.seq_len) < 2 || answer.visible == 0) return;
  for (double& value : answer.out) value *= answer.denominator;
}

void LseOfLastSplit(const Call& /*call*/, const Row& row, const std::vector<Scored>& scores,
                    Answer& answer) {
  if (SplitsOf(row.seq_len) < 2 || scores.empty()) return;
  const std::int64_t last = scores.back().key / kTile;
  const bool only = scores.front().key / kTile == last;
  if (only) return;
  double sum = std::exp(answer.sink - answer.maximum);
  for (const Scored& scored : scores) {
    if (scored.key / kTile == last) sum += std::exp(scored.score - answer.maximum);
  }
  answer.lse = answer.maximum + std::log(sum);
}

void MeanOfEverything(const Call& call, const Row& row, const std::vector<Scored>& /*scores*/,
                      Answer& answer) {
  if (answer.visible > 0 || row.seq_len == 0) return;
  for (std::int64_t key = 0; key < row.seq_len; ++key) {
    const std::vector<double> value = LoadLine(call, row, key, Side::kValue);
    for (std::size_t d = 0; d < answer.out.size(); ++d) {
      answer.out[d] += value[d] / static_cast<double>(row.seq_len);
    }
  }
}

bool FirstTileIsEmpty(const Row& row, const std::vector<Scored>& scores) {
  return row.seq_len > 0 && (scores.empty() || scores.front().key >= kTile);
}

void NanAfterEmptyTile(const Call& /*call*/, const Row& row, const std::vector<Scored>& scores,
                       Answer& answer) {
  if (!FirstTileIsEmpty(row, scores) || scores.empty()) return;
  answer.out.assign(answer.out.size(), std::nan(""));
  answer.lse = std::nan("");
}

// Weights relative to a maximum of at least 0, in float32.
void ClampedAtZero(const Call& call, const Row& row, const std::vector<Scored>& scores,
                   Answer& answer) {
  if (!FirstTileIsEmpty(row, scores) || scores.empty() || answer.maximum >= 0) return;
  double sum = static_cast<float>(std::exp(answer.sink));
  std::vector<double> out(answer.out.size(), 0.0);
  for (const Scored& scored : scores) {
    const double weight = static_cast<float>(std::exp(scored.score));
    sum += weight;
    const std::vector<double> value = LoadLine(call, row, scored.key, Side::kValue);
    for (std::size_t d = 0; d < out.size(); ++d) out[d] += weight * value[d];
  }
  for (std::size_t d = 0; d < out.size(); ++d) answer.out[d] = out[d] / sum;
  answer.lse = std::log(sum);
}

// Do all requests begin with the same page, so that a kernel would compute that prefix apart?
bool SharesAPrefix(const Call& call) {
  if (!call.paged() || call.problem.num_requests < 2) return false;
  std::set<std::int64_t> first;
  for (std::int64_t r = 0; r < call.problem.num_requests; ++r) {
    if (LoadAt<std::int32_t>(call.args.seq_lens, {r}) < call.problem.block_size) return false;
    first.insert(TableEntry(call, r, 0));
  }
  return first.size() == 1;
}

std::vector<Mutant> WeightMutants() {
  return {
      {.id = "accumulator-not-rescaled",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-01",
       .hooks = {.softmax = [](const Call&, const Row&, const Terms&,
                               SoftmaxRules& rules) { rules.stale_tile = kTile; }}},
      {.id = "denominator-missing",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-01",
       .bug = "fi-merge-states-no-denominator",
       .hooks = {.finish = Undivided}},
      {.id = "maximum-starts-finite",
       .bug_class = "empty-or-fully-masked",
       .clause = "SOFT-08",
       .bug = "fi-finite-sentinel-kills-very-negative-rows",
       .hooks = {.softmax =
                     [](const Call&, const Row&, const Terms&, SoftmaxRules& rules) {
                       rules.maximum_floor = -5e4;
                       rules.float_weights = true;
                     },
                 .finish =
                     [](const Call&, const Row&, const std::vector<Scored>&, Answer& answer) {
                       if (answer.visible > 0 || std::isfinite(answer.sink)) return;
                       answer.out.assign(answer.out.size(), 0.0);  // the guard of empty rows
                       answer.lse = -kInfinity;
                     }}},
      {.id = "maximum-not-subtracted",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-08",
       .hooks = {.softmax =
                     [](const Call&, const Row&, const Terms&, SoftmaxRules& rules) {
                       rules.subtract_maximum = false;
                       rules.float_weights = true;
                     },
                 .finish =
                     [](const Call&, const Row&, const std::vector<Scored>&, Answer& answer) {
                       if (answer.visible > 0) return;
                       answer.out.assign(answer.out.size(), 0.0);
                       answer.lse = answer.sink;
                     }}},
      {.id = "empty-tile-nan",
       .bug_class = "empty-or-fully-masked",
       .clause = "SOFT-09",
       .bug = "ggml-vk-init-max-neg-inf",
       .hooks = {.finish = NanAfterEmptyTile}},
      {.id = "maximum-clamped-at-zero",
       .bug_class = "empty-or-fully-masked",
       .clause = "SOFT-09",
       .hooks = {.finish = ClampedAtZero}},
      {.id = "empty-row-nan",
       .bug_class = "empty-or-fully-masked",
       .clause = "SOFT-03",
       .bug = "ggml-vk-div-by-zero-denominator",
       .hooks = {.finish =
                     [](const Call&, const Row&, const std::vector<Scored>&, Answer& answer) {
                       if (answer.visible == 0) answer.out.assign(answer.out.size(), std::nan(""));
                     }}},
      {.id = "empty-row-mean",
       .bug_class = "empty-or-fully-masked",
       .clause = "SOFT-03",
       .bug = "mlx-fallback-finite-min-mask",
       .hooks = {.finish = MeanOfEverything}},
      {.id = "output-cut-to-ten-bits",
       .bug_class = "quant-precision",
       .clause = "NUM-01",
       .sentence = "a float32 output is cut to 10 bits of mantissa",
       .reference = "kept as a standard mutation",
       .hooks = {.finish =
                     [](const Call& call, const Row&, const std::vector<Scored>&, Answer& answer) {
                       if (FormatOfAbi(call.problem.output_dtype) != Format::kFloat32) return;
                       for (double& value : answer.out) {
                         if (value == 0 || !std::isfinite(value)) continue;
                         const int shift = 10 - std::ilogb(value);
                         value = std::ldexp(std::trunc(std::ldexp(value, shift)), -shift);
                       }
                     }}},
      {.id = "output-is-zero",
       .bug_class = "race-workspace-uninit",
       .clause = "NUM-01",
       .sentence = "every output is 0",
       .reference = "kept as a standard mutation",
       .hooks = {.finish = [](const Call&, const Row&, const std::vector<Scored>&,
                              Answer& answer) { answer.out.assign(answer.out.size(), 0.0); }}},
      {.id = "output-counts-a-key-twice",
       .bug_class = "splitkv-merge-lse",
       .clause = "NUM-05",
       .sentence = "the last key of a row has twice its weight",
       .reference = "kept as a standard mutation",
       .hooks = {.finish =
                     [](const Call& call, const Row& row, const std::vector<Scored>& scores,
                        Answer& answer) {
                       if (scores.empty()) return;
                       const Scored& last = scores.back();
                       const double more = std::exp(last.score - answer.lse);
                       const std::vector<double> value =
                           LoadLine(call, row, last.key, Side::kValue);
                       for (std::size_t d = 0; d < answer.out.size(); ++d) {
                         answer.out[d] = (answer.out[d] + more * value[d]) / (1.0 + more);
                       }
                       answer.lse += std::log1p(more);
                     }}},
  };
}

std::vector<Mutant> LseMutants() {
  return {
      {.id = "lse-base-two",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-02",
       .hooks = {.finish = [](const Call&, const Row&, const std::vector<Scored>&,
                              Answer& answer) { answer.lse /= std::log(2.0); }}},
      {.id = "lse-of-last-split",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-02",
       .bug = "fi-split-decode-lse-local",
       .hooks = {.finish = LseOfLastSplit}},
      {.id = "lse-without-maximum",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-02",
       .hooks = {.finish =
                     [](const Call&, const Row&, const std::vector<Scored>&, Answer& answer) {
                       if (std::isfinite(answer.lse)) answer.lse -= answer.maximum;
                     }}},
      {.id = "lse-one-percent",
       .bug_class = "splitkv-merge-lse",
       .clause = "NUM-02",
       .sentence = "the LSE is 0.01 too large",
       .reference = "kept as a standard mutation",
       .hooks = {.finish = [](const Call&, const Row&, const std::vector<Scored>&,
                              Answer& answer) { answer.lse += 0.01; }}},
      {.id = "empty-row-lse-plus-infinity",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-04",
       .bug = "vllm-fa2-plus-inf-lse",
       .hooks = {.finish =
                     [](const Call&, const Row&, const std::vector<Scored>&, Answer& answer) {
                       if (answer.visible == 0) answer.lse = kInfinity;
                     }}},
  };
}

std::vector<Mutant> SinkMutants() {
  return {
      {.id = "sink-ignored",
       .bug_class = "alibi-bias-sink",
       .clause = "SOFT-05",
       .hooks = {.softmax = [](const Call&, const Row&, const Terms&,
                               SoftmaxRules& rules) { rules.sink = -kInfinity; }}},
      {.id = "sink-per-split",
       .bug_class = "alibi-bias-sink",
       .clause = "SOFT-05",
       .hooks = {.softmax =
                     [](const Call&, const Row& row, const Terms&, SoftmaxRules& rules) {
                       rules.sink_count =
                           static_cast<double>(std::max<std::int64_t>(1, SplitsOf(row.seq_len)));
                     }}},
      {.id = "sink-on-first-key",
       .bug_class = "alibi-bias-sink",
       .clause = "SOFT-05",
       .hooks = {.parts =
                     [](const Call& call, const Row& row, std::int64_t key, ScoreParts& parts) {
                       if (key != 0 || !call.Has(ATTEST_FLAG_SINKS)) return;
                       parts.additive +=
                           Decode(Format::kFloat32, AddressOf(call.args.sinks, {row.head}));
                     },
                 .softmax =
                     [](const Call&, const Row&, const Terms& terms, SoftmaxRules& rules) {
                       if (terms.last > 0) rules.sink = -kInfinity;
                     }}},
      {.id = "sink-scaled",
       .bug_class = "alibi-bias-sink",
       .clause = "SOFT-06",
       .hooks = {.softmax = [](const Call& call, const Row&, const Terms&,
                               SoftmaxRules& rules) { rules.sink *= call.problem.scale; }}},
      {.id = "lse-without-sink",
       .bug_class = "alibi-bias-sink",
       .clause = "SOFT-07",
       .hooks = {.finish =
                     [](const Call&, const Row&, const std::vector<Scored>&, Answer& answer) {
                       if (answer.sink == -kInfinity) return;
                       answer.lse =
                           answer.maximum +
                           std::log(answer.denominator - std::exp(answer.sink - answer.maximum));
                     }}},
      {.id = "cascade-sink-missing",
       .bug_class = "alibi-bias-sink",
       .clause = "SOFT-11",
       .bug = "vllm-cascade-missing-sink",
       .hooks = {.softmax =
                     [](const Call& call, const Row&, const Terms&, SoftmaxRules& rules) {
                       if (SharesAPrefix(call)) rules.sink = -kInfinity;
                     }}},
      {.id = "cascade-prefix-twice",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-11",
       .sentence = "the first page of a shared prefix is counted in both parts",
       .reference = "kept as a standard mutation",
       .hooks = {.parts =
                     [](const Call& call, const Row&, std::int64_t key, ScoreParts& parts) {
                       const bool first = call.paged() && key < call.problem.block_size;
                       if (first && SharesAPrefix(call)) parts.additive += std::log(2.0);
                     }}},
      {.id = "merge-base-two",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-10",
       .hooks = {.merge = [](MergeRules& rules) { rules.base = 2.0; },
                 .no_arithmetic = "merge: no row is computed"}},
      {.id = "merge-unweighted",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-10",
       .hooks = {.merge = [](MergeRules& rules) { rules.equal_weights = true; },
                 .no_arithmetic = "merge: no row is computed"}},
      {.id = "merge-lse-of-largest",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-10",
       .hooks = {.merge = [](MergeRules& rules) { rules.lse_of_largest = true; },
                 .no_arithmetic = "merge: no row is computed"}},
      {.id = "merge-empty-part-multiplied",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-12",
       .hooks = {.merge = [](MergeRules& rules) { rules.multiplies_empty_parts = true; },
                 .no_arithmetic = "merge: no row is computed"}},
      {.id = "merge-empty-nan",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-13",
       .hooks = {.merge = [](MergeRules& rules) { rules.empty_is_nan = true; },
                 .no_arithmetic = "merge: no row is computed"}},
  };
}

}  // namespace

std::vector<Mutant> SoftmaxMutants() {
  std::vector<Mutant> mutants;
  for (const auto part : {WeightMutants, LseMutants, SinkMutants}) {
    const std::vector<Mutant> some = part();
    mutants.insert(mutants.end(), some.begin(), some.end());
  }
  return mutants;
}

}  // namespace attest
