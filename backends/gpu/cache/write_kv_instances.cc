// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/cache/write_kv.h"
#include "backends/gpu/cache/write_kv_body.h"
#include "backends/gpu/cache/write_kv_config.h"

namespace attest::gpu::cache {

std::vector<Launch> WriteKv(const WriteKvParams& params) {
  if (params.num_slots == 0) return {};
  const auto heads = static_cast<std::uint32_t>(params.num_kv_heads);
  constexpr std::uint32_t kRows = kThreads / kLanes;
  const Extent grid = {static_cast<std::uint32_t>(params.num_slots), (heads + kRows - 1) / kRows,
                       params.value.columns == 0 ? 1U : 2U};
  return {MakeLaunch(WriteKvKernel<kThreads>, grid, {kThreads, 1, 1}, 0, params)};
}

}  // namespace attest::gpu::cache
