// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/graph/persistent_copy.h"
#include "backends/gpu/graph/persistent_copy_body.h"
#include "backends/gpu/graph/persistent_copy_config.h"

namespace attest::gpu::graph {
namespace {

template <typename Unit>
Launch LaunchOf(const PersistentCopyParams& params) {
  const auto blocks = static_cast<std::uint32_t>((params.count + kCopyThreads - 1) / kCopyThreads);
  return MakeLaunch(PersistentCopyKernel<kCopyThreads, Unit>, {blocks, 1, 1}, {kCopyThreads, 1, 1},
                    0, params);
}

}  // namespace

std::vector<Launch> CopyToPersistent(const PersistentCopyParams& params) {
  if (params.count == 0) return {};
  switch (params.element_bytes) {
    case 1:
      return {LaunchOf<std::uint8_t>(params)};
    case 2:
      return {LaunchOf<std::uint16_t>(params)};
    case 4:
      return {LaunchOf<std::uint32_t>(params)};
    default:
      return {LaunchOf<std::uint64_t>(params)};
  }
}

}  // namespace attest::gpu::graph
