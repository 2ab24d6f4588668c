// SPDX-License-Identifier: Apache-2.0
//
// What the oracle refuses, and small numbers worked out by hand.
#include "reference/oracle.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "reference/testing/random_problem.h"

namespace attest {
namespace {

using testing::Call;
using testing::Random;

// One request of 2 new tokens and 3 keys, one head, one column: q = 1, k = ln of 1, 2, 4 and
// v = 3, 5, 7.
Call HandMade(Problem problem) {
  Random random(1);
  problem.query_dtype = problem.cache_dtype = DType::kFloat32;
  problem.head_dim_qk = problem.head_dim_v = 1;
  problem.scale = 1.0F;
  problem.block_size = 2;
  problem.requests = {{.q_len = 2, .seq_len = 3}};
  return testing::BuildCall(
      &random, problem,
      {.query = [](auto...) { return 1.0; },
       .key = [](auto, std::int64_t key, auto...) { return std::log(std::ldexp(1.0, key)); },
       .value = [](auto, std::int64_t key, auto...) { return 3.0 + 2.0 * key; },
       .sink = [](auto) { return std::log(9.0); }},
      false);
}

Result<Expected> Compute(const Call& call) {
  return ComputeExpected(call.problem, call.Tensors(), AllRows(call.problem), DefaultArithmetic(),
                         {});
}

TEST(Oracle, WeighsVisibleKeysByTheirExponentials) {
  const auto expected = Compute(HandMade({}));
  ASSERT_TRUE(expected.ok()) << expected.status().message();
  EXPECT_NEAR(expected->out(0, 0), (3.0 + 2 * 5.0) / 3.0, 1e-6);
  EXPECT_NEAR(expected->out(1, 0), (3.0 + 2 * 5.0 + 4 * 7.0) / 7.0, 1e-6);
  EXPECT_NEAR(expected->lse[1], std::log(7.0), 1e-6);
  EXPECT_NEAR(expected->weight_sum[1], 7.0 / 4.0, 1e-6);
  EXPECT_EQ(expected->visible[0], 2);
  EXPECT_EQ(expected->visible[1], 3);
}

TEST(Oracle, CountsASinkInTheDenominatorOnly) {
  Problem problem;
  problem.sinks = true;
  const auto expected = Compute(HandMade(problem));
  ASSERT_TRUE(expected.ok()) << expected.status().message();
  EXPECT_NEAR(expected->out(1, 0), (3.0 + 2 * 5.0 + 4 * 7.0) / 16.0, 1e-6);
  EXPECT_NEAR(expected->lse[1], std::log(16.0), 1e-6);
  EXPECT_NEAR(expected->weight_sum[1], 16.0 / 9.0, 1e-6);
}

TEST(Oracle, ComputesOnlyTheRowsAskedFor) {
  const Call call = HandMade({});
  const auto expected = ComputeExpected(call.problem, call.Tensors(), {{.request = 0, .row = 1}},
                                        DefaultArithmetic(), {.bound = false});
  ASSERT_TRUE(expected.ok()) << expected.status().message();
  EXPECT_EQ(expected->out.rows(), 1);
  EXPECT_NEAR(expected->lse[0], std::log(7.0), 1e-6);
  EXPECT_EQ(expected->out_bound.size(), 0);
}

TEST(Oracle, ReadsNothingOfAnInvisibleKey) {
  Call call = HandMade({});
  const auto clean = Compute(call);
  // Key 2 is invisible to row 0 and seen by row 1.
  std::int32_t last_page = 0;
  std::memcpy(&last_page, call.block_table.At({0, 1}), sizeof(last_page));
  testing::SetFloat(&call.value_cache, {last_page, 0, 0, 0}, std::nan(""));
  const auto expected = Compute(call);
  ASSERT_TRUE(clean.ok() && expected.ok());
  EXPECT_EQ(expected->out(0, 0), clean->out(0, 0));
  EXPECT_EQ(expected->out_bound(0, 0), clean->out_bound(0, 0));
  EXPECT_TRUE(std::isnan(expected->out(1, 0)));
  EXPECT_EQ(expected->out_bound(1, 0), 0.0);
}

TEST(Oracle, GivesTheSameBitsWithAnyNumberOfThreads) {
  Random random(3);
  Problem problem;
  problem.num_q_heads = 8;
  problem.num_kv_heads = 4;
  problem.requests = {{.q_len = 40, .seq_len = 90}, {.q_len = 1, .seq_len = 33}};
  const Call call = testing::BuildCall(&random, problem, testing::RandomFill(&random), false);
  const auto one = ComputeExpected(problem, call.Tensors(), AllRows(problem), DefaultArithmetic(),
                                   {.bound = true, .threads = 1});
  const auto many = ComputeExpected(problem, call.Tensors(), AllRows(problem), DefaultArithmetic(),
                                    {.bound = true, .threads = 5});
  ASSERT_TRUE(one.ok() && many.ok());
  EXPECT_EQ(one->out, many->out);
  EXPECT_EQ(one->lse, many->lse);
  EXPECT_EQ(one->out_bound, many->out_bound);
  EXPECT_EQ(one->lse_bound, many->lse_bound);
}

TEST(Oracle, ARefusalNamesTheTensorAndWhatIsWrongWithIt) {
  const Call good = HandMade({});
  const auto message = [&good](auto change) {
    Call call = good;
    AttentionTensors tensors = call.Tensors();
    change(&call, &tensors);
    const auto result =
        ComputeExpected(call.problem, tensors, AllRows(call.problem), DefaultArithmetic(), {});
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(result.status().code(), StatusCode::kBadInput);
    return result.status().message();
  };
  EXPECT_EQ(message([](Call*, AttentionTensors* t) { t->query.data = nullptr; }), "query: missing");
  EXPECT_EQ(message([](Call*, AttentionTensors* t) { t->key_cache.dtype = DType::kFloat16; }),
            "key_cache: dtype float16, expected float32");
  EXPECT_EQ(message([](Call*, AttentionTensors* t) { t->value_cache.shape[1] = 7; }),
            "value_cache: shape [4, 7, 1, 1], axis 1 contradicts the problem");
  EXPECT_EQ(message([](Call*, AttentionTensors* t) { t->block_table.shape.pop_back(); }),
            "block_table: 1 axes, expected 2");
  EXPECT_EQ(message([](Call*, AttentionTensors* t) { t->block_table.shape[1] = 1; }),
            "block_table: shape [1, 1], axis 1 contradicts the problem");
  EXPECT_EQ(message([](Call* c, AttentionTensors* t) {
              testing::SetInt32(&c->block_table, {0, 1}, 99);
              t->block_table = c->block_table.View();
            }),
            "block_table[0][1]: 99 is not one of 4 pages");
  EXPECT_EQ(message([](Call* c, AttentionTensors* t) {
              testing::SetInt32(&c->seq_lens, {0}, 4);
              t->seq_lens = c->seq_lens.View();
            }),
            "seq_lens[0]: 4, the problem says 3");
  EXPECT_EQ(message([](Call* c, AttentionTensors*) { c->problem.scale = 0.0F; }),
            "scale: 0 is not finite and nonzero");
}

TEST(Oracle, RefusesARowThatTheProblemDoesNotHave) {
  const Call call = HandMade({});
  for (const QueryRow row : {QueryRow{0, 2}, QueryRow{0, -1}, QueryRow{1, 0}, QueryRow{-1, 0}}) {
    EXPECT_FALSE(
        ComputeExpected(call.problem, call.Tensors(), {row}, DefaultArithmetic(), {}).ok());
  }
}

}  // namespace
}  // namespace attest
