// SPDX-License-Identifier: Apache-2.0
//
// Wrong scores.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "conformance/mutants/attention.h"

namespace attest {
namespace {

constexpr double kLog2E = 1.4426950408889634;
constexpr double kLn2 = 0.6931471805599453;
constexpr double kLargestExponent = 88.7;  // e^x is finite in float32

double Capped(double softcap, double z) {
  return softcap > 0 ? softcap * std::tanh(z / softcap) : z;
}
double Bias(const ScoreParts& parts) { return parts.additive - parts.slope * parts.distance; }

std::vector<Mutant> ScaleMutants() {
  return {
      {.id = "scale-assumed",
       .bug_class = "scale-softcap",
       .clause = "SCORE-01",
       .hooks = {.parts =
                     [](const Call& call, const Row&, std::int64_t, ScoreParts& parts) {
                       parts.scale = 1.0 / std::sqrt(call.problem.head_dim_qk);
                     }}},
      {.id = "scale-of-first-call",
       .bug_class = "graph-stale-metadata",
       .clause = "SCORE-01",
       .bug = "fi-cudnn-cache-key-without-scale",
       .hooks = {.remembers = true,
                 .parts =
                     [](const Call& call, const Row&, std::int64_t, ScoreParts& parts) {
                       parts.scale = call.memory.first_scale.value_or(
                           1.0 / std::sqrt(call.problem.head_dim_qk));
                     }}},
      {.id = "scale-three-percent",
       .bug_class = "scale-softcap",
       .clause = "SCORE-01",
       .sentence = "the scale is 3 percent too large",
       .reference = "kept as a standard mutation",
       .hooks = {.parts = [](const Call&, const Row&, std::int64_t,
                             ScoreParts& parts) { parts.scale *= 1.03; }}},
      {.id = "scale-dropped",
       .bug_class = "scale-softcap",
       .clause = "SCORE-02",
       .hooks = {.parts = [](const Call&, const Row&, std::int64_t,
                             ScoreParts& parts) { parts.scale = 1.0; }}},
      {.id = "scale-twice",
       .bug_class = "scale-softcap",
       .clause = "SCORE-02",
       .hooks = {.parts = [](const Call&, const Row&, std::int64_t,
                             ScoreParts& parts) { parts.scale *= parts.scale; }}},
      {.id = "weights-base-two",
       .bug_class = "scale-softcap",
       .clause = "SCORE-02",
       .bug = "fi-mla-decode-scale-missing-log2e",
       .hooks = {.score = [](const Call&, const Row&, const ScoreParts& parts,
                             double dot) { return kLn2 * Compose(parts, dot); }}},
      {.id = "scores-in-fp16",
       .bug_class = "quant-precision",
       .clause = "NUM-03",
       .sentence = "scores are stored as float16 and overflow at 65504",
       .reference = "kept as a standard mutation",
       .hooks = {.score =
                     [](const Call&, const Row&, const ScoreParts& parts, double dot) {
                       return Through(Format::kFloat16, Compose(parts, dot));
                     }}},
      {.id = "scores-in-bf16",
       .bug_class = "quant-precision",
       .clause = "NUM-01",
       .sentence = "scores are rounded to bfloat16",
       .reference = "kept as a standard mutation",
       .hooks = {.score =
                     [](const Call&, const Row&, const ScoreParts& parts, double dot) {
                       return Through(Format::kBFloat16, Compose(parts, dot));
                     }}},
  };
}

std::vector<Mutant> SoftcapMutants() {
  return {
      {.id = "softcap-ignored",
       .bug_class = "scale-softcap",
       .clause = "SCORE-03",
       .hooks = {.parts = [](const Call&, const Row&, std::int64_t,
                             ScoreParts& parts) { parts.softcap = 0; }}},
      {.id = "softcap-ignored-in-decode",
       .bug_class = "scale-softcap",
       .clause = "SCORE-03",
       .bug = "vllm-softcap-missing-decode",
       .hooks = {.parts =
                     [](const Call&, const Row& row, std::int64_t, ScoreParts& parts) {
                       if (row.q_len == 1) parts.softcap = 0;
                     }}},
      {.id = "softcap-clips",
       .bug_class = "scale-softcap",
       .clause = "SCORE-03",
       .hooks = {.score =
                     [](const Call&, const Row&, const ScoreParts& parts, double dot) {
                       const double c = parts.softcap;
                       if (c == 0) return Compose(parts, dot);
                       return std::min(std::max(parts.scale * dot, -c), c) + Bias(parts);
                     }}},
      {.id = "scale-after-softcap-twice",
       .bug_class = "scale-softcap",
       .clause = "SCORE-04",
       .hooks = {.score =
                     [](const Call&, const Row&, const ScoreParts& parts, double dot) {
                       if (parts.softcap == 0) return Compose(parts, dot);
                       return parts.scale * Capped(parts.softcap, parts.scale * dot) + Bias(parts);
                     }}},
      {.id = "softcap-base-two",
       .bug_class = "scale-softcap",
       .clause = "SCORE-03",
       .bug = "lmd-softcap-after-log2e",
       .hooks = {.score =
                     [](const Call&, const Row&, const ScoreParts& parts, double dot) {
                       return kLn2 * Capped(parts.softcap, kLog2E * parts.scale * dot) +
                              Bias(parts);
                     }}},
      {.id = "softcap-before-scale",
       .bug_class = "scale-softcap",
       .clause = "SCORE-04",
       .hooks = {.score =
                     [](const Call&, const Row&, const ScoreParts& parts, double dot) {
                       return parts.scale * Capped(parts.softcap, dot) + Bias(parts);
                     }}},
      {.id = "softcap-after-bias",
       .bug_class = "scale-softcap",
       .clause = "SCORE-04",
       .hooks = {.score =
                     [](const Call&, const Row&, const ScoreParts& parts, double dot) {
                       return Capped(parts.softcap, parts.scale * dot + Bias(parts));
                     }}},
      {.id = "softcap-after-mask",
       .bug_class = "scale-softcap",
       .clause = "SCORE-04",
       .bug = "fi-softcap-after-mask",
       .hooks = {.masked =
                     [](const Call& call, const Row&, std::int64_t key,
                        std::vector<Scored>& scores) {
                       if (call.problem.softcap > 0) scores.push_back({key, -call.problem.softcap});
                     }}},
      {.id = "softcap-overflow",
       .bug_class = "scale-softcap",
       .clause = "SCORE-05",
       .hooks = {.score =
                     [](const Call&, const Row&, const ScoreParts& parts, double dot) {
                       const double x = parts.scale * dot / parts.softcap;
                       if (parts.softcap > 0 && 2 * x > kLargestExponent) return std::nan("");
                       return Compose(parts, dot);
                     }}},
  };
}

std::vector<Mutant> BiasMutants() {
  return {
      {.id = "alibi-signed",
       .bug_class = "alibi-bias-sink",
       .clause = "SCORE-06",
       .hooks = {.parts =
                     [](const Call&, const Row& row, std::int64_t key, ScoreParts& parts) {
                       parts.distance = static_cast<double>(row.position - key);
                     }}},
      {.id = "alibi-row-shifted",
       .bug_class = "alibi-bias-sink",
       .clause = "SCORE-06",
       .hooks = {.parts =
                     [](const Call&, const Row& row, std::int64_t key, ScoreParts& parts) {
                       parts.distance = static_cast<double>(row.seq_len - 1 - key);
                     }}},
      {.id = "alibi-drops-window",
       .bug_class = "alibi-bias-sink",
       .clause = "SCORE-09",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (call.Has(ATTEST_FLAG_ALIBI)) terms.left = terms.right = kNoReach;
                     }}},
      {.id = "alibi-ignored",
       .bug_class = "alibi-bias-sink",
       .clause = "SCORE-06",
       .sentence = "slopes are accepted and not applied",
       .reference = "kept as a standard mutation",
       .hooks = {.parts = [](const Call&, const Row&, std::int64_t,
                             ScoreParts& parts) { parts.slope = 0; }}},
      {.id = "alibi-off-by-one",
       .bug_class = "alibi-bias-sink",
       .clause = "SCORE-06",
       .bug = "vllm-alibi-off-by-one",
       .hooks = {.parts = [](const Call&, const Row&, std::int64_t,
                             ScoreParts& parts) { parts.distance += 1; }}},
      {.id = "alibi-top-left",
       .bug_class = "alibi-bias-sink",
       .clause = "SCORE-06",
       .hooks = {.parts =
                     [](const Call&, const Row& row, std::int64_t key, ScoreParts& parts) {
                       parts.distance = static_cast<double>(std::abs(row.index - key));
                     }}},
      {.id = "alibi-by-kv-head",
       .bug_class = "alibi-bias-sink",
       .clause = "SCORE-06",
       .hooks = {.parts =
                     [](const Call& call, const Row& row, std::int64_t, ScoreParts& parts) {
                       if (!call.Has(ATTEST_FLAG_ALIBI)) return;
                       parts.slope = Decode(Format::kFloat32,
                                            AddressOf(call.args.alibi_slopes, {row.kv_head}));
                     }}},
      {.id = "alibi-scaled",
       .bug_class = "alibi-bias-sink",
       .clause = "SCORE-06",
       .hooks = {.parts = [](const Call&, const Row&, std::int64_t,
                             ScoreParts& parts) { parts.slope *= parts.scale; }}},
      {.id = "alibi-sign-is-causality",
       .bug_class = "alibi-bias-sink",
       .clause = "SCORE-10",
       .hooks = {.visible =
                     [](const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
                       if (!Visible(call, row, terms, key)) return false;
                       if (!call.Has(ATTEST_FLAG_ALIBI)) return true;
                       const double slope =
                           Decode(Format::kFloat32, AddressOf(call.args.alibi_slopes, {row.head}));
                       return slope * static_cast<double>(key - row.position) <= 0;
                     }}},
      {.id = "bias-as-boolean",
       .bug_class = "alibi-bias-sink",
       .clause = "SCORE-07",
       .hooks = {.parts = [](const Call&, const Row&, std::int64_t,
                             ScoreParts& parts) { parts.additive = 0; }}},
      {.id = "bias-infinity-clamped",
       .bug_class = "alibi-bias-sink",
       .clause = "SCORE-08",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (call.problem.custom_mask_kind == ATTEST_MASK_ADDITIVE) {
                         terms.custom = false;
                       }
                     },
                 .parts =
                     [](const Call&, const Row&, std::int64_t, ScoreParts& parts) {
                       if (std::isinf(parts.additive)) parts.additive = -1e4;
                     }}},
      {.id = "bias-scaled",
       .bug_class = "alibi-bias-sink",
       .clause = "SCORE-07",
       .hooks = {.parts = [](const Call&, const Row&, std::int64_t,
                             ScoreParts& parts) { parts.additive *= parts.scale; }}},
  };
}

}  // namespace

std::vector<Mutant> ScoreMutants() {
  std::vector<Mutant> mutants;
  for (const auto part : {ScaleMutants, SoftcapMutants, BiasMutants}) {
    const std::vector<Mutant> some = part();
    mutants.insert(mutants.end(), some.begin(), some.end());
  }
  return mutants;
}

}  // namespace attest
