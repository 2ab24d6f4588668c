// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "backends/gpu/flex/flex.h"
#include "backends/gpu/flex/flex_body.h"
#include "backends/gpu/plan.h"

namespace attest::gpu {
namespace {

bool Paged(const Step& step) { return step.params.block_table.data != nullptr; }

template <typename Config>
std::size_t RowTiles(const Step& step) {
  return GridOf<Config>(step).x;
}

template <typename Config>
flex::FlexParams ParamsOf(const Step& step) {
  flex::FlexParams params;
  params.attention = step.params;
  params.rows = Config::kRows;
  if (!Paged(step)) return params;
  params.num_blocks = static_cast<std::int32_t>(step.problem.num_blocks);
  params.width = static_cast<std::int32_t>(step.problem.block_table_width);
  params.logical_order = WantsInvariance(step.problem) ? 1 : 0;
  params.logical_of = reinterpret_cast<std::int32_t*>(step.workspace);
  params.page_count = params.logical_of + step.problem.num_requests * step.problem.num_blocks;
  params.page_list = params.page_count + RowTiles<Config>(step);
  return params;
}

template <typename Config, typename Mask>
std::vector<Launch> PlanFor(const Step& step) {
  const flex::FlexParams params = ParamsOf<Config>(step);
  const Extent grid = GridOf<Config>(step);
  const Extent build = {flex::kBuildThreads, 1, 1};
  std::vector<Launch> launches;
  if (Paged(step)) {
    launches.push_back(MakeLaunch(flex::InvertKernel<flex::kBuildThreads>,
                                  {Unsigned(step.problem.num_requests), 1, 1}, build, 0, params));
    launches.push_back(MakeLaunch(flex::ListKernel<Mask>, {grid.x, 1, 1}, build,
                                  sizeof(int) * flex::kBuildThreads, params));
  }
  launches.push_back(MakeLaunch(flex::FlexKernel<Config, Mask>, grid, {Config::kThreads, 1, 1},
                                Config::kSharedBytes, params));
  return launches;
}

template <typename Config, bool kCausal>
std::vector<Launch> PlanMask(const Step& step) {
  using Window = flex::WindowMask<kCausal>;
  if (step.params.prefix_ranges.count == 0) return PlanFor<Config, Window>(step);
  return PlanFor<Config, flex::PrefixMask<Window>>(step);
}

std::vector<Launch> Plan(const Step& step) {
  const bool causal = IsCausal(step.problem);
  if (FitsTileOf128(step.problem)) {
    return causal ? PlanMask<TileOf128, true>(step) : PlanMask<TileOf128, false>(step);
  }
  return causal ? PlanMask<TileOf256, true>(step) : PlanMask<TileOf256, false>(step);
}

std::size_t WorkspaceBytes(const Step& step) {
  if (!Paged(step)) return 0;
  const std::size_t tiles =
      FitsTileOf128(step.problem) ? RowTiles<TileOf128>(step) : RowTiles<TileOf256>(step);
  const auto requests = static_cast<std::size_t>(step.problem.num_requests);
  const auto blocks = static_cast<std::size_t>(step.problem.num_blocks);
  const auto width = static_cast<std::size_t>(step.problem.block_table_width);
  return sizeof(std::int32_t) * (requests * blocks + tiles * (1 + width));
}

}  // namespace

const Family& FlexFamily() {
  static const Family kFamily = {
      .name = "flex",
      // FLEX_ATTENTION has no cascade, so there is nothing to merge; copy_to_persistent is its own.
      .features = ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_DECODER_NON_CAUSAL |
                  ATTEST_CLAIM_ENCODER_ONLY | ATTEST_CLAIM_WINDOW_CAUSAL |
                  ATTEST_CLAIM_WINDOW_SYMMETRIC | ATTEST_CLAIM_WINDOW_ASYMMETRIC |
                  ATTEST_CLAIM_SOFTCAP | ATTEST_CLAIM_ALIBI | ATTEST_CLAIM_PREFIX_RANGES |
                  ATTEST_CLAIM_PREFIX_CLAMPED | ATTEST_CLAIM_LSE | ATTEST_CLAIM_KV_STRIDES |
                  ATTEST_CLAIM_TOKEN_STRIDES | ATTEST_CLAIM_DETERMINISTIC |
                  ATTEST_CLAIM_BATCH_INVARIANT | ATTEST_CLAIM_UNEQUAL_HEAD_DIMS |
                  ATTEST_CLAIM_WRITE_KV | ATTEST_CLAIM_COPY_TO_PERSISTENT,
      .head_dims = {1, TileOf256::kColumns, 1},
      .group_sizes = {1, 128, 1},
      .block_sizes = {1, 512, 1},
      .shared_bytes = std::max(TileOf128::kSharedBytes, TileOf256::kSharedBytes),
      .architecture = 80,
      .reasons = {{ATTEST_CLAIM_PAGE_ALIASING,
                   "page aliasing: its inverse page table holds one position for a page "
                   "(latest-wins)"}},
      .workspace_bytes = WorkspaceBytes,
      .plan = Plan,
  };
  return kFamily;
}

}  // namespace attest::gpu
