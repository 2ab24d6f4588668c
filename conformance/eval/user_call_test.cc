// SPDX-License-Identifier: Apache-2.0
#include "conformance/eval/user_call.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "conformance/eval/example.h"
#include "conformance/eval/testing.h"
#include "conformance/eval/user_output.h"
#include "reference/float_formats.h"
#include "reference/gather.h"
#include "reference/oracle.h"

namespace attest {
namespace {

class UserCallTest : public UserDirectory {
 protected:
  Result<UserCall> Read(std::optional<BatchLayout> layout = std::nullopt) const {
    return ReadUserCall(Path("problem.json"), directory_.string(), layout);
  }

  void ExpectBad(const std::string& words, std::optional<BatchLayout> layout = std::nullopt) const {
    const Result<UserCall> call = Read(layout);
    ASSERT_FALSE(call.ok()) << words;
    EXPECT_EQ(call.status().code(), StatusCode::kBadInput);
    EXPECT_NE(call.status().message().find(words), std::string::npos) << call.status().message();
    EXPECT_EQ(call.status().message().find('\n'), std::string::npos);
  }

  // Two requests of 3 rows and 5 keys, 4 query heads, 2 KV heads, dim 2, value dim 3.
  void Batched() const {
    Problem(R"({"scale": 0.5})");
    Counting("query", {2, 4, 3, 2});
    Counting("key", {2, 2, 5, 2}, 1000);
    Counting("value", {2, 2, 5, 3}, 2000);
  }
};

// Number [b][h][s][d] of Batched's arrays in another order of axes.
std::vector<float> Reordered(const std::string& order, int heads, int seq, int dim, float salt) {
  std::vector<float> data;
  const auto at = [&](int b, int h, int s, int d) {
    return salt + static_cast<float>(((b * heads + h) * seq + s) * dim + d);
  };
  for (int b = 0; b < 2; ++b) {
    for (int s = 0; s < seq; ++s) {
      for (int h = 0; h < heads; ++h) {
        for (int d = 0; d < dim; ++d) data.push_back(at(b, h, s, d));
      }
    }
  }
  EXPECT_TRUE(order == "bshd");
  return data;
}

KeysAndValues KeysOf(const UserCall& call, int request, int kv_head) {
  const auto r = static_cast<std::size_t>(request);
  return GatherKeys(call.problem(), call.tensors, request, kv_head,
                    {0, call.problem().requests[r].seq_len});
}

// Of the line of one row and head, as the oracle has it.
struct Line {
  double lse = 0;
  LineDetail detail;
};
Line LineOf(const UserCall& call, QueryRow row, int q_head) {
  const Result<Expected> expected =
      ComputeExpected(call.problem(), call.tensors, {row}, DefaultArithmetic(), {.detail = true});
  EXPECT_TRUE(expected.ok()) << expected.status().message();
  if (!expected.ok()) return {};
  return {expected->lse[q_head], expected->detail[static_cast<std::size_t>(q_head)]};
}

// Keys, values and queries as the oracle sees them.
std::vector<double> Seen(const UserCall& call) {
  std::vector<double> numbers;
  for (int r = 0; r < static_cast<int>(call.problem().requests.size()); ++r) {
    for (int h = 0; h < call.problem().num_kv_heads; ++h) {
      const KeysAndValues keys = KeysOf(call, r, h);
      for (const RowMajorMatrix* m : {&keys.keys, &keys.values}) {
        numbers.insert(numbers.end(), m->data(), m->data() + m->size());
      }
    }
  }
  const TensorView& query = call.tensors.query;
  for (std::int64_t t = 0; t < query.shape[0]; ++t) {
    for (std::int64_t h = 0; h < query.shape[1]; ++h) {
      for (std::int64_t d = 0; d < query.shape[2]; ++d) {
        numbers.push_back(LoadElement(query.dtype, query.At({t, h, d})));
      }
    }
  }
  return numbers;
}

TEST_F(UserCallTest, ShapesSettleWhatTheProblemLeavesOut) {
  Batched();
  const Result<UserCall> call = Read();
  ASSERT_TRUE(call.ok()) << call.status().message();
  const attest::Problem& p = call->problem();
  EXPECT_EQ(p.num_q_heads, 4);
  EXPECT_EQ(p.num_kv_heads, 2);
  EXPECT_EQ(p.head_dim_qk, 2);
  EXPECT_EQ(p.head_dim_v, 3);
  EXPECT_EQ(p.requests, (std::vector<Request>{{3, 5}, {3, 5}}));
  EXPECT_EQ(p.query_dtype, DType::kFloat32);
  EXPECT_EQ(p.cache_dtype, DType::kFloat32);
  EXPECT_EQ(p.output_dtype, DType::kFloat32);
  EXPECT_EQ(call->about.layout, BatchLayout::kBhsd);
  const KeysAndValues keys = KeysOf(*call, 1, 1);
  EXPECT_EQ(keys.keys(4, 1), 1000 + ((1 * 2 + 1) * 5 + 4) * 2 + 1);
  EXPECT_EQ(keys.values(0, 2), 2000 + ((1 * 2 + 1) * 5 + 0) * 3 + 2);
}

TEST_F(UserCallTest, EveryLayoutMeansTheSameCall) {
  Batched();
  const std::vector<double> expected = Seen(*Read());
  const auto layouts = {BatchLayout::kPacked, BatchLayout::kBshd, BatchLayout::kBsh};
  for (const BatchLayout layout : layouts) {
    const auto shape = [layout](std::int64_t seq, std::int64_t heads, std::int64_t dim) {
      return ShapeOf(layout, {layout == BatchLayout::kPacked ? 1 : 2,
                              layout == BatchLayout::kPacked ? 2 * seq : seq, heads, dim});
    };
    Problem(R"({"scale": 0.5, "num_q_heads": 4, "num_kv_heads": 2, "q_lens": [3, 3],
                "seq_lens": [5, 5]})");
    Array("query", {'f', 4}, shape(3, 4, 2), Reordered("bshd", 4, 3, 2, 0));
    Array("key", {'f', 4}, shape(5, 2, 2), Reordered("bshd", 2, 5, 2, 1000));
    Array("value", {'f', 4}, shape(5, 2, 3), Reordered("bshd", 2, 5, 3, 2000));
    const Result<UserCall> call = Read(layout);
    ASSERT_TRUE(call.ok()) << call.status().message();
    EXPECT_EQ(Seen(*call), expected) << Name(layout);
  }
}

TEST_F(UserCallTest, PastStandsBeforeTheNewKeysOfEachRequest) {
  Problem(R"({"scale": 0.5})");
  Counting("query", {2, 1, 1, 1});
  Counting("past_key", {2, 1, 2, 1}, 100);
  Counting("past_value", {2, 1, 2, 1}, 200);
  Counting("key", {2, 1, 1, 1}, 300);
  Counting("value", {2, 1, 1, 1}, 400);
  const Result<UserCall> call = Read();
  ASSERT_TRUE(call.ok()) << call.status().message();
  EXPECT_EQ(call->problem().requests, (std::vector<Request>{{1, 3}, {1, 3}}));
  EXPECT_EQ(Seen(*call), (std::vector<double>{100, 101, 300, 200, 201, 400,  //
                                              102, 103, 301, 202, 203, 401, 0, 1}));
}

TEST_F(UserCallTest, PastOfFourAxesStandsBesideFlatKeys) {
  Problem(R"({"scale": 0.5, "num_q_heads": 2, "num_kv_heads": 2})");
  Counting("query", {2, 1, 2});
  Counting("past_key", {2, 2, 2, 1}, 100);
  Counting("past_value", {2, 2, 2, 1}, 200);
  Counting("key", {2, 1, 2}, 300);
  Counting("value", {2, 1, 2}, 400);
  const Result<UserCall> call = Read(BatchLayout::kBsh);
  ASSERT_TRUE(call.ok()) << call.status().message();
  EXPECT_EQ(Seen(*call),
            (std::vector<double>{100, 101, 300, 200, 201, 400, 102, 103, 301, 202, 203, 401,  //
                                 104, 105, 302, 204, 205, 402, 106, 107, 303, 206, 207, 403,  //
                                 0,   1,   2,   3}));
}

TEST_F(UserCallTest, ScalesOfDenseKeysLieAsTheKeys) {
  const auto with = [this](const std::vector<std::int64_t>& query,
                           const std::vector<std::int64_t>& keys,
                           const std::vector<std::int64_t>& scales) {
    Clear();
    Problem(R"({"scale": 0.5, "seq_lens": [3, 3], "q_lens": [1, 1], "block_size": 2,
                "num_q_heads": 2, "num_kv_heads": 2})");
    Counting("query", query);
    for (const char* name : {"key", "value"}) {
      Array(name, {'i', 1}, keys, std::vector<std::int8_t>(12, 1));
      Counting(std::string(name) + "_scale", scales, 1);
    }
  };
  // Number n of each array belongs to request r, head h, key k; the keys are all 1.
  const auto expect = [this](BatchLayout layout, const std::vector<double>& numbers) {
    const Result<UserCall> call = Read(layout);
    ASSERT_TRUE(call.ok()) << call.status().message();
    EXPECT_EQ(call->problem().kv_scale_kind, KvScaleKind::kPerTokenHead);
    const std::vector<double> seen = Seen(*call);
    for (std::size_t line = 0; line < 4; ++line) {
      for (std::size_t k = 0; k < 3; ++k) {
        EXPECT_EQ(seen[line * 6 + k], numbers[line * 3 + k]) << Name(layout) << line << k;
        EXPECT_EQ(seen[line * 6 + 3 + k], numbers[line * 3 + k]) << Name(layout) << line << k;
      }
    }
  };
  const std::vector<double> by_head = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const std::vector<double> by_token = {1, 3, 5, 2, 4, 6, 7, 9, 11, 8, 10, 12};
  with({2, 2, 1, 1}, {2, 2, 3, 1}, {2, 2, 3});
  expect(BatchLayout::kBhsd, by_head);
  with({2, 1, 2}, {2, 3, 2}, {2, 2, 3});
  expect(BatchLayout::kBsh, by_head);
  with({2, 1, 2, 1}, {2, 3, 2, 1}, {2, 3, 2});
  expect(BatchLayout::kBshd, by_token);
  with({2, 2, 1}, {6, 2, 1}, {6, 2});
  expect(BatchLayout::kPacked, by_token);
  with({2, 2, 1, 1}, {2, 2, 3, 1}, {1, 2, 1});  // of each head, in all requests
  expect(BatchLayout::kBhsd, {1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2});
  with({2, 2, 1, 1}, {2, 2, 3, 1}, {2, 3, 2});
  ExpectBad("key_scale.npy: shape [2, 3, 2] does not broadcast to [2, 2, 3], the keys' without");
}

