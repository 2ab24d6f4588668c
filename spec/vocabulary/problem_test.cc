// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/problem.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

namespace attest {
namespace {

Problem Good() {
  Problem problem;
  problem.num_q_heads = 8;
  problem.num_kv_heads = 2;
  problem.requests = {{.q_len = 2, .seq_len = 40}, {.q_len = 0, .seq_len = 32}};
  return problem;
}

std::string MessageAfter(const std::function<void(Problem*)>& change) {
  Problem problem = Good();
  change(&problem);
  const Status status = Validate(problem);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(status.code(), StatusCode::kBadInput);
  return status.message();
}

TEST(Validate, AcceptsADefaultProblemAndRowsWithoutKeys) {
  EXPECT_TRUE(Validate(Problem{}).ok());
  EXPECT_TRUE(Validate(Good()).ok());
  Problem problem = Good();
  problem.requests = {{.q_len = 7, .seq_len = 3}, {.q_len = 2, .seq_len = 0}};
  EXPECT_TRUE(Validate(problem).ok());
}

TEST(Validate, NamesTheFieldAndItsValue) {
  EXPECT_EQ(MessageAfter([](Problem* p) { p->num_q_heads = 0; }), "num_q_heads: 0 is not positive");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->num_kv_heads = -1; }),
            "num_kv_heads: -1 is not positive");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->num_kv_heads = 3; }),
            "num_kv_heads: 3 does not divide num_q_heads 8");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->head_dim_qk = 0; }),
            "head_dim_qk: 0 is not in 1..4096");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->head_dim_v = 4097; }),
            "head_dim_v: 4097 is not in 1..4096");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->query_dtype = DType::kInt8; }),
            "query_dtype: int8 is not a query type");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->output_dtype = DType::kFloat8E4M3FN; }),
            "output_dtype: float8_e4m3fn is not an output type");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->cache_dtype = DType::kInt32; }),
            "cache_dtype: int32 is not a cache type");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->scale = 0.0F; }),
            "scale: 0 is not finite and nonzero");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->scale = std::numeric_limits<float>::quiet_NaN(); }),
            "scale: nan is not finite and nonzero");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->softcap = -1.0F; }),
            "softcap: -1 is not finite and >= 0");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->window_left = -2; }), "window_left: -2 is negative");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->block_size = 0; }),
            "block_size: 0 (decoder attention)");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->padding_tokens = -1; }),
            "padding_tokens: -1 is negative");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->requests[1].q_len = -3; }),
            "requests[1].q_len: -3 is negative");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->requests[0].seq_len = -3; }),
            "requests[0].seq_len: -3 is negative");
}

TEST(Validate, NamesContradictionsBetweenFields) {
  EXPECT_EQ(MessageAfter([](Problem* p) { p->causality = Causality::kPerRequest; }),
            "request_causal: 0 entries for 2 requests");
  EXPECT_EQ(MessageAfter([](Problem* p) {
              p->attention_type = AttentionType::kEncoderDecoder;
              p->window_right = 4;
            }),
            "window_right: cross attention has no window");
  EXPECT_EQ(MessageAfter([](Problem* p) {
              p->attention_type = AttentionType::kEncoderOnly;
              p->block_size = 0;
            }),
            "requests[0].seq_len: 40 differs from q_len 2 of an encoder-only request");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->attention_type = AttentionType::kEncoderOnly; }),
            "block_size: 16 (encoder_only attention)");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->shared_prefix = 20; }),
            "shared_prefix: 20 is not a multiple of block_size 16");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->shared_prefix = 48; }),
            "shared_prefix: 48 is longer than requests[0].seq_len 40");
  EXPECT_EQ(MessageAfter([](Problem* p) {
              p->shared_prefix = 32;
              p->hybrid_split = 4;
            }),
            "shared_prefix: 32 is not a multiple of hybrid_split 4 pages");
  EXPECT_EQ(MessageAfter([](Problem* p) {
              p->cache_layout = CacheLayout::kSharedLatent;
              p->head_dim_v = 65;
            }),
            "head_dim_v: 65 is more than head_dim_qk 64 of a shared latent");
  EXPECT_EQ(MessageAfter([](Problem* p) { p->prefix_ranges = {{.request = 2}}; }),
            "prefix_ranges: no request 2");
}

