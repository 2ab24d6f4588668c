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
  for (std::uint32_t seed = 1; seed <= 80; ++seed) {
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

// Ranges past seq_len, of one key, next to one another, and of one request alone.
TEST(CpuBackend, AgreesWithPlainLoopsOnPrefixRanges) {
  for (const bool clamped : {false, true}) {
    for (const int q_len : {3, 40}) {
      TestShape shape;
      shape.requests = {{q_len, 100}, {q_len, 90}, {q_len, 100}};
      shape.window_left = 5;
      shape.prefix_clamped = clamped;
      shape.prefix_ranges = {{1, 49, 60}, {1, 87, 200}, {2, 98, 98}, {2, 60, 80}, {2, 81, 99}};
      TestCall call(shape);
      ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
      EXPECT_EQ(call.FirstDifference(), "") << clamped << " " << q_len;
      EXPECT_EQ(call.Visible(1, q_len - 2, 0, 89), true);  // of the future
      EXPECT_EQ(call.Visible(0, q_len - 2, 0, 99), false);
    }
  }
}

TEST(CpuBackend, EachRequestFollowsItsOwnCausality) {
  for (const std::vector<bool>& causal : {std::vector{true, false}, {false, true}}) {
    TestShape shape;
    shape.requests = {{5, 80}, {20, 70}};
    shape.request_causal = causal;
    TestCall call(shape);
    ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
    EXPECT_EQ(call.FirstDifference(), "");
  }
}

TEST(CpuBackend, TheScaleOfAMaskedKeyMayBeNan) {
  TestShape shape;
  shape.requests = {{20, 60}};
  shape.cache_dtype = kTestInt8;
  shape.scales = ATTEST_KV_SCALE_PER_TOKEN_HEAD;
  TestCall call(shape);
  call.StoreScales(0, 50, 0, NAN);
  ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
  for (int row = 0; row < 20; ++row) {
    EXPECT_EQ(std::isnan(call.Load(call.args.out, {row, 0, 0})), 40 + row >= 50) << row;
  }
}

// One shape for each kind of mask that is no interval; each leaves out the first keys of some row.
std::vector<TestShape> MaskedShapes(int q_len) {
  TestShape plain;
  plain.requests = {{q_len, 90}};
  TestShape tree = plain;
  tree.tree = true;
  TestShape boolean = plain;
  boolean.mask = ATTEST_MASK_BOOLEAN;
  TestShape additive = plain;
  additive.mask = ATTEST_MASK_ADDITIVE;
  TestShape ranges = plain;
  ranges.window_left = 3;
  ranges.prefix_ranges = {{0, 60, 88}};
  return {tree, boolean, additive, ranges};
}

// Each key in turn is NaN, in its key and in its value; the rows that do not see it must not know.
TEST(CpuBackend, TheBytesOfAMaskedKeyReachNoRowThatDoesNotSeeIt) {
  for (const int q_len : {2, 40}) {
    for (const TestShape& shape : MaskedShapes(q_len)) {
      TestCall clean(shape);
      ASSERT_EQ(clean.Run("threads=1"), ATTEST_OK);
      for (const int key : {49, 52, 70, 86, 88}) {
        TestCall call(shape);
        for (int d = 0; d < shape.head_dim_qk; ++d) call.StoreKey(false, 0, key, 0, d, NAN);
        for (int d = 0; d < shape.head_dim_v; ++d) call.StoreKey(true, 0, key, 0, d, NAN);
        ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
        for (int row = 0; row < q_len; ++row) {
          for (int head = 0; head < 2; ++head) {
            const double got = call.Load(call.args.out, {row, head, 0});
            if (call.Visible(0, row, head, key)) {
              EXPECT_TRUE(std::isnan(got));
            } else {
              EXPECT_EQ(got, clean.Load(clean.args.out, {row, head, 0}));
              EXPECT_EQ(call.Load(call.args.lse, {row, head}),
                        clean.Load(clean.args.lse, {row, head}));
            }
          }
        }
      }
    }
  }
}

TEST(CpuBackend, AMaskThatRemovesEveryKeyLeavesAnEmptyRow) {
  for (const attest_mask_kind_t kind : {ATTEST_MASK_BOOLEAN, ATTEST_MASK_ADDITIVE}) {
    TestShape shape;
    shape.requests = {{20, 30}};
    shape.mask = kind;
    TestCall call(shape);
    for (int k = 0; k < 30; ++k) {
      if (kind == ATTEST_MASK_BOOLEAN) call.StoreBool(call.args.custom_mask, {0, 1, 4, k}, false);
      if (kind == ATTEST_MASK_ADDITIVE) call.Store(call.args.custom_mask, {0, 1, 4, k}, -INFINITY);
    }
    ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
    EXPECT_EQ(call.FirstDifference(), "");
    EXPECT_EQ(call.Load(call.args.out, {4, 1, 0}), 0);
    EXPECT_EQ(call.Load(call.args.lse, {4, 1}), -INFINITY);
  }
}

TEST(CpuBackend, ASoftcappedScoreIsTheCapHoweverLargeTheScore) {
  for (const float softcap : {1e-30F, 1e-3F, 2.0F}) {
    for (const float scale : {1e4F, -1e30F}) {
      TestShape shape;
      shape.scale = scale;
      shape.softcap = softcap;
      shape.requests = {{9, 20}, {1, 300}};
      TestCall call(shape);
      ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
      EXPECT_EQ(call.FirstDifference(), "") << softcap << " " << scale;
    }
  }
}

std::vector<TestShape> ShapesToCut() {
  TestShape plain;
  plain.requests = {{300, 330}};
  plain.head_dim_qk = 45;
  plain.head_dim_v = 40;
  TestShape window = plain;
  window.window_left = 70;
  window.group = 3;
  window.cache_dtype = window.query_dtype = kTestBFloat16;
  TestShape biased = plain;
  biased.alibi = true;
  biased.softcap = 2;
  biased.sinks = true;
  TestShape local = plain;
  local.local_block_size = 50;
  local.local_block_lookback = 1;
  local.head_dim_qk = 64;
  TestShape scaled = plain;
  scaled.cache_dtype = kTestE4M3FN;
  scaled.scales = ATTEST_KV_SCALE_PER_TOKEN_HEAD;
  return {plain, window, biased, local, scaled};
}

// The last rows of a prefill, computed by themselves, on other pages.
TEST(CpuBackend, ARowGetsTheSameBitsHoweverThePrefillIsCut) {
  for (const TestShape& shape : ShapesToCut()) {
    TestCall whole(shape);
    ASSERT_EQ(whole.Run("threads=2"), ATTEST_OK);
    for (const int rows : {1, 2, 3, 4, 5, 9, 64, 193}) {
      TestShape cut = shape;
      cut.requests = {{rows, 330}};
      cut.seed = 1000;
      TestCall part(cut);
      part.CopyRequest(whole);
      ASSERT_EQ(part.Run("threads=1"), ATTEST_OK);
      EXPECT_EQ(part.Bits(0, rows), whole.Bits(300 - rows, 300)) << rows;
    }
  }
}

TEST(CpuBackend, PhysicalPagesDoNotChangeABit) {
  for (TestShape shape : ShapesToCut()) {
    TestCall one(shape);
    shape.seed = 1000;
    TestCall other(shape);
    other.CopyRequest(one);
    ASSERT_EQ(one.Run("threads=1"), ATTEST_OK);
    ASSERT_EQ(other.Run("threads=1"), ATTEST_OK);
    EXPECT_EQ(one.Bits(0, 300), other.Bits(0, 300));
  }
}

TEST(CpuBackend, TheContentsOfOtherRequestsDoNotChangeABit) {
  TestShape shape;
  shape.requests = {{20, 100}, {30, 200}};
  TestCall one(shape);
  TestCall other(shape);
  for (int k = 0; k < 200; ++k) {
    for (int d = 0; d < shape.head_dim_v; ++d) other.StoreKey(true, 1, k, 0, d, INFINITY);
  }
  ASSERT_EQ(one.Run("threads=1"), ATTEST_OK);
  ASSERT_EQ(other.Run("threads=2"), ATTEST_OK);
  EXPECT_EQ(one.Bits(0, 20), other.Bits(0, 20));
  EXPECT_NE(one.Bits(20, 50), other.Bits(20, 50));
}

TEST(CpuBackend, UpperBoundsOfTheLengthsDoNotChangeABit) {
  for (const TestShape& shape : MaskedShapes(20)) {
    TestCall call(shape);
    ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
    const auto exact = call.Bits(0, 20);
    call.problem.max_query_len += 7;
    call.problem.max_seq_len += 1000;
    ASSERT_EQ(call.Run("threads=1"), ATTEST_OK);
    EXPECT_EQ(call.Bits(0, 20), exact);
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

      {"local_block_size", kInvalid,
       [](TestCall& c) {
         c.problem.causality = ATTEST_NON_CAUSAL;
         c.problem.local_block_size = 16;
       }},
      {"local_block_lookback", kInvalid, [](TestCall& c) { c.problem.local_block_lookback = 1; }},
      {"tree mask outside", kInvalid,
       [](TestCall& c) {
         c.problem.causality = ATTEST_NON_CAUSAL;
         c.problem.flags |= ATTEST_FLAG_TREE_MASK;
       }},
      {"tree mask with a window", kInvalid,
       [](TestCall& c) {
         c.problem.window_left = 4;
         c.problem.flags |= ATTEST_FLAG_TREE_MASK;
       }},
      {"tree mask with a window", kInvalid,
       [](TestCall& c) {
         c.problem.local_block_size = 4;
         c.problem.flags |= ATTEST_FLAG_TREE_MASK;
       }},
      {"tree mask with prefix ranges", kInvalid,
       [](TestCall& c) { c.problem.flags |= ATTEST_FLAG_TREE_MASK | ATTEST_FLAG_PREFIX_RANGES; }},
      {"prefix ranges outside", kInvalid,
       [](TestCall& c) {
         c.problem.attention_type = ATTEST_ENCODER_DECODER;
         c.problem.flags |= ATTEST_FLAG_PREFIX_RANGES;
       }},
      {"clamped prefix ranges", kInvalid,
       [](TestCall& c) { c.problem.flags |= ATTEST_FLAG_PREFIX_CLAMPED; }},
      {"window_left", kInvalid,
       [](TestCall& c) {
         c.problem.flags |= ATTEST_FLAG_PREFIX_RANGES | ATTEST_FLAG_PREFIX_CLAMPED;
       }},
      {"ALiBi", kInvalid,
       [](TestCall& c) {
         c.problem.attention_type = ATTEST_ENCODER_DECODER;
         c.problem.flags |= ATTEST_FLAG_ALIBI;
       }},
      {"kv_scale_kind", kInvalid,
       [](TestCall& c) { c.problem.kv_scale_kind = ATTEST_KV_SCALE_PER_TENSOR; }},
      {"kv_scale_kind", kInvalid, [](TestCall& c) { c.problem.cache_dtype = kTestInt8; }},
      {"kv_scale_kind", kInvalid,
       [](TestCall& c) {
         c.problem.cache_dtype = kTestE5M2;
         c.problem.kv_scale_kind = ATTEST_KV_SCALE_PER_HEAD;
         c.problem.flags |= ATTEST_FLAG_VALUE_IS_KEY_PREFIX;
       }},
      {"head_dim_v", kInvalid,
       [](TestCall& c) {
         c.problem.head_dim_v = 17;
         c.problem.flags |= ATTEST_FLAG_VALUE_IS_KEY_PREFIX;
       }},
      {"kv_layout", kInvalid,
       [](TestCall& c) {
         c.problem.kv_layout = ATTEST_KV_X_SPLIT;
         c.problem.flags |= ATTEST_FLAG_VALUE_IS_KEY_PREFIX;
       }},
      {"head_dim_qk", kInvalid,
       [](TestCall& c) {
         c.problem.kv_layout = ATTEST_KV_X_SPLIT;
         c.problem.head_dim_qk = 18;
       }},
      {"value_cache.data", kInvalid,
       [](TestCall& c) { c.problem.flags |= ATTEST_FLAG_VALUE_IS_KEY_PREFIX; }},
      {"key_cache.ndim", kInvalid, [](TestCall& c) { c.problem.kv_layout = ATTEST_KV_X_SPLIT; }},
      {"alibi_slopes", kInvalid, [](TestCall& c) { c.problem.flags |= ATTEST_FLAG_ALIBI; }},
      {"prefix_ranges", kInvalid,
       [](TestCall& c) { c.problem.flags |= ATTEST_FLAG_PREFIX_RANGES; }},
      {"tree_mask", kInvalid, [](TestCall& c) { c.problem.flags |= ATTEST_FLAG_TREE_MASK; }},
      {"request_causal", kInvalid,
       [](TestCall& c) { c.problem.causality = ATTEST_CAUSALITY_PER_REQUEST; }},
      {"custom_mask", kInvalid,
       [](TestCall& c) { c.problem.custom_mask_kind = ATTEST_MASK_ADDITIVE; }},
      {"key_scale", kInvalid,
       [](TestCall& c) {
         c.problem.cache_dtype = c.args.key_cache.dtype = c.args.value_cache.dtype = kTestE4M3FN;
         c.problem.kv_scale_kind = ATTEST_KV_SCALE_PER_TENSOR;
       }},

      {"cache_dtype", kRefused,
       [](TestCall& c) {
         c.problem.cache_dtype = {ATTEST_FLOAT8_E5M2FNUZ, 8, 1};
       }},
      {"query_dtype", kRefused, [](TestCall& c) { c.problem.query_dtype = kTestE4M3FN; }},
      {"output_dtype", kRefused, [](TestCall& c) { c.problem.output_dtype = kTestInt8; }},
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

// Contradictions inside the tensors of masks.
TEST(CpuBackend, NamesTheMaskTensorThatItRejects) {
  struct Case {
    const char* field;
    TestShape shape;
    std::function<void(TestCall&)> apply;
  };
  TestShape ranges;
  TestShape masked;
  masked.mask = ATTEST_MASK_ADDITIVE;
  masked.mask_dtype = kTestBFloat16;  // while the query is float32
  TestShape narrow;
  narrow.tree = true;
  std::vector<Case> cases = {
      {"custom_mask.dtype", masked, [](TestCall&) {}},
      {"tree_mask.shape[1]", narrow, [](TestCall& c) { c.args.tree_mask.shape[1] = 2; }},
  };
  for (const TestRange& range : {TestRange{2, 0, 1}, {-1, 0, 1}, {0, -1, 4}, {0, 3, 2}}) {
    ranges.prefix_ranges = {{0, 1, 2}, range};
    cases.push_back({"prefix_ranges[1]", ranges, [](TestCall&) {}});
  }
  for (const Case& c : cases) {
    TestCall call(c.shape);
    c.apply(call);
    std::string message;
    EXPECT_EQ(call.Run("threads=1", &message), ATTEST_INVALID_ARGUMENT) << c.field;
    EXPECT_NE(message.find(c.field), std::string::npos) << c.field << ": " << message;
    EXPECT_TRUE(call.OutputsUntouched()) << c.field;
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