TEST_F(UserCallTest, OneScaleServesAllOfAnInt8Cache) {
  Problem(R"({"scale": 0.5})");
  Counting("query", {1, 1, 1, 1});
  for (const char* name : {"key", "value"}) {
    Array(name, {'i', 1}, {1, 1, 2, 1}, std::vector<std::int8_t>{3, -4});
    Counting(std::string(name) + "_scale", {}, 2);
  }
  const Result<UserCall> call = Read();
  ASSERT_TRUE(call.ok()) << call.status().message();
  EXPECT_EQ(Seen(*call), (std::vector<double>{6, -8, 6, -8, 0}));
}

TEST_F(UserCallTest, TheSingleByteFloatOfNumPyIsFloat8E5M2) {
  Problem(R"({"scale": 0.5})");
  Counting("query", {1, 1, 1, 1});
  Array("key", {'f', 1}, {1, 1, 1, 1}, std::vector<std::uint8_t>{0x3c});    // 1
  Array("value", {'f', 1}, {1, 1, 1, 1}, std::vector<std::uint8_t>{0xc2});  // -3
  const Result<UserCall> call = Read();
  ASSERT_TRUE(call.ok()) << call.status().message();
  EXPECT_EQ(call->problem().cache_dtype, DType::kFloat8E5M2);
  EXPECT_EQ(Seen(*call), (std::vector<double>{1, -3, 0}));
}