// Zero means the ordinary thing: whoever zeroes the structure asks for a causal decoder.
TEST(ToAbi, OfADefaultProblemHasZeroInEveryFieldThatShapesTheMask) {
  Problem problem;
  problem.lse = false;
  const attest_problem_t abi = ToAbi(problem);
  const attest_problem_t zero = {};
  EXPECT_EQ(abi.attention_type, zero.attention_type);
  EXPECT_EQ(abi.causality, zero.causality);
  EXPECT_EQ(abi.flags, zero.flags);
  EXPECT_EQ(abi.softcap, zero.softcap);
  EXPECT_EQ(abi.window_left, zero.window_left);
  EXPECT_EQ(abi.window_right, zero.window_right);
  EXPECT_EQ(abi.local_block_size, zero.local_block_size);
  EXPECT_EQ(abi.local_block_lookback, zero.local_block_lookback);
  EXPECT_EQ(abi.custom_mask_kind, zero.custom_mask_kind);
  EXPECT_EQ(abi.kv_layout, zero.kv_layout);
  EXPECT_EQ(abi.kv_scale_kind, zero.kv_scale_kind);
  EXPECT_EQ(RequiredFeatures(problem), ATTEST_CLAIM_DECODER_CAUSAL);
}

TEST(ToAbi, CarriesSizesAndTheirSlack) {
  Problem problem = Good();
  problem.max_seq_len_slack = 5;
  problem.max_query_len_slack = 3;
  problem.window_left = 7;
  problem.window_right = 9;
  const attest_problem_t abi = ToAbi(problem);
  EXPECT_EQ(abi.struct_size, sizeof(attest_problem_t));
  EXPECT_EQ(abi.num_requests, 2);
  EXPECT_EQ(abi.num_actual_tokens, 2);
  EXPECT_EQ(abi.max_query_len, 5);
  EXPECT_EQ(abi.max_seq_len, 45);
  EXPECT_EQ(abi.window_left, 7);
  EXPECT_EQ(abi.window_right, 9);
  EXPECT_EQ(abi.num_q_heads, 8);
  EXPECT_EQ(abi.num_kv_heads, 2);
  EXPECT_EQ(abi.scale, 0.125F);
  EXPECT_EQ(abi.block_size, 16);
}

TEST(ToAbi, EachSwitchSetsItsFlag) {
  const auto flags = [](const std::function<void(Problem*)>& change) {
    Problem problem;
    problem.lse = false;
    change(&problem);
    return ToAbi(problem).flags;
  };
  EXPECT_EQ(flags([](Problem* p) { p->lse = true; }), ATTEST_FLAG_LSE);
  EXPECT_EQ(flags([](Problem* p) { p->sinks = true; }), ATTEST_FLAG_SINKS);
  EXPECT_EQ(flags([](Problem* p) { p->alibi = true; }), ATTEST_FLAG_ALIBI);
  EXPECT_EQ(flags([](Problem* p) { p->prefix_ranges = {{}}; }), ATTEST_FLAG_PREFIX_RANGES);
  EXPECT_EQ(flags([](Problem* p) { p->prefix_clamped = true; }), ATTEST_FLAG_PREFIX_CLAMPED);
  EXPECT_EQ(flags([](Problem* p) { p->tree_mask = true; }), ATTEST_FLAG_TREE_MASK);
  EXPECT_EQ(flags([](Problem* p) { p->batch_invariant = true; }), ATTEST_FLAG_BATCH_INVARIANT);
  EXPECT_EQ(flags([](Problem* p) { p->page_aliasing = true; }), ATTEST_FLAG_PAGE_ALIASING);
  EXPECT_EQ(flags([](Problem* p) { p->cache_layout = CacheLayout::kSharedLatent; }),
            ATTEST_FLAG_VALUE_IS_KEY_PREFIX);
}

