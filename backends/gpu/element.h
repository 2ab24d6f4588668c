// SPDX-License-Identifier: Apache-2.0
//
// The numbers that tensors hold, as kernels read and write them: by their bits, the same on every
// device.
#ifndef ATTEST_BACKENDS_GPU_ELEMENT_H_
#define ATTEST_BACKENDS_GPU_ELEMENT_H_

#include <cstdint>
#include <cstring>

#include "backends/gpu/device.h"

namespace attest::gpu {

enum class Element : std::int32_t {
  kFloat32,
  kFloat16,
  kBFloat16,
  kFloat8E4M3FN,
  kFloat8E4M3FNUZ,
  kFloat8E5M2,
  kInt8,
};

GPU_BOTH int BytesOf(Element element) {
  if (element == Element::kFloat32) return 4;
  return element == Element::kFloat16 || element == Element::kBFloat16 ? 2 : 1;
}

GPU_BOTH float FloatOfBits(std::uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}
GPU_BOTH std::uint32_t BitsOfFloat(float value) {
  std::uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}

// Exponent and fraction moved into place are the number times 2^-112; the product is exact, also
// for subnormal numbers. Infinity and NaN have the widest exponent.
GPU_BOTH float FromFloat16(std::uint16_t bits) {
  const std::uint32_t magnitude = (bits & 0x7fffU) << 13;
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  if (magnitude >= 0x0f800000U) return FloatOfBits(magnitude | 0x7f800000U | sign);
  return FloatOfBits(BitsOfFloat(FloatOfBits(magnitude) * 0x1p112F) | sign);
}
GPU_BOTH float FromBFloat16(std::uint16_t bits) {
  return FloatOfBits(static_cast<std::uint32_t>(bits) << 16);
}

// OCP 8-bit floating point. e4m3fn has no infinity and NaN at the two ends; fnuz has a bias one
// larger and its only NaN where others have -0; e5m2 is the upper half of float16.
GPU_BOTH float FromFloat8E4M3(std::uint8_t bits, bool fnuz) {
  const std::uint32_t magnitude = bits & 0x7fU;
  const std::uint32_t sign = (bits & 0x80U) << 24;
  if (fnuz ? bits == 0x80U : magnitude == 0x7fU) return FloatOfBits(0x7fc00000U | sign);
  // As with float16: exponent and fraction in place, times the difference of the biases.
  const float scaled = FloatOfBits(magnitude << 20) * (fnuz ? 0x1p119F : 0x1p120F);
  return FloatOfBits(BitsOfFloat(scaled) | sign);
}

template <Element kElement>
GPU_BOTH float LoadAs(const void* data, std::int64_t index) {
  if constexpr (kElement == Element::kFloat32) return static_cast<const float*>(data)[index];
  if constexpr (kElement == Element::kFloat16) {
    return FromFloat16(static_cast<const std::uint16_t*>(data)[index]);
  }
  if constexpr (kElement == Element::kBFloat16) {
    return FromBFloat16(static_cast<const std::uint16_t*>(data)[index]);
  }
  if constexpr (kElement == Element::kFloat8E4M3FN || kElement == Element::kFloat8E4M3FNUZ) {
    return FromFloat8E4M3(static_cast<const std::uint8_t*>(data)[index],
                          kElement == Element::kFloat8E4M3FNUZ);
  }
  if constexpr (kElement == Element::kFloat8E5M2) {
    return FromFloat16(
        static_cast<std::uint16_t>(static_cast<const std::uint8_t*>(data)[index] << 8));
  }
  return static_cast<float>(static_cast<const std::int8_t*>(data)[index]);
}

GPU_OUTLINE float LoadElement(Element element, const void* data, std::int64_t index) {
  switch (element) {
    case Element::kFloat32:
      return LoadAs<Element::kFloat32>(data, index);
    case Element::kFloat16:
      return LoadAs<Element::kFloat16>(data, index);
    case Element::kBFloat16:
      return LoadAs<Element::kBFloat16>(data, index);
    case Element::kFloat8E4M3FN:
      return LoadAs<Element::kFloat8E4M3FN>(data, index);
    case Element::kFloat8E4M3FNUZ:
      return LoadAs<Element::kFloat8E4M3FNUZ>(data, index);
    case Element::kFloat8E5M2:
      return LoadAs<Element::kFloat8E5M2>(data, index);
    default:
      return LoadAs<Element::kInt8>(data, index);
  }
}

// Elements index, index + stride, ...: `count` of them, and 0 for the rest.
inline constexpr int kLoadWidth = 4;
struct Loaded {
  float at[kLoadWidth] = {0.0F, 0.0F, 0.0F, 0.0F};
};
template <Element kElement>
GPU_FUNCTION Loaded LoadSomeAs(const void* data, std::int64_t index, std::int64_t stride,
                               int count) {
  Loaded loaded;
  GPU_UNROLL
  for (int i = 0; i < kLoadWidth; ++i) {
    if (i < count) loaded.at[i] = LoadAs<kElement>(data, index + i * stride);
  }
  return loaded;
}
GPU_OUTLINE Loaded LoadSome(Element element, const void* data, std::int64_t index,
                            std::int64_t stride, int count) {
  switch (element) {
    case Element::kFloat32:
      return LoadSomeAs<Element::kFloat32>(data, index, stride, count);
    case Element::kFloat16:
      return LoadSomeAs<Element::kFloat16>(data, index, stride, count);
    case Element::kBFloat16:
      return LoadSomeAs<Element::kBFloat16>(data, index, stride, count);
    case Element::kFloat8E4M3FN:
      return LoadSomeAs<Element::kFloat8E4M3FN>(data, index, stride, count);
    case Element::kFloat8E4M3FNUZ:
      return LoadSomeAs<Element::kFloat8E4M3FNUZ>(data, index, stride, count);
    case Element::kFloat8E5M2:
      return LoadSomeAs<Element::kFloat8E5M2>(data, index, stride, count);
    default:
      return LoadSomeAs<Element::kInt8>(data, index, stride, count);
  }
}

// To nearest, ties to even; overflow gives infinity, and of a NaN only the sign is kept.
GPU_BOTH std::uint16_t ToBFloat16(float value) {
  const std::uint32_t bits = BitsOfFloat(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) {
    return static_cast<std::uint16_t>((bits >> 16 & 0x8000U) | 0x7fc0U);
  }
  return static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}
GPU_BOTH std::uint16_t ToFloat16(float value) {
  const std::uint32_t bits = BitsOfFloat(value);
  const std::uint32_t sign = bits >> 16 & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);
  if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);  // from 65520 on
  if (magnitude < 0x38800000U) {
    // Below 2^-14 numbers are multiples of 2^-24, the ulp of 0.5: adding 0.5 rounds them.
    return static_cast<std::uint16_t>(sign |
                                      (BitsOfFloat(FloatOfBits(magnitude) + 0.5F) - 0x3f000000U));
  }
  return static_cast<std::uint16_t>(
      sign | (magnitude - 0x38000000U + 0xfffU + (magnitude >> 13 & 1U)) >> 13);
}

// Types of outputs only.
GPU_OUTLINE void StoreElement(Element element, void* data, std::int64_t index, float value) {
  if (element == Element::kFloat32) {
    static_cast<float*>(data)[index] = value;
  } else if (element == Element::kFloat16) {
    static_cast<std::uint16_t*>(data)[index] = ToFloat16(value);
  } else {
    static_cast<std::uint16_t*>(data)[index] = ToBFloat16(value);
  }
}

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_ELEMENT_H_
