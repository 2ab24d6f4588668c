// SPDX-License-Identifier: Apache-2.0
//
// What the oracle refuses, and small numbers worked out by hand.
#include "reference/oracle.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

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

// e^-800 is 0 in double, and 0 times infinity is NaN; e^-700 is a number. The maximum rises in two
// steps, neither of which loses the weight.
TEST(Oracle, AnInfiniteValueWhoseWeightIsLostIsNoNumber) {
  for (const double distance : {700.0, 800.0}) {
    Random random(1);
    Problem problem;
    problem.query_dtype = problem.cache_dtype = DType::kFloat32;
    problem.head_dim_qk = problem.head_dim_v = 1;
    problem.scale = 1.0F;
    problem.causality = Causality::kNonCausal;
    problem.requests = {{.q_len = 1, .seq_len = 600}};
    testing::Fill fill = testing::RandomFill(&random);
    fill.query = [](auto...) { return 1.0; };
    fill.key = [distance](auto, std::int64_t key, auto...) {
      return key < 300 ? 0.0 : key < 599 ? distance / 2 : distance;
    };
    fill.value = [](auto, std::int64_t key, auto...) {
      return key == 3 ? std::numeric_limits<double>::infinity() : 1.0;
    };
    const Call call = testing::BuildCall(&random, problem, fill, false);
    for (const bool bound : {true, false}) {
      const auto expected = ComputeExpected(problem, call.Tensors(), AllRows(problem),
                                            DefaultArithmetic(), {.bound = bound});
      ASSERT_TRUE(expected.ok()) << expected.status().message();
      EXPECT_EQ(std::isnan(expected->out(0, 0)), distance == 800.0) << bound;
      EXPECT_EQ(std::isinf(expected->out(0, 0)), distance == 700.0) << bound;
    }
  }
}

TEST(Oracle, GivesTheSameBitsWithAnyNumberOfThreads) {
  Random random(3);
  Problem problem;
  problem.num_q_heads = 8;
  problem.num_kv_heads = 4;
  // 600 lines of a KV head are three blocks.
  problem.requests = {{.q_len = 300, .seq_len = 310}, {.q_len = 1, .seq_len = 33}};
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

// As HandMade, with scores worked out by hand from ln 1, ln 2, ln 4 of the last row.
TEST(Oracle, CapsThenBiasesThenMasks) {
  Problem problem;
  problem.softcap = 0.5F;
  problem.alibi = true;
  problem.custom_mask = MaskKind::kAdditive;
  Random random(1);
  problem.query_dtype = problem.cache_dtype = DType::kFloat32;
  problem.head_dim_qk = problem.head_dim_v = 1;
  problem.scale = 2.0F;
  problem.block_size = 2;
  problem.requests = {{.q_len = 2, .seq_len = 3}};
  testing::Fill fill = testing::RandomFill(&random);
  fill.query = [](auto...) { return 1.0; };
  fill.key = [](auto, std::int64_t key, auto...) { return 0.25 * key; };
  fill.slope = [](auto) { return 0.75; };
  fill.mask = [](auto, auto, std::int64_t row, std::int64_t key) {
    if (row == 1 && key == 1) return -std::numeric_limits<double>::infinity();
    return row == 0 && key == 2 ? std::nan("") : 3.0 * key;  // NaN above the diagonal
  };
  const Call call = testing::BuildCall(&random, problem, fill, false);
  const auto expected = ComputeExpected(problem, call.Tensors(), AllRows(problem),
                                        DefaultArithmetic(), {.bound = true, .detail = true});
  ASSERT_TRUE(expected.ok()) << expected.status().message();
  const LineDetail& row = expected->detail[1];
  EXPECT_EQ(row.first_key, 0);
  EXPECT_EQ(row.visible, (std::vector<std::uint8_t>{1, 0, 1}));
  EXPECT_NEAR(row.score[0], 0.0 - 0.75 * 2, 1e-15);
  EXPECT_EQ(row.score[1], -std::numeric_limits<double>::infinity());
  EXPECT_NEAR(row.score[2], 0.5 * std::tanh(1.0 / 0.5) + 6.0, 1e-15);
  EXPECT_NEAR(row.weight[0] + row.weight[2], 1.0, 1e-15);
  EXPECT_EQ(row.weight[1], 0.0);
  EXPECT_NEAR(std::log(row.weight[2]), row.score[2] - expected->lse[1], 1e-14);
  EXPECT_EQ(expected->visible[1], 2);
  EXPECT_EQ(expected->detail[0].visible, (std::vector<std::uint8_t>{1, 1}));
}

// A slot that only masks hide, with garbage in key, value and both scales.
TEST(Oracle, ReadsNothingOfASlotThatAMaskHides) {
  Problem problem;
  problem.query_dtype = DType::kFloat32;
  problem.cache_dtype = DType::kFloat8E5M2;
  problem.kv_scale_kind = KvScaleKind::kPerTokenHead;
  problem.custom_mask = MaskKind::kBoolean;
  problem.head_dim_qk = problem.head_dim_v = 3;
  problem.block_size = 4;
  problem.requests = {{.q_len = 3, .seq_len = 9}};
  const auto build = [&problem](bool garbage) {
    Random random(5);
    testing::Fill fill = testing::RandomFill(&random);
    fill.mask = [](auto, auto, auto, std::int64_t key) { return key == 2 ? 0.0 : 1.0; };
    Call call = testing::BuildCall(&random, problem, fill, false);
    std::int32_t page = 0;
    std::memcpy(&page, call.block_table.At({0, 0}), sizeof(page));
    if (garbage) {
      testing::SetFloat(&call.key_scale, {page, 2, 0}, std::nan(""));
      testing::SetFloat(&call.value_scale, {page, 2, 0}, std::numeric_limits<double>::infinity());
      *call.key_cache.At({page, 2, 0, 1}) = std::byte{0xFF};
      *call.value_cache.At({page, 2, 0, 0}) = std::byte{0x7C};  // infinity
    }
    return call;
  };
  const Call clean = build(false);
  const Call dirty = build(true);
  const auto want = Compute(clean);
  const auto got = Compute(dirty);
  ASSERT_TRUE(want.ok() && got.ok()) << got.status().message();
  EXPECT_EQ(want->out, got->out);
  EXPECT_EQ(want->lse, got->lse);
  EXPECT_EQ(want->out_bound, got->out_bound);
  EXPECT_EQ(want->lse_bound, got->lse_bound);
  // The same scale in a slot that rows see is refused.
  Call live = build(false);
  std::int32_t page = 0;
  std::memcpy(&page, live.block_table.At({0, 0}), sizeof(page));
  testing::SetFloat(&live.value_scale, {page, 3, 0}, std::nan(""));
  const auto refused = Compute(live);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().message(),
            "value_scale[" + std::to_string(page) + "][3][0]: nan is the scale of a live slot");
}