std::uint64_t FeaturesAfter(const std::function<void(Problem*)>& change) {
  Problem problem;
  problem.lse = false;
  problem.requests = {{.q_len = 4, .seq_len = 4}, {.q_len = 4, .seq_len = 4}};
  change(&problem);
  return RequiredFeatures(problem);
}

TEST(RequiredFeatures, FollowTheTypeAndNotTheCausalityOfOtherTypes) {
  EXPECT_EQ(FeaturesAfter([](Problem* p) { p->causality = Causality::kNonCausal; }),
            ATTEST_CLAIM_DECODER_NON_CAUSAL);
  EXPECT_EQ(FeaturesAfter([](Problem* p) {
              p->attention_type = AttentionType::kEncoderOnly;
              p->causality = Causality::kNonCausal;
            }),
            ATTEST_CLAIM_ENCODER_ONLY);
  EXPECT_EQ(FeaturesAfter([](Problem* p) { p->attention_type = AttentionType::kEncoderDecoder; }),
            ATTEST_CLAIM_ENCODER_DECODER);
}

TEST(RequiredFeatures, PerRequestCausalityNeedsWhatItsRequestsNeed) {
  const auto with = [](std::vector<bool> flags) {
    return FeaturesAfter([&flags](Problem* p) {
      p->causality = Causality::kPerRequest;
      p->request_causal = std::move(flags);
    });
  };
  EXPECT_EQ(with({true, true}), ATTEST_CLAIM_PER_REQUEST_CAUSALITY | ATTEST_CLAIM_DECODER_CAUSAL);
  EXPECT_EQ(with({false, false}),
            ATTEST_CLAIM_PER_REQUEST_CAUSALITY | ATTEST_CLAIM_DECODER_NON_CAUSAL);
  EXPECT_EQ(with({true, false}), ATTEST_CLAIM_PER_REQUEST_CAUSALITY | ATTEST_CLAIM_DECODER_CAUSAL |
                                     ATTEST_CLAIM_DECODER_NON_CAUSAL);
}

TEST(RequiredFeatures, TellTheKindsOfWindowApart) {
  const auto with = [](Causality causality, std::int64_t left, std::int64_t right) {
    return FeaturesAfter([=](Problem* p) {
             p->causality = causality;
             p->window_left = left;
             p->window_right = right;
           }) &
           (ATTEST_CLAIM_WINDOW_CAUSAL | ATTEST_CLAIM_WINDOW_SYMMETRIC |
            ATTEST_CLAIM_WINDOW_ASYMMETRIC);
  };
  EXPECT_EQ(with(Causality::kCausal, 0, 0), 0U);
  EXPECT_EQ(with(Causality::kCausal, 4, 0), ATTEST_CLAIM_WINDOW_CAUSAL);
  EXPECT_EQ(with(Causality::kCausal, 4, 4), ATTEST_CLAIM_WINDOW_CAUSAL);
  EXPECT_EQ(with(Causality::kCausal, 4, 5), ATTEST_CLAIM_WINDOW_ASYMMETRIC);
  EXPECT_EQ(with(Causality::kCausal, 0, 5), ATTEST_CLAIM_WINDOW_ASYMMETRIC);
  EXPECT_EQ(with(Causality::kNonCausal, 4, 4), ATTEST_CLAIM_WINDOW_SYMMETRIC);
  EXPECT_EQ(with(Causality::kNonCausal, 4, 0), ATTEST_CLAIM_WINDOW_ASYMMETRIC);
  EXPECT_EQ(with(Causality::kNonCausal, 3, 5), ATTEST_CLAIM_WINDOW_ASYMMETRIC);
}

