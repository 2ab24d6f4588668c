// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/convert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "backends/cpu/quantize.h"
#include "backends/cpu/vector.h"

namespace attest::cpu {
namespace {

float FromBits(ElementType type, std::uint16_t bits) {
  std::byte stored[2];
  std::memcpy(stored, &bits, 2);
  float value = 0;
  LoadRow(type, stored, 1, 1, &value);
  return value;
}

std::uint16_t ToBits(ElementType type, float value) {
  std::byte stored[2];
  StoreRow(type, &value, 1.0F, 1, stored, 1);
  std::uint16_t bits = 0;
  std::memcpy(&bits, stored, 2);
  return bits;
}

struct Format {
  ElementType type;
  int fraction_bits;
  int bias;
};
constexpr Format kFormats[] = {{ElementType::kFloat16, 10, 15}, {ElementType::kBFloat16, 7, 127}};

double ValueOf(const Format& format, int bits) {
  const int exponent = (bits & 0x7fff) >> format.fraction_bits;
  const int fraction = bits & ((1 << format.fraction_bits) - 1);
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  if (exponent == 0x7fff >> format.fraction_bits) return fraction == 0 ? sign * INFINITY : NAN;
  const int hidden = exponent == 0 ? 0 : 1 << format.fraction_bits;
  const int power = std::max(exponent, 1) - format.bias - format.fraction_bits;
  return sign * std::ldexp(hidden + fraction, power);
}

TEST(Convert, EveryPatternStandsForItsNumberAndSurvivesARoundTrip) {
  for (const Format& format : kFormats) {
    for (int bits = 0; bits < 0x10000; ++bits) {
      const float value = FromBits(format.type, static_cast<std::uint16_t>(bits));
      const double expected = ValueOf(format, bits);
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(value));
        EXPECT_TRUE(std::isnan(ValueOf(format, ToBits(format.type, value))));
        continue;
      }
      ASSERT_EQ(value, expected) << bits;
      ASSERT_EQ(ToBits(format.type, value), bits);
    }
  }
}

TEST(Convert, HalfwayPointsGoToTheEvenNeighbourAndOthersToTheNearest) {
  for (const Format& format : kFormats) {
    const int infinity = 0x7fff >> format.fraction_bits << format.fraction_bits;
    for (int bits = 0; bits < infinity; ++bits) {
      const double low = ValueOf(format, bits);
      // The number past the largest is where infinity would stand if the exponents went on.
      const double high =
          bits + 1 < infinity ? ValueOf(format, bits + 1) : 2 * low - ValueOf(format, bits - 1);
      const auto middle = static_cast<float>((low + high) / 2);
      ASSERT_EQ(ToBits(format.type, middle), bits % 2 == 0 ? bits : bits + 1) << bits;
      ASSERT_EQ(ToBits(format.type, std::nextafter(middle, 0.0F)), bits) << bits;
      ASSERT_EQ(ToBits(format.type, std::nextafter(middle, INFINITY)), bits + 1) << bits;
    }
  }
}

TEST(Convert, StridedRowsAreReadAndWrittenInPlace) {
  const std::uint16_t stored[] = {0x3f80, 1, 0x4000, 1, 0x4040};  // bfloat16 1, 2, 3 two apart
  float row[3];
  LoadRow(ElementType::kBFloat16, reinterpret_cast<const std::byte*>(stored), 2, 3, row);
  EXPECT_EQ(row[0], 1.0F);
  EXPECT_EQ(row[1], 2.0F);
  EXPECT_EQ(row[2], 3.0F);
  std::uint16_t back[] = {7, 7, 7, 7, 7};
  StoreRow(ElementType::kBFloat16, row, 2.0F, 3, reinterpret_cast<std::byte*>(back), 2);
  const std::uint16_t expected[] = {0x4000, 7, 0x4080, 7, 0x40c0};
  EXPECT_EQ(std::memcmp(back, expected, sizeof(back)), 0);
}

