// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "conformance/run/inputs_masks.h"
#include "conformance/run/inputs_pages.h"
#include "conformance/run/inputs_place.h"
#include "conformance/run/inputs_random.h"
#include "conformance/run/inputs_rows.h"
#include "conformance/run/inputs_texts.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

// Fills the image of one case.
class Builder {
 public:
  Builder(const Case& value, std::uint64_t seed, const InputVariant& variant, const Texts& texts)
      : case_(value),
        p_(value.problem),
        seed_(seed),
        page_seed_(variant.page_seed),
        texts_(texts),
        code_unit_(variant.code_unit.value_or(CodeUnitOf(value))),
        rows_(value, seed, texts, code_unit_) {}

  Result<CaseInputs> Run() {
    masks_ = DrawMasks(case_, seed_, texts_);
    plan_ = PlanPages({case_, seed_, page_seed_, texts_, masks_.Tensors()});
    Result<Placement> placement = PlaceTensors(p_, plan_);
    if (!placement.ok()) return placement.status();
    inputs_.image.bytes.resize(placement->bytes);
    inputs_.image.tensors = placement->tensors;
    inputs_.code_unit = code_unit_;
    inputs_.abi = ToAbi(p_);
    inputs_.abi.num_blocks = plan_.num_blocks;
    inputs_.abi.block_table_width = plan_.table_width;
    tokens_ = NumTokens(p_) + p_.padding_tokens;
    FillCanaries(*placement, inputs_.image.bytes);
    FillRegions(*placement);
    FillTokens();
    if (p_.uses_paged_kv()) FillCache();
    FillMetadata();
    FillExtras();
    return std::move(inputs_);
  }

 private:
  // Outputs get the never-written pattern everywhere. Other floating-point buffers get poison
  // first, so that the gaps between their rows hold it when the rows are written.
  void FillRegions(const Placement& placement) {
    const bool gaps =
        p_.token_layout != TokenLayout::kDense || p_.cache_layout == CacheLayout::kPaddedPages ||
        p_.cache_layout == CacheLayout::kXSplit || p_.cache_layout == CacheLayout::kSharedLatent;
    for (const Region& region : placement.regions) {
      const std::size_t size = SizeOf(region.dtype);
      std::byte* at = inputs_.image.bytes.data() + region.offset;
      if (region.output) {
        FillNeverWritten(region, inputs_.image.bytes);
      } else if (gaps && HoldsPoison(region.dtype)) {
        const std::uint64_t key = StreamKey(case_.id, seed_, "gaps");
        for (std::uint64_t i = 0; i < region.bytes; i += size) {
          StorePoison(case_.poison, region.dtype, Draw(key, region.offset + i), at + i);
        }
      }
    }
  }

  static bool HoldsPoison(DType dtype) {
    return FormatOf(dtype).has_value() || dtype == DType::kInt8;
  }

  std::byte* At(std::string_view name, std::initializer_list<std::int64_t> index) {
    return ElementAt(inputs_.image, name, index);
  }

  template <typename Value>
  void Put(std::string_view name, std::initializer_list<std::int64_t> index, Value value) {
    std::memcpy(At(name, index), &value, sizeof(value));
  }

  void FillTokens() {
    std::int64_t token = 0;
    for (std::size_t r = 0; r < p_.requests.size(); ++r) {
      for (std::int64_t row = 0; row < p_.requests[r].q_len; ++row, ++token)
        FillToken(token, r, row);
    }
    for (; token < tokens_; ++token) {
      for (int h = 0; h < p_.num_q_heads; ++h) {
        rows_.DeadQuery(static_cast<std::uint64_t>(token), h, At("query", {token, h}));
      }
      FillDeadKeys(token);
    }
  }

  void FillToken(std::int64_t token, std::size_t request, std::int64_t row) {
    for (int h = 0; h < p_.num_q_heads; ++h) {
      rows_.Query(request, row, h, At("query", {token, h}));
    }
    if (p_.attention_type == AttentionType::kEncoderDecoder) return;
    const std::int64_t key = p_.requests[request].seq_len - p_.requests[request].q_len + row;
    if (key < 0) return FillDeadKeys(token);  // a token before the first key stands nowhere
    if (!p_.uses_paged_kv() && !plan_.live[request].Contains(key)) return FillDeadKeys(token);
    for (int h = 0; h < p_.num_kv_heads; ++h) {
      rows_.Key(request, key, h, false, At("key", {token, h}));
      rows_.Value(request, key, h, false, At("value", {token, h}));
    }
  }

  void FillDeadKeys(std::int64_t token) {
    if (p_.attention_type == AttentionType::kEncoderDecoder) return;
    const auto place = static_cast<std::uint64_t>(token);
    for (int h = 0; h < p_.num_kv_heads; ++h) {
      rows_.DeadKey(place, h, false, At("key", {token, h}));
      rows_.DeadValue(place, h, false, At("value", {token, h}));
    }
  }