TEST_F(UserCallTest, ALongPageTakesNoMoreMemoryThanTheKeys) {
  Batched();
  const std::vector<double> expected = Seen(*Read());
  Problem(R"({"scale": 0.5, "block_size": 2147483647})");
  const Result<UserCall> call = Read();
  ASSERT_TRUE(call.ok()) << call.status().message();
  EXPECT_EQ(call->problem().block_size, 16);
  EXPECT_EQ(Seen(*call), expected);
}

TEST_F(UserCallTest, LengthsShortenAPaddedBatch) {
  Batched();
  const std::vector<std::int64_t> lens = {5, 2};
  Array("seq_lens", {'i', 8}, {2}, lens);
  Problem(R"({"scale": 0.5, "q_lens": [3, 1]})");
  const Result<UserCall> call = Read();
  ASSERT_TRUE(call.ok()) << call.status().message();
  EXPECT_EQ(call->problem().requests, (std::vector<Request>{{3, 5}, {1, 2}}));
  EXPECT_EQ(call->tensors.query.shape[0], 4);
  EXPECT_EQ(LoadElement(DType::kFloat32, call->tensors.query.At({3, 2, 1})), (4 + 2) * 3 * 2 + 1);
}

TEST_F(UserCallTest, AMaskBroadcastsFromItsLastAxis) {
  Batched();
  // Row i sees the keys k with (i + k) even, in all requests and heads.
  std::vector<std::uint8_t> mask;
  for (int i = 0; i < 3; ++i) {
    for (int k = 0; k < 5; ++k) mask.push_back((i + k) % 2 == 0 ? 1 : 0);
  }
  Problem(R"({"scale": 0.5, "causality": "non_causal"})");
  Array("custom_mask", {'b', 1}, {3, 5}, mask);
  const Result<UserCall> call = Read();
  ASSERT_TRUE(call.ok()) << call.status().message();
  EXPECT_EQ(call->problem().custom_mask, MaskKind::kBoolean);
  EXPECT_EQ(call->problem().custom_mask_broadcast, (MaskBroadcast{.request = true, .head = true}));
  const LineDetail line = LineOf(*call, {1, 1}, 3).detail;
  EXPECT_EQ(line.first_key, 1);
  EXPECT_EQ(line.visible, (std::vector<std::uint8_t>{1, 0, 1}));
}

