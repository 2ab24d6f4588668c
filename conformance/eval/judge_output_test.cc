// SPDX-License-Identifier: Apache-2.0
#include "conformance/eval/judge_output.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace attest {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

// Two rows of one head, two columns; exact numbers 1, 2 / 3, 4 with bounds of a tenth.
struct Small {
  UserProblem about;
  Expected expected;

  Small() {
    about.problem.requests = {{.q_len = 2, .seq_len = 2}};
    about.problem.head_dim_v = 2;
    about.problem.output_dtype = DType::kFloat32;
    about.layout = BatchLayout::kPacked;
    about.query = {.batch = 1, .seq = 2, .heads = 1, .dim = 64};
    expected.rows = {{0, 0}, {0, 1}};
    expected.out.resize(2, 2);
    expected.out << 1, 2, 3, 4;
    expected.out_bound.setConstant(2, 2, 0.1);
    expected.lse.resize(2);
    expected.lse << 5, -kInf;
    expected.lse_bound.setConstant(2, 0.1);
  }

  Result<OutputJudgement> Judge(const std::vector<double>& out,
                                const std::vector<float>& lse = {}) const {
    const NpyArray a = *ParseNpy(NpyFile({'f', 8}, {2, 1, 2}, out.data()), "out.npy");
    const NpyArray b =
        lse.empty() ? NpyArray{} : *ParseNpy(NpyFile({'f', 4}, {2, 1}, lse.data()), "lse.npy");
    return JudgeOutput(about, expected, a, b);
  }
};

TEST(JudgeOutput, NumbersWithinTheirBoundsPass) {
  const Result<OutputJudgement> judgement = Small().Judge({1.05, 2, 3, 4}, {5, -HUGE_VALF});
  ASSERT_TRUE(judgement.ok());
  EXPECT_TRUE(judgement->pass());
  EXPECT_EQ(judgement->elements, 6);
  EXPECT_EQ(judgement->lines, 2);
  EXPECT_NEAR(judgement->worst_ratio, 0.5, 1e-9);
  ASSERT_EQ(judgement->worst.size(), 1U);
}

TEST(JudgeOutput, TheWorstElementIsNamed) {
  const Result<OutputJudgement> judgement = Small().Judge({1.2, 2, 3, 4.5});
  EXPECT_FALSE(judgement->pass());
  EXPECT_EQ(judgement->wrong_elements, 2);
  EXPECT_EQ(judgement->wrong_lines, 2);
  EXPECT_EQ(
      judgement->worst.front(),
      (Element{
          .request = 0, .row = 1, .head = 0, .dim = 1, .expected = 4, .got = 4.5, .bound = 0.1}));
  const std::string text = JudgementText(*judgement, "default");
  EXPECT_NE(text.find("fail: 2 of 4 numbers, in 2 of 2"), std::string::npos) << text;
  EXPECT_NE(text.find("worst  request 0, row 1, head 0, column 1: expected 4, got 4.5, off by 0.5, "
                      "bound 0.1 (x5)"),
            std::string::npos)
      << text;
}

TEST(JudgeOutput, ANumberThatIsNoneFails) {
  for (const double bad : {kNan, kInf, -kInf}) {
    const Result<OutputJudgement> judgement = Small().Judge({1, bad, 3, 4});
    EXPECT_EQ(judgement->wrong_elements, 1) << bad;
    EXPECT_EQ(judgement->worst_ratio, kInf);
    EXPECT_NO_THROW(ToJson(*judgement, "default").dump());
  }
  EXPECT_FALSE(Small().Judge({1, 2, 3, 4}, {5, 0})->pass());
  EXPECT_FALSE(Small().Judge({1, 2, 3, 4}, {-HUGE_VALF, -HUGE_VALF})->pass());
}

TEST(JudgeOutput, WhereTheExactNumberIsNaNSoMustBeTheFile) {
  Small small;
  small.expected.out(0, 0) = kNan;
  small.expected.out(0, 1) = kInf;
  small.expected.out_bound.row(0).setZero();
  EXPECT_TRUE(small.Judge({kNan, kInf, 3, 4})->pass());
  EXPECT_FALSE(small.Judge({1, kInf, 3, 4})->pass());
  EXPECT_FALSE(small.Judge({kNan, kNan, 3, 4})->pass());
  EXPECT_FALSE(small.Judge({kNan, -kInf, 3, 4})->pass());
}

TEST(JudgeOutput, ABoundOfZeroAllowsTheExactNumberAlone) {
  Small small;
  small.expected.out_bound.setZero();
  EXPECT_TRUE(small.Judge({1, 2, 3, 4})->pass());
  EXPECT_FALSE(small.Judge({1, 2, 3, 4.0000001})->pass());
}

TEST(JudgeOutput, OtherShapesAndTypesAreRefused) {
  Small small;
  const std::vector<double> data(4);
  const NpyArray flat = *ParseNpy(NpyFile({'f', 8}, {2, 2}, data.data()), "out.npy");
  EXPECT_EQ(JudgeOutput(small.about, small.expected, flat, {}).status().message(),
            "out.npy: shape [2, 2], expected [2, 1, 2]");
  const NpyArray raw = *ParseNpy(NpyFile({'u', 2}, {2, 1, 2}, data.data()), "out.npy");
  EXPECT_EQ(JudgeOutput(small.about, small.expected, raw, {}).status().message(),
            "out.npy: uint16, expected float32, or converted to float64");
  small.about.problem.output_dtype = DType::kBFloat16;
  const NpyArray half = *ParseNpy(NpyFile({'f', 2}, {2, 1, 2}, data.data()), "out.npy");
  EXPECT_EQ(JudgeOutput(small.about, small.expected, half, {}).status().message(),
            "out.npy: float16, expected bfloat16 as uint16, or converted to float32 or float64");
}

TEST(JudgeOutput, NumbersThatTheOutputTypeCannotHoldAreNoted) {
  Small small;
  small.about.problem.output_dtype = DType::kBFloat16;
  EXPECT_TRUE(small.Judge({1, 2, 3, 4})->notes.empty());
  EXPECT_EQ(small.Judge({1.001, 2, 3, 4})->notes.size(), 1U);
}

}  // namespace
}  // namespace attest