  void FillCache() {
    std::vector<std::byte> key(static_cast<std::size_t>(p_.head_dim_qk) * SizeOf(p_.cache_dtype));
    std::vector<std::byte> value(static_cast<std::size_t>(p_.head_dim_v) * SizeOf(p_.cache_dtype));
    for (std::int64_t page = 0; page < plan_.num_blocks; ++page) {
      const PageOwner& owner = plan_.owners[static_cast<std::size_t>(page)];
      for (std::int64_t slot = 0; slot < p_.block_size; ++slot) {
        const bool live = plan_.IsLive(p_, owner, slot);
        const auto place =
            (std::uint64_t{1} << 40) + static_cast<std::uint64_t>(page * p_.block_size + slot);
        for (int h = 0; h < p_.num_kv_heads; ++h) {
          if (live) {
            rows_.Key(owner.request, owner.first_key + slot, h, true, key.data());
            rows_.Value(owner.request, owner.first_key + slot, h, true, value.data());
          } else {
            rows_.DeadKey(place, h, true, key.data());
            rows_.DeadValue(place, h, true, value.data());
          }
          PutCacheRow(page, slot, h, key, value);
          PutScale(owner, live, page, slot, h);
        }
      }
    }
  }

  void PutCacheRow(std::int64_t page, std::int64_t slot, int head,
                   const std::vector<std::byte>& key, const std::vector<std::byte>& value) {
    if (p_.cache_layout == CacheLayout::kXSplit) return PutXSplitRow(page, slot, head, key, value);
    std::memcpy(At("key_cache", {page, slot, head}), key.data(), key.size());
    if (p_.cache_layout == CacheLayout::kSharedLatent) return;  // the value is the key's beginning
    std::memcpy(At("value_cache", {page, slot, head}), value.data(), value.size());
  }

  // A scale that is broadcast over slots is written again and again, with the same number.
  void PutScale(const PageOwner& owner, bool live, std::int64_t page, std::int64_t slot, int head) {
    if (p_.kv_scale_kind == KvScaleKind::kNone) return;
    std::byte* key = At("key_scale", {page, slot, head});
    std::byte* value = At("value_scale", {page, slot, head});
    if (!live && p_.kv_scale_kind == KvScaleKind::kPerTokenHead) {
      const auto random = static_cast<std::uint64_t>(page * p_.block_size + slot);
      StorePoison(case_.poison, DType::kFloat32, Scramble(random), key);
      StorePoison(case_.poison, DType::kFloat32, Scramble(random + 1), value);
      return;
    }
    const KvScale scale =
        live ? rows_.ScaleOf(owner.request, owner.first_key + slot, head) : rows_.DeadScale(head);
    StoreElement(DType::kFloat32, scale.key, key);
    StoreElement(DType::kFloat32, scale.value, value);
  }

  void PutXSplitRow(std::int64_t page, std::int64_t slot, int head,
                    const std::vector<std::byte>& key, const std::vector<std::byte>& value) {
    const std::size_t size = SizeOf(p_.cache_dtype);
    const auto x = static_cast<std::int64_t>(16 / size);
    for (std::int64_t d = 0; d < p_.head_dim_qk; ++d) {
      std::memcpy(At("key_cache", {page, head, d / x, slot, d % x}),
                  key.data() + static_cast<std::size_t>(d) * size, size);
    }
    for (std::int64_t d = 0; d < p_.head_dim_v; ++d) {
      std::memcpy(At("value_cache", {page, head, d, slot}),
                  value.data() + static_cast<std::size_t>(d) * size, size);
    }
  }

  void FillMetadata() {
    std::int32_t start = 0;
    Put("query_start_loc", {0}, start);
    for (std::size_t r = 0; r < p_.requests.size(); ++r) {
      const auto request = static_cast<std::int64_t>(r);
      start += static_cast<std::int32_t>(p_.requests[r].q_len);
      Put("query_start_loc", {request + 1}, start);
      Put("seq_lens", {request}, static_cast<std::int32_t>(p_.requests[r].seq_len));
      if (p_.causality == Causality::kPerRequest) {
        Put("request_causal", {request}, static_cast<std::uint8_t>(p_.request_causal[r] ? 1 : 0));
      }
    }
    if (!p_.uses_paged_kv()) return;
    if (!plan_.table.empty()) {
      std::memcpy(At("block_table", {0, 0}), plan_.table.data(),
                  plan_.table.size() * sizeof(std::int32_t));
    }
    if (p_.attention_type == AttentionType::kDecoder) FillSlots();
  }

  void FillSlots() {
    std::int64_t token = 0;
    for (std::size_t r = 0; r < p_.requests.size(); ++r) {
      for (std::int64_t row = 0; row < p_.requests[r].q_len; ++row, ++token) {
        const std::int64_t key = p_.requests[r].seq_len - p_.requests[r].q_len + row;
        const std::int64_t slot = key < 0 ? -1 : plan_.SlotOf(p_, r, key);
        Put("slot_mapping", {token}, slot);
      }
    }
    for (; token < tokens_; ++token) Put("slot_mapping", {token}, std::int64_t{-1});
  }