TEST_F(UserCallTest, AnAdditiveMaskIsABiasAndMinusInfinityHides) {
  Batched();
  const float inf = std::numeric_limits<float>::infinity();
  Problem(R"({"scale": 0.5, "causality": "non_causal"})");
  Array("custom_mask", {'f', 4}, {5}, std::vector<float>{0, 1, -inf, 0, 0});
  const Result<UserCall> call = Read();
  ASSERT_TRUE(call.ok()) << call.status().message();
  const LineDetail line = LineOf(*call, {0, 0}, 0).detail;
  EXPECT_EQ(line.visible, (std::vector<std::uint8_t>{1, 1, 0, 1, 1}));
  EXPECT_DOUBLE_EQ(line.score[0], 0.5 * (0 * 1000 + 1 * 1001));
  EXPECT_DOUBLE_EQ(line.score[1], 0.5 * (0 * 1002 + 1 * 1003) + 1);
  EXPECT_EQ(line.weight[2], 0.0);
}

TEST_F(UserCallTest, APagedCacheIsTakenAsItStands) {
  Problem(R"({"scale": 0.5, "seq_lens": [3]})");
  Counting("query", {1, 2, 2});
  Counting("key_cache", {3, 2, 1, 2}, 100);
  Counting("value_cache", {3, 2, 1, 2}, 200);
  Array("block_table", {'i', 8}, {1, 3}, std::vector<std::int64_t>{2, 1, -7});
  const Result<UserCall> call = Read();
  ASSERT_TRUE(call.ok()) << call.status().message();
  EXPECT_EQ(call->problem().block_size, 2);
  const KeysAndValues keys = KeysOf(*call, 0, 0);
  EXPECT_EQ(keys.keys(0, 0), 108);  // page 2
  EXPECT_EQ(keys.keys(2, 0), 104);  // page 1
}

