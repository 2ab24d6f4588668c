// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/write_kv.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "backends/cpu/convert.h"
#include "backends/cpu/element_type.h"
#include "backends/cpu/lines.h"
#include "backends/cpu/quantize.h"
#include "backends/cpu/tensor_address.h"
#include "backends/cpu/tensor_check.h"

namespace attest::cpu {
namespace {

bool IsLatent(const attest_problem_t& p) {
  return (p.flags & ATTEST_FLAG_VALUE_IS_KEY_PREFIX) != 0;
}

Answer CheckSlots(const attest_problem_t& p, const attest_tensor_t& slot_mapping) {
  for (std::int64_t i = 0; i < slot_mapping.shape[0]; ++i) {
    const auto slot = ElementAt<std::int64_t>(slot_mapping, {i});
    if (slot < 0 || slot / p.block_size < p.num_blocks) continue;
    return Invalid("slot_mapping[" + std::to_string(i) + "]", std::to_string(slot),
                   "past the " + std::to_string(p.num_blocks) + " pages of the cache");
  }
  return {};
}

// An output has an element of its own for everything that is written to it.
Answer CheckWritable(const char* field, const attest_tensor_t& tensor) {
  for (std::int32_t axis = 0; axis < tensor.ndim; ++axis) {
    if (tensor.shape[axis] > 1 && tensor.strides[axis] == 0) {
      return Invalid(std::string(field) + ".strides[" + std::to_string(axis) + "]", "0",
                     "a broadcast axis cannot be written");
    }
  }
  return {};
}

Answer CheckOutputs(const attest_problem_t& p, const attest_write_kv_args_t& a) {
  if (Answer answer = CheckWritable("key_cache", a.key_cache); !answer.ok()) return answer;
  if (Answer answer = CheckWritable("value_cache", a.value_cache); !answer.ok()) return answer;
  if (p.kv_scale_kind != ATTEST_KV_SCALE_PER_TOKEN_HEAD) return {};
  if (Answer answer = CheckWritable("key_scale", a.key_scale); !answer.ok()) return answer;
  return CheckWritable("value_scale", a.value_scale);
}

// Where a row goes.
struct Target {
  Lines lines;
  Scales scales;
  attest_kv_scale_kind_t kind;
  std::int64_t page;
  std::int64_t slot;
};

// The scale of a row: given, or made from it and stored.
float ScaleOf(const Target& to, const std::vector<float>& row) {
  if (to.kind != ATTEST_KV_SCALE_PER_TOKEN_HEAD) return to.scales.ValueAt(to.page, to.slot);
  float largest = 0.0F;
  for (const float number : row) largest = std::max(largest, std::fabs(number));
  const float scale = largest == 0.0F ? 1.0F : largest / LargestOf(to.lines.type);
  std::memcpy(to.scales.At(to.page, to.slot), &scale, sizeof(scale));
  return scale;
}

void WriteRow(const Lines& from, std::int64_t token, const Target& to, std::vector<float>& row) {
  const std::byte* const source = from.At(0, token);
  const int bytes = BytesOf(from.type);
  row.resize(static_cast<std::size_t>(from.width));
  LoadRow(from.type, source, from.column_stride, from.width, row.data());
  const bool scaled = IsByte(to.lines.type);
  const float scale = scaled ? ScaleOf(to, row) : 1.0F;
  for (int column = 0; column < from.width; ++column) {
    std::byte* const element = to.lines.At(to.page, to.slot, column);
    const float number = row[static_cast<std::size_t>(column)];
    if (scaled) {
      *element = static_cast<std::byte>(Quantized(to.lines.type, number / scale));
    } else if (to.lines.type == from.type) {  // NaNs keep their bits
      std::memcpy(element, source + column * from.column_stride * bytes,
                  static_cast<std::size_t>(bytes));
    } else {
      StoreRow(to.lines.type, &number, 1.0F, 1, element, 1);
    }
  }
}

}  // namespace

Answer CheckWriteKv(const attest_problem_t& p, const attest_write_kv_args_t& a) {
  if (a.struct_size < sizeof(a)) {
    return Invalid("args.struct_size", std::to_string(a.struct_size), "too small");
  }
  if (p.attention_type == ATTEST_ENCODER_ONLY) {
    return Invalid("attention_type", std::to_string(p.attention_type), "has no cache to write");
  }
  const Wanted slots = {"slot_mapping", &a.slot_mapping, {kInt64DType}, {AtLeast(0)}};
  if (Answer answer = CheckTensor(slots); !answer.ok()) return answer;
  const std::int64_t tokens = AtLeast(a.slot_mapping.shape[0]);
  std::vector<Wanted> wanted = CacheTensors(p, a.key_cache, a.value_cache);
  wanted.push_back({"key", &a.key, {p.query_dtype}, {tokens, p.num_kv_heads, p.head_dim_qk}});
  if (!IsLatent(p)) {
    wanted.push_back({"value", &a.value, {p.query_dtype}, {tokens, p.num_kv_heads, p.head_dim_v}});
  }
  if (Answer answer = CheckTensors(wanted); !answer.ok()) return answer;
  const std::vector<Wanted> scales = ScaleTensors(p, a.key_scale, a.value_scale);
  if (Answer answer = CheckTensors(scales); !answer.ok()) return answer;
  if (Answer answer = CheckLatent(p, a.key_cache, a.value_cache); !answer.ok()) return answer;
  if (Answer answer = CheckOutputs(p, a); !answer.ok()) return answer;
  return CheckSlots(p, a.slot_mapping);
}

void WriteKv(const attest_problem_t& p, const attest_write_kv_args_t& a) {
  std::vector<float> row;
  row.reserve(static_cast<std::size_t>(std::max(p.head_dim_qk, p.head_dim_v)));
  for (std::int64_t head = 0; head < p.num_kv_heads; ++head) {
    const Lines key = TokenLines(a.key, head);
    Target key_to = {CacheLines(a.key_cache, p.kv_layout, head),
                     ScalesOf(p.kv_scale_kind, a.key_scale, head), p.kv_scale_kind, 0, 0};
    Lines value;
    if (!IsLatent(p)) value = TokenLines(a.value, head);
    Target value_to = {CacheLines(a.value_cache, p.kv_layout, head),
                       ScalesOf(p.kv_scale_kind, a.value_scale, head), p.kv_scale_kind, 0, 0};
    for (std::int64_t token = 0; token < a.slot_mapping.shape[0]; ++token) {
      const auto slot = ElementAt<std::int64_t>(a.slot_mapping, {token});
      if (slot < 0) continue;
      key_to.page = value_to.page = slot / p.block_size;
      key_to.slot = value_to.slot = slot % p.block_size;
      WriteRow(key, token, key_to, row);
      if (!IsLatent(p)) WriteRow(value, token, value_to, row);
    }
  }
}

}  // namespace attest::cpu
