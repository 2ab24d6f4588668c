// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/lines.h"

#include <cstring>

#include "backends/cpu/tensor_address.h"

namespace attest::cpu {

Lines TokenLines(const attest_tensor_t& tokens, std::int64_t kv_head) {
  const ElementType type = *ElementTypeOf(tokens.dtype);
  const int width = static_cast<int>(tokens.shape[2]);
  return {.data = AddressOf(tokens, {0, kv_head}),
          .slot_bytes = tokens.strides[0] * BytesOf(type),
          .column_stride = tokens.strides[2],
          .type = type,
          .piece = width,
          .width = width};
}

// Strided [page, slot, head, column]; x-split keys [page, head, column / x, slot, column % x] and
// values [page, head, column, slot].
Lines CacheLines(const attest_tensor_t& cache, attest_kv_layout_t layout, std::int64_t kv_head) {
  const ElementType type = *ElementTypeOf(cache.dtype);
  const std::int64_t bytes = BytesOf(type);
  Lines lines;
  lines.type = type;
  lines.page_bytes = cache.strides[0] * bytes;
  if (layout == ATTEST_KV_STRIDED) {
    lines.data = AddressOf(cache, {0, 0, kv_head});
    lines.slot_bytes = cache.strides[1] * bytes;
    lines.column_stride = cache.strides[3];
    lines.piece = lines.width = static_cast<int>(cache.shape[3]);
    return lines;
  }
  lines.data = AddressOf(cache, {0, kv_head});
  lines.slot_bytes = cache.strides[3] * bytes;
  if (cache.ndim == 4) {
    lines.column_stride = cache.strides[2];
    lines.piece = lines.width = static_cast<int>(cache.shape[2]);
  } else {
    lines.piece_bytes = cache.strides[2] * bytes;
    lines.column_stride = cache.strides[4];
    lines.piece = static_cast<int>(cache.shape[4]);
    lines.width = lines.piece * static_cast<int>(cache.shape[2]);
  }
  return lines;
}

float Scales::ValueAt(std::int64_t page, std::int64_t slot) const {
  if (data == nullptr) return 1.0F;
  float value = 0.0F;
  std::memcpy(&value, At(page, slot), sizeof(value));
  return value;
}

Scales ScalesOf(attest_kv_scale_kind_t kind, const attest_tensor_t& tensor, std::int64_t kv_head) {
  if (kind == ATTEST_KV_SCALE_NONE) return {};
  constexpr std::int64_t kBytes = sizeof(float);
  return {AddressOf(tensor, {0, 0, kv_head}), tensor.strides[0] * kBytes,
          tensor.strides[1] * kBytes};
}

}  // namespace attest::cpu
