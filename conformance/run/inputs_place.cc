// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/inputs_place.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "conformance/run/inputs_masks.h"
#include "conformance/run/inputs_random.h"

namespace attest {
namespace {

constexpr std::uint64_t kAlignment = 256;
constexpr std::uint64_t kCanary = 256;
// Gaps, in elements. Multiples of 8 keep 16-byte alignment of 16-bit rows; no two are equal.
constexpr std::int64_t kQueryGap = 24;
constexpr std::int64_t kKeyGap = 40;
constexpr std::int64_t kValueGap = 56;
constexpr std::int64_t kOutGap = 88;
constexpr std::int64_t kPartGap = 16;  // more for each part
constexpr std::int64_t kLseGap = 3;
constexpr std::int64_t kKeyPageGap = 72;
constexpr std::int64_t kValuePageGap = 136;
constexpr std::int64_t kScalePageGap = 7;
constexpr std::int64_t kOddStride = 104;  // added to the stride of an axis of size 1

using Extents = std::vector<std::int64_t>;

class Placer {
 public:
  Placer(const Problem& problem, const PagePlan& plan) : p_(problem), plan_(plan) {}

  Result<Placement> Run() {
    tokens_ = NumTokens(p_) + p_.padding_tokens;
    PlaceTokens();
    if (p_.uses_paged_kv()) {
      if (Status status = PlaceCache(); !status.ok()) return status;
    }
    PlaceMetadata();
    PlaceExtras();
    PlaceOutputs();
    return Finish();
  }

  Result<Placement> RunWriteKv(std::int64_t slots) {
    tokens_ = NumTokens(p_) + p_.padding_tokens;
    PlaceTokens();
    placement_.tensors.erase(placement_.tensors.begin());  // query: not this call's
    const std::size_t caches = placement_.tensors.size();
    if (Status status = PlaceCache(); !status.ok()) return status;
    const std::size_t scales = placement_.tensors.size() + 1;
    AddDense("slot_mapping", DType::kInt64, {slots});
    PlaceScales();
    for (std::size_t i = caches; i < placement_.tensors.size(); ++i) {
      const bool scale = i >= scales;
      placement_.tensors[i].output =
          i + 1 != scales && (!scale || p_.kv_scale_kind == KvScaleKind::kPerTokenHead);
    }
    return Finish();
  }

  Placement RunMerge(int parts) {
    tokens_ = NumTokens(p_) + p_.padding_tokens;
    const bool padded = p_.token_layout == TokenLayout::kPaddedRows;
    const Extents out = {tokens_, p_.num_q_heads, p_.head_dim_v};
    const Extents lse = {tokens_, p_.num_q_heads};
    for (int i = 0; i < parts; ++i) {
      AddPaddedIf(padded, fmt::format("part_out_{}", i), p_.output_dtype, out,
                  kQueryGap + kPartGap * i, false);
      AddPaddedIf(padded, fmt::format("part_lse_{}", i), DType::kFloat32, lse, kLseGap + 2 + i,
                  false);
    }
    AddPaddedIf(padded, "out", p_.output_dtype, out, kOutGap, true);
    AddPaddedIf(padded, "lse", DType::kFloat32, lse, kLseGap, true);
    return Finish();
  }

 private:
  Placement Finish() {
    placement_.bytes = Aligned(cursor_ + kCanary);
    return std::move(placement_);
  }

  static std::uint64_t Aligned(std::uint64_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }

  // A buffer of `elements` elements; its offset.
  std::uint64_t Reserve(DType dtype, std::int64_t elements, bool output = false) {
    const std::uint64_t offset = Aligned(cursor_ + kCanary);
    const std::uint64_t bytes = static_cast<std::uint64_t>(elements) * SizeOf(dtype);
    placement_.regions.push_back({offset, bytes, dtype, output});
    cursor_ = offset + bytes;
    return offset;
  }

  void Add(std::string name, DType dtype, Extents shape, Extents strides, std::uint64_t offset,
           bool output = false) {
    placement_.tensors.push_back(
        {std::move(name), dtype, std::move(shape), std::move(strides), offset, output});
  }

