// SPDX-License-Identifier: Apache-2.0
#include "reference/write_kv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <set>
#include <string_view>

#include "reference/float_formats.h"
#include "reference/tensor_shape.h"

namespace attest {
namespace {

std::int64_t ReadInt64(const std::byte* address) {
  std::int64_t value = 0;
  std::memcpy(&value, address, sizeof(value));
  return value;
}

// One of the two halves: keys or values.
struct Half {
  std::string_view name;
  const TensorView& step;
  const TensorView& cache;
  const TensorView& scales;
  std::byte* cache_bytes;
  std::byte* scale_bytes;
  std::int64_t columns;
  bool grouped;  // the x-split keys, whose columns lie in groups of x
};

struct Place {
  std::int64_t token;
  std::int64_t page;
  std::int64_t slot;
};

bool ScalesAreOutput(const Problem& p) { return p.kv_scale_kind == KvScaleKind::kPerTokenHead; }

double StepNumber(const Half& half, std::int64_t token, std::int64_t head, std::int64_t column) {
  return LoadElement(half.step.dtype, half.step.At({token, head, column}));
}

Status CheckHalf(const Problem& p, const Half& half, std::int64_t tokens, std::int64_t pages) {
  const bool key = half.name == "key";
  if (Status s = CheckTensor(half.name, half.step, p.query_dtype,
                             {AtLeast(tokens), p.num_kv_heads, half.columns});
      !s.ok()) {
    return s;
  }
  if (Status s = CheckTensor(key ? "key_cache" : "value_cache", half.cache, p.cache_dtype,
                             key ? KeyCacheShape(p, pages) : ValueCacheShape(p, pages));
      !s.ok()) {
    return s;
  }
  if (p.kv_scale_kind == KvScaleKind::kNone) return {};
  return CheckTensor(key ? "key_scale" : "value_scale", half.scales, DType::kFloat32,
                     {half.cache.shape[0], p.block_size, p.num_kv_heads});
}

Status CheckNumbers(const Problem& p, const Half& half, const Place& at) {
  if (p.kv_scale_kind == KvScaleKind::kNone) return {};
  for (std::int64_t head = 0; head < p.num_kv_heads; ++head) {
    if (!ScalesAreOutput(p)) {
      const double scale = LoadElement(DType::kFloat32, half.scales.At({at.page, at.slot, head}));
      if (std::isfinite(scale) && scale != 0.0) continue;
      return BadInput(fmt::format("{}_scale[{}][{}][{}]: {} divides by nothing finite", half.name,
                                  at.page, at.slot, head, scale));
    }
    for (std::int64_t c = 0; c < half.columns; ++c) {
      if (std::isfinite(StepNumber(half, at.token, head, c))) continue;
      return BadInput(fmt::format("{}[{}][{}][{}]: not finite, so there is no scale for its token",
                                  half.name, at.token, head, c));
    }
  }
  return {};
}

Result<std::vector<Place>> PlacesOf(const Problem& p, const TensorView& slot_mapping,
                                    std::int64_t pages) {
  std::vector<Place> places;
  std::set<std::int64_t> taken;
  for (std::int64_t token = 0; token < slot_mapping.shape[0]; ++token) {
    const std::int64_t slot = ReadInt64(slot_mapping.At({token}));
    if (slot < 0) continue;
    if (slot >= pages * p.block_size) {
      return BadInput(fmt::format("slot_mapping[{}]: {} is not one of {} slots", token, slot,
                                  pages * p.block_size));
    }
    if (!taken.insert(slot).second) {
      return BadInput(fmt::format("slot_mapping[{}]: {} is named twice", token, slot));
    }
    places.push_back({token, slot / p.block_size, slot % p.block_size});
  }
  return places;
}

// The scale that a token's numbers of one head are divided by.
float OutputScale(const Problem& p, const Half& half, const Place& at, std::int64_t head) {
  double largest = 0.0;
  for (std::int64_t c = 0; c < half.columns; ++c) {
    largest = std::max(largest, std::abs(StepNumber(half, at.token, head, c)));
  }
  if (largest == 0.0) return 1.0F;
  const double steps = p.cache_dtype == DType::kInt8 ? 127.0 : LargestFinite(p.cache_dtype);
  return static_cast<float>(largest) / static_cast<float>(steps);
}

// Byte offset of element `index` of `tensor` from its first.
std::int64_t OffsetOf(const TensorView& tensor, std::initializer_list<std::int64_t> index) {
  return tensor.At(index) - tensor.data;
}

std::int64_t ElementOffset(const Problem& p, const Half& half, const Place& at, std::int64_t head,
                           std::int64_t column) {
  if (p.cache_layout != CacheLayout::kXSplit) {
    return OffsetOf(half.cache, {at.page, at.slot, head, column});
  }
  if (!half.grouped) return OffsetOf(half.cache, {at.page, head, column, at.slot});
  const std::int64_t x = XOf(p);
  return OffsetOf(half.cache, {at.page, head, column / x, at.slot, column % x});
}

void StoreNumber(DType dtype, float scaled, std::byte* target) {
  if (dtype != DType::kInt8) return StoreElement(dtype, static_cast<double>(scaled), target);
  StoreElement(dtype, static_cast<double>(std::clamp(scaled, -127.0F, 127.0F)), target);
}

void WriteLine(const Problem& p, const Half& half, const Place& at, std::int64_t head) {
  const DType dtype = half.cache.dtype;
  float scale = 1.0F;
  if (ScalesAreOutput(p)) {
    scale = OutputScale(p, half, at, head);
    std::memcpy(half.scale_bytes + OffsetOf(half.scales, {at.page, at.slot, head}), &scale,
                sizeof(scale));
  } else if (p.kv_scale_kind != KvScaleKind::kNone) {
    scale =
        static_cast<float>(LoadElement(DType::kFloat32, half.scales.At({at.page, at.slot, head})));
  }
  for (std::int64_t c = 0; c < half.columns; ++c) {
    std::byte* target = half.cache_bytes + ElementOffset(p, half, at, head, c);
    const std::byte* source = half.step.At({at.token, head, c});
    if (dtype == half.step.dtype) {
      std::memcpy(target, source, SizeOf(dtype));
    } else if (SizeOf(dtype) > 1) {
      StoreElement(dtype, LoadElement(half.step.dtype, source), target);
    } else {
      StoreNumber(dtype, static_cast<float>(LoadElement(half.step.dtype, source)) / scale, target);
    }
  }
}

std::vector<Half> HalvesOf(const Problem& p, const WriteKvTensors& t, const WriteKvImage& image) {
  const bool split = p.cache_layout == CacheLayout::kXSplit;
  std::vector<Half> halves = {{"key", t.key, t.key_cache, t.key_scale, image.key_cache,
                               image.key_scale, p.head_dim_qk, split}};
  // The value of a shared latent is written with its key.
  if (p.cache_layout != CacheLayout::kSharedLatent) {
    halves.push_back({"value", t.value, t.value_cache, t.value_scale, image.value_cache,
                      image.value_scale, p.head_dim_v, false});
  }
  return halves;
}

}  // namespace

Status ExpectWriteKv(const Problem& problem, const WriteKvTensors& tensors,
                     const WriteKvImage& image) {
  if (Status s = Validate(problem); !s.ok()) return s;
  if (!problem.uses_paged_kv()) return BadInput("attention_type: encoder_only has no cache");
  if (Status s = CheckTensor("slot_mapping", tensors.slot_mapping, DType::kInt64, {AtLeast(0)});
      !s.ok()) {
    return s;
  }
  const std::vector<Half> halves = HalvesOf(problem, tensors, image);
  const std::int64_t slots = tensors.slot_mapping.shape[0];
  std::int64_t pages = AtLeast(1);
  for (const Half& half : halves) {
    if (Status s = CheckHalf(problem, half, slots, pages); !s.ok()) return s;
    pages = tensors.key_cache.shape[0];
  }
  const Result<std::vector<Place>> places = PlacesOf(problem, tensors.slot_mapping, pages);
  if (!places.ok()) return places.status();
  for (const Half& half : halves) {
    for (const Place& at : *places) {
      if (Status s = CheckNumbers(problem, half, at); !s.ok()) return s;
    }
  }
  for (const Half& half : halves) {
    for (const Place& at : *places) {
      for (std::int64_t head = 0; head < problem.num_kv_heads; ++head) {
        WriteLine(problem, half, at, head);
      }
    }
  }
  return {};
}

}  // namespace attest
