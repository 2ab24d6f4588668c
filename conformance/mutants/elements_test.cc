// SPDX-License-Identifier: Apache-2.0
//
// Number formats against values written down from their definitions.
#include "conformance/mutants/elements.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace attest {
namespace {

double Value(Format format, unsigned bits) {
  std::byte stored[4] = {};
  std::memcpy(stored, &bits, 4);  // little end first
  return Decode(format, stored);
}

TEST(Elements, MeanWhatTheirFormatsSay) {
  EXPECT_EQ(Value(Format::kFloat32, 0x3f800000), 1.0);
  EXPECT_EQ(Value(Format::kFloat16, 0x3c00), 1.0);
  EXPECT_EQ(Value(Format::kFloat16, 0x7bff), 65504.0);
  EXPECT_EQ(Value(Format::kFloat16, 0x0001), std::ldexp(1.0, -24));
  EXPECT_EQ(Value(Format::kFloat16, 0xfc00), -INFINITY);
  EXPECT_EQ(Value(Format::kBFloat16, 0x4049), 3.140625);
  EXPECT_EQ(Value(Format::kFloat8E4M3FN, 0x7e), 448.0);
  EXPECT_EQ(Value(Format::kFloat8E4M3FN, 0x01), std::ldexp(1.0, -9));
  EXPECT_TRUE(std::isnan(Value(Format::kFloat8E4M3FN, 0xff)));
  EXPECT_EQ(Value(Format::kFloat8E4M3FNUZ, 0x7f), 240.0);
  EXPECT_EQ(Value(Format::kFloat8E4M3FNUZ, 0x40), 1.0);
  EXPECT_TRUE(std::isnan(Value(Format::kFloat8E4M3FNUZ, 0x80)));
  EXPECT_EQ(Value(Format::kFloat8E5M2, 0x7b), 57344.0);
  EXPECT_EQ(Value(Format::kFloat8E5M2, 0x7c), INFINITY);
  EXPECT_EQ(Value(Format::kInt8, 0x80), -128.0);
}

TEST(Elements, ComeBackFromEveryBitPattern) {
  for (const Format format : {Format::kFloat16, Format::kBFloat16, Format::kFloat8E4M3FN,
                              Format::kFloat8E4M3FNUZ, Format::kFloat8E5M2, Format::kInt8}) {
    const unsigned codes = BytesOf(format) == 1 ? 1U << 8 : 1U << 16;
    for (unsigned bits = 0; bits < codes; ++bits) {
      const double value = Value(format, bits);
      if (std::isnan(value)) continue;
      EXPECT_EQ(Through(format, value), value) << bits;
    }
  }
}

TEST(Elements, RoundToNearestWithTiesToEven) {
  EXPECT_EQ(Through(Format::kFloat16, 1.0 + std::ldexp(1.0, -11)), 1.0);
  EXPECT_EQ(Through(Format::kFloat16, 1.0 + 3 * std::ldexp(1.0, -11)), 1.0 + std::ldexp(1.0, -9));
  EXPECT_EQ(Through(Format::kFloat16, 65520.0), INFINITY);
  EXPECT_EQ(Through(Format::kBFloat16, 1.0 + std::ldexp(1.0, -9)), 1.0);
  EXPECT_EQ(Through(Format::kFloat8E4M3FN, 1e6), 448.0);
  EXPECT_EQ(Through(Format::kInt8, 2.5), 2.0);
}

}  // namespace
}  // namespace attest
