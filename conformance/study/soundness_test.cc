// SPDX-License-Identifier: Apache-2.0
//
// A slice of the study on seeds of its own, and that the study can fail.
#include "conformance/study/soundness.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "conformance/study/machine.h"

namespace attest {
namespace {

constexpr CaseLimits kSmall{.max_keys = 512, .max_rows = 16};

SoundnessReport Study(std::int64_t lines, std::uint64_t seed, int jobs = 1,
                      const std::string& defect = "") {
  Result<SoundnessReport> report = StudySoundness(
      {.lines = lines, .seed = seed, .jobs = jobs, .defect = defect, .limits = kSmall}, {});
  EXPECT_TRUE(report.ok()) << report.status().message();
  return *std::move(report);
}

TEST(Soundness, NoCorrectMachineLeavesItsBound) {
  const SoundnessReport report = Study(3000, 4711);
  EXPECT_GE(report.tally.rows(), 3000U);
  EXPECT_EQ(report.tally.all.violations, 0U) << Describe(report);
  EXPECT_TRUE(report.violations.empty());
  EXPECT_GT(report.tally.all.rows.max(), 0.5);  // it is not a bound that nobody comes near
  EXPECT_LE(report.tally.all.lse.max(), 1.0);
  // Of each dimension all that it has was drawn.
  const auto& groups = report.tally.groups;
  EXPECT_EQ(groups.at("dtype").size(), 3U);
  EXPECT_EQ(groups.at("family").size(), testing::FamilyNames().size());
  EXPECT_EQ(groups.at("class").size(), 5U);
  EXPECT_GE(groups.at("length").size(), 9U);
  for (const char* trait :
       {"naive", "splits: 8", "tiles: interleaved", "rescales from 2^8 on", "truncates to 16 bit",
        "exponential: cubic for exp2", "exponential: 2 ulps off", "split outputs in 16 bit",
        "sums: matrix unit, 23 bits, blocks of 4", "sums: matrix unit, 25 bits, blocks of 16",
        "query scaled, then rounded to 16 bit", "scores in 16 bit", "flushes subnormals",
        "8-bit cache: dequantised and rounded to 16 bit",
        "8-bit cache: scales folded into scores and weights"}) {
    EXPECT_EQ(groups.at("variant").count(trait), 1U) << trait;
  }
}

TEST(Soundness, SaysTheSameWithEveryNumberOfThreads) {
  const auto without_time = [](SoundnessReport report) {
    report.seconds = 0.0;
    report.options.jobs = 0;
    return ToJsonText(report);
  };
  EXPECT_EQ(without_time(Study(300, 5)), without_time(Study(300, 5, 3)));
}

TEST(Soundness, ReportsEachDefectWithALineThatReplaysIt) {
  for (const std::string_view defect : DefectNames()) {
    const SoundnessReport report = Study(400, 3, 1, std::string(defect));
    ASSERT_FALSE(report.violations.empty()) << defect;
    EXPECT_GT(report.tally.all.violations, 0U);
    const Violation& first = report.violations.front();
    EXPECT_EQ(ReplayLine(report.options, first), "attest study soundness --seed 3 --case " +
                                                     std::to_string(first.case_index) +
                                                     " --defect " + std::string(defect));
    const Result<SoundnessCase> again =
        RunSoundnessCase(3, first.case_index, kSmall, std::string(defect));
    ASSERT_TRUE(again.ok());
    ASSERT_FALSE(again->violations.empty());
    EXPECT_EQ(again->violations.front().got, first.got);
    EXPECT_GT(std::fabs(first.got - first.expected), first.bound);
    EXPECT_NE(Describe(report).find(ReplayLine(report.options, first)), std::string::npos);
  }
}

TEST(Soundness, JudgesOneCaseAlone) {
  const Result<SoundnessReport> report =
      StudySoundness({.seed = 4711, .only_case = 3, .limits = kSmall}, {});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->tally.cases, 1U);
}

// Undeclared 16-bit split outputs are what the override is for.
TEST(Machine, DeclaresWhatItDoes) {
  testing::Flash how;
  EXPECT_TRUE(AtLeastAsTight(TightestArithmetic(how, DType::kBFloat16), StrictArithmetic()));
  how.round_partials = true;
  const Arithmetic parts = TightestArithmetic(how, DType::kFloat16);
  EXPECT_EQ(parts.round_partial, 0x1p-11);
  EXPECT_FALSE(AtLeastAsTight(parts, DefaultArithmetic()));
  EXPECT_TRUE(AtLeastAsTight(parts, LenientArithmetic()));
  how = {};
  how.accumulation = testing::Accumulation::kMatrixUnit;
  how.unit = {.bits = 23, .length = 4};
  EXPECT_EQ(TightestArithmetic(how, DType::kFloat16).accumulate_pv, 3.0);  // Volta
  how.unit = {.bits = 24, .length = 8};
  EXPECT_EQ(TightestArithmetic(how, DType::kFloat16).accumulate_qk, 1.375);  // Ampere
}

TEST(RatioCounts, HasQuantilesToOnePartInSixteenAndAnExactMaximum) {
  RatioCounts counts;
  for (int n = 1; n <= 1000; ++n) counts.Add(n * 1e-3);
  EXPECT_NEAR(counts.Quantile(0.5), 0.5, 0.5 / 16);
  EXPECT_NEAR(counts.Quantile(0.01), 0.01, 0.01 / 16);
  EXPECT_EQ(counts.max(), 1.0);
  RatioCounts zeros;
  for (int n = 0; n < 3; ++n) zeros.Add(0.0);
  zeros.Add(1e-20);
  EXPECT_EQ(zeros.Quantile(0.9), 0.0);
  zeros.Add(std::numeric_limits<double>::infinity());
  EXPECT_EQ(zeros.max(), std::numeric_limits<double>::infinity());
  counts.Add(zeros);
  EXPECT_EQ(counts.count(), 1005U);
}

TEST(ErrorRatio, CountsNaNAsOutside) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(ErrorRatio(1.0, 1.0, 0.0), 0.0);
  EXPECT_EQ(ErrorRatio(1.5, 1.0, 1.0), 0.5);
  EXPECT_EQ(ErrorRatio(1.5, 1.0, 0.0), infinity);
  EXPECT_EQ(ErrorRatio(nan, 1.0, 1.0), infinity);
  EXPECT_EQ(ErrorRatio(-infinity, -infinity, 0.0), 0.0);  // the LSE of an empty row
}

}  // namespace
}  // namespace attest
