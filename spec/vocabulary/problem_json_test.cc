// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/problem_json.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

std::string ErrorOf(const std::string& text) {
  const Result<Problem> problem = ProblemFromJson(Json::parse(text), "problem");
  return problem.ok() ? "" : problem.status().message();
}

// A problem in which every field differs from its default.
Problem Unusual() {
  Problem p;
  p.attention_type = AttentionType::kDecoder;
  p.causality = Causality::kPerRequest;
  p.request_causal = {true, false};
  p.query_dtype = p.output_dtype = DType::kFloat16;
  p.cache_dtype = DType::kFloat8E4M3FN;
  p.kv_scale_kind = KvScaleKind::kPerHead;
  p.num_q_heads = 12;
  p.num_kv_heads = 4;
  p.head_dim_qk = 96;
  p.head_dim_v = 80;
  p.scale = 0.1F;
  p.softcap = 30.5F;
  p.window_left = 1099511627776;
  p.window_right = 7;
  p.local_block_size = 32;
  p.local_block_lookback = 2;
  p.lse = false;
  p.sinks = p.alibi = p.prefix_clamped = p.tree_mask = p.batch_invariant = p.page_aliasing = true;
  p.custom_mask = MaskKind::kAdditive;
  p.custom_mask_broadcast = {.head = true, .key = true};
  p.additive_mask_dtype = DType::kFloat16;
  p.hybrid_split = 2;
  p.prefix_ranges = {{1, 2, 5}, {0, 0, 3}};
  p.cache_layout = CacheLayout::kPaddedPages;
  p.token_layout = TokenLayout::kQkvFused;
  p.block_size = 8;
  p.padding_tokens = 3;
  p.block_table_extra = 4;
  p.max_seq_len_slack = 5;
  p.max_query_len_slack = 6;
  p.shared_prefix = 16;
  p.requests = {{.q_len = 2, .seq_len = 19}, {.q_len = 0, .seq_len = 33}};
  return p;
}

TEST(ProblemJson, ADefaultProblemIsAnEmptyObject) { EXPECT_EQ(ToJson(Problem()).dump(), "{}"); }

TEST(ProblemJson, EveryFieldIsWrittenAndReadBack) {
  const Problem problem = Unusual();
  const Json json = ToJson(problem);
  // attention_type cannot differ in a problem with a cache and causality.
  EXPECT_EQ(json.size() + 1, ProblemKeys().size());
  // Fields exclude one another, so no valid problem differs from the default in all of them.
  Problem read;
  const Status status = PatchProblem(json, "problem", read);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(read, problem);
  EXPECT_EQ(ToJson(read).dump(), json.dump());
}

TEST(ProblemJson, NumbersAreWrittenAsPeopleWriteThem) {
  EXPECT_EQ(ToJson(Unusual())["scale"].dump(), "0.1");
  EXPECT_EQ(ToJson(Unusual())["prefix_ranges"].dump(), "[[1,2,5],[0,0,3]]");
  EXPECT_EQ(ToJson(Unusual())["seq_lens"].dump(), "[19,33]");
}

RC_GTEST_PROP(ProblemJson, AnyScaleComesBackBitForBit, (std::uint32_t bits)) {
  Problem problem;
  problem.scale = std::bit_cast<float>(bits);
  RC_PRE(Validate(problem).ok());
  const Result<Problem> read = ProblemFromJson(Json::parse(ToJson(problem).dump()), "");
  RC_ASSERT(read.ok());
  RC_ASSERT(read->scale == problem.scale);
}

RC_GTEST_PROP(ProblemJson, AnyLengthsComeBack, (const std::vector<std::uint16_t>& lengths)) {
  Problem problem;
  for (const std::uint16_t length : lengths) problem.requests.push_back({length / 3, length});
  const Result<Problem> read = ProblemFromJson(ToJson(problem), "");
  RC_ASSERT(read.ok());
  RC_ASSERT(*read == problem);
}

TEST(ProblemJson, ErrorsNameTheKeyPath) {
  EXPECT_EQ(ErrorOf(R"({"colour": 1})"), "problem.colour: unknown key");
  EXPECT_EQ(ErrorOf(R"({"block_size": "16"})"), "problem.block_size: \"16\" is not an integer");
  EXPECT_EQ(ErrorOf(R"({"block_size": 16.0})"), "problem.block_size: 16.0 is not an integer");
  EXPECT_EQ(ErrorOf(R"({"block_size": 5000000000})"),
            "problem.block_size: 5000000000 is not an integer in range");
  EXPECT_EQ(ErrorOf(R"({"window_left": 18446744073709551615})"),
            "problem.window_left: 18446744073709551615 is not an integer");
  EXPECT_EQ(ErrorOf(R"({"lse": 1})"), "problem.lse: 1 is not true or false");
  EXPECT_EQ(ErrorOf(R"({"scale": 1e39})"), "problem.scale: 1e+39 is not a float32 number");
  EXPECT_EQ(ErrorOf(R"({"scale": "x"})"), "problem.scale: \"x\" is not a number");
  EXPECT_EQ(ErrorOf(R"({"query_dtype": "float8"})"),
            "problem.query_dtype: \"float8\" is not a dtype");
  EXPECT_EQ(ErrorOf(R"({"causality": "Causal"})"),
            "problem.causality: \"Causal\" is not one of causal, non_causal, per_request");
  EXPECT_EQ(ErrorOf(R"({"prefix_ranges": [[1, 2]]})"),
            "problem.prefix_ranges[0]: [1,2] is not [request, first, last]");
  EXPECT_EQ(ErrorOf(R"({"q_lens": [1, 2], "seq_lens": [3]})"),
            "problem.seq_lens: 1 lengths for 2 requests");
  EXPECT_EQ(ErrorOf(R"({"q_lens": [1, "x"], "seq_lens": [3, 4]})"),
            "problem.q_lens[1]: \"x\" is not an integer");
  EXPECT_EQ(ErrorOf("[]"), "problem: [] is not an object");
}

TEST(ProblemJson, AReadProblemIsValid) {
  EXPECT_EQ(ErrorOf(R"({"num_q_heads": 5, "num_kv_heads": 2})"),
            "problem.num_kv_heads: 2 does not divide num_q_heads 5");
}

TEST(ProblemJson, APatchChangesOneListOfLengthsAndLeavesTheRest) {
  Problem problem;
  problem.requests = {{1, 10}, {2, 20}};
  ASSERT_TRUE(PatchProblem(Json::parse(R"({"seq_lens": [30, 40]})"), "", problem).ok());
  EXPECT_EQ(problem.requests, (std::vector<Request>{{1, 30}, {2, 40}}));
  ASSERT_TRUE(PatchProblem(Json::parse(R"({"q_lens": [5], "seq_lens": [6]})"), "", problem).ok());
  EXPECT_EQ(problem.requests, (std::vector<Request>{{5, 6}}));
  const Status status = PatchProblem(Json::parse(R"({"q_lens": [5, 6]})"), "at", problem);
  EXPECT_EQ(status.message(), "at.q_lens: 2 lengths for 1 requests");
}

}  // namespace
}  // namespace attest