  void AddDense(const std::string& name, DType dtype, const Extents& shape, bool output = false) {
    std::int64_t elements = 1;
    for (const std::int64_t extent : shape) elements *= extent;
    Add(name, dtype, shape, DenseStrides(shape), Reserve(dtype, elements, output), output);
  }

  // Rows that lie `gap` elements further apart than they are wide.
  void AddPadded(const std::string& name, DType dtype, const Extents& shape, std::int64_t gap,
                 bool output = false) {
    Extents strides = DenseStrides(shape);
    strides[0] += gap;
    const std::int64_t elements = shape[0] * strides[0];
    LoosenUnitAxes(shape, strides);
    Add(name, dtype, shape, strides, Reserve(dtype, elements, output), output);
  }

  // The stride of an axis of size 1 says nothing; a kernel that builds on it is wrong.
  static void LoosenUnitAxes(const Extents& shape, Extents& strides) {
    for (std::size_t axis = 0; axis + 1 < shape.size(); ++axis) {
      if (shape[axis] == 1) strides[axis] += kOddStride;
    }
  }

  bool StepHasKeys() const { return p_.attention_type != AttentionType::kEncoderDecoder; }

  void PlaceTokens() {
    const Extents query = {tokens_, p_.num_q_heads, p_.head_dim_qk};
    const Extents key = {tokens_, p_.num_kv_heads, p_.head_dim_qk};
    const Extents value = {tokens_, p_.num_kv_heads, p_.head_dim_v};
    switch (p_.token_layout) {
      case TokenLayout::kDense:
        AddDense("query", p_.query_dtype, query);
        if (!StepHasKeys()) return;
        AddDense("key", p_.query_dtype, key);
        AddDense("value", p_.query_dtype, value);
        return;
      case TokenLayout::kPaddedRows:
        AddPadded("query", p_.query_dtype, query, kQueryGap);
        if (!StepHasKeys()) return;
        AddPadded("key", p_.query_dtype, key, kKeyGap);
        AddPadded("value", p_.query_dtype, value, kValueGap);
        return;
      case TokenLayout::kQkvFused:
        return PlaceFused(query, key, value);
    }
  }

  void PlaceFused(const Extents& query, const Extents& key, const Extents& value) {
    const std::int64_t query_width = query[1] * query[2];
    const std::int64_t key_width = key[1] * key[2];
    const std::int64_t row = query_width + key_width + value[1] * value[2];
    const std::uint64_t base = Reserve(p_.query_dtype, tokens_ * row);
    const std::uint64_t element = SizeOf(p_.query_dtype);
    const auto at = [base, element](std::int64_t column) {
      return base + static_cast<std::uint64_t>(column) * element;
    };
    Add("query", p_.query_dtype, query, {row, query[2], 1}, at(0));
    if (!StepHasKeys()) return;
    Add("key", p_.query_dtype, key, {row, key[2], 1}, at(query_width));
    Add("value", p_.query_dtype, value, {row, value[2], 1}, at(query_width + key_width));
  }

  Status PlaceCache() {
    const std::int64_t pages = plan_.num_blocks;
    const std::int64_t slots = p_.block_size;
    const std::int64_t heads = p_.num_kv_heads;
    const Extents key = {pages, slots, heads, p_.head_dim_qk};
    const Extents value = {pages, slots, heads, p_.head_dim_v};
    const DType dtype = p_.cache_dtype;
    switch (p_.cache_layout) {
      case CacheLayout::kNhd:
        AddDense("key_cache", dtype, key);
        AddDense("value_cache", dtype, value);
        return {};
      case CacheLayout::kHnd:
        AddHnd("key_cache", key);
        AddHnd("value_cache", value);
        return {};
      case CacheLayout::kPackedKv:
        PlacePacked(key, value);
        return {};
      case CacheLayout::kKvFirst: {
        const std::int64_t key_elements = pages * slots * heads * key[3];
        const std::uint64_t base = Reserve(dtype, key_elements + pages * slots * heads * value[3]);
        Add("key_cache", dtype, key, DenseStrides(key), base);
        Add("value_cache", dtype, value, DenseStrides(value),
            base + static_cast<std::uint64_t>(key_elements) * SizeOf(dtype));
        return {};
      }
      case CacheLayout::kPaddedPages:
        AddPadded("key_cache", dtype, key, kKeyPageGap);
        AddPadded("value_cache", dtype, value, kValuePageGap);
        return {};
      case CacheLayout::kXSplit:
        return PlaceXSplit();
      case CacheLayout::kSharedLatent: {
        const std::uint64_t base = Reserve(dtype, pages * slots * heads * key[3]);
        Add("key_cache", dtype, key, DenseStrides(key), base);
        Add("value_cache", dtype, value, DenseStrides(key), base);
        return {};
      }
    }
    return {};
  }

