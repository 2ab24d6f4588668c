// SPDX-License-Identifier: Apache-2.0
//
// Numbers to 8-bit cache elements, by their bits. Rounded to nearest, ties to even; what is too
// large, infinity included, becomes the largest finite number of its sign. NaN stays NaN; in int8,
// which has none, it becomes 0.
#ifndef ATTEST_BACKENDS_GPU_CACHE_QUANTIZE_H_
#define ATTEST_BACKENDS_GPU_CACHE_QUANTIZE_H_

#include <cstdint>

#include "backends/gpu/element.h"

namespace attest::gpu::cache {

// The largest finite number; of int8 127, because -128 is never written.
GPU_BOTH float LargestOf(Element element) {
  if (element == Element::kFloat8E4M3FN) return 448.0F;
  if (element == Element::kFloat8E4M3FNUZ) return 240.0F;
  return element == Element::kFloat8E5M2 ? 57344.0F : 127.0F;
}

// A number that is not negative and no larger than the largest, by the format's bias and width.
GPU_BOTH std::uint32_t RoundedToFloat8(float number, int bias, int fraction_bits) {
  const std::uint32_t bits = BitsOfFloat(number);
  const auto least_normal = static_cast<std::uint32_t>(128 - bias) << 23;
  if (bits < least_normal) {
    // Multiples of 2^(1 - bias - fraction_bits), the last place of the number added: that rounds.
    const auto added = static_cast<std::uint32_t>(127 + 24 - bias - fraction_bits) << 23;
    return BitsOfFloat(number + FloatOfBits(added)) - added;
  }
  const int dropped = 23 - fraction_bits;
  const std::uint32_t half = (1U << (dropped - 1)) - 1U;
  const std::uint32_t rebased = bits - (static_cast<std::uint32_t>(127 - bias) << 23);
  return (rebased + half + (bits >> dropped & 1U)) >> dropped;  // a carry runs into the exponent
}

GPU_BOTH std::uint8_t QuantisedFloat8(Element element, float number) {
  const bool fnuz = element == Element::kFloat8E4M3FNUZ;
  const bool e5m2 = element == Element::kFloat8E5M2;
  const std::uint32_t sign = BitsOfFloat(number) >> 24 & 0x80U;
  const float magnitude = FloatOfBits(BitsOfFloat(number) & 0x7fffffffU);
  if (magnitude != magnitude) return static_cast<std::uint8_t>(fnuz ? 0x80U : sign | 0x7fU);
  const float largest = LargestOf(element);
  const std::uint32_t bits = RoundedToFloat8(magnitude < largest ? magnitude : largest,
                                             e5m2 ? 15 : (fnuz ? 8 : 7), e5m2 ? 2 : 3);
  if (fnuz && bits == 0) return 0;  // -0 would be its NaN
  return static_cast<std::uint8_t>(sign | bits);
}

GPU_BOTH std::uint8_t QuantisedInt8(float number) {
  if (number != number) return 0;
  const float bounded = number < -127.0F ? -127.0F : (number > 127.0F ? 127.0F : number);
  return static_cast<std::uint8_t>(static_cast<std::int8_t>(rintf(bounded)));
}

GPU_BOTH std::uint8_t Quantised(Element element, float number) {
  return element == Element::kInt8 ? QuantisedInt8(number) : QuantisedFloat8(element, number);
}

}  // namespace attest::gpu::cache

#endif  // ATTEST_BACKENDS_GPU_CACHE_QUANTIZE_H_
