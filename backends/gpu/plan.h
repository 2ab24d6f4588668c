// SPDX-License-Identifier: Apache-2.0
//
// What the plans of the families have in common.
#ifndef ATTEST_BACKENDS_GPU_PLAN_H_
#define ATTEST_BACKENDS_GPU_PLAN_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "backends/gpu/family.h"
#include "backends/gpu/split.h"

namespace attest::gpu {

inline bool IsCausal(const attest_problem_t& p) {
  return p.attention_type == ATTEST_DECODER && p.causality == ATTEST_CAUSAL;
}
inline bool WantsInvariance(const attest_problem_t& p) {
  return (p.flags & ATTEST_FLAG_BATCH_INVARIANT) != 0;
}
// The tiles that fit the head.
inline bool FitsTileOf128(const attest_problem_t& p) {
  return std::max(p.head_dim_qk, p.head_dim_v) <= TileOf128::kColumns;
}

inline std::uint32_t Unsigned(std::int64_t count) { return static_cast<std::uint32_t>(count); }

template <typename Config>
Extent GridOf(const Step& step, int splits = 1) {
  const attest_problem_t& p = step.problem;
  return {
      Unsigned(NumRowTiles(p.num_actual_tokens, p.num_requests, step.params.group, Config::kRows)),
      Unsigned(p.num_kv_heads), Unsigned(splits)};
}

// Floats of partial results for the splits of every request.
inline std::size_t SplitFloats(const Step& step, const SplitParams& s) {
  return static_cast<std::size_t>(s.most) * static_cast<std::size_t>(step.problem.num_requests) *
         static_cast<std::size_t>(step.problem.num_kv_heads) * static_cast<std::size_t>(s.rows);
}
inline std::size_t SplitBytes(const Step& step, const SplitParams& s) {
  if (s.most == 1) return 0;
  return sizeof(float) * SplitFloats(step, s) *
         (static_cast<std::size_t>(step.problem.head_dim_v) + 1);
}
inline void PlaceSplits(const Step& step, SplitParams& s) {
  s.lse = reinterpret_cast<float*>(step.workspace);
  s.out = s.lse + SplitFloats(step, s);
}

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_PLAN_H_
