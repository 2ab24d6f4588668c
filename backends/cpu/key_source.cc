// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/key_source.h"

#include <algorithm>

#include "backends/cpu/convert.h"
#include "backends/cpu/kernel.h"
#include "backends/cpu/limits.h"

namespace attest::cpu {
namespace {

constexpr float kZeros[RoundUp(kMaxHeadDim, kPanel)] = {};

// A cache [page, slot, head, column], or packed tokens [slot, head, column].
Lines LinesOf(const attest_tensor_t& tensor, std::int64_t kv_head) {
  const bool paged = tensor.ndim == 4;
  const std::int64_t* strides = tensor.strides + (paged ? 1 : 0);
  const ElementType type = *ElementTypeOf(tensor.dtype);
  const std::int64_t bytes = BytesOf(type);
  return {.data = static_cast<const std::byte*>(tensor.data) + tensor.byte_offset +
                  kv_head * strides[1] * bytes,
          .page_bytes = paged ? tensor.strides[0] * bytes : 0,
          .slot_bytes = strides[0] * bytes,
          .column_stride = strides[2],
          .type = type,
          .width = static_cast<int>(tensor.shape[tensor.ndim - 1])};
}

void ReadRow(const Lines& lines, std::int64_t page, std::int64_t slot, std::int64_t index,
             const RowBuffer& buffer) {
  const std::byte* data = lines.At(page, slot);
  if (lines.plain() && !buffer.convert_plain) {
    buffer.rows[index] = reinterpret_cast<const float*>(data);
    return;
  }
  float* row = buffer.converted + index * buffer.pitch;
  LoadRow(lines.type, data, lines.column_stride, lines.width, row);
  std::fill(row + lines.width, row + buffer.pitch, 0.0F);
  buffer.rows[index] = row;
}

}  // namespace

KeySource::KeySource(const attest_problem_t& problem, const attest_forward_args_t& args,
                     std::int64_t request, std::int64_t start, std::int64_t kv_head) {
  if (problem.attention_type == ATTEST_ENCODER_ONLY) {
    keys_ = LinesOf(args.key, kv_head);
    values_ = LinesOf(args.value, kv_head);
    start_ = start;
  } else {
    keys_ = LinesOf(args.key_cache, kv_head);
    values_ = LinesOf(args.value_cache, kv_head);
    table_.emplace(args.block_table, request);
    block_size_ = problem.block_size;
  }
}

void KeySource::Read(std::int64_t tile, KeySpan wanted, const RowBuffer& keys,
                     const RowBuffer& values) const {
  for (std::int64_t index = 0; index < kKeyTile; ++index) {
    const std::int64_t key = tile + index;
    if (key < wanted.first || key >= wanted.last) {
      keys.rows[index] = values.rows[index] = kZeros;
      continue;
    }
    const std::int64_t page = table_ ? (*table_)[key / block_size_] : 0;
    const std::int64_t slot = table_ ? key % block_size_ : start_ + key;
    ReadRow(keys_, page, slot, index, keys);
    ReadRow(values_, page, slot, index, values);
  }
}

}  // namespace attest::cpu
