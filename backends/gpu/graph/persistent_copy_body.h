// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_GRAPH_PERSISTENT_COPY_BODY_H_
#define ATTEST_BACKENDS_GPU_GRAPH_PERSISTENT_COPY_BODY_H_

#include "backends/gpu/device.h"
#include "backends/gpu/graph/persistent_copy.h"

namespace attest::gpu::graph {

// Grid: [ceil(count / kThreads)]. `Unit` is as wide as an element.
template <int kThreads, typename Unit>
GPU_KERNEL(kThreads)
PersistentCopyKernel(const PersistentCopyParams p) {
  std::int64_t left = static_cast<std::int64_t>(Block().x) * kThreads + ThreadX();
  if (left >= p.count) return;
  std::int64_t to = 0;
  std::int64_t from = 0;
  for (int axis = p.ndim - 1; axis >= 0; --axis) {
    const std::int64_t index = left % p.shape[axis];
    left /= p.shape[axis];
    to += index * p.buffer_strides[axis];
    from += index * p.source_strides[axis];
  }
  static_cast<Unit*>(p.buffer)[to] = static_cast<const Unit*>(p.source)[from];
}

}  // namespace attest::gpu::graph

#endif  // ATTEST_BACKENDS_GPU_GRAPH_PERSISTENT_COPY_BODY_H_
