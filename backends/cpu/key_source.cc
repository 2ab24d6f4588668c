// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/key_source.h"

#include <algorithm>

#include "backends/cpu/convert.h"
#include "backends/cpu/kernel.h"
#include "backends/cpu/limits.h"

namespace attest::cpu {
namespace {

constexpr std::int64_t kUnknown = -1;

constexpr float kZeros[RoundUp(kMaxHeadDim, kPanel)] = {};

void ReadRow(const Lines& lines, const Scales& scales, std::int64_t page, std::int64_t slot,
             std::int64_t index, const RowBuffer& buffer) {
  const std::byte* data = lines.At(page, slot);
  if (lines.plain() && !buffer.convert_plain) {
    buffer.rows[index] = reinterpret_cast<const float*>(data);
    return;
  }
  float* row = buffer.converted + index * buffer.pitch;
  for (int column = 0; column < lines.width; column += lines.piece) {
    LoadRow(lines.type, data, lines.column_stride, lines.piece, row + column);
    data += lines.piece_bytes;
  }
  const float scale = scales.ValueAt(page, slot);
  if (scale != 1.0F) {
    for (int column = 0; column < lines.width; ++column) row[column] *= scale;
  }
  std::fill(row + lines.width, row + buffer.pitch, 0.0F);
  buffer.rows[index] = row;
}

}  // namespace

KeySource::KeySource(const attest_problem_t& problem, const attest_forward_args_t& args,
                     std::int64_t request, std::int64_t start, std::int64_t kv_head) {
  if (problem.attention_type == ATTEST_ENCODER_ONLY) {
    keys_ = TokenLines(args.key, kv_head);
    values_ = TokenLines(args.value, kv_head);
    start_ = start;
    return;
  }
  keys_ = CacheLines(args.key_cache, problem.kv_layout, kv_head);
  values_ = CacheLines(args.value_cache, problem.kv_layout, kv_head);
  key_scales_ = ScalesOf(problem.kv_scale_kind, args.key_scale, kv_head);
  value_scales_ = ScalesOf(problem.kv_scale_kind, args.value_scale, kv_head);
  table_.emplace(args.block_table, request);
  block_size_ = problem.block_size;
}

void KeySource::Read(std::int64_t tile, KeyBits wanted, const RowBuffer& keys,
                     const RowBuffer& values) const {
  // Table entries are looked up for wanted keys alone, once a page.
  std::int64_t entry = table_ ? tile / block_size_ : 0;
  std::int64_t slot = table_ ? tile % block_size_ : start_ + tile;
  std::int64_t page = table_ ? kUnknown : 0;
  for (std::int64_t index = 0; index < kKeyTile; ++index, ++slot) {
    if (table_ && slot == block_size_) {
      slot = 0;
      ++entry;
      page = kUnknown;
    }
    if ((wanted >> index & 1) == 0) {
      keys.rows[index] = values.rows[index] = kZeros;
      continue;
    }
    if (page == kUnknown) page = (*table_)[entry];
    ReadRow(keys_, key_scales_, page, slot, index, keys);
    ReadRow(values_, value_scales_, page, slot, index, values);
  }
}

}  // namespace attest::cpu
