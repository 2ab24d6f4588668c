// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace attest::cpu {
namespace {

// Formats: OCP 8-bit floating point specification; the FNUZ variant has a bias one larger, no
// infinity, and its only NaN where others have -0.
struct Float8 {
  int fraction_bits;
  int bias;
  int largest;        // pattern of the largest finite number
  int infinity;       // pattern of infinity; 0: none
  bool unsigned_nan;  // FNUZ
};
constexpr Float8 kE4M3FN = {3, 7, 0x7e, 0, false};
constexpr Float8 kE4M3FNUZ = {3, 8, 0x7f, 0, true};
constexpr Float8 kE5M2 = {2, 15, 0x7b, 0x7c, false};

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

constexpr Float8 FormatOf(ElementType type) {
  if (type == ElementType::kFloat8E4M3FN) return kE4M3FN;
  return type == ElementType::kFloat8E4M3FNUZ ? kE4M3FNUZ : kE5M2;
}

constexpr float PowerOfTwo(int exponent) {
  float power = 1.0F;
  for (; exponent > 0; --exponent) power *= 2.0F;
  for (; exponent < 0; ++exponent) power *= 0.5F;
  return power;
}

constexpr float NumberOf(const Float8& format, int bits) {
  const int magnitude = bits & 0x7f;
  if (format.unsigned_nan && bits == 0x80) return kNan;
  const float sign = bits >= 0x80 ? -1.0F : 1.0F;
  if (magnitude > format.largest) {
    return magnitude == format.infinity ? sign * std::numeric_limits<float>::infinity() : kNan;
  }
  const int exponent = magnitude >> format.fraction_bits;
  const int fraction = magnitude & ((1 << format.fraction_bits) - 1);
  const int hidden = exponent == 0 ? 0 : 1 << format.fraction_bits;
  return sign * static_cast<float>(hidden + fraction) *
         PowerOfTwo(std::max(exponent, 1) - format.bias - format.fraction_bits);
}

using Table = std::array<float, 256>;

constexpr Table TableOf(const Float8& format) {
  Table table = {};
  for (int bits = 0; bits < 256; ++bits) {
    table[static_cast<std::size_t>(bits)] = NumberOf(format, bits);
  }
  return table;
}

constexpr Table IntegerTable() {
  Table table = {};
  for (int bits = 0; bits < 256; ++bits) {
    table[static_cast<std::size_t>(bits)] = static_cast<float>(bits < 128 ? bits : bits - 256);
  }
  return table;
}

constexpr Table kE4M3FNTable = TableOf(kE4M3FN);
constexpr Table kE4M3FNUZTable = TableOf(kE4M3FNUZ);
constexpr Table kE5M2Table = TableOf(kE5M2);
constexpr Table kIntegers = IntegerTable();

std::uint8_t QuantizedFloat(const Float8& format, float value) {
  if (std::isnan(value)) return format.unsigned_nan ? 0x80 : (std::signbit(value) ? 0xff : 0x7f);
  const float largest = NumberOf(format, format.largest);
  const double magnitude = std::min(std::fabs(value), largest);
  const int least = 1 - format.bias;
  const int exponent = magnitude == 0.0 ? least : std::max(std::ilogb(magnitude), least);
  // In units of the last place, at least 2^fraction_bits but for subnormal numbers; scaling by a
  // power of two is exact, and a carry runs into the exponent by itself.
  const double units = std::nearbyint(std::ldexp(magnitude, format.fraction_bits - exponent));
  const int bits = ((exponent + format.bias - 1) << format.fraction_bits) + static_cast<int>(units);
  if (bits == 0 && format.unsigned_nan) return 0;
  return static_cast<std::uint8_t>(bits | (std::signbit(value) ? 0x80 : 0));
}

}  // namespace

const float* NumbersOf(ElementType type) {
  switch (type) {
    case ElementType::kFloat8E4M3FN:
      return kE4M3FNTable.data();
    case ElementType::kFloat8E4M3FNUZ:
      return kE4M3FNUZTable.data();
    case ElementType::kFloat8E5M2:
      return kE5M2Table.data();
    default:
      return kIntegers.data();
  }
}

float LargestOf(ElementType type) {
  if (type == ElementType::kInt8) return 127.0F;
  return NumbersOf(type)[FormatOf(type).largest];
}

std::uint8_t Quantized(ElementType type, float value) {
  if (type != ElementType::kInt8) return QuantizedFloat(FormatOf(type), value);
  if (std::isnan(value)) return 0;
  const float bounded = std::clamp(value, -127.0F, 127.0F);
  return static_cast<std::uint8_t>(static_cast<std::int8_t>(std::nearbyint(bounded)));
}

}  // namespace attest::cpu
