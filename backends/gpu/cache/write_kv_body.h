// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_CACHE_WRITE_KV_BODY_H_
#define ATTEST_BACKENDS_GPU_CACHE_WRITE_KV_BODY_H_

#include "backends/gpu/cache/quantize.h"
#include "backends/gpu/cache/write_kv.h"
#include "backends/gpu/cache/write_kv_config.h"
#include "backends/gpu/request.h"

namespace attest::gpu::cache {

// One row of one head, and the lane that works on it.
struct RowWork {
  std::int64_t source = 0;  // of its first element in `from`
  Place place;
  int head = 0;
  int lane = 0;
};

GPU_FUNCTION float NumberAt(const Half& half, const RowWork& row, int column) {
  return LoadElement(half.from.element, half.from.data, row.source + column * half.from.column);
}

// The largest magnitude of the row, in every lane. NaN has none.
GPU_FUNCTION float LargestMagnitude(const Half& half, const RowWork& row) {
  float largest = 0.0F;
  for (int column = row.lane; column < half.columns; column += kLanes) {
    largest = MaxOf(fabsf(NumberAt(half, row, column)), largest);
  }
  for (int mask = kLanes / 2; mask > 0; mask /= 2) {
    largest = MaxOf(ShuffleXor(largest, mask), largest);
  }
  return largest;
}

// A row of zeros has scale 1: 0 divided by 0 is no number.
GPU_FUNCTION float MakeScale(const Half& half, const RowWork& row) {
  const float largest = LargestMagnitude(half, row);
  const float scale = largest == 0.0F ? 1.0F : largest / LargestOf(half.to.element);
  if (row.lane == 0) {
    const_cast<float*>(
        half.scale.data)[row.place.page * half.scale.page + row.place.slot * half.scale.slot +
                         row.head * half.scale.head] = scale;
  }
  return scale;
}

// NaNs keep their bits.
GPU_FUNCTION void CopyElement(int bytes, const void* from, std::int64_t index, void* to,
                              std::int64_t to_index) {
  if (bytes == 4) {
    static_cast<std::uint32_t*>(to)[to_index] = static_cast<const std::uint32_t*>(from)[index];
  } else {
    static_cast<std::uint16_t*>(to)[to_index] = static_cast<const std::uint16_t*>(from)[index];
  }
}

GPU_FUNCTION void WriteRow(const Half& half, const RowWork& row, bool makes_scale) {
  const Element element = half.to.element;
  const bool quantised = BytesOf(element) == 1;
  float scale = 1.0F;
  if (makes_scale) {
    scale = MakeScale(half, row);
  } else if (quantised) {
    scale = ScaleAt(half.scale, row.place, row.head);
  }
  void* const cache = const_cast<void*>(half.to.data);
  const std::int64_t first = OffsetOf(half.to, row.place, row.head);
  for (int column = row.lane; column < half.columns; column += kLanes) {
    const std::int64_t to = first + ColumnOffset(half.to, column);
    if (quantised) {
      static_cast<std::uint8_t*>(cache)[to] =
          Quantised(element, NumberAt(half, row, column) / scale);
    } else if (element == half.from.element) {
      CopyElement(BytesOf(element), half.from.data, row.source + column * half.from.column, cache,
                  to);
    } else {
      StoreElement(element, cache, to, NumberAt(half, row, column));
    }
  }
}

// Grid: [num_slots, ceil(num_kv_heads * kLanes / kThreads), 2: keys and values].
template <int kThreads>
GPU_KERNEL(kThreads)
WriteKvKernel(const WriteKvParams p) {
  const std::int64_t token = Block().x;
  const Half& half = Block().z == 0 ? p.key : p.value;
  RowWork row;
  row.head = static_cast<int>(Block().y) * (kThreads / kLanes) + ThreadX() / kLanes;
  row.lane = ThreadX() % kLanes;
  const std::int64_t slot = p.slots[token * p.slot_stride];
  if (row.head >= p.num_kv_heads || slot < 0 || slot / p.block_size >= p.num_blocks) return;
  row.place = {slot / p.block_size, slot % p.block_size};
  row.source = token * half.from.token + row.head * half.from.head;
  WriteRow(half, row, p.makes_scale != 0);
}

}  // namespace attest::gpu::cache

#endif  // ATTEST_BACKENDS_GPU_CACHE_WRITE_KV_BODY_H_
