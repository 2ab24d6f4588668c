// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/inputs_write_kv.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <string_view>
#include <vector>

#include "conformance/run/inputs_masks.h"
#include "conformance/run/inputs_pages.h"
#include "conformance/run/inputs_place.h"
#include "conformance/run/inputs_random.h"
#include "conformance/run/inputs_rows.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

constexpr std::uint64_t kTies = 8;         // one number of so many lies halfway
constexpr std::uint64_t kSaturating = 32;  // one of so many is too large
constexpr std::uint64_t kZeroRows = 16;
constexpr std::uint64_t kUnwritten = 5;  // one token of so many has no slot

// A number of `dtype`, 8 bits wide, that is not negative, and the next one above.
struct Neighbours {
  double number = 0;
  double above = 0;
};

Neighbours DrawNeighbours(DType dtype, std::uint64_t random) {
  const auto number = [dtype](std::uint64_t bits) {
    const std::byte element{static_cast<std::uint8_t>(bits)};
    return LoadElement(dtype, &element);
  };
  std::byte largest = {};
  StoreElement(dtype, std::numeric_limits<double>::max(), &largest);  // saturates
  const std::uint64_t last = std::to_integer<std::uint64_t>(largest);
  const std::uint64_t bits = Below(random, last);
  return {number(bits), number(bits + 1)};
}

double LargestOf(DType dtype) {
  std::byte element = {};
  StoreElement(dtype, std::numeric_limits<double>::max(), &element);
  return LoadElement(dtype, &element);
}

class WriteKvBuilder {
 public:
  WriteKvBuilder(const Case& value, std::uint64_t seed, const Texts& texts)
      : case_(value), p_(value.problem), seed_(seed), texts_(texts) {}

  Result<CaseInputs> Run() {
    const DrawnMasks masks = DrawMasks(case_, seed_, texts_);
    plan_ = PlanPages({case_, seed_, 0, texts_, masks.Tensors()});
    const Result<Placement> placement = PlaceWriteKv(p_, plan_, NumTokens(p_));
    if (!placement.ok()) return placement.status();
    inputs_.image.bytes.resize(placement->bytes);
    inputs_.image.tensors = placement->tensors;
    inputs_.abi = ToAbi(p_);
    inputs_.abi.num_blocks = plan_.num_blocks;
    inputs_.abi.block_table_width = plan_.table_width;
    FillCanaries(*placement, inputs_.image.bytes);
    for (const Region& region : placement->regions) FillRegion(region);
    FillSlots();
    FillScales();
    FillTokens("key", p_.head_dim_qk);
    if (p_.cache_layout == CacheLayout::kSharedLatent) {
      CopyLatentValues();
    } else {
      FillTokens("value", p_.head_dim_v);
    }
    return std::move(inputs_);
  }

 private:
  // Bytes of which none repeats at a row's distance.
  void FillRegion(const Region& region) {
    for (std::uint64_t i = 0; i < region.bytes; ++i) {
      inputs_.image.bytes[region.offset + i] =
          static_cast<std::byte>(Scramble(~(region.offset + i)) >> 56);
    }
  }

  void FillSlots() {
    const std::uint64_t stream = StreamKey(case_.id, seed_, "slot_mapping");
    std::set<std::int64_t> used;
    std::int64_t token = 0;
    for (std::size_t r = 0; r < p_.requests.size(); ++r) {
      for (std::int64_t row = 0; row < p_.requests[r].q_len; ++row, ++token) {
        const std::int64_t key = PositionOf(p_, r, row);
        const std::uint64_t random = Draw(stream, static_cast<std::uint64_t>(token));
        std::int64_t slot = key < 0 ? -1 : plan_.SlotOf(p_, r, key);
        if (Below(random, kUnwritten) == 0) slot = Negative(random >> 8);
        if (slot >= 0 && !used.insert(slot).second) slot = -1;
        std::memcpy(ElementAt(inputs_.image, "slot_mapping", {token}), &slot, sizeof(slot));
      }
    }
  }

  static std::int64_t Negative(std::uint64_t random) {
    switch (random % 4) {
      case 0:
        return -7;
      case 1:
        return std::numeric_limits<std::int64_t>::min();
      default:
        return -1;
    }
  }

  bool DynamicScales() const { return p_.kv_scale_kind == KvScaleKind::kPerTokenHead; }

  // Inputs: powers of two from 2^-4 to 2^-1, another one for each head and tensor.
  double ScaleOf(std::string_view name, int head) const {
    if (p_.kv_scale_kind == KvScaleKind::kNone) return 1.0;
    const bool value = name == "value" && p_.cache_layout != CacheLayout::kSharedLatent;
    const int step = p_.kv_scale_kind == KvScaleKind::kPerHead ? head : 0;
    return std::ldexp(1.0, -4 + (step + (value ? 1 : 0)) % 4);
  }

