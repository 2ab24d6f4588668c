// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "backends/gpu/plan.h"
#include "backends/gpu/prefix/prefix.h"
#include "backends/gpu/prefix/prefix_body.h"
#include "backends/gpu/prefix/prefix_family.h"

namespace attest::gpu {
namespace {

template <typename Config, bool kCausal>
std::vector<Launch> PlanFor(const Step& step) {
  const prefix::PrefixParams params = {step.params, step.step_key, step.step_value};
  const Extent decode = {Unsigned(step.problem.num_requests), Unsigned(step.problem.num_q_heads),
                         1};
  std::vector<Launch> launches;
  if (step.problem.max_query_len > 1) {
    launches.push_back(MakeLaunch(prefix::PrefillKernel<Config, kCausal>, GridOf<Config>(step),
                                  {Config::kThreads, 1, 1}, Config::kSharedBytes, params));
  }
  launches.push_back(MakeLaunch(prefix::DecodeKernel<kCausal>, decode,
                                {prefix::kDecodeThreads, 1, 1},
                                prefix::DecodeSharedBytes(step.problem.head_dim_qk), params));
  return launches;
}

std::vector<Launch> Plan(const Step& step) {
  const bool causal = IsCausal(step.problem);
  if (FitsTileOf128(step.problem)) {
    return causal ? PlanFor<TileOf128, true>(step) : PlanFor<TileOf128, false>(step);
  }
  return causal ? PlanFor<TileOf256, true>(step) : PlanFor<TileOf256, false>(step);
}

}  // namespace

Family PrefixLikeFamily(const char* name) {
  return {
      .name = name,
      // ROCM_ATTN, and the unified backend that inherits from it, writes its own x-split cache.
      // Neither has a cascade to merge, nor copies of its own that a graph reads.
      .features = ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_DECODER_NON_CAUSAL |
                  ATTEST_CLAIM_WINDOW_CAUSAL | ATTEST_CLAIM_WINDOW_SYMMETRIC | ATTEST_CLAIM_ALIBI |
                  ATTEST_CLAIM_SINKS | ATTEST_CLAIM_LSE | ATTEST_CLAIM_KV_X_SPLIT |
                  ATTEST_CLAIM_KV_STRIDES | ATTEST_CLAIM_TOKEN_STRIDES |
                  ATTEST_CLAIM_DETERMINISTIC | ATTEST_CLAIM_UNEQUAL_HEAD_DIMS |
                  ATTEST_CLAIM_WRITE_KV,
      .cache_of_query_type_only = true,
      .needs_step_keys = true,
      .head_dims = {1, TileOf256::kColumns, 1},
      .group_sizes = {1, 128, 1},
      .block_sizes = {1, 512, 1},
      .shared_bytes = std::max(TileOf128::kSharedBytes, TileOf256::kSharedBytes),
      .architecture = 80,
      .reasons = {{ATTEST_CLAIM_SOFTCAP, "softcap: neither of its two kernels has one"},
                  {ATTEST_CLAIM_BATCH_INVARIANT,
                   "batch-invariant mode: a row is computed by one kernel or the other, depending "
                   "on how its request is cut"}},
      .plan = Plan,
  };
}

const Family& PrefixFamily() {
  static const Family kFamily = PrefixLikeFamily("prefix");
  return kFamily;
}

}  // namespace attest::gpu
