// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "conformance/testing/planted/errors.h"
#include "conformance/testing/planted/small_call.h"

namespace attest {
namespace {

// Calls of every kind; each planted error shows in at least one.
std::vector<SmallShape> Shapes() {
  std::vector<SmallShape> shapes(12);
  shapes[1].causality = ATTEST_NON_CAUSAL;
  shapes[2].type = ATTEST_ENCODER_ONLY;
  shapes[2].requests = {{5, 5}, {7, 7}};
  shapes[3].type = ATTEST_ENCODER_DECODER;
  shapes[4].window_left = 3;
  shapes[5].causality = ATTEST_NON_CAUSAL;
  shapes[5].window_left = shapes[5].window_right = 3;
  shapes[6].sinks = true;
  shapes[7].half = true;
  shapes[8].requests = {{5, 2}, {3, 3}};  // rows without keys
  shapes[9].query_size = 1e4F;
  shapes[10].heads_first = true;
  shapes[11].dead = std::numeric_limits<float>::quiet_NaN();
  return shapes;
}

TEST(Planted, EveryErrorChangesTheAnswerOfSomeCall) {
  for (const PlantedError& planted : PlantedErrors()) {
    int changed = 0;
    for (const SmallShape& shape : Shapes()) {
      SmallCall call(shape);
      const auto faithful = call.Run(ATTEST_PLANTED_LIBRARY, "");
      const auto wrong = call.Run(ATTEST_PLANTED_LIBRARY, std::string(planted.id).c_str());
      ASSERT_FALSE(faithful.empty());
      ASSERT_EQ(faithful.size(), wrong.size()) << planted.id;
      changed += faithful == wrong ? 0 : 1;
    }
    if (planted.error == Planted::kFaithful) {
      EXPECT_EQ(changed, 0);
    } else {
      EXPECT_GT(changed, 0) << planted.id;
    }
  }
}

TEST(Planted, SelectorsAreDistinctAndEachNamesAClause) {
  std::set<std::string_view> ids;
  for (const PlantedError& planted : PlantedErrors()) {
    EXPECT_TRUE(ids.insert(planted.id).second) << planted.id;
    EXPECT_EQ(planted.clause.empty(), planted.error == Planted::kFaithful) << planted.id;
    EXPECT_EQ(FindPlanted(planted.id), &planted);
  }
  EXPECT_EQ(FindPlanted("causal"), nullptr);
}

// With a scale this small all weights are equal to within 1e-20, so a row is the mean of the values
// that it sees, and its LSE the logarithm of their number.
TEST(Planted, TheFaithfulOneCountsVisibleKeys) {
  SmallShape shape;
  shape.scale = 1e-20F;
  shape.requests = {{3, 6}};
  shape.window_left = 5;
  SmallCall call(shape);
  const std::vector<std::uint32_t> bits = call.Run(ATTEST_PLANTED_LIBRARY, "");
  ASSERT_FALSE(bits.empty());
  const std::size_t lse = (3 + 1) * 4 * 8 + 2;  // after out and the 8 bytes behind it
  const double expected[] = {4, 5, 5};          // positions 3, 4, 5
  for (std::size_t row = 0; row < 3; ++row) {
    EXPECT_NEAR(std::bit_cast<float>(bits[lse + row * 4]), std::log(expected[row]), 1e-6) << row;
  }
}

TEST(Planted, AnUnknownSelectorOpensNothing) {
  SmallCall call(SmallShape{});
  EXPECT_TRUE(call.Run(ATTEST_PLANTED_LIBRARY, "no-such-error").empty());
}

}  // namespace
}  // namespace attest
