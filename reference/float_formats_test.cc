// SPDX-License-Identifier: Apache-2.0
//
// All 65,536 patterns of both 16-bit formats against the text of IEEE 754, and the midpoints
// between them.
#include "reference/float_formats.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "reference/testing/random.h"

namespace attest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Format16 {
  const char* name;
  DType dtype;
  int fraction_bits;
  int exponent_bits;
  double (*decode)(std::uint16_t);
  std::uint16_t (*encode)(double);
};

constexpr Format16 kFloat16 = {"float16", DType::kFloat16, 10, 5, Float16ToDouble, DoubleToFloat16};
constexpr Format16 kBFloat16 = {"bfloat16", DType::kBFloat16, 7,
                                8,          BFloat16ToDouble, DoubleToBFloat16};

// (-1)^s * 2^(e - bias) * 1.f, or (-1)^s * 2^(1 - bias) * 0.f; NaN for NaN patterns.
double ByDefinition(const Format16& format, int bits) {
  const int fraction = bits % (1 << format.fraction_bits);
  const int exponent = bits / (1 << format.fraction_bits) % (1 << format.exponent_bits);
  const int bias = (1 << (format.exponent_bits - 1)) - 1;
  const double sign = bits >= 0x8000 ? -1.0 : 1.0;
  const double part = std::ldexp(fraction, -format.fraction_bits);
  if (exponent == (1 << format.exponent_bits) - 1) {
    return fraction == 0 ? sign * kInfinity : std::numeric_limits<double>::quiet_NaN();
  }
  if (exponent == 0) return sign * std::ldexp(part, 1 - bias);
  return sign * std::ldexp(1.0 + part, exponent - bias);
}

class AllPatterns : public ::testing::TestWithParam<Format16> {};

TEST_P(AllPatterns, DecodeAsTheFormatIsDefined) {
  for (int bits = 0; bits <= 0xFFFF; ++bits) {
    const double value = GetParam().decode(static_cast<std::uint16_t>(bits));
    const double expected = ByDefinition(GetParam(), bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << bits;
    } else {
      ASSERT_EQ(std::bit_cast<std::uint64_t>(value), std::bit_cast<std::uint64_t>(expected))
          << bits;
    }
  }
}

TEST_P(AllPatterns, SurviveDecodingAndEncoding) {
  for (int bits = 0; bits <= 0xFFFF; ++bits) {
    const double value = GetParam().decode(static_cast<std::uint16_t>(bits));
    const int back = GetParam().encode(value);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(GetParam().decode(static_cast<std::uint16_t>(back)))) << bits;
      ASSERT_EQ(back & 0x8000, bits & 0x8000) << bits;
    } else {
      ASSERT_EQ(back, bits);
    }
  }
}

// Between neighbours: below the midpoint down, above it up, on it to the even one. The neighbour of
// the largest finite number is where the next one would be.
TEST_P(AllPatterns, NumbersBetweenNeighboursRoundToTheNearestAndThenToEven) {
  const Format16& format = GetParam();
  const int infinity = ((1 << format.exponent_bits) - 1) << format.fraction_bits;
  for (int bits = 0; bits < infinity; ++bits) {
    const double low = ByDefinition(format, bits);
    const double step = bits + 1 < infinity ? ByDefinition(format, bits + 1) - low
                                            : low - ByDefinition(format, bits - 1);
    const double middle = low + step / 2;
    const int even = bits % 2 == 0 ? bits : bits + 1;
    for (const int sign : {0, 0x8000}) {
      const double s = sign == 0 ? 1.0 : -1.0;
      ASSERT_EQ(format.encode(s * middle), sign + even) << bits;
      ASSERT_EQ(format.encode(s * std::nextafter(middle, 0.0)), sign + bits) << bits;
      ASSERT_EQ(format.encode(s * std::nextafter(middle, kInfinity)), sign + bits + 1) << bits;
    }
  }
}

