// SPDX-License-Identifier: Apache-2.0
#include "reference/tensor_shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace attest {

Status CheckTensor(std::string_view name, const TensorView& tensor, DType dtype,
                   const Shape& shape) {
  if (!tensor.present()) return BadInput(fmt::format("{}: missing", name));
  if (tensor.dtype != dtype) {
    return BadInput(
        fmt::format("{}: dtype {}, expected {}", name, Name(tensor.dtype), Name(dtype)));
  }
  if (tensor.shape.size() != shape.size() || tensor.strides.size() != shape.size()) {
    return BadInput(
        fmt::format("{}: {} axes, expected {}", name, tensor.shape.size(), shape.size()));
  }
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const bool fits = shape[axis] < 0 ? tensor.shape[axis] >= -1 - shape[axis]
                                      : tensor.shape[axis] == shape[axis];
    if (!fits) {
      return BadInput(fmt::format("{}: shape [{}], axis {} contradicts the problem", name,
                                  fmt::join(tensor.shape, ", "), axis));
    }
  }
  return {};
}

std::int64_t XOf(const Problem& problem) {
  return static_cast<std::int64_t>(16 / SizeOf(problem.cache_dtype));
}

Shape KeyCacheShape(const Problem& problem, std::int64_t pages) {
  if (problem.cache_layout != CacheLayout::kXSplit) {
    return {pages, problem.block_size, problem.num_kv_heads, problem.head_dim_qk};
  }
  const std::int64_t x = XOf(problem);
  return {pages, problem.num_kv_heads, (problem.head_dim_qk + x - 1) / x, problem.block_size, x};
}

Shape ValueCacheShape(const Problem& problem, std::int64_t pages) {
  if (problem.cache_layout != CacheLayout::kXSplit) {
    return {pages, problem.block_size, problem.num_kv_heads, problem.head_dim_v};
  }
  return {pages, problem.num_kv_heads, problem.head_dim_v, problem.block_size};
}

}  // namespace attest
