// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/graph/metadata_body.h"
#include "backends/gpu/graph/metadata_config.h"

namespace attest::gpu::graph {

Launch TakeMetadata(const MetadataParams& params) {
  return MakeLaunch(MetadataKernel<kMetadataThreads>,
                    {static_cast<std::uint32_t>(params.most_requests) + 1, 1, 1},
                    {kMetadataThreads, 1, 1}, 0, params);
}

}  // namespace attest::gpu::graph