// Patterns worked out by hand from the formats' definitions.
TEST(Quantize, PatternsStandForTheirNumbers) {
  struct Known {
    ElementType type;
    int bits;
    float number;
  };
  const Known known[] = {
      {ElementType::kFloat8E4M3FN, 0x38, 1.0F},
      {ElementType::kFloat8E4M3FN, 0x7e, 448.0F},
      {ElementType::kFloat8E4M3FN, 0x01, 0x1p-9F},
      {ElementType::kFloat8E4M3FN, 0xb9, -1.125F},
      {ElementType::kFloat8E4M3FN, 0x08, 0x1p-6F},
      {ElementType::kFloat8E4M3FNUZ, 0x40, 1.0F},
      {ElementType::kFloat8E4M3FNUZ, 0x7f, 240.0F},
      {ElementType::kFloat8E4M3FNUZ, 0x01, 0x1p-10F},
      {ElementType::kFloat8E4M3FNUZ, 0xff, -240.0F},
      {ElementType::kFloat8E5M2, 0x3c, 1.0F},
      {ElementType::kFloat8E5M2, 0x7b, 57344.0F},
      {ElementType::kFloat8E5M2, 0x01, 0x1p-16F},
      {ElementType::kFloat8E5M2, 0xfc, -INFINITY},
      {ElementType::kFloat8E5M2, 0x04, 0x1p-14F},
      {ElementType::kInt8, 0x7f, 127.0F},
      {ElementType::kInt8, 0x80, -128.0F},
  };
  for (const Known& k : known) EXPECT_EQ(NumbersOf(k.type)[k.bits], k.number) << k.bits;
  EXPECT_TRUE(std::isnan(NumbersOf(ElementType::kFloat8E4M3FN)[0x7f]));
  EXPECT_TRUE(std::isnan(NumbersOf(ElementType::kFloat8E4M3FN)[0xff]));
  EXPECT_TRUE(std::isnan(NumbersOf(ElementType::kFloat8E4M3FNUZ)[0x80]));
  for (const int bits : {0x7d, 0x7e, 0x7f, 0xfd, 0xff}) {
    EXPECT_TRUE(std::isnan(NumbersOf(ElementType::kFloat8E5M2)[bits]));
  }
}

TEST(Quantize, EveryNumberComesBackAndHalfwayPointsGoToTheEvenPattern) {
  for (const ElementType type : {ElementType::kFloat8E4M3FN, ElementType::kFloat8E4M3FNUZ,
                                 ElementType::kFloat8E5M2, ElementType::kInt8}) {
    const float* const numbers = NumbersOf(type);
    for (int bits = 0; bits < 256; ++bits) {
      if (!std::isfinite(numbers[bits]) || numbers[bits] == -128.0F) continue;
      ASSERT_EQ(Quantized(type, numbers[bits]), bits);
    }
    for (int bits = 0; numbers[bits] < LargestOf(type); ++bits) {
      const float middle = (numbers[bits] + numbers[bits + 1]) / 2;
      ASSERT_EQ(Quantized(type, middle), bits % 2 == 0 ? bits : bits + 1) << bits;
      ASSERT_EQ(Quantized(type, std::nextafter(middle, 0.0F)), bits) << bits;
      ASSERT_EQ(Quantized(type, std::nextafter(middle, INFINITY)), bits + 1) << bits;
    }
    for (const float large : {1e9F, INFINITY}) {
      EXPECT_EQ(numbers[Quantized(type, large)], LargestOf(type));
      EXPECT_EQ(numbers[Quantized(type, -large)], -LargestOf(type));
    }
    const float nan = numbers[Quantized(type, NAN)];
    EXPECT_TRUE(type == ElementType::kInt8 ? nan == 0.0F : std::isnan(nan));
  }
  EXPECT_EQ(Quantized(ElementType::kFloat8E4M3FNUZ, -1e-9F), 0);  // there is no -0
  EXPECT_EQ(Quantized(ElementType::kFloat8E4M3FN, -1e-9F), 0x80);
}

// 2^-22 is half of what the default class allows.
TEST(Exp, IsWithinItsErrorAndExactAtTheEnds) {
  double worst = 0;
  for (float x = -87.33F; x < 0.0F; x += 1.0F / 1024) {
    const double exact = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::fabs(Exp(Broadcast(x))[0] - exact) / exact);
  }
  EXPECT_LT(worst, 0x1p-22);
  EXPECT_EQ(Exp(Broadcast(0.0F))[0], 1.0F);
  EXPECT_EQ(Exp(Broadcast(-88.0F))[0], 0.0F);
  EXPECT_EQ(Exp(Broadcast(-INFINITY))[0], 0.0F);
  EXPECT_TRUE(std::isnan(Exp(Broadcast(NAN))[0]));
}

TEST(Tanh, IsWithinItsErrorAndExactAtTheEnds) {
  double worst = 0;
  for (float x = 0x1p-30F; x < 20.0F; x *= 1.0009F) {
    const double exact = std::tanh(static_cast<double>(x));
    worst = std::max(worst, std::fabs(Tanh(Broadcast(x))[0] - exact) / exact);
    ASSERT_EQ(Tanh(Broadcast(-x))[0], -Tanh(Broadcast(x))[0]);
  }
  EXPECT_LT(worst, 0x1p-21);
  EXPECT_EQ(Tanh(Broadcast(0.0F))[0], 0.0F);
  for (const float far : {100.0F, 3e38F, INFINITY}) {
    EXPECT_EQ(Tanh(Broadcast(far))[0], 1.0F);
    EXPECT_EQ(Tanh(Broadcast(-far))[0], -1.0F);
  }
  EXPECT_TRUE(std::isnan(Tanh(Broadcast(NAN))[0]));
}

}  // namespace
}  // namespace attest::cpu
