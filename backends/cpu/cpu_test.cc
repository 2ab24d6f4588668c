// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "backends/cpu/test_call.h"

namespace attest::cpu {
namespace {

TEST(CpuBackend, AgreesWithPlainLoopsOnRandomProblems) {
  for (std::uint32_t seed = 1; seed <= 200; ++seed) {
    TestCall call(RandomShape(seed));
    std::string message;
    ASSERT_EQ(call.Run("threads=2", &message), ATTEST_OK) << "seed " << seed << ": " << message;
    ASSERT_EQ(call.FirstDifference(), "") << "seed " << seed;
  }
}

TEST(CpuBackend, AgreesWithPlainLoopsOnTheWidestHeads) {
  TestShape shape;
  shape.head_dim_qk = 576;
  shape.head_dim_v = 512;
  shape.num_kv_heads = 1;
  shape.group = 128;
  shape.requests = {{2, 70}};
  shape.scale = 0.02F;
  TestCall call(shape);
  ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
  EXPECT_EQ(call.FirstDifference(), "");
}

TEST(CpuBackend, LeavesPaddingRowsAndGapsAsTheyWere) {
  TestShape shape;
  shape.odd_strides = true;
  TestCall call(shape);
  ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
  const std::int64_t tokens = call.problem.num_actual_tokens;
  for (const std::uint32_t word : call.Bits(tokens, tokens + 1)) EXPECT_EQ(word, 0xa5a5a5a5U);
}

TEST(CpuBackend, ARowThatSeesNothingIsZeroAndItsLseIsMinusInfinityOrTheSink) {
  for (const bool sinks : {false, true}) {
    TestShape shape;
    shape.requests = {{5, 2}, {2, 0}};
    shape.sinks = sinks;
    TestCall call(shape);
    ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
    for (const int token : {0, 1, 2, 5, 6}) {  // rows 0 to 2 stand before key 0
      for (int d = 0; d < shape.head_dim_v; ++d)
        EXPECT_EQ(call.Load(call.args.out, {token, 1, d}), 0);
      EXPECT_EQ(call.Load(call.args.lse, {token, 1}), sinks ? -0.5 : -INFINITY);
    }
  }
}

TEST(CpuBackend, ScoresFarApartGiveFiniteAnswers) {
  for (const float scale : {1e4F, -1e4F}) {
    TestShape shape;
    shape.scale = scale;
    shape.requests = {{9, 300}};
    TestCall call(shape);
    ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
    for (int t = 0; t < 9; ++t) {
      EXPECT_TRUE(std::isfinite(call.Load(call.args.lse, {t, 0})));
      EXPECT_TRUE(std::isfinite(call.Load(call.args.out, {t, 0, 0})));
    }
  }
}

// The value of a key is infinite. Rows before the key, which share tile and block with rows that
// see it, stay finite.
TEST(CpuBackend, AnInfiniteValueReachesOnlyTheRowsThatSeeItsKey) {
  for (const int q_len : {2, 40}) {
    TestShape shape;
    shape.requests = {{q_len, 50}};
    TestCall call(shape);
    const int own_row = q_len == 2 ? 1 : 38;  // of the key; in the middle of a block
    const int key = 50 - q_len + own_row;
    for (int d = 0; d < shape.head_dim_v; ++d) call.StoreKey(true, 0, key, 0, d, INFINITY);
    ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
    EXPECT_EQ(call.Load(call.args.out, {own_row, 0, 0}), INFINITY);
    for (int row = 0; row < own_row; ++row) {
      EXPECT_TRUE(std::isfinite(call.Load(call.args.out, {row, 0, 0}))) << q_len << " " << row;
    }
  }
}

TEST(CpuBackend, TheNumberOfThreadsDoesNotChangeABit) {
  TestShape shape;
  shape.requests = {{130, 300}, {1, 90}, {4, 9}, {70, 70}};
  shape.group = 3;
  TestCall call(shape);
  ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
  const auto one = call.Bits(0, call.problem.num_actual_tokens);
  ASSERT_EQ(call.Run("threads=4"), ATTEST_OK);
  EXPECT_EQ(call.Bits(0, call.problem.num_actual_tokens), one);
}

TEST(CpuBackend, ARequestGetsTheSameBitsAloneAndInABatch) {
  for (const TestRequest& first :
       {TestRequest{1, 130}, TestRequest{5, 77}, TestRequest{120, 200}}) {
    TestShape alone;
    alone.requests = {first};
    TestShape batch = alone;
    batch.requests = {first, {1, 64}, {33, 500}};
    TestCall a(alone);
    TestCall b(batch);
    ASSERT_EQ(a.Run("threads=1"), ATTEST_OK);
    ASSERT_EQ(b.Run("threads=3"), ATTEST_OK);
    EXPECT_EQ(a.Bits(0, first.q_len), b.Bits(0, first.q_len));
  }
}

struct Patch {
  const char* field;  // expected in the text
  attest_status_t status;
  std::function<void(TestCall&)> apply;
};

std::vector<Patch> Patches() {
  constexpr attest_status_t kInvalid = ATTEST_INVALID_ARGUMENT;
  constexpr attest_status_t kRefused = ATTEST_REFUSED;
  return {
      {"struct_size", kInvalid, [](TestCall& c) { c.problem.struct_size = 8; }},
      {"attention_type", kInvalid, [](TestCall& c) { c.problem.attention_type = 3; }},
      {"causality", kInvalid, [](TestCall& c) { c.problem.causality = -1; }},
      {"flags", kInvalid, [](TestCall& c) { c.problem.flags |= 1U << 9; }},
      {"kv_layout", kInvalid, [](TestCall& c) { c.problem.kv_layout = 2; }},
      {"kv_scale_kind", kInvalid, [](TestCall& c) { c.problem.kv_scale_kind = 9; }},
      {"custom_mask_kind", kInvalid, [](TestCall& c) { c.problem.custom_mask_kind = 3; }},
      {"reserved0", kInvalid, [](TestCall& c) { c.problem.reserved0 = 1; }},
      {"query_dtype", kInvalid, [](TestCall& c) { c.problem.query_dtype = {}; }},
      {"num_kv_heads", kInvalid, [](TestCall& c) { c.problem.num_kv_heads = 3; }},
      {"num_kv_heads", kInvalid, [](TestCall& c) { c.problem.num_kv_heads = 0; }},
      {"head_dim_v", kInvalid, [](TestCall& c) { c.problem.head_dim_v = 0; }},
      {"window_left", kInvalid, [](TestCall& c) { c.problem.window_left = -1; }},
      {"window_right", kInvalid, [](TestCall& c) { c.problem.window_right = INT64_MIN; }},
      {"scale", kInvalid, [](TestCall& c) { c.problem.scale = NAN; }},
      {"scale", kInvalid, [](TestCall& c) { c.problem.scale = 0; }},
      {"softcap", kInvalid, [](TestCall& c) { c.problem.softcap = -1; }},
      {"block_size", kInvalid, [](TestCall& c) { c.problem.block_size = 0; }},
      {"window_left", kInvalid,
       [](TestCall& c) {
         c.problem.attention_type = ATTEST_ENCODER_DECODER;
         c.problem.window_left = 4;
       }},
      {"max_seq_len", kInvalid, [](TestCall& c) { c.problem.max_seq_len = 5; }},
      {"max_query_len", kInvalid, [](TestCall& c) { c.problem.max_query_len = 2; }},
      {"num_actual_tokens", kInvalid, [](TestCall& c) { c.problem.num_actual_tokens = 3; }},
      {"query.shape[2]", kInvalid, [](TestCall& c) { c.problem.head_dim_qk = 8; }},
      {"lse.ndim", kInvalid, [](TestCall& c) { c.args.lse = {}; }},
      {"out.dtype", kInvalid, [](TestCall& c) { c.problem.output_dtype = kTestFloat16; }},
      {"block_table[1][0]", kInvalid,
       [](TestCall& c) {
         *(static_cast<std::int32_t*>(c.args.block_table.data) + c.args.block_table.strides[0]) =
             -7;
       }},

      {"head_dim_qk", kRefused, [](TestCall& c) { c.problem.head_dim_qk = 640; }},
      {"block_size", kRefused, [](TestCall& c) { c.problem.block_size = 1024; }},
  };
}

TEST(CpuBackend, NamesTheFieldThatItRejectsAndLeavesTheOutputsAlone) {
  for (const Patch& patch : Patches()) {
    TestCall call(TestShape{});
    patch.apply(call);
    std::string message;
    EXPECT_EQ(call.Run("threads=1", &message), patch.status) << patch.field << ": " << message;
    EXPECT_NE(message.find(patch.field), std::string::npos) << patch.field << ": " << message;
    EXPECT_TRUE(call.OutputsUntouched()) << patch.field;
  }
}

TEST(CpuBackend, EncoderOnlyAttentionNeedsAsManyKeysAsRows) {
  TestShape shape;
  shape.type = ATTEST_ENCODER_ONLY;
  shape.requests = {{4, 4}};
  TestCall call(shape);
  *static_cast<std::int32_t*>(call.args.seq_lens.data) = 3;
  EXPECT_EQ(call.Run("threads=1"), ATTEST_INVALID_ARGUMENT);
  EXPECT_TRUE(call.OutputsUntouched());
}

TEST(CpuBackend, EncoderAndCrossAttentionIgnoreEveryCausality) {
  for (const attest_attention_type_t type : {ATTEST_ENCODER_ONLY, ATTEST_ENCODER_DECODER}) {
    TestShape shape;
    shape.type = type;
    shape.requests = {{6, 6}};
    TestCall call(shape);
    ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
    const auto causal = call.Bits(0, 6);
    for (const attest_causality_t other : {ATTEST_NON_CAUSAL, ATTEST_CAUSALITY_PER_REQUEST}) {
      call.problem.causality = other;
      ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
      EXPECT_EQ(call.Bits(0, 6), causal);
    }
  }
}

TEST(CpuBackend, UnderstandsThreadsAndNoOtherOption) {
  TestCall call(TestShape{});
  for (const char* good : {"", "threads=1", "threads=3"})
    EXPECT_EQ(call.Run(good), ATTEST_OK) << good;
  for (const char* bad : {"threads=0", "threads=", "threads=2x", "threads=-1", "tile=4", ","}) {
    EXPECT_EQ(call.Run(bad), ATTEST_INVALID_ARGUMENT) << bad;
  }
}

}  // namespace
}  // namespace attest::cpu
