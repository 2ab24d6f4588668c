// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_GRAPH_PERSISTENT_COPY_CONFIG_H_
#define ATTEST_BACKENDS_GPU_GRAPH_PERSISTENT_COPY_CONFIG_H_

namespace attest::gpu::graph {

inline constexpr int kCopyThreads = 128;  // each an element

}  // namespace attest::gpu::graph

#endif  // ATTEST_BACKENDS_GPU_GRAPH_PERSISTENT_COPY_CONFIG_H_