TEST_F(UserCallTest, EncoderOnlyTakesPackedKeys) {
  Problem(R"({"scale": 0.5, "attention_type": "encoder_only"})");
  Counting("query", {4, 2, 2});
  Counting("key", {4, 1, 2}, 100);
  Counting("value", {4, 1, 2}, 200);
  Array("query_start_loc", {'i', 4}, {3}, std::vector<std::int32_t>{0, 1, 4});
  const Result<UserCall> call = Read();
  ASSERT_TRUE(call.ok()) << call.status().message();
  EXPECT_EQ(call->problem().requests, (std::vector<Request>{{1, 1}, {3, 3}}));
  EXPECT_EQ(KeysOf(*call, 1, 0).keys(0, 0), 102);
}

TEST_F(UserCallTest, FortranOrderMeansTheSame) {
  Batched();
  const std::vector<double> expected = Seen(*Read());
  std::vector<float> data(2 * 4 * 3 * 2);
  for (int i = 0; i < 48; ++i) {  // [b][h][s][d] with the first axis running fastest
    const int d = i % 2, s = i / 2 % 3, h = i / 6 % 4, b = i / 24;
    data[static_cast<std::size_t>(b + 2 * (h + 4 * (s + 3 * d)))] = static_cast<float>(i);
  }
  std::string file = NpyFile({'f', 4}, {2, 4, 3, 2}, data.data());
  const std::size_t at = file.find("False");
  Write("query.npy", file.replace(at, 5, "True "));
  EXPECT_EQ(Seen(*Read()), expected);
}

TEST_F(UserCallTest, BadTensorsAreOneLineThatNamesFileAndField) {
  const auto with = [this](const std::string& json) {
    Clear();
    Batched();
    Problem(json);
  };
  with("{");
  ExpectBad("problem.json:1:2: syntax error");
  with(R"({"softcaps": 3})");
  ExpectBad("problem.json.softcaps: unknown key");
  with(R"({"num_q_heads": 8})");
  ExpectBad("query.npy: float32 of shape [2, 4, 3, 2] makes num_q_heads 4");
  with(R"({"query_dtype": "bfloat16"})");
  ExpectBad("query.npy: float32, but query_dtype bfloat16 is stored as uint16");
  with("{}");
  Counting("sinks", {3});
  ExpectBad("sinks.npy: shape [3], expected [4]");
  with(R"({"sinks": true})");
  ExpectBad("sinks.npy: missing");
  with(R"({"sinks": false})");
  Counting("sinks", {4});
  ExpectBad("sinks.npy: float32 of shape [4] makes sinks true, but");
  with("{}");
  Array("query", {'f', 8}, {2, 4, 3, 2}, std::vector<double>(48));
  ExpectBad("query.npy: float64 is no type of attention");
  with("{}");
  Counting("keys", {1});
  ExpectBad("keys.npy: no tensor of a call has this name");
  with("{}");
  Remove("value.npy");
  ExpectBad("value.npy: missing");
  with("{}");
  Remove("query.npy");
  ExpectBad("query.npy: missing");
  with("{}");
  Counting("key", {2, 2, 5, 4});
  ExpectBad("key.npy: head_dim 4, but queries have 2");
  with("{}");
  Counting("value", {2, 2, 4, 3});
  ExpectBad("value.npy: shape [2, 2, 4, 3] does not go with shape [2, 2, 5, 2] of key.npy");
  with("{}");
  Counting("key", {10, 2, 2});
  ExpectBad("key.npy: shape [10, 2, 2], expected 4 axes: [batch, heads, seq, dim]");
  with(R"({"seq_lens": [5, 6]})");
  ExpectBad("key.npy: shape [2, 2, 5, 2] holds 2 requests of 5 tokens, needed are 2 of 6");
  with("{}");
  Counting("custom_mask", {4, 5});
  ExpectBad("custom_mask.npy: shape [4, 5]");
}