  void FillScales() {
    if (p_.kv_scale_kind == KvScaleKind::kNone) return;
    for (const std::string_view name : {"key", "value"}) {
      const std::string tensor = std::string(name) + "_scale";
      for (std::int64_t page = 0; page < plan_.num_blocks; ++page) {
        for (std::int64_t slot = 0; slot < p_.block_size; ++slot) {
          for (int head = 0; head < p_.num_kv_heads; ++head) {
            PutScale(ElementAt(inputs_.image, tensor, {page, slot, head}), ScaleOf(name, head));
          }
        }
      }
    }
  }

  void PutScale(std::byte* at, double scale) const {
    if (!DynamicScales()) return StoreElement(DType::kFloat32, scale, at);
    const std::vector<std::byte> pattern = NeverWritten(DType::kFloat32);
    std::memcpy(at, pattern.data(), pattern.size());
  }

  void FillTokens(std::string_view name, int columns) {
    const std::int64_t tokens = NumTokens(p_);
    const std::uint64_t stream = StreamKey(case_.id, seed_, name);
    for (std::int64_t token = 0; token < tokens + p_.padding_tokens; ++token) {
      for (int head = 0; head < p_.num_kv_heads; ++head) {
        const std::uint64_t key = Chain(Chain(stream, static_cast<std::uint64_t>(token)),
                                        static_cast<std::uint64_t>(head));
        std::byte* row = ElementAt(inputs_.image, name, {token, head});
        FillRow(key, token >= tokens, ScaleOf(name, head), columns, row);
      }
    }
  }

  void FillRow(std::uint64_t key, bool padding, double scale, int columns, std::byte* row) const {
    const std::size_t size = SizeOf(p_.query_dtype);
    const bool eight_bit = SizeOf(p_.cache_dtype) == 1;
    const std::uint64_t random = Draw(key, static_cast<std::uint64_t>(columns));
    if (DynamicScales()) scale = std::ldexp(1.0, -1 - static_cast<int>(Below(random >> 8, 5)));
    const bool zero = DynamicScales() && Below(random >> 16, kZeroRows) == 0;
    const auto peak = static_cast<int>(Below(random >> 24, static_cast<std::uint64_t>(columns)));
    for (int d = 0; d < columns; ++d) {
      const std::uint64_t draw = Draw(key, static_cast<std::uint64_t>(d));
      std::byte* at = row + static_cast<std::size_t>(d) * size;
      if (padding) {
        StorePoison(case_.poison, p_.query_dtype, draw, at);
        continue;
      }
      double number = eight_bit ? Quantisable(draw, scale) : Ordinary(draw);
      if (DynamicScales() && d == peak)
        number = std::copysign(LargestOf(p_.cache_dtype), number) * scale;
      StoreElement(p_.query_dtype, zero ? 0.0 : number, at);
    }
  }

  // A number whose quantised form is plain: of the format, halfway, or far too large.
  double Quantisable(std::uint64_t random, double scale) const {
    const double sign = (random & 1) != 0 ? -1.0 : 1.0;
    const Neighbours drawn = DrawNeighbours(p_.cache_dtype, random >> 16);
    double number = drawn.number;
    if (Below(random >> 1, kTies) == 0) number = (drawn.number + drawn.above) / 2;
    if (!DynamicScales() && Below(random >> 8, kSaturating) == 0) {
      number = 2 * LargestOf(p_.cache_dtype);
    }
    number *= sign * scale;
    // What the step's type cannot hold exactly would be another number.
    return RoundTo(p_.query_dtype, number) == number ? number : sign * scale;
  }

  double Ordinary(std::uint64_t random) const {
    const double number = RoundTo(p_.cache_dtype, NormalLevel(random) / 512.0);
    const std::optional<FloatFormat> cache = FormatOf(p_.cache_dtype);
    if (Below(random, kTies) != 0 || number == 0.0) return number;
    // Half a step away from zero; the same number where the step's type is no wider.
    const double half = std::ldexp(
        1.0, std::max(std::ilogb(number), cache->min_exponent) - cache->mantissa_bits - 1);
    return number + std::copysign(half, number);
  }

  void CopyLatentValues() {
    const std::size_t bytes = static_cast<std::size_t>(p_.head_dim_v) * SizeOf(p_.query_dtype);
    for (std::int64_t token = 0; token < NumTokens(p_) + p_.padding_tokens; ++token) {
      for (int head = 0; head < p_.num_kv_heads; ++head) {
        std::memcpy(ElementAt(inputs_.image, "value", {token, head}),
                    ElementAt(inputs_.image, "key", {token, head}), bytes);
      }
    }
  }

  const Case& case_;
  const Problem& p_;
  std::uint64_t seed_;
  const Texts& texts_;
  PagePlan plan_;
  CaseInputs inputs_;
};

}  // namespace

Result<CaseInputs> BuildWriteKvInputs(const Case& value, std::uint64_t seed) {
  const Problem& problem = value.problem;
  if (Status status = Validate(problem); !status.ok()) return status;
  if (problem.attention_type != AttentionType::kDecoder) {
    return BadInput("write_kv: a problem that is no decoder");
  }
  const Result<Texts> texts = Texts::Of(problem, {});
  if (!texts.ok()) return texts.status();
  return WriteKvBuilder(value, seed, *texts).Run();
}

}  // namespace attest