TEST(RequiredFeatures, EachSwitchNeedsItsClaim) {
  const auto extra = [](const std::function<void(Problem*)>& change) {
    return FeaturesAfter(change) & ~ATTEST_CLAIM_DECODER_CAUSAL;
  };
  EXPECT_EQ(extra([](Problem* p) { p->lse = true; }), ATTEST_CLAIM_LSE);
  EXPECT_EQ(extra([](Problem* p) { p->sinks = true; }), ATTEST_CLAIM_SINKS);
  EXPECT_EQ(extra([](Problem* p) { p->alibi = true; }), ATTEST_CLAIM_ALIBI);
  EXPECT_EQ(extra([](Problem* p) { p->softcap = 30.0F; }), ATTEST_CLAIM_SOFTCAP);
  EXPECT_EQ(extra([](Problem* p) { p->head_dim_v = 32; }), ATTEST_CLAIM_UNEQUAL_HEAD_DIMS);
  EXPECT_EQ(extra([](Problem* p) { p->cache_layout = CacheLayout::kHnd; }),
            ATTEST_CLAIM_KV_STRIDES);
  EXPECT_EQ(extra([](Problem* p) { p->cache_layout = CacheLayout::kXSplit; }),
            ATTEST_CLAIM_KV_X_SPLIT);
  EXPECT_EQ(extra([](Problem* p) { p->cache_layout = CacheLayout::kSharedLatent; }),
            ATTEST_CLAIM_KV_STRIDES | ATTEST_CLAIM_SHARED_LATENT);
  EXPECT_EQ(extra([](Problem* p) { p->token_layout = TokenLayout::kQkvFused; }),
            ATTEST_CLAIM_TOKEN_STRIDES);
  EXPECT_EQ(extra([](Problem* p) { p->batch_invariant = true; }), ATTEST_CLAIM_BATCH_INVARIANT);
  EXPECT_EQ(extra([](Problem* p) { p->page_aliasing = true; }), ATTEST_CLAIM_PAGE_ALIASING);
  EXPECT_EQ(extra([](Problem* p) { p->tree_mask = true; }), ATTEST_CLAIM_TREE_MASK);
  EXPECT_EQ(extra([](Problem* p) { p->custom_mask = MaskKind::kAdditive; }),
            ATTEST_CLAIM_ADDITIVE_MASK);
  EXPECT_EQ(extra([](Problem* p) { p->kv_scale_kind = KvScaleKind::kPerHead; }),
            ATTEST_CLAIM_KV_SCALE_PER_HEAD);
}

TEST(Sizes, AreSumsAndMaximaOverRequests) {
  Problem problem = Good();
  problem.requests.push_back({.q_len = 5, .seq_len = 6});
  EXPECT_EQ(NumTokens(problem), 7);
  EXPECT_EQ(MaxQueryLen(problem), 5);
  EXPECT_EQ(MaxSeqLen(problem), 40);
  EXPECT_EQ(MultiplyAdds(problem), 8.0 * (64 + 64) * (2 * 40 + 5 * 6));
  EXPECT_EQ(problem.group(), 4);
  EXPECT_EQ(MaxSeqLen(Problem{}), 0);
}

TEST(Words, AreThoseOfTheJsonForm) {
  EXPECT_EQ(Name(AttentionType::kEncoderDecoder), "encoder_decoder");
  EXPECT_EQ(Name(Causality::kPerRequest), "per_request");
  EXPECT_EQ(Name(KvScaleKind::kPerTokenHead), "per_token_head");
  EXPECT_EQ(Name(MaskKind::kAdditive), "additive");
  EXPECT_EQ(Name(CacheLayout::kSharedLatent), "shared_latent");
  EXPECT_EQ(Name(TokenLayout::kPaddedRows), "padded_rows");
}

}  // namespace
}  // namespace attest
