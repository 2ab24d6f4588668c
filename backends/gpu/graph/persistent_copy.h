// SPDX-License-Identifier: Apache-2.0
//
// attest_backend_t.copy_to_persistent: a tensor of a step, copied into the leading corner of a
// buffer that outlives it.
#ifndef ATTEST_BACKENDS_GPU_GRAPH_PERSISTENT_COPY_H_
#define ATTEST_BACKENDS_GPU_GRAPH_PERSISTENT_COPY_H_

#include <cstdint>
#include <vector>

#include "backends/gpu/answer.h"
#include "backends/gpu/launch.h"
#include "spec/abi/attest.h"

namespace attest::gpu::graph {

inline constexpr int kMostAxes = 8;

struct PersistentCopyParams {
  void* buffer = nullptr;
  const void* source = nullptr;
  std::int64_t shape[kMostAxes] = {};  // of the source
  std::int64_t buffer_strides[kMostAxes] = {};
  std::int64_t source_strides[kMostAxes] = {};
  std::int64_t count = 0;  // of elements to copy
  std::int32_t ndim = 0;
  std::int32_t element_bytes = 0;  // 1, 2, 4 or 8
};

// Clause GRAPH-14: what does not fit is ATTEST_INVALID_ARGUMENT. Reads headers alone.
Answer CheckPersistentCopy(const attest_tensor_t& buffer, const attest_tensor_t& source);

// The tensors have passed the check.
PersistentCopyParams PersistentCopyParamsOf(const attest_tensor_t& buffer,
                                            const attest_tensor_t& source);
void DescribeView(const attest_tensor_t& buffer, const attest_tensor_t& source,
                  attest_tensor_t& view);

std::vector<Launch> CopyToPersistent(const PersistentCopyParams& params);

}  // namespace attest::gpu::graph

#endif  // ATTEST_BACKENDS_GPU_GRAPH_PERSISTENT_COPY_H_