TEST_P(AllPatterns, OverflowUnderflowZeroAndNan) {
  const Format16& format = GetParam();
  const int infinity = ((1 << format.exponent_bits) - 1) << format.fraction_bits;
  EXPECT_EQ(format.encode(kInfinity), infinity);
  EXPECT_EQ(format.encode(-kInfinity), 0x8000 + infinity);
  EXPECT_EQ(format.encode(1e300), infinity);
  const double beyond = 2.0 * ByDefinition(format, infinity - (1 << format.fraction_bits));
  for (const double factor : {1.0, 1.004, 1.02, 1.9, 2.0, 3.0}) {
    EXPECT_EQ(format.encode(factor * beyond), infinity) << factor;
    EXPECT_EQ(format.encode(-factor * beyond), 0x8000 + infinity) << factor;
  }
  EXPECT_EQ(format.encode(0.0), 0);
  EXPECT_EQ(format.encode(-0.0), 0x8000);
  EXPECT_EQ(format.encode(1e-300), 0);
  EXPECT_EQ(format.encode(-5e-324), 0x8000);
  EXPECT_TRUE(std::isnan(format.decode(format.encode(std::nan("")))));
}

TEST_P(AllPatterns, StoreAndLoadWorkAtOddAddresses) {
  std::array<std::byte, 8> memory{};
  StoreElement(GetParam().dtype, -1.5, memory.data() + 1);
  EXPECT_EQ(LoadElement(GetParam().dtype, memory.data() + 1), -1.5);
  EXPECT_EQ(memory[0], std::byte{0});
  EXPECT_EQ(memory[3], std::byte{0});
  EXPECT_EQ(RoundTo(GetParam().dtype, 1.0 + 0x1p-20), 1.0);
}

INSTANTIATE_TEST_SUITE_P(Formats, AllPatterns, ::testing::Values(kFloat16, kBFloat16),
                         [](const auto& info) { return std::string(info.param.name); });

void ExpectHardwareCast(double value) {
  const std::uint32_t bits = DoubleToFloat32Bits(value);
  if (std::isnan(value)) {
    EXPECT_TRUE(std::isnan(std::bit_cast<float>(bits)));
    return;
  }
  // Out of range for a cast that a sanitizer watches; the hardware gives infinity from here on.
  const bool overflows = std::fabs(value) >= 0x1.ffffffp127;
  const float cast = overflows ? std::copysign(std::numeric_limits<float>::infinity(),
                                               static_cast<float>(std::copysign(1.0, value)))
                               : static_cast<float>(value);
  ASSERT_EQ(bits, std::bit_cast<std::uint32_t>(cast)) << value;
}

TEST(Float32, BitsEqualTheHardwareCast) {
  testing::Random random(1);
  for (int n = 0; n < 1'000'000; ++n) {
    const auto exponent = static_cast<int>(random.Int(-160, 130));
    ExpectHardwareCast(std::ldexp(random.Uniform() - 0.5, exponent));
  }
  for (const double value : {0.0, -0.0, kInfinity, -kInfinity, std::nan(""), 0x1p-149, 0x1p-150,
                             0x1.8p-150, 0x1.fffffep127, 0x1.fffffefp127, 0x1.ffffffp127, 1e300}) {
    ExpectHardwareCast(value);
    ExpectHardwareCast(-value);
  }
}

TEST(Float32, AMillionPatternsSurviveLoadAndStore) {
  std::array<std::byte, 4> memory{};
  for (std::uint64_t bits = 0; bits <= 0xFFFFFFFF; bits += 101 * 43) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (std::isnan(value)) continue;
    StoreElement(DType::kFloat32, static_cast<double>(value), memory.data());
    ASSERT_EQ(std::bit_cast<std::uint32_t>(memory), bits);
    ASSERT_EQ(LoadElement(DType::kFloat32, memory.data()), static_cast<double>(value));
  }
}

