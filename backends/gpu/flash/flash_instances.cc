// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "backends/gpu/flash/flash.h"
#include "backends/gpu/flash/flash_body.h"
#include "backends/gpu/flash/flash_config.h"
#include "backends/gpu/plan.h"
#include "backends/gpu/tensor_tile.h"

namespace attest::gpu {
namespace {

// As many splits as fill the device, or always the same number.
int MostSplits(const Step& step, std::int64_t blocks) {
  const std::int64_t fitting = step.problem.max_seq_len / flash::kLeastSplitKeys;
  const std::int64_t bound = std::clamp<std::int64_t>(fitting, 1, flash::kMostSplits);
  if (WantsInvariance(step.problem)) return static_cast<int>(bound);
  const std::int64_t filling = 2 * step.device.multiprocessors / std::max<std::int64_t>(1, blocks);
  return static_cast<int>(std::clamp<std::int64_t>(filling, 1, bound));
}

template <typename Config>
SplitParams Splitting(const Step& step) {
  const Extent grid = GridOf<Config>(step);
  SplitParams splits;
  splits.rows = Config::kRows;
  splits.keys = Config::kKeys;
  splits.least_keys = flash::kLeastSplitKeys;
  splits.most = MostSplits(step, std::int64_t{grid.x} * grid.y);
  return splits;
}

template <typename Work, bool kCausal>
std::vector<Launch> PlanFor(const Step& step) {
  using Config = typename Work::C;
  flash::FlashParams params = {step.params, Splitting<Config>(step)};
  PlaceSplits(step, params.splits);
  std::vector<Launch> launches;
  launches.push_back(MakeLaunch(flash::FlashKernel<Work, kCausal>,
                                GridOf<Config>(step, params.splits.most), {Config::kThreads, 1, 1},
                                Work::kSharedBytes, params));
  if (params.splits.most == 1) return launches;
  const Extent grid = {Unsigned(step.problem.num_requests), Unsigned(step.problem.num_kv_heads), 1};
  launches.push_back(
      MakeLaunch(flash::MergeKernel<kCausal>, grid, {kMergeThreads, 1, 1}, 0, params));
  return launches;
}

template <typename Work>
std::vector<Launch> PlanCausality(const Step& step) {
#ifdef ATTEST_CAUSAL_ONLY  // causal_alone.sh compares its kernels with the ordinary build's
  return PlanFor<Work, true>(step);
#else
  return IsCausal(step.problem) ? PlanFor<Work, true>(step) : PlanFor<Work, false>(step);
#endif
}

// Weights are rounded to the type of the query, values must already have it.
[[maybe_unused]] bool FitsMatrixUnit(const Step& step) {
  const Element element = step.params.query.element;
  return step.device.matrix_unit && element != Element::kFloat32 &&
         step.params.key.element == element;
}

template <typename Config>
std::vector<Launch> PlanWork(const Step& step) {
#if GPU_HAS_MATRIX_UNIT
  if (FitsMatrixUnit(step)) {
    return step.params.query.element == Element::kFloat16
               ? PlanCausality<TensorTileWork<Config, Element::kFloat16>>(step)
               : PlanCausality<TensorTileWork<Config, Element::kBFloat16>>(step);
  }
#endif
  return PlanCausality<TileWork<Config>>(step);
}

std::vector<Launch> Plan(const Step& step) {
  return FitsTileOf128(step.problem) ? PlanWork<TileOf128>(step) : PlanWork<TileOf256>(step);
}

std::size_t WorkspaceBytes(const Step& step) {
  return FitsTileOf128(step.problem) ? SplitBytes(step, Splitting<TileOf128>(step))
                                     : SplitBytes(step, Splitting<TileOf256>(step));
}

}  // namespace

const Family& FlashFamily() {
  static const Family kFamily = {
      .name = "flash",
      // FLASH_ATTN merges the two parts of a cascade; its metadata has no persistent copies of its
      // own.
      .features =
          ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_DECODER_NON_CAUSAL |
          ATTEST_CLAIM_ENCODER_ONLY | ATTEST_CLAIM_ENCODER_DECODER | ATTEST_CLAIM_WINDOW_CAUSAL |
          ATTEST_CLAIM_WINDOW_SYMMETRIC | ATTEST_CLAIM_WINDOW_ASYMMETRIC | ATTEST_CLAIM_SOFTCAP |
          ATTEST_CLAIM_ALIBI | ATTEST_CLAIM_SINKS | ATTEST_CLAIM_LSE | ATTEST_CLAIM_KV_X_SPLIT |
          ATTEST_CLAIM_KV_STRIDES | ATTEST_CLAIM_TOKEN_STRIDES | ATTEST_CLAIM_SHARED_LATENT |
          ATTEST_CLAIM_PAGE_ALIASING | ATTEST_CLAIM_DETERMINISTIC | ATTEST_CLAIM_BATCH_INVARIANT |
          ATTEST_CLAIM_UNEQUAL_HEAD_DIMS | ATTEST_CLAIM_KV_SCALE_PER_TENSOR |
          ATTEST_CLAIM_KV_SCALE_PER_HEAD | ATTEST_CLAIM_KV_SCALE_PER_TOKEN_HEAD |
          ATTEST_CLAIM_WRITE_KV | ATTEST_CLAIM_MERGE,
      .cache_of_bytes = true,
      .head_dims = {1, TileOf256::kColumns, 1},
      .group_sizes = {1, 128, 1},
      .block_sizes = {1, 512, 1},
      .shared_bytes = std::max(TileOf128::kSharedBytes, TileOf256::kSharedBytes),
      .architecture = 80,
      .workspace_bytes = WorkspaceBytes,
      .plan = Plan,
  };
  return kFamily;
}

}  // namespace attest::gpu
