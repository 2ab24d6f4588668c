// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/dtype.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace attest {
namespace {

constexpr std::array kAll = {DType::kFloat32,      DType::kFloat16,        DType::kBFloat16,
                             DType::kFloat8E4M3FN, DType::kFloat8E4M3FNUZ, DType::kFloat8E5M2,
                             DType::kInt8,         DType::kBool,           DType::kInt32,
                             DType::kInt64};

TEST(DType, EveryTypeSurvivesItsNameAndItsAbiForm) {
  for (const DType dtype : kAll) {
    EXPECT_EQ(ParseDType(Name(dtype)), dtype) << Name(dtype);
    EXPECT_EQ(FromAbi(ToAbi(dtype)), dtype) << Name(dtype);
  }
}

TEST(DType, UnknownFormsAreNoType) {
  EXPECT_EQ(ParseDType("float8"), std::nullopt);
  EXPECT_EQ(ParseDType("none"), std::nullopt);
  EXPECT_EQ(ParseDType("Float32"), std::nullopt);
  EXPECT_EQ(FromAbi(attest_dtype_t{}), DType::kNone);
  EXPECT_EQ(FromAbi({ATTEST_FLOAT, 64, 1}), DType::kNone);
  EXPECT_EQ(FromAbi({ATTEST_FLOAT, 32, 2}), DType::kNone);
  EXPECT_EQ(FromAbi({ATTEST_FLOAT, 32, 0}), DType::kNone);
}

TEST(DType, SizesAreInBytes) {
  EXPECT_EQ(SizeOf(DType::kNone), 0U);
  EXPECT_EQ(SizeOf(DType::kInt64), 8U);
  EXPECT_EQ(SizeOf(DType::kFloat32), 4U);
  EXPECT_EQ(SizeOf(DType::kBFloat16), 2U);
  EXPECT_EQ(SizeOf(DType::kFloat8E5M2), 1U);
  EXPECT_EQ(SizeOf(DType::kBool), 1U);
}

// Numbers of IEEE 754-2019 (binary32, binary16) and of the bfloat16 and OCP float8 definitions.
TEST(DType, FormatsHaveTheNumbersOfTheirStandards) {
  EXPECT_EQ(FormatOf(DType::kFloat32)->min_exponent, -126);
  EXPECT_EQ(FormatOf(DType::kFloat16)->min_exponent, -14);
  EXPECT_EQ(FormatOf(DType::kBFloat16)->min_exponent, -126);
  EXPECT_EQ(FormatOf(DType::kFloat8E4M3FN)->min_exponent, -6);
  EXPECT_EQ(FormatOf(DType::kFloat8E5M2)->min_exponent, -14);
  EXPECT_EQ(FormatOf(DType::kBFloat16)->unit_roundoff, 0x1p-8);
  EXPECT_EQ(FormatOf(DType::kFloat16)->unit_roundoff, 0x1p-11);
  for (const DType dtype : {DType::kInt8, DType::kBool, DType::kInt32, DType::kNone}) {
    EXPECT_FALSE(FormatOf(dtype).has_value()) << Name(dtype);
  }
}

TEST(DType, UnitRoundoffFollowsFromTheMantissa) {
  for (const DType dtype : kAll) {
    const auto format = FormatOf(dtype);
    if (!format) continue;
    EXPECT_EQ(format->unit_roundoff, std::ldexp(1.0, -(format->mantissa_bits + 1))) << Name(dtype);
  }
}

}  // namespace
}  // namespace attest