  // Logits from about -3 to 4, distinct for each head, in no order. With v-coded values at most 2,
  // so that a sink never outweighs the keys of a row by much.
  void FillSinks() {
    const std::int64_t heads = p_.num_q_heads;
    const double top = case_.recipe == Recipe::kVCoded ? 2.0 : 4.0;
    const std::uint64_t offset = Below(StreamKey(case_.id, seed_, "sinks"), 997);
    std::int64_t step = 1;  // coprime to the number of heads, near its golden section
    for (std::int64_t candidate = (heads * 5) / 8; candidate > 1; --candidate) {
      if (std::gcd(candidate, heads) == 1) {
        step = candidate;
        break;
      }
    }
    for (std::int64_t h = 0; h < heads; ++h) {
      const std::int64_t rank = (h * step + static_cast<std::int64_t>(offset)) % heads;
      const double way = (static_cast<double>(rank) + 0.5) / static_cast<double>(heads);
      const double logit = std::floor((-3.0 + (top + 3.0) * way) * 1024.0) / 1024.0;
      StoreElement(DType::kFloat32, logit, At("sinks", {h}));
    }
  }

  void FillExtras() {
    if (p_.sinks) FillSinks();
    for (std::int64_t h = 0; p_.alibi && h < p_.num_q_heads; ++h) {
      const double step = 1.0 + static_cast<double>(h / 8) / 16.0;
      StoreElement(DType::kFloat32, std::ldexp(step, -static_cast<int>(h % 8) - 1),
                   At("alibi_slopes", {h}));
    }
    for (std::size_t i = 0; i < p_.prefix_ranges.size(); ++i) {
      const PrefixRange& range = p_.prefix_ranges[i];
      const auto line = static_cast<std::int64_t>(i);
      Put("prefix_ranges", {line, 0}, range.request);
      Put("prefix_ranges", {line, 1}, range.first);
      Put("prefix_ranges", {line, 2}, range.last);
    }
    CopyMask("tree_mask", masks_.tree);
    CopyMask("custom_mask", masks_.custom);
  }

  void CopyMask(std::string_view name, const DrawnMask& mask) {
    if (mask.bytes.empty()) return;
    std::memcpy(inputs_.image.bytes.data() + inputs_.image.Find(name)->offset, mask.bytes.data(),
                mask.bytes.size());
  }

  const Case& case_;
  const Problem& p_;
  std::uint64_t seed_;
  std::uint64_t page_seed_;
  const Texts& texts_;
  double code_unit_;
  RowSource rows_;
  DrawnMasks masks_;
  PagePlan plan_;
  CaseInputs inputs_;
  std::int64_t tokens_ = 0;
};

}  // namespace

const PlacedTensor* CallImage::Find(std::string_view name) const {
  for (const PlacedTensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

TensorView CallImage::View(std::string_view name) const {
  const PlacedTensor* tensor = Find(name);
  if (tensor == nullptr) return {};
  return {.data = bytes.data() + tensor->offset,
          .dtype = tensor->dtype,
          .shape = tensor->shape,
          .strides = tensor->strides};
}

Result<CaseInputs> BuildInputs(const Case& value, std::uint64_t seed, const InputVariant& variant) {
  const Problem& problem = value.problem;
  if (Status status = Validate(problem); !status.ok()) return status;
  const Result<Texts> texts = Texts::Of(problem, variant);
  if (!texts.ok()) return texts.status();
  return Builder(value, seed, variant, *texts).Run();
}

AttentionTensors TensorsOf(const CallImage& image) {
  return {.query = image.View("query"),
          .key = image.View("key"),
          .value = image.View("value"),
          .key_cache = image.View("key_cache"),
          .value_cache = image.View("value_cache"),
          .query_start_loc = image.View("query_start_loc"),
          .seq_lens = image.View("seq_lens"),
          .block_table = image.View("block_table"),
          .sinks = image.View("sinks"),
          .alibi_slopes = image.View("alibi_slopes"),
          .tree_mask = image.View("tree_mask"),
          .custom_mask = image.View("custom_mask"),
          .key_scale = image.View("key_scale"),
          .value_scale = image.View("value_scale")};
}

std::vector<std::byte> NeverWritten(DType dtype) {
  switch (SizeOf(dtype)) {
    case 4:
      return {std::byte{0xB7}, std::byte{0xC3}, std::byte{0xE5}, std::byte{0xFF}};
    case 2:
      // Quiet NaNs: 0xFF5B as float16, 0xFFDB as bfloat16.
      return {std::byte{dtype == DType::kBFloat16 ? std::uint8_t{0xDB} : std::uint8_t{0x5B}},
              std::byte{0xFF}};
    default:
      return std::vector<std::byte>(SizeOf(dtype), std::byte{0xB7});
  }
}

}  // namespace attest
