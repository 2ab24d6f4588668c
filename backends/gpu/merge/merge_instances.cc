// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/merge/merge.h"
#include "backends/gpu/merge/merge_body.h"
#include "backends/gpu/merge/merge_config.h"

namespace attest::gpu::merge {

static_assert(sizeof(MergeParams) <= 4096);

std::vector<Launch> Merge(const MergeParams& params) {
  if (params.num_tokens == 0) return {};
  const Extent grid = {static_cast<std::uint32_t>(params.num_tokens),
                       static_cast<std::uint32_t>(params.num_q_heads), 1};
  return {MakeLaunch(MergeKernel<kThreads>, grid, {kThreads, 1, 1}, 0, params)};
}

}  // namespace attest::gpu::merge