TEST_F(UserCallTest, MissingAndMisshapenFilesAreNamedWithTheirDirectory) {
  const auto with = [this](const std::string& json) {
    Clear();
    Batched();
    Problem(json);
  };
  const std::string directory = directory_.string() + "/";
  with("{}");
  Remove("key.npy");
  ExpectBad(directory + "key.npy: missing, and so is key_cache.npy");
  with("{}");
  Counting("past_key", {2, 2, 1, 2});
  ExpectBad(directory + "past_value.npy: missing, one without the other");
  with(R"({"custom_mask": "boolean"})");
  ExpectBad(directory + "custom_mask.npy: missing, but");
  with("{}");
  Counting("query", {3, 2});
  ExpectBad("query.npy: shape [3, 2], expected 3 axes [tokens, heads, dim], 4 axes");
  with("{}");
  Array("query", {'i', 4}, {2, 4, 3, 2}, std::vector<std::int32_t>(48));
  ExpectBad("query.npy: int32 is no type of attention");
  with(R"({"num_q_heads": 3})");
  ExpectBad("makes num_q_heads 4 in layout bhsd, but");
  with("{\"scale\":\n NaN}");
  ExpectBad("problem.json:2:2: ");
  with(R"({"attention_type": "encoder_only"})");
  ExpectBad("key.npy: 5 tokens, but query.npy has 3");
  with("{}");
  Array("custom_mask", {'f', 2}, {3, 5}, std::vector<std::uint16_t>(15));
  ExpectBad("custom_mask.npy: float16, expected float32 or the query's float32");
  with("{}");
  Array("seq_lens", {'i', 8}, {2}, std::vector<std::int64_t>{3, -1});
  ExpectBad("seq_lens.npy: seq_lens[1]: -1 is no length");
  with(R"({"q_lens": [2147483648, 1]})");
  ExpectBad("problem.json: q_lens[0]: 2147483648 is no length");
}

TEST_F(UserCallTest, APagedCacheIsCheckedAgainstItsTable) {
  const auto with = [this](const std::vector<std::int64_t>& value,
                           const std::vector<std::int64_t>& table) {
    Clear();
    Problem(R"({"scale": 0.5, "seq_lens": [5]})");
    Counting("query", {1, 2, 2});
    Counting("key_cache", {4, 2, 1, 2}, 100);
    Counting("value_cache", value, 200);
    Array("block_table", {'i', 8}, table, std::vector<std::int64_t>(6, 1));
  };
  with({3, 2, 1, 2}, {1, 6});
  ExpectBad("value_cache.npy: shape [3, 2, 1, 2] does not go with shape [4, 2, 1, 2] of key_cache");
  with({4, 1, 1, 2}, {1, 6});
  ExpectBad("value_cache.npy: shape [4, 1, 1, 2] does not go with");
  with({4, 2, 2, 2}, {1, 6});
  ExpectBad("value_cache.npy: shape [4, 2, 2, 2] does not go with");
  with({4, 2, 1, 2}, {2, 3});
  ExpectBad("block_table.npy: shape [2, 3], expected [1, pages]: one row a request");
  with({4, 2, 1, 2}, {1, 6});
  Array("block_table", {'i', 8}, {1, 2}, std::vector<std::int64_t>{1, 2});
  ExpectBad("block_table.npy: shape [1, 2] has pages for 4 keys of a request, but one has 5");
  with({4, 2, 1, 2}, {1, 6});
  Remove("block_table.npy");
  ExpectBad("block_table.npy: missing beside key_cache.npy");
}

