// SPDX-License-Identifier: Apache-2.0
#include "reference/exponentials.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace attest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> Take(const std::vector<double>& from, double top) {
  std::vector<double> to(from.size(), -1.0);
  Exponentials(from.data(), top, from.size(), to.data());
  return to;
}

TEST(Exponentials, AreWithinFourUnitsInTheLastPlaceAtEveryCount) {
  for (std::size_t count = 0; count < 40; ++count) {
    std::vector<double> from;
    for (std::size_t i = 0; i < count; ++i) {
      from.push_back(3.25 - std::ldexp(static_cast<double>(i * i), -2) - 17.0 / (1.0 + i));
    }
    const std::vector<double> to = Take(from, 3.5);
    for (std::size_t i = 0; i < count; ++i) {
      const double want = std::exp(from[i] - 3.5);
      EXPECT_NEAR(to[i], want, 4.0 * 0x1p-52 * want) << count << " " << i;
    }
  }
}

// Each stands once in a vector of four and once behind the last whole one.
TEST(Exponentials, VanishExactlyAndKeepNaN) {
  for (const std::size_t at : {1U, 4U}) {
    const auto one = [at](double x, double top) {
      std::vector<double> from(5, top);
      from[at] = x;
      return Take(from, top)[at];
    };
    EXPECT_EQ(one(-746.0, 0.0), 0.0);
    EXPECT_EQ(one(-1e300, 1e300), 0.0);
    EXPECT_EQ(one(-kInfinity, 1.0), 0.0);
    EXPECT_EQ(one(-kInfinity, kNaN), 0.0);
    EXPECT_EQ(one(-kInfinity, -kInfinity), 0.0);
    EXPECT_GT(one(-740.0, 0.0), 0.0);
    EXPECT_LT(one(-740.0, 0.0), 1e-307);
    EXPECT_TRUE(std::isnan(one(kNaN, 0.0)));
    EXPECT_TRUE(std::isnan(one(1.0, kNaN)));
    EXPECT_EQ(one(5.0, 5.0), 1.0);
  }
}

}  // namespace
}  // namespace attest