// The formats by their definition: sign, 2^(exponent - bias), fraction.
double ByDefinition(DType format, int bits) {
  const bool e5m2 = format == DType::kFloat8E5M2;
  const int fraction_bits = e5m2 ? 2 : 3;
  const int bias = e5m2 ? 15 : (format == DType::kFloat8E4M3FNUZ ? 8 : 7);
  const int fraction = bits & ((1 << fraction_bits) - 1);
  const int exponent = (bits & 0x7F) >> fraction_bits;
  const double sign = bits >= 128 ? -1.0 : 1.0;
  if (format == DType::kFloat8E4M3FN && (bits & 0x7F) == 0x7F) return std::nan("");
  if (format == DType::kFloat8E4M3FNUZ && bits == 0x80) return std::nan("");
  if (e5m2 && exponent == 31) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  }
  const int whole = exponent == 0 ? fraction : fraction + (1 << fraction_bits);
  return sign * std::ldexp(whole, std::max(exponent, 1) - bias - fraction_bits);
}

class Float8 : public ::testing::TestWithParam<DType> {};

TEST_P(Float8, EveryPatternMeansItsNumberAndComesBack) {
  for (int bits = 0; bits < 256; ++bits) {
    const double want = ByDefinition(GetParam(), bits);
    const double got = Float8ToDouble(GetParam(), static_cast<std::uint8_t>(bits));
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(got)) << bits;
      continue;
    }
    EXPECT_EQ(got, want) << bits;
    EXPECT_EQ(std::signbit(got), std::signbit(want)) << bits;
    if (std::isinf(want)) continue;
    EXPECT_EQ(int{DoubleToFloat8(GetParam(), want)}, bits);
  }
}

TEST_P(Float8, RoundsToNearestTiesToEven) {
  for (int bits = 0; bits < 127; ++bits) {
    const double low = ByDefinition(GetParam(), bits);
    const double high = ByDefinition(GetParam(), bits + 1);
    if (!std::isfinite(low) || !std::isfinite(high)) continue;
    const double middle = (low + high) / 2;
    EXPECT_EQ(int{DoubleToFloat8(GetParam(), middle)}, bits % 2 == 0 ? bits : bits + 1) << bits;
    EXPECT_EQ(int{DoubleToFloat8(GetParam(), std::nextafter(middle, 0.0))}, bits) << bits;
    EXPECT_EQ(int{DoubleToFloat8(GetParam(), std::nextafter(middle, 1e9))}, bits + 1) << bits;
  }
}

TEST_P(Float8, SaturatesAndKeepsNaN) {
  const double largest = LargestFinite(GetParam());
  for (const double x : {largest * 1.01, 1e9, 1e300, std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(RoundTo(GetParam(), x), largest) << x;
    EXPECT_EQ(RoundTo(GetParam(), -x), -largest) << x;
  }
  EXPECT_TRUE(std::isnan(RoundTo(GetParam(), std::nan(""))));
  EXPECT_EQ(RoundTo(GetParam(), 1e-9), 0.0);
  EXPECT_EQ(RoundTo(GetParam(), -1e-9), 0.0);
  EXPECT_EQ(std::signbit(RoundTo(GetParam(), -1e-9)), GetParam() != DType::kFloat8E4M3FNUZ);
}

INSTANTIATE_TEST_SUITE_P(Formats, Float8,
                         ::testing::Values(DType::kFloat8E4M3FN, DType::kFloat8E4M3FNUZ,
                                           DType::kFloat8E5M2),
                         [](const auto& info) { return std::string(Name(info.param)); });

TEST(Float8Formats, HaveTheirLargestNumbers) {
  EXPECT_EQ(LargestFinite(DType::kFloat8E4M3FN), 448.0);
  EXPECT_EQ(LargestFinite(DType::kFloat8E4M3FNUZ), 240.0);
  EXPECT_EQ(LargestFinite(DType::kFloat8E5M2), 57344.0);
}

TEST(Int8, IsStoredToNearestEvenWithinItsRange) {
  EXPECT_EQ(RoundTo(DType::kInt8, 2.5), 2.0);
  EXPECT_EQ(RoundTo(DType::kInt8, 3.5), 4.0);
  EXPECT_EQ(RoundTo(DType::kInt8, -2.5), -2.0);
  EXPECT_EQ(RoundTo(DType::kInt8, -2.6), -3.0);
  EXPECT_EQ(RoundTo(DType::kInt8, 1e9), 127.0);
  EXPECT_EQ(RoundTo(DType::kInt8, -1e9), -128.0);
}

}  // namespace
}  // namespace attest
