// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/score.h"

#include <gtest/gtest.h>

#include <cmath>

#include "conformance/probe/test_backend.h"

namespace attest {
namespace {

Problem Prefill(DType dtype, int head_dim = 128) {
  Problem p;
  p.num_q_heads = 4;
  p.num_kv_heads = 2;
  p.head_dim_qk = p.head_dim_v = head_dim;
  p.query_dtype = p.cache_dtype = p.output_dtype = dtype;
  p.scale = 0.088388346F;
  p.requests = {{3, 200}, {1, 40}};
  return p;
}

Box BoxOf(const TestBackend& backend) {
  Result<Box> box = Box::Make(backend.problem, backend);
  EXPECT_TRUE(box.ok()) << box.status().message();
  return std::move(*box);
}

class ScoreTest : public testing::TestWithParam<DType> {};

TEST_P(ScoreTest, ScaleIsReadWithinItsOwnError) {
  for (const double scale : {0.02, 0.088388346, 0.125, 0.5, -0.1}) {
    TestBackend backend{.scale = scale, .problem = Prefill(GetParam())};
    Box box = BoxOf(backend);
    const auto scores = ReadScale(box);
    ASSERT_TRUE(scores.ok());
    EXPECT_EQ(box.calls(), 1);
    for (const HeadScore& head : *scores) {
      ASSERT_TRUE(head.scale.found()) << scale << ": " << head.scale.why;
      EXPECT_LT(std::abs(head.scale.value / scale - 1), 2e-4) << scale;
      EXPECT_LT(std::abs(head.scale.value - scale), 2 * head.scale.error) << scale;
      if (scale < 0.4) {
        EXPECT_EQ(head.softcap.state, ReadNumber::State::kNone) << head.softcap.value;
      }
    }
  }
}

TEST_P(ScoreTest, SoftcapIsRead) {
  for (const double cap : {10.0, 20.0, 30.0, 50.0}) {
    TestBackend backend{.softcap = cap, .problem = Prefill(GetParam())};
    Box box = BoxOf(backend);
    const auto scores = ReadScale(box);
    ASSERT_TRUE(scores.ok());
    const HeadScore& head = scores->front();
    ASSERT_TRUE(head.softcap.found()) << cap << ": " << head.softcap.why;
    const double reach = GetParam() == DType::kFloat16 ? 0.03 : 1e-3;
    EXPECT_LT(std::abs(head.softcap.value / cap - 1), reach) << cap;
    EXPECT_LT(std::abs(head.scale.value / 0.088388346 - 1), 1e-3) << cap;
  }
}

TEST_P(ScoreTest, AScoreThatIsNoLineIsNotGuessedAt) {
  TestBackend backend{.key_bias = 0.05, .problem = Prefill(GetParam())};
  Box box = BoxOf(backend);
  const auto scores = ReadScale(box);
  ASSERT_TRUE(scores.ok());
  EXPECT_EQ(scores->front().scale.state, ReadNumber::State::kUnknown);
  EXPECT_NE(scores->front().scale.why.find("no line"), std::string::npos);
}

TEST_P(ScoreTest, SlopesAreReadOnBothSides) {
  Problem problem = Prefill(GetParam());
  problem.alibi = true;
  problem.causality = Causality::kNonCausal;
  problem.requests = {{150, 300}};
  TestBackend backend{.problem = problem};
  backend.slope = [](int head) { return std::ldexp(1.0, -2 * head - 1); };
  Box box = BoxOf(backend);
  const auto slopes = ReadSlopes(box);
  ASSERT_TRUE(slopes.ok());
  EXPECT_LE(box.calls(), 2);
  for (const HeadSlope& head : *slopes) {
    const double expected = std::ldexp(1.0, -2 * head.row.head - 1);
    ASSERT_TRUE(head.left.found()) << head.left.why;
    EXPECT_LT(std::abs(head.left.value / expected - 1), 4e-3) << head.row.head;
  }
}

TEST_P(ScoreTest, NoSlopeIsSaidToBeNone) {
  TestBackend backend{.problem = Prefill(GetParam())};
  Box box = BoxOf(backend);
  const auto slopes = ReadSlopes(box);
  ASSERT_TRUE(slopes.ok());
  EXPECT_EQ(slopes->front().left.state, ReadNumber::State::kNone);
  EXPECT_LT(slopes->front().left.error, 1e-3);
}

TEST_P(ScoreTest, SinkLogitsAreReadFromOutputAndLse) {
  TestBackend backend{.problem = Prefill(GetParam())};
  backend.sink = [](int head) { return 3.0 * head - 5.0; };
  Box box = BoxOf(backend);
  const auto sinks = ReadSinks(box);
  ASSERT_TRUE(sinks.ok());
  EXPECT_EQ(box.calls(), 3);
  for (const HeadSink& head : *sinks) {
    const double expected = 3.0 * head.row.head - 5.0;
    ASSERT_TRUE(head.logit.found()) << head.logit.why;
    EXPECT_NEAR(head.logit.value, expected, GetParam() == DType::kBFloat16 ? 8e-3 : 1e-3);
    EXPECT_NEAR(head.logit.value, expected, 2 * head.logit.error);
    ASSERT_TRUE(head.lse_logit.found());
    EXPECT_NEAR(head.lse_logit.value, expected, 1e-4);
  }
}

TEST_P(ScoreTest, NoSinkIsSaidToBeNone) {
  TestBackend backend{.problem = Prefill(GetParam())};
  backend.problem.sinks = true;
  backend.sinks_ignored = true;
  Box box = BoxOf(backend);
  const auto sinks = ReadSinks(box);
  ASSERT_TRUE(sinks.ok());
  EXPECT_EQ(sinks->front().logit.state, ReadNumber::State::kNone);
}

TEST_P(ScoreTest, WeightsFollowTheScores) {
  for (const double scale : {0.0, 0.0892}) {  // the problem's, and 1 % more
    TestBackend backend{.scale = scale, .problem = Prefill(GetParam())};
    Box box = BoxOf(backend);
    const auto weights = ReadWeights(box, {0, 2, 1});
    ASSERT_TRUE(weights.ok());
    EXPECT_EQ(weights->keys.size(), 200U);
    EXPECT_EQ(box.calls(), 2);
    EXPECT_EQ(weights->worst < weights->error, scale == 0.0) << weights->worst;
  }
}

TEST_P(ScoreTest, ChosenWeightsFollowTheScoresInOneCall) {
  for (const double scale : {0.0, 0.0892}) {
    TestBackend backend{.scale = scale, .problem = Prefill(GetParam())};
    Box box = BoxOf(backend);
    const auto weights = ReadChosenWeights(box, {0, 2, 1}, {0, 1, 17, 64, 130, 199});
    ASSERT_TRUE(weights.ok());
    ASSERT_EQ(weights->keys.size(), 6U);
    EXPECT_EQ(box.calls(), 1);
    EXPECT_NEAR(weights->keys[5].weight / weights->keys[0].weight, std::exp(5.0),
                scale == 0.0 ? 2.0 : 20.0);
    EXPECT_EQ(weights->worst < weights->error, scale == 0.0) << weights->worst;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, ScoreTest,
                         testing::Values(DType::kBFloat16, DType::kFloat16, DType::kFloat32),
                         [](const auto& info) { return std::string(Name(info.param)); });

}  // namespace
}  // namespace attest
