// SPDX-License-Identifier: Apache-2.0
//
// Every pattern of every 8-bit format, and the numbers between two of them.
#include "backends/gpu/cache/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "backends/gpu/dtype.h"

namespace attest::gpu::cache {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Format {
  Element element;
  int largest;  // pattern of the largest finite number
  int nan;      // the pattern of NaN without a sign
};
constexpr Format kFormats[] = {{Element::kFloat8E4M3FN, 0x7e, 0x7f},
                               {Element::kFloat8E4M3FNUZ, 0x7f, 0x80},
                               {Element::kFloat8E5M2, 0x7b, 0x7f}};

float NumberOf(Element element, int bits) {
  const auto byte = static_cast<std::uint8_t>(bits);
  return LoadElement(element, &byte, 0);
}

std::string Shown(const Format& format, int bits) {
  return std::string(kElements[static_cast<int>(format.element)].name) + " pattern " +
         std::to_string(bits);
}

TEST(Quantised, EveryPatternIsItself) {
  for (const Format& format : kFormats) {
    for (int bits = 0; bits <= format.largest; ++bits) {
      const float number = NumberOf(format.element, bits);
      EXPECT_EQ(Quantised(format.element, number), bits) << Shown(format, bits);
      const bool minus_zero = format.element == Element::kFloat8E4M3FNUZ && bits == 0;
      EXPECT_EQ(Quantised(format.element, -number), minus_zero ? 0 : bits | 0x80)
          << Shown(format, bits);
    }
  }
}

// Halfway goes to the even pattern; the float beside halfway to the nearer one.
TEST(Quantised, EveryMiddleGoesToTheEvenPattern) {
  for (const Format& format : kFormats) {
    for (int bits = 0; bits < format.largest; ++bits) {
      const float middle =
          (NumberOf(format.element, bits) + NumberOf(format.element, bits + 1)) / 2.0F;
      EXPECT_EQ(Quantised(format.element, middle), bits + bits % 2) << Shown(format, bits);
      EXPECT_EQ(Quantised(format.element, std::nextafter(middle, 0.0F)), bits)
          << Shown(format, bits);
      EXPECT_EQ(Quantised(format.element, std::nextafter(middle, kInfinity)), bits + 1)
          << Shown(format, bits);
    }
  }
}

TEST(Quantised, WhatIsTooLargeBecomesTheLargest) {
  for (const Format& format : kFormats) {
    const float largest = NumberOf(format.element, format.largest);
    EXPECT_EQ(largest, LargestOf(format.element));
    for (const float number : {std::nextafter(largest, kInfinity), 2 * largest, kInfinity}) {
      EXPECT_EQ(Quantised(format.element, number), format.largest);
      EXPECT_EQ(Quantised(format.element, -number), format.largest | 0x80);
    }
  }
}

TEST(Quantised, NanStaysNan) {
  for (const Format& format : kFormats) {
    EXPECT_EQ(Quantised(format.element, kNan), format.nan);
    EXPECT_EQ(Quantised(format.element, -kNan), format.nan | 0x80);
  }
  EXPECT_EQ(Quantised(Element::kInt8, kNan), 0);
}

TEST(Quantised, NumbersBelowTheLeastAreZero) {
  for (const Format& format : kFormats) {
    for (const float number : {std::numeric_limits<float>::denorm_min(), 0x1p-126F}) {
      EXPECT_EQ(Quantised(format.element, number), 0);
    }
  }
}

TEST(Quantised, IntegersRoundToEvenBetweenMinus127And127) {
  for (int whole = -127; whole <= 127; ++whole) {
    EXPECT_EQ(Quantised(Element::kInt8, static_cast<float>(whole)),
              static_cast<std::uint8_t>(whole));
  }
  EXPECT_EQ(Quantised(Element::kInt8, 2.5F), 2);
  EXPECT_EQ(Quantised(Element::kInt8, 3.5F), 4);
  EXPECT_EQ(Quantised(Element::kInt8, -126.5F), static_cast<std::uint8_t>(-126));
  for (const float number : {127.4F, 128.0F, 1e9F, kInfinity}) {
    EXPECT_EQ(Quantised(Element::kInt8, number), 127);
    EXPECT_EQ(Quantised(Element::kInt8, -number), static_cast<std::uint8_t>(-127));
  }
}

}  // namespace
}  // namespace attest::gpu::cache