// A finite "minus infinity" takes a key out of the output and leaves the bound what it is without.
TEST(Oracle, ALargeNegativeBiasDoesNotSpoilTheBound) {
  Problem problem;
  problem.query_dtype = problem.cache_dtype = problem.output_dtype = DType::kFloat32;
  problem.custom_mask = MaskKind::kAdditive;
  problem.head_dim_qk = problem.head_dim_v = 8;
  problem.causality = Causality::kNonCausal;
  problem.requests = {{.q_len = 1, .seq_len = 40}};
  const auto compute = [&problem](double fill_in) {
    Random random(5);
    testing::Fill fill = testing::RandomFill(&random);
    fill.mask = [fill_in](auto, auto, auto, std::int64_t key) {
      return key % 3 == 0 ? fill_in : 0;
    };
    return Compute(testing::BuildCall(&random, problem, fill, false));
  };
  const auto removed = compute(-std::numeric_limits<double>::infinity());
  const auto lowest = compute(std::numeric_limits<float>::lowest());
  ASSERT_TRUE(removed.ok() && lowest.ok());
  EXPECT_EQ(lowest->visible[0], 40);
  EXPECT_TRUE(lowest->out.isApprox(removed->out, 1e-14));
  EXPECT_LT(lowest->out_bound.maxCoeff(), 1.5 * removed->out_bound.maxCoeff());
  EXPECT_LT(lowest->lse_bound[0], 1.5 * removed->lse_bound[0]);
}

TEST(Oracle, RefusalsNameTheNewTensorsToo) {
  Random random(1);
  Problem problem;
  problem.tree_mask = problem.alibi = true;
  problem.custom_mask = MaskKind::kBoolean;
  problem.cache_dtype = DType::kFloat8E4M3FN;
  problem.kv_scale_kind = KvScaleKind::kPerHead;
  problem.requests = {{.q_len = 2, .seq_len = 5}};
  const Call call = testing::BuildCall(&random, problem, testing::RandomFill(&random), false);
  ASSERT_TRUE(Compute(call).ok()) << Compute(call).status().message();
  const auto message = [&call](auto change) {
    AttentionTensors tensors = call.Tensors();
    change(&tensors);
    return ComputeExpected(call.problem, tensors, AllRows(call.problem), DefaultArithmetic(), {})
        .status()
        .message();
  };
  EXPECT_EQ(message([](AttentionTensors* t) { t->tree_mask = {}; }), "tree_mask: missing");
  EXPECT_EQ(message([](AttentionTensors* t) { t->tree_mask.dtype = DType::kInt8; }),
            "tree_mask: dtype int8, expected bool");
  EXPECT_EQ(message([](AttentionTensors* t) { t->custom_mask.shape[3] = 4; }).substr(0, 12),
            "custom_mask:");
  EXPECT_EQ(message([](AttentionTensors* t) { t->alibi_slopes.shape[0] = 2; }),
            "alibi_slopes: shape [2], axis 0 contradicts the problem");
  EXPECT_EQ(message([](AttentionTensors* t) { t->value_scale = {}; }), "value_scale: missing");
  EXPECT_EQ(message([](AttentionTensors* t) { t->key_scale.shape.pop_back(); }),
            "key_scale: 2 axes, expected 3");
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
