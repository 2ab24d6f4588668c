// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/session_pace.h"

#include <gtest/gtest.h>

namespace attest {
namespace {

TEST(Pace, ASmallCallGetsTheFloor) {
  const Pace pace(20, 100);
  EXPECT_EQ(pace.DeadlineSeconds(0), 20);
  EXPECT_EQ(pace.DeadlineSeconds(0x1p22), 20);
}

TEST(Pace, BeforeAnythingWasSeenALargeCallGetsAHundredTimesAScalarLoop) {
  const Pace pace(20, 100);
  EXPECT_DOUBLE_EQ(pace.DeadlineSeconds(0x1p28), 100 * 1e-8 * 0x1p28);
}

TEST(Pace, ASlowBackendGetsTheTimeItNeeds) {
  Pace pace(20, 100);
  pace.Observe(0x1p20, 4);
  EXPECT_DOUBLE_EQ(pace.DeadlineSeconds(0x1p28), 100 * 4 * 0x1p8);
}

TEST(Pace, TheBestCallCountsSoThatACompilingFirstOneDoesNotStretchEveryDeadline) {
  Pace pace(20, 100);
  pace.Observe(0x1p20, 60);
  pace.Observe(0x1p20, 1);
  pace.Observe(0x1p20, 2);
  EXPECT_DOUBLE_EQ(pace.DeadlineSeconds(0x1p28), 100 * 0x1p8);
}

TEST(Pace, ACallTooSmallToMeasureSaysNothing) {
  Pace pace(20, 100);
  pace.Observe(0x1p19, 60);
  EXPECT_DOUBLE_EQ(pace.DeadlineSeconds(0x1p28), 100 * 1e-8 * 0x1p28);
}

TEST(Pace, NoRateIsTakenForBetterThanATenthOfANanosecond) {
  Pace pace(0, 100);
  pace.Observe(0x1p28, 1e-6);
  EXPECT_DOUBLE_EQ(pace.DeadlineSeconds(0x1p36), 100 * 1e-10 * 0x1p36);
}

}  // namespace
}  // namespace attest
