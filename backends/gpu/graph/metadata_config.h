// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_GRAPH_METADATA_CONFIG_H_
#define ATTEST_BACKENDS_GPU_GRAPH_METADATA_CONFIG_H_

namespace attest::gpu::graph {

inline constexpr int kMetadataThreads = 64;

}  // namespace attest::gpu::graph

#endif  // ATTEST_BACKENDS_GPU_GRAPH_METADATA_CONFIG_H_
