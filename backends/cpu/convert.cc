// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/convert.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/quantize.h"
#include "backends/cpu/vector.h"

namespace attest::cpu {
namespace {

using Words = std::uint32_t __attribute__((vector_size(kLanes * 4)));
using Halves = std::uint16_t __attribute__((vector_size(kLanes * 2)));

// For words below 2^31. AVX2 compares signed numbers only.
IntLanes AtLeast(Words words, std::int32_t least) {
  return reinterpret_cast<IntLanes>(words) >= least;
}

Words FromBFloat16(Words bits) { return bits << 16; }

// Exponent and fraction moved into place are the number times 2^-112, subnormal numbers included;
// the product restores it exactly. Infinity and NaN get the wide exponent of ones.
Words FromFloat16(Words bits) {
  const Words magnitude = (bits & 0x7fffU) << 13;
  const auto finite = reinterpret_cast<Words>(reinterpret_cast<Lanes>(magnitude) * 0x1p112F);
  const Words value = AtLeast(magnitude, 0x0f800000) ? magnitude | 0x7f800000U : finite;
  return value | (bits & 0x8000U) << 16;
}

Words ToBFloat16(Words bits) {
  const Words nearest = bits + 0x7fffU + ((bits >> 16) & 1U);
  return (AtLeast(bits & 0x7fffffffU, 0x7f800001) ? bits | 0x400000U : nearest) >> 16;
}

Words ToFloat16(Words bits) {
  const Words magnitude = bits & 0x7fffffffU;
  // Numbers below 2^-14 are multiples of 2^-24, the ulp of 0.5: adding 0.5 rounds them.
  const Words small =
      reinterpret_cast<Words>(reinterpret_cast<Lanes>(magnitude) + 0.5F) - 0x3f000000U;
  const Words normal = (magnitude - 0x38000000U + 0xfffU + ((magnitude >> 13) & 1U)) >> 13;
  const Words infinity = Words{} + 0x7c00U;
  const Words nan = Words{} + 0x7e00U;
  Words result = AtLeast(magnitude, 0x38800000) ? normal : small;
  result = AtLeast(magnitude, 0x477ff000) ? infinity : result;  // 65520, halfway past the largest
  result = AtLeast(magnitude, 0x7f800001) ? nan : result;
  return result | ((bits >> 16) & 0x8000U);
}

// `count` <= kLanes numbers of `Stored`, one in each lane, and back.
template <typename Stored, typename Pack>
Pack Gather(const std::byte* data, std::int64_t stride, int count) {
  constexpr std::int64_t kBytes = sizeof(Stored);
  Pack pack = {};
  if (stride == 1 && count == kLanes) {
    std::memcpy(&pack, data, sizeof(pack));
    return pack;
  }
  for (int i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, data + i * stride * kBytes, sizeof(stored));
    pack[i] = stored;
  }
  return pack;
}

template <typename Stored, typename Pack>
void Scatter(Pack pack, std::byte* data, std::int64_t stride, int count) {
  constexpr std::int64_t kBytes = sizeof(Stored);
  if (stride == 1 && count == kLanes) {
    std::memcpy(data, &pack, sizeof(pack));
    return;
  }
  for (int i = 0; i < count; ++i) {
    const Stored stored = pack[i];
    std::memcpy(data + i * stride * kBytes, &stored, sizeof(stored));
  }
}

template <typename Stored, typename Pack, typename Convert>
void LoadWith(const std::byte* data, std::int64_t stride, int count, float* to, Convert convert) {
  constexpr std::int64_t kBytes = sizeof(Stored);
  for (int i = 0; i < count; i += kLanes) {
    const int part = std::min(kLanes, count - i);
    const Pack pack = Gather<Stored, Pack>(data + i * stride * kBytes, stride, part);
    const Words bits = convert(__builtin_convertvector(pack, Words));
    Scatter<std::uint32_t>(bits, reinterpret_cast<std::byte*>(to + i), 1, part);
  }
}

template <typename Stored, typename Pack, typename Convert>
void StoreWith(const float* from, float factor, int count, std::byte* data, std::int64_t stride,
               Convert convert) {
  constexpr std::int64_t kBytes = sizeof(Stored);
  for (int i = 0; i < count; i += kLanes) {
    const int part = std::min(kLanes, count - i);
    const auto source = reinterpret_cast<const std::byte*>(from + i);
    const Lanes product = Gather<float, Lanes>(source, 1, part) * factor;
    const Words bits = convert(reinterpret_cast<Words>(product));
    Scatter<Stored>(__builtin_convertvector(bits, Pack), data + i * stride * kBytes, stride, part);
  }
}

Words Same(Words bits) { return bits; }

void LoadBytes(const float* numbers, const std::byte* data, std::int64_t stride, int count,
               float* to) {
  for (int i = 0; i < count; ++i) to[i] = numbers[static_cast<std::uint8_t>(data[i * stride])];
}

}  // namespace

void LoadRow(ElementType type, const std::byte* data, std::int64_t stride, int count, float* to) {
  switch (type) {
    case ElementType::kFloat32:
      return LoadWith<std::uint32_t, Words>(data, stride, count, to, Same);
    case ElementType::kFloat16:
      return LoadWith<std::uint16_t, Halves>(data, stride, count, to, FromFloat16);
    case ElementType::kBFloat16:
      return LoadWith<std::uint16_t, Halves>(data, stride, count, to, FromBFloat16);
    default:
      return LoadBytes(NumbersOf(type), data, stride, count, to);
  }
}

void StoreRow(ElementType type, const float* from, float factor, int count, std::byte* data,
              std::int64_t stride) {
  switch (type) {
    case ElementType::kFloat32:
      return StoreWith<std::uint32_t, Words>(from, factor, count, data, stride, Same);
    case ElementType::kFloat16:
      return StoreWith<std::uint16_t, Halves>(from, factor, count, data, stride, ToFloat16);
    case ElementType::kBFloat16:
      return StoreWith<std::uint16_t, Halves>(from, factor, count, data, stride, ToBFloat16);
    default:
      return;
  }
}

}  // namespace attest::cpu
