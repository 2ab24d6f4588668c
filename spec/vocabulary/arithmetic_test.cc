// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/arithmetic.h"

#include <gtest/gtest.h>

#include <cmath>

namespace attest {
namespace {

attest_arithmetic_t Declared(attest_arithmetic_class_t name) {
  attest_arithmetic_t abi = {};
  abi.struct_size = sizeof(abi);
  abi.arithmetic_class = name;
  return abi;
}

TEST(ArithmeticParameters, TheTableHoldsEveryNumberOfTheAbiOnce) {
  static const attest_arithmetic_t kAbi = {};
  const auto* next = &kAbi.accumulate_qk;
  for (const ArithmeticParameter& parameter : ArithmeticParameters()) {
    EXPECT_EQ(&(kAbi.*parameter.abi), next++) << parameter.name;
  }
  EXPECT_EQ(static_cast<const void*>(next), static_cast<const void*>(&kAbi.tile_min));
}

TEST(ArithmeticParameters, EachMemberOfAClassStandsOnce) {
  Arithmetic arithmetic;
  double mark = 100;
  for (const ArithmeticParameter& parameter : ArithmeticParameters()) {
    arithmetic.*parameter.member = ++mark;
  }
  mark = 100;
  for (const ArithmeticParameter& parameter : ArithmeticParameters()) {
    EXPECT_EQ(arithmetic.*parameter.member, ++mark) << parameter.name;
  }
}

TEST(Arithmetic, AZeroedDeclarationIsTheDefaultClass) {
  EXPECT_EQ(FromAbi(attest_arithmetic_t{}), DefaultArithmetic());
  EXPECT_TRUE(DefaultArithmetic().overrides.empty());
}

TEST(Arithmetic, ClassesAreFoundByNumberAndByName) {
  EXPECT_EQ(FromAbi(Declared(ATTEST_ARITHMETIC_STRICT)), StrictArithmetic());
  EXPECT_EQ(FromAbi(Declared(ATTEST_ARITHMETIC_LENIENT)), LenientArithmetic());
  for (const Arithmetic& known : {StrictArithmetic(), DefaultArithmetic(), LenientArithmetic()}) {
    EXPECT_EQ(ArithmeticByName(known.name), known);
  }
  EXPECT_EQ(ArithmeticByName("exact"), std::nullopt);
  EXPECT_EQ(FromAbi(Declared(3)), std::nullopt);
  EXPECT_EQ(FromAbi(Declared(-1)), std::nullopt);
}

TEST(Arithmetic, StrictIsTighterThanDefaultAndDefaultThanLenient) {
  EXPECT_TRUE(AtLeastAsTight(StrictArithmetic(), DefaultArithmetic()));
  EXPECT_TRUE(AtLeastAsTight(DefaultArithmetic(), LenientArithmetic()));
  EXPECT_FALSE(AtLeastAsTight(DefaultArithmetic(), StrictArithmetic()));
  EXPECT_FALSE(AtLeastAsTight(LenientArithmetic(), DefaultArithmetic()));
  EXPECT_TRUE(AtLeastAsTight(DefaultArithmetic(), DefaultArithmetic()));
}

TEST(Arithmetic, ALargerTileIsTighter) {
  Arithmetic large = DefaultArithmetic();
  large.tile_min = 64;
  EXPECT_TRUE(AtLeastAsTight(large, DefaultArithmetic()));
  EXPECT_FALSE(AtLeastAsTight(DefaultArithmetic(), large));
}

TEST(Arithmetic, OverridesReplaceOneParameterAndAreListed) {
  attest_arithmetic_t abi = Declared(ATTEST_ARITHMETIC_DEFAULT);
  abi.accumulate_qk = 3.0;
  abi.round_partial = 0x1p-8;
  abi.tile_min = 64;
  const auto arithmetic = FromAbi(abi);
  ASSERT_TRUE(arithmetic.has_value());
  Arithmetic expected = DefaultArithmetic();
  expected.accumulate_qk = 3.0;
  expected.round_partial = 0x1p-8;
  expected.tile_min = 64;
  expected.overrides = {{"accumulate_qk", 3.0}, {"round_partial", 0x1p-8}, {"tile_min", 64.0}};
  EXPECT_EQ(*arithmetic, expected);
}

TEST(Arithmetic, NonsenseIsNoClass) {
  for (const double nonsense : {-1.0, std::nan(""), 5000.0, HUGE_VAL}) {
    attest_arithmetic_t abi = Declared(ATTEST_ARITHMETIC_DEFAULT);
    abi.exp_error = nonsense;
    EXPECT_EQ(FromAbi(abi), std::nullopt) << nonsense;
  }
  attest_arithmetic_t abi = Declared(ATTEST_ARITHMETIC_DEFAULT);
  abi.tile_min = -1;
  EXPECT_EQ(FromAbi(abi), std::nullopt);
}

}  // namespace
}  // namespace attest
