// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/tensors.h"

#include <cstddef>

#include "backends/gpu/dtype.h"

namespace attest::gpu {
namespace {

Answer CheckTensor(const Wanted& wanted) {
  const std::string& field = wanted.name;
  const attest_tensor_t& tensor = *wanted.tensor;
  const std::vector<AxisExtent>& shape = wanted.shape;
  if (tensor.ndim != static_cast<std::int32_t>(shape.size())) {
    return Invalid(field + ".ndim", std::to_string(tensor.ndim),
                   "not " + std::to_string(shape.size()));
  }
  if (tensor.shape == nullptr || tensor.strides == nullptr) {
    return Invalid(field, "NULL", "shape or strides missing");
  }
  bool empty = false;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const std::int64_t got = tensor.shape[axis];
    const bool fits = shape[axis].or_more ? got >= shape[axis].value : got == shape[axis].value;
    if (!fits) {
      return Invalid(
          field + ".shape[" + std::to_string(axis) + "]", std::to_string(got),
          (shape[axis].or_more ? "less than " : "not ") + std::to_string(shape[axis].value));
    }
    empty = empty || got == 0;
  }
  if (tensor.data == nullptr && !empty) return Invalid(field + ".data", "NULL", "missing");
  if (!SameDType(tensor.dtype, wanted.dtype)) {
    return Invalid(field + ".dtype", "code " + std::to_string(tensor.dtype.code),
                   "not that of the problem");
  }
  return {};
}

}  // namespace

Answer CheckTensors(const std::vector<Wanted>& all) {
  for (const Wanted& wanted : all) {
    if (Answer answer = CheckTensor(wanted); !answer.ok()) return answer;
  }
  return {};
}

std::vector<Wanted> CacheTensors(const attest_problem_t& p, const attest_tensor_t& key_cache,
                                 const attest_tensor_t& value_cache,
                                 const attest_tensor_t& key_scale,
                                 const attest_tensor_t& value_scale) {
  const AxisExtent pages = {p.num_blocks};
  const AxisExtent slots = {p.block_size};
  const AxisExtent heads = {p.num_kv_heads};
  std::vector<AxisExtent> key = {pages, slots, heads, {p.head_dim_qk}};
  std::vector<AxisExtent> value = {pages, slots, heads, {p.head_dim_v}};
  if (p.kv_layout == ATTEST_KV_X_SPLIT) {
    const std::int64_t piece = 128 / p.cache_dtype.bits;
    key = {pages, heads, {p.head_dim_qk / piece}, slots, {piece}};
    value = {pages, heads, {p.head_dim_v}, slots};
  }
  std::vector<Wanted> wanted = {{"key_cache", &key_cache, p.cache_dtype, key},
                                {"value_cache", &value_cache, p.cache_dtype, value}};
  if (p.kv_scale_kind != ATTEST_KV_SCALE_NONE) {
    wanted.push_back({"key_scale", &key_scale, kFloat32DType, {pages, slots, heads}});
    wanted.push_back({"value_scale", &value_scale, kFloat32DType, {pages, slots, heads}});
  }
  return wanted;
}

void* DataOf(const attest_tensor_t& tensor) {
  if (tensor.data == nullptr) return nullptr;
  return static_cast<std::byte*>(tensor.data) + tensor.byte_offset;
}

TokenView TokensOf(const attest_tensor_t& tensor) {
  return {DataOf(tensor), tensor.strides[0], tensor.strides[1], tensor.strides[2],
          *ElementOf(tensor.dtype)};
}

// Strided [page, slot, head, column]; x-split keys [page, head, piece, slot, column] and values
// [page, head, column, slot].
RowView CacheRows(const attest_tensor_t& tensor, attest_kv_layout_t layout) {
  RowView rows;
  rows.data = DataOf(tensor);
  rows.element = *ElementOf(tensor.dtype);
  rows.page = tensor.strides[0];
  const bool strided = layout == ATTEST_KV_STRIDED;
  rows.slot = tensor.strides[strided ? 1 : 3];
  rows.head = tensor.strides[strided ? 2 : 1];
  const int column = strided ? 3 : tensor.ndim == 4 ? 2 : 4;
  rows.column = tensor.strides[column];
  rows.piece = static_cast<std::int32_t>(tensor.shape[column]);
  if (tensor.ndim == 5) rows.piece_stride = tensor.strides[2];
  return rows;
}

ScaleView ScalesOf(const attest_tensor_t& tensor) {
  return {static_cast<const float*>(DataOf(tensor)), tensor.strides[0], tensor.strides[1],
          tensor.strides[2]};
}

FloatView FloatsOf(const attest_tensor_t& tensor) {
  const bool matrix = tensor.ndim == 2;
  return {static_cast<float*>(DataOf(tensor)), matrix ? tensor.strides[0] : 0,
          tensor.strides[matrix ? 1 : 0]};
}

}  // namespace attest::gpu
