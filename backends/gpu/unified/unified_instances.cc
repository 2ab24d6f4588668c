// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "backends/gpu/plan.h"
#include "backends/gpu/unified/unified.h"
#include "backends/gpu/unified/unified_body.h"

namespace attest::gpu {
namespace {

template <typename Config>
bool Segmented(const Step& step) {
  if (WantsInvariance(step.problem) || step.problem.max_query_len > 1) return false;
  const Extent grid = GridOf<Config>(step);
  return std::int64_t{grid.x} * grid.y <
         std::int64_t{unified::kFewBlocksPerMultiprocessor} * step.device.multiprocessors;
}

std::size_t SegmentRows(const Step& step) {
  return static_cast<std::size_t>(step.problem.num_actual_tokens) *
         static_cast<std::size_t>(step.problem.num_q_heads) * unified::kSegments;
}

template <typename Config>
std::vector<Launch> PlanFor(const Step& step) {
  unified::UnifiedParams params = {step.params};
  const Extent block = {Config::kThreads, 1, 1};
  if (!Segmented<Config>(step)) {
    return {MakeLaunch(unified::UnifiedKernel<Config, false>, GridOf<Config>(step), block,
                       Config::kSharedBytes, params)};
  }
  params.segment_lse = reinterpret_cast<float*>(step.workspace);
  params.segment_out = params.segment_lse + SegmentRows(step);
  const Extent rows = {Unsigned(step.problem.num_actual_tokens), Unsigned(step.problem.num_q_heads),
                       1};
  return {MakeLaunch(unified::UnifiedKernel<Config, true>, GridOf<Config>(step, unified::kSegments),
                     block, Config::kSharedBytes, params),
          MakeLaunch(unified::ReduceKernel<unified::kReduceThreads>, rows,
                     {unified::kReduceThreads, 1, 1}, 0, params)};
}

}  // namespace

std::size_t UnifiedWorkspaceBytes(const Step& step) {
  const bool segmented =
      FitsTileOf128(step.problem) ? Segmented<TileOf128>(step) : Segmented<TileOf256>(step);
  if (!segmented) return 0;
  return sizeof(float) * SegmentRows(step) *
         (static_cast<std::size_t>(step.problem.head_dim_v) + 1);
}

std::vector<Launch> PlanUnified(const Step& step) {
  return FitsTileOf128(step.problem) ? PlanFor<TileOf128>(step) : PlanFor<TileOf256>(step);
}

const Family& UnifiedFamily() {
  static const Family kFamily = {
      .name = "unified",
      // TRITON_ATTN refuses cascades, so there is nothing to merge, and has no persistent copies of
      // its own.
      .features =
          ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_WINDOW_CAUSAL | ATTEST_CLAIM_SOFTCAP |
          ATTEST_CLAIM_ALIBI | ATTEST_CLAIM_SINKS | ATTEST_CLAIM_LSE | ATTEST_CLAIM_KV_STRIDES |
          ATTEST_CLAIM_TOKEN_STRIDES | ATTEST_CLAIM_PAGE_ALIASING | ATTEST_CLAIM_DETERMINISTIC |
          ATTEST_CLAIM_BATCH_INVARIANT | ATTEST_CLAIM_UNEQUAL_HEAD_DIMS |
          ATTEST_CLAIM_KV_SCALE_PER_TENSOR | ATTEST_CLAIM_KV_SCALE_PER_HEAD | ATTEST_CLAIM_WRITE_KV,
      .cache_of_bytes = true,
      .head_dims = {1, TileOf256::kColumns, 1},
      .group_sizes = {1, 128, 1},
      .block_sizes = {1, 512, 1},
      .shared_bytes = std::max(TileOf128::kSharedBytes, TileOf256::kSharedBytes),
      .architecture = 80,
      .reasons = {{ATTEST_CLAIM_DECODER_NON_CAUSAL,
                   "decoder, non-causal: the kernel compares every key with the row's position"},
                  {ATTEST_CLAIM_ENCODER_ONLY | ATTEST_CLAIM_ENCODER_DECODER,
                   "the kernel is for causal decoders"}},
      .workspace_bytes = UnifiedWorkspaceBytes,
      .plan = PlanUnified,
  };
  return kFamily;
}

}  // namespace attest::gpu