  void AddHnd(const std::string& name, const Extents& shape) {
    const std::int64_t head = shape[1] * shape[3];
    const std::int64_t page = shape[2] * head;
    const std::uint64_t base = Reserve(p_.cache_dtype, shape[0] * page);
    Add(name, p_.cache_dtype, shape, {page, shape[3], head, 1}, base);
  }

  void PlacePacked(const Extents& key, const Extents& value) {
    const std::int64_t head = key[3] + value[3];
    const std::int64_t slot = head * key[2];
    const std::int64_t page = slot * key[1];
    const std::uint64_t base = Reserve(p_.cache_dtype, page * key[0]);
    Add("key_cache", p_.cache_dtype, key, {page, slot, head, 1}, base);
    Add("value_cache", p_.cache_dtype, value, {page, slot, head, 1},
        base + static_cast<std::uint64_t>(key[3]) * SizeOf(p_.cache_dtype));
  }

  Status PlaceXSplit() {
    const auto x = static_cast<std::int64_t>(16 / SizeOf(p_.cache_dtype));
    if (p_.head_dim_qk % x != 0) {
      return BadInput(fmt::format(
          "cache_layout: x_split with x = {} does not divide head_dim_qk {}", x, p_.head_dim_qk));
    }
    AddDense("key_cache", p_.cache_dtype,
             {plan_.num_blocks, p_.num_kv_heads, p_.head_dim_qk / x, p_.block_size, x});
    AddDense("value_cache", p_.cache_dtype,
             {plan_.num_blocks, p_.num_kv_heads, p_.head_dim_v, p_.block_size});
    return {};
  }

  void PlaceMetadata() {
    const auto requests = static_cast<std::int64_t>(p_.requests.size());
    AddDense("query_start_loc", DType::kInt32, {requests + 1});
    AddDense("seq_lens", DType::kInt32, {requests});
    if (p_.uses_paged_kv()) {
      Add("block_table", DType::kInt32, {requests, plan_.table_width}, {plan_.table_pitch, 1},
          Reserve(DType::kInt32, requests * plan_.table_pitch));
      if (StepHasKeys()) AddDense("slot_mapping", DType::kInt64, {tokens_});
    }
    if (p_.causality == Causality::kPerRequest) {
      AddDense("request_causal", DType::kBool, {requests});
    }
  }

  void PlaceExtras() {
    if (p_.sinks) AddDense("sinks", DType::kFloat32, {p_.num_q_heads});
    if (p_.alibi) AddDense("alibi_slopes", DType::kFloat32, {p_.num_q_heads});
    if (!p_.prefix_ranges.empty()) {
      const auto count = static_cast<std::int64_t>(p_.prefix_ranges.size());
      AddDense("prefix_ranges", DType::kInt64, {count, 3});
    }
    if (p_.tree_mask) AddMask("tree_mask", TreeMaskShape(p_));
    if (p_.custom_mask != MaskKind::kNone) AddMask("custom_mask", CustomMaskShape(p_));
    PlaceScales();
  }

