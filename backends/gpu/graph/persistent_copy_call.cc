// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>

#include "backends/gpu/dtype.h"
#include "backends/gpu/graph/persistent_copy.h"
#include "backends/gpu/tensors.h"

namespace attest::gpu::graph {

Answer CheckPersistentCopy(const attest_tensor_t& buffer, const attest_tensor_t& source) {
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  if (buffer.ndim < 0 || buffer.ndim > kMostAxes) {
    return Invalid("buffer.ndim", number(buffer.ndim), "not 0 to " + number(kMostAxes));
  }
  const int bits = buffer.dtype.bits;
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64) {
    return Invalid("buffer.dtype", number(bits) + " bits", "not 8, 16, 32 or 64");
  }
  if (!SameDType(buffer.dtype, source.dtype)) {
    return Invalid("source.dtype",
                   "code " + number(source.dtype.code) + " bits " + number(source.dtype.bits),
                   "not the buffer's");
  }
  if (source.ndim != buffer.ndim) {
    return Invalid("source.ndim", number(source.ndim), "not the buffer's " + number(buffer.ndim));
  }
  for (std::int32_t axis = 0; axis < source.ndim; ++axis) {
    if (source.shape[axis] >= 0 && source.shape[axis] <= buffer.shape[axis]) continue;
    return Invalid("source.shape[" + number(axis) + "]", number(source.shape[axis]),
                   "the buffer has " + number(buffer.shape[axis]));
  }
  return {};
}

PersistentCopyParams PersistentCopyParamsOf(const attest_tensor_t& buffer,
                                            const attest_tensor_t& source) {
  PersistentCopyParams params;
  params.buffer = DataOf(buffer);
  params.source = DataOf(source);
  params.ndim = source.ndim;
  params.element_bytes = source.dtype.bits / 8;
  params.count = 1;
  for (std::int32_t axis = 0; axis < source.ndim; ++axis) {
    params.shape[axis] = source.shape[axis];
    params.buffer_strides[axis] = buffer.strides[axis];
    params.source_strides[axis] = source.strides[axis];
    params.count *= source.shape[axis];
  }
  return params;
}

// Clauses GRAPH-11 and GRAPH-12.
void DescribeView(const attest_tensor_t& buffer, const attest_tensor_t& source,
                  attest_tensor_t& view) {
  view.data = buffer.data;
  view.byte_offset = buffer.byte_offset;
  view.device = buffer.device;
  view.dtype = buffer.dtype;
  view.ndim = buffer.ndim;
  std::copy_n(source.shape, source.ndim, view.shape);
  std::copy_n(buffer.strides, buffer.ndim, view.strides);
}

}  // namespace attest::gpu::graph
