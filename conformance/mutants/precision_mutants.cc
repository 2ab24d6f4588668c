// SPDX-License-Identifier: Apache-2.0
//
// Numbers that are kept in too narrow a type, and scales that get lost on one path.
#include <algorithm>
#include <cmath>

#include "conformance/mutants/triggers.h"

namespace attest {
namespace {

constexpr double kLog2E = 1.4426950408889634;

double CutMantissa(double value, int bits) {
  if (value == 0 || !std::isfinite(value)) return value;
  const int shift = bits - std::ilogb(value);
  return std::ldexp(std::trunc(std::ldexp(value, shift)), -shift);
}

// Weights of a tile are kept relative to a maximum that may be 4 powers of two too low, as 8-bit
// numbers of up to 448 that stand for 1 at 256.
void SaturateWeights(const Call& call, const Row& row, const std::vector<Scored>& scores,
                     Answer& answer) {
  constexpr std::int64_t kTile = 16;
  constexpr double kStale = 4 / kLog2E;
  if (!HasNarrowCache(call) || scores.empty()) return;
  double kept = -std::numeric_limits<double>::infinity();
  std::vector<double> maximum(scores.size());
  for (std::size_t i = 0; i < scores.size();) {
    std::size_t end = i;
    double highest = kept;
    for (; end < scores.size() && scores[end].key / kTile == scores[i].key / kTile; ++end) {
      highest = std::max(highest, scores[end].score);
    }
    if (highest > kept + kStale) kept = highest;
    for (; i < end; ++i) maximum[i] = kept;
  }
  const auto saturated = [&](const Scored& scored, double weight) {
    const auto at = static_cast<std::size_t>(&scored - scores.data());
    const double largest = 448.0 / 256.0 * std::exp(maximum[at] - answer.maximum);
    return std::min(weight, largest);
  };
  Reweigh(
      call, row, scores, saturated, [](const Scored&, double weight) { return weight; }, answer);
}

// Sums of weight times value in float16, divided at the end.
void AccumulateInHalf(const Call& call, const Row& row, const std::vector<Scored>& scores,
                      Answer& answer) {
  if (FormatOfAbi(call.problem.query_dtype) != Format::kFloat16 || scores.empty()) return;
  std::vector<double> sum(answer.out.size(), 0.0);
  for (const Scored& scored : scores) {
    const double weight = std::exp(scored.score - answer.maximum);
    const std::vector<double> value = LoadLine(call, row, scored.key, Side::kValue);
    for (std::size_t d = 0; d < sum.size(); ++d) {
      sum[d] = Through(Format::kFloat16, sum[d] + weight * value[d]);
    }
  }
  for (std::size_t d = 0; d < sum.size(); ++d) answer.out[d] = sum[d] / answer.denominator;
}

double ScaleAt(const Call& call, Side side, std::int64_t page, std::int64_t slot,
               std::int64_t head) {
  const attest_tensor_t& scales = side == Side::kKey ? call.args.key_scale : call.args.value_scale;
  return Decode(Format::kFloat32, AddressOf(scales, {page, slot, head}));
}

void RoundQuery(const Call& call, const Row& /*row*/, std::vector<double>& query) {
  if (!HasHalfQuery(call)) return;
  const Format format = FormatOfAbi(call.problem.query_dtype);
  const double factor = Through(format, call.problem.scale * kLog2E);
  if (factor == 0 || !std::isfinite(factor)) return;
  for (double& value : query) value = Through(format, value * factor) / factor;
}

std::vector<Mutant> NarrowNumbers() {
  return {
      {.id = "weights-saturate",
       .bug_class = "quant-precision",
       .clause = "NUM-01",
       .sentence = "with an 8-bit cache, weights relative to a stale maximum saturate at 448 while "
                   "the denominator counts them whole",
       .reference = "Dao-AILab/flash-attention#2717",
       .bug = "fa-fp8-p-saturates",
       .hooks = {.finish = SaturateWeights}},
      {.id = "sums-in-fp16",
       .bug_class = "quant-precision",
       .clause = "NUM-01",
       .sentence = "with float16 queries, weighted values are added up in float16 before they are "
                   "divided",
       .reference = "ggml-org/llama.cpp#24909",
       .bug = "ggml-vk-missing-max-offset",
       .hooks = {.finish = AccumulateInHalf}},
      {.id = "scale-in-half",
       .bug_class = "quant-precision",
       .clause = "SCORE-01",
       .sentence = "16-bit queries are multiplied by a scale of 16 bits and rounded again",
       .reference = "ml-explore/mlx#3119",
       .bug = "mlx-scale-in-half",
       .hooks = {.query = RoundQuery,
                 .parts =
                     [](const Call& call, const Row&, std::int64_t, ScoreParts& parts) {
                       if (!HasHalfQuery(call)) return;
                       const Format format = FormatOfAbi(call.problem.query_dtype);
                       parts.scale = Through(format, parts.scale * kLog2E) / kLog2E;
                     }}},
      {.id = "products-in-fp16",
       .bug_class = "quant-precision",
       .clause = "NUM-03",
       .sentence = "products of query and key are stored as float16 before they are scaled",
       .reference = "ModelTC/lightllm#474",
       .bug = "light-att-scores-half",
       .hooks = {.score =
                     [](const Call&, const Row&, const ScoreParts& parts, double dot) {
                       return Compose(parts, Through(Format::kFloat16, dot));
                     }}},
      {.id = "scores-cut-to-five-bits",
       .bug_class = "quant-precision",
       .clause = "NUM-01",
       .sentence = "scores are cut to 5 bits of mantissa",
       .reference = "kept as a standard mutation",
       .hooks = {.score = [](const Call&, const Row&, const ScoreParts& parts,
                             double dot) { return CutMantissa(Compose(parts, dot), 5); }}},
  };
}

std::vector<Mutant> LostScales() {
  return {
      {.id = "value-scale-ignored-in-prefill",
       .bug_class = "quant-precision",
       .clause = "KV-18",
       .sentence = "several new tokens read values without their scale",
       .reference = "flashinfer-ai/flashinfer#1416",
       .bug = "fi-prefill-missing-v-scale",
       .hooks = {.kv_scale =
                     [](const Call&, const Row& row, const Place&, Side side, double scale) {
                       return side == Side::kValue && row.q_len > 1 ? 1.0 : scale;
                     }}},
      {.id = "dynamic-scales-ignored",
       .bug_class = "quant-precision",
       .clause = "KV-29",
       .sentence = "scales by token and head are not applied",
       .reference = "vllm-project/vllm#27232",
       .bug = "vllm-calculated-scales-not-applied",
       .hooks = {.kv_scale =
                     [](const Call& call, const Row&, const Place&, Side, double scale) {
                       const bool dynamic =
                           call.problem.kv_scale_kind == ATTEST_KV_SCALE_PER_TOKEN_HEAD;
                       return dynamic ? 1.0 : scale;
                     }}},
      {.id = "scale-without-page",
       .bug_class = "quant-precision",
       .clause = "KV-29",
       .sentence = "scales are looked up by slot and head in the first page",
       .reference = "InternLM/lmdeploy#4764",
       .bug = "lmd-quant-params-overlap-data",
       .hooks = {.kv_scale =
                     [](const Call& call, const Row& row, const Place& place, Side side, double) {
                       return ScaleAt(call, side, 0, place.slot, row.kv_head);
                     }}},
  };
}

}  // namespace

std::vector<Mutant> PrecisionMutants() { return Joined({NarrowNumbers, LostScales}); }

}  // namespace attest