  void PlaceScales() {
    if (p_.kv_scale_kind == KvScaleKind::kNone) return;
    for (const char* name : {"key_scale", "value_scale"}) {
      const Extents shape = {plan_.num_blocks, p_.block_size, p_.num_kv_heads};
      Extents strides = {0, 0, 0};
      std::int64_t elements = 1;
      if (p_.kv_scale_kind == KvScaleKind::kPerHead) {
        strides = {0, 0, 1};
        elements = p_.num_kv_heads;
      } else if (p_.kv_scale_kind == KvScaleKind::kPerTokenHead) {
        strides = StridesOfTokenScales(shape);
        elements = shape[0] * strides[0];
      }
      Add(name, DType::kFloat32, shape, strides, Reserve(DType::kFloat32, elements));
    }
  }

  // Scales that lie in the pages of their cache are as far apart as these are.
  Extents StridesOfTokenScales(const Extents& shape) const {
    Extents strides = DenseStrides(shape);
    if (p_.cache_layout == CacheLayout::kPaddedPages) strides[0] += kScalePageGap;
    if (p_.cache_layout == CacheLayout::kHnd) strides = {strides[0], 1, shape[1]};
    return strides;
  }

  void AddMask(const std::string& name, const MaskShape& mask) {
    Add(name, mask.dtype, mask.shape, mask.strides, Reserve(mask.dtype, mask.elements));
  }

  void PlaceOutputs() {
    const bool padded = p_.token_layout == TokenLayout::kPaddedRows;
    AddPaddedIf(padded, "out", p_.output_dtype, {tokens_, p_.num_q_heads, p_.head_dim_v}, kOutGap,
                true);
    if (p_.lse)
      AddPaddedIf(padded, "lse", DType::kFloat32, {tokens_, p_.num_q_heads}, kLseGap, true);
  }

  void AddPaddedIf(bool padded, const std::string& name, DType dtype, const Extents& shape,
                   std::int64_t gap, bool output) {
    if (padded) {
      AddPadded(name, dtype, shape, gap, output);
    } else {
      AddDense(name, dtype, shape, output);
    }
  }

  const Problem& p_;
  const PagePlan& plan_;
  Placement placement_;
  std::uint64_t cursor_ = 0;
  std::int64_t tokens_ = 0;
};

}  // namespace

std::byte CanaryByte(std::uint64_t position) {
  return static_cast<std::byte>(Scramble(position) >> 56);
}

void FillCanaries(const Placement& placement, std::vector<std::byte>& bytes) {
  std::uint64_t from = 0;
  const auto fill = [&](std::uint64_t to) {
    for (; from < to; ++from) bytes[from] = CanaryByte(from);
  };
  for (const Region& region : placement.regions) {
    fill(region.offset);
    from = region.offset + region.bytes;
  }
  fill(placement.bytes);
}

void FillNeverWritten(const Region& region, std::vector<std::byte>& bytes) {
  const std::vector<std::byte> pattern = NeverWritten(region.dtype);
  for (std::uint64_t i = 0; i < region.bytes; i += pattern.size()) {
    std::memcpy(bytes.data() + region.offset + i, pattern.data(), pattern.size());
  }
}

std::byte* ElementAt(CallImage& image, std::string_view name,
                     std::initializer_list<std::int64_t> index) {
  const PlacedTensor& tensor = *image.Find(name);
  std::int64_t offset = 0;
  std::size_t axis = 0;
  for (const std::int64_t i : index) offset += i * tensor.strides[axis++];
  return image.bytes.data() + tensor.offset +
         offset * static_cast<std::int64_t>(SizeOf(tensor.dtype));
}

Result<Placement> PlaceWriteKv(const Problem& problem, const PagePlan& plan, std::int64_t slots) {
  return Placer(problem, plan).RunWriteKv(slots);
}

Placement PlaceMerge(const Problem& problem, int parts) {
  const PagePlan no_pages;
  return Placer(problem, no_pages).RunMerge(parts);
}

Result<Placement> PlaceTensors(const Problem& problem, const PagePlan& plan) {
  return Placer(problem, plan).Run();
}

}  // namespace attest