TEST_F(UserCallTest, APipeIsNotWaitedFor) {
  Batched();
  Remove("key.npy");
  ASSERT_EQ(mkfifo(Path("key.npy").c_str(), 0600), 0);
  ExpectBad("key.npy: a pipe, not a file");
}

TEST_F(UserCallTest, BadMasksScalesAndLengthsAreNamed) {
  const auto with = [this](const std::string& json) {
    Clear();
    Batched();
    Problem(json);
  };
  with("{}");
  Counting("custom_mask", {3, 4});
  ExpectBad("custom_mask.npy: shape [3, 4] does not broadcast to [2, 4, 3, 5]");
  with("{}");
  Array("custom_mask", {'u', 1}, {3, 5}, std::vector<std::uint8_t>(15));
  ExpectBad("custom_mask.npy: uint8; a boolean mask is stored as bool");
  with("{}");
  Counting("key_scale", {1});
  Counting("value_scale", {1});
  ExpectBad("kv_scale_kind: per_tensor without an 8-bit cache");
  with(R"({"cache_dtype": "float8_e4m3fn"})");
  Array("key", {'u', 1}, {2, 2, 5, 2}, std::vector<std::uint8_t>(40));
  Array("value", {'u', 1}, {2, 2, 5, 3}, std::vector<std::uint8_t>(60));
  Counting("key_scale", {1});
  ExpectBad("value_scale.npy: missing");
  with("{}");
  Array("key", {'u', 1}, {2, 2, 5, 2}, std::vector<std::uint8_t>(40));
  ExpectBad("key.npy: uint8 may be several types");
  with("{}");
  Array("query_start_loc", {'i', 4}, {3}, std::vector<std::int32_t>{0, 3, 2});
  ExpectBad("query_start_loc.npy: does not rise from 0");
  with(R"({"q_lens": [3, 3]})");
  Array("query_start_loc", {'i', 4}, {3}, std::vector<std::int32_t>{0, 1, 2});
  ExpectBad("query_start_loc.npy: says q_lens [1, 1], but");
  with("{}");
  Counting("past_key", {2, 2, 1, 2});
  ExpectBad("one without the other");
  with("{}");
  Counting("key_cache", {3, 2, 2, 2});
  Counting("value_cache", {3, 2, 2, 2});
  ExpectBad("a paged cache needs seq_lens");
  with(R"({"scale": 0.5})");
  ExpectBad("layout bsh needs num_q_heads and num_kv_heads", BatchLayout::kBsh);
}

TEST_F(UserCallTest, TheExampleIsACall) {
  for (const auto& [name, bytes] : ExampleFiles()) Write(name, bytes);
  const Result<UserCall> call = Read();
  ASSERT_TRUE(call.ok()) << call.status().message();
  // Row 0 stands at position 2, so keys 0 and 2 remain of what the mask leaves.
  EXPECT_EQ(LineOf(*call, {0, 0}, 1).detail.visible, (std::vector<std::uint8_t>{1, 0, 1}));
  EXPECT_EQ(LineOf(*call, {0, 1}, 1).lse, -std::numeric_limits<double>::infinity());
}

TEST(ParseRows, NamesRowsByRequest) {
  attest::Problem p;
  p.requests = {{4, 4}, {2, 2}};
  EXPECT_EQ(*ParseRows("1,0:1-2,0:2", p), (std::vector<QueryRow>{{0, 1}, {0, 2}, {1, 0}, {1, 1}}));
  for (const char* bad : {"", "2", "0:4", "0:2-1", "0:a", "0:1-", "-1", "0:1,"}) {
    EXPECT_FALSE(ParseRows(bad, p).ok()) << bad;
  }
}

}  // namespace
}  // namespace attest
