// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/tensor_check.h"

#include <algorithm>

#include "backends/cpu/element_type.h"
#include "backends/cpu/tensor_address.h"

namespace attest::cpu {

Answer CheckTensor(const Wanted& wanted) {
  const attest_tensor_t& tensor = *wanted.tensor;
  const std::string& field = wanted.field;
  const auto rank = static_cast<std::int32_t>(wanted.shape.size());
  if (tensor.ndim != rank) {
    return Invalid(field + ".ndim", std::to_string(tensor.ndim), "not " + std::to_string(rank));
  }
  if (tensor.shape == nullptr) return Invalid(field + ".shape", "NULL", "missing");
  if (tensor.strides == nullptr) return Invalid(field + ".strides", "NULL", "missing");
  bool empty = false;
  for (std::size_t axis = 0; axis < wanted.shape.size(); ++axis) {
    const std::int64_t got = tensor.shape[axis];
    const bool bound = wanted.shape[axis] < 0;
    const std::int64_t want = bound ? -1 - wanted.shape[axis] : wanted.shape[axis];
    if (bound ? got < want : got != want) {
      return Invalid(field + ".shape[" + std::to_string(axis) + "]", std::to_string(got),
                     (bound ? "less than " : "not ") + std::to_string(want));
    }
    empty = empty || got == 0;
  }
  if (tensor.data == nullptr && !empty) return Invalid(field + ".data", "NULL", "missing");
  if (tensor.device.device_type != ATTEST_DEVICE_CPU) {
    return Invalid(field + ".device", std::to_string(tensor.device.device_type), "not the CPU");
  }
  if (std::none_of(wanted.dtypes.begin(), wanted.dtypes.end(),
                   [&](attest_dtype_t dtype) { return SameDType(tensor.dtype, dtype); })) {
    return Invalid(
        field + ".dtype",
        "code " + std::to_string(tensor.dtype.code) + " bits " + std::to_string(tensor.dtype.bits),
        "not that of the problem");
  }
  return {};
}

Answer CheckTensors(const std::vector<Wanted>& all) {
  for (const Wanted& wanted : all) {
    if (Answer answer = CheckTensor(wanted); !answer.ok()) return answer;
  }
  return {};
}

std::vector<Wanted> CacheTensors(const attest_problem_t& p, const attest_tensor_t& key_cache,
                                 const attest_tensor_t& value_cache) {
  const std::int64_t pages = p.num_blocks;
  const std::int64_t slots = p.block_size;
  const std::int64_t heads = p.num_kv_heads;
  std::vector<std::int64_t> key = {pages, slots, heads, p.head_dim_qk};
  std::vector<std::int64_t> value = {pages, slots, heads, p.head_dim_v};
  if (p.kv_layout == ATTEST_KV_X_SPLIT) {
    const std::int64_t x = 16 / (p.cache_dtype.bits / 8);
    key = {pages, heads, p.head_dim_qk / x, slots, x};
    value = {pages, heads, p.head_dim_v, slots};
  }
  return {{"key_cache", &key_cache, {p.cache_dtype}, key},
          {"value_cache", &value_cache, {p.cache_dtype}, value}};
}

std::vector<Wanted> ScaleTensors(const attest_problem_t& p, const attest_tensor_t& key_scale,
                                 const attest_tensor_t& value_scale) {
  if (p.kv_scale_kind == ATTEST_KV_SCALE_NONE) return {};
  const std::vector<std::int64_t> shape = {p.num_blocks, p.block_size, p.num_kv_heads};
  return {{"key_scale", &key_scale, {kFloat32DType}, shape},
          {"value_scale", &value_scale, {kFloat32DType}, shape}};
}

Answer CheckLatent(const attest_problem_t& p, const attest_tensor_t& key_cache,
                   const attest_tensor_t& value_cache) {
  if ((p.flags & ATTEST_FLAG_VALUE_IS_KEY_PREFIX) == 0) return {};
  if (AddressOf(value_cache, {}) != AddressOf(key_cache, {})) {
    return Invalid("value_cache.data", "elsewhere", "not the beginning of key_cache");
  }
  for (int axis = 0; axis < 4; ++axis) {
    if (value_cache.shape[axis] > 1 && value_cache.strides[axis] != key_cache.strides[axis]) {
      return Invalid("value_cache.strides[" + std::to_string(axis) + "]",
                     std::to_string(value_cache.strides[axis]),
                     "not that of key_cache " + std::to_string(key_cache.strides[axis]));
    }
  }
  return {};
}

}  // namespace attest::cpu
