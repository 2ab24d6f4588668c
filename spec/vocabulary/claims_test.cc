// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/claims.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string>

namespace attest {
namespace {

// The claims of a small backend, and the arrays they point to.
struct Declared {
  std::array<attest_dtype_t, 2> dtypes = {ToAbi(DType::kFloat16), ToAbi(DType::kBFloat16)};
  std::array<attest_range_t, 1> head_dims = {{{64, 256, 64}}};
  std::array<attest_range_t, 1> group_sizes = {{{1, 8, 1}}};
  std::array<attest_range_t, 1> block_sizes = {{{16, 32, 16}}};
  std::array<attest_exclusion_t, 1> exclusions = {{{ATTEST_CLAIM_SINKS | ATTEST_CLAIM_WINDOW_CAUSAL,
                                                    ToAbi(DType::kFloat16),
                                                    {},
                                                    0,
                                                    0,
                                                    "no sinks in windows"}}};
  attest_claims_t claims = {};

  Declared() {
    claims.struct_size = sizeof(claims);
    claims.features = ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_LSE | ATTEST_CLAIM_SINKS |
                      ATTEST_CLAIM_WINDOW_CAUSAL;
    claims.name = "small";
    claims.query_dtypes = claims.cache_dtypes = claims.output_dtypes = dtypes.data();
    claims.num_query_dtypes = claims.num_cache_dtypes = claims.num_output_dtypes = 2;
    claims.head_dims = head_dims.data();
    claims.group_sizes = group_sizes.data();
    claims.block_sizes = block_sizes.data();
    claims.num_head_dims = claims.num_group_sizes = claims.num_block_sizes = 1;
    claims.exclusions = exclusions.data();
    claims.num_exclusions = 1;
  }
  Declared(const Declared&) = delete;
  Declared& operator=(const Declared&) = delete;
};

std::string MessageAfter(const std::function<void(Declared*)>& change) {
  Declared declared;
  change(&declared);
  const Result<Claims> claims = FromAbi(declared.claims);
  EXPECT_FALSE(claims.ok());
  return claims.status().message();
}

TEST(ClaimsFromAbi, ReadsEveryField) {
  Declared declared;
  declared.claims.arithmetic.arithmetic_class = ATTEST_ARITHMETIC_STRICT;
  const Result<Claims> claims = FromAbi(declared.claims);
  ASSERT_TRUE(claims.ok()) << claims.status().message();
  EXPECT_EQ(claims->name, "small");
  EXPECT_EQ(claims->version, "");
  EXPECT_EQ(claims->features, declared.claims.features);
  EXPECT_EQ(claims->query_dtypes, (std::vector{DType::kFloat16, DType::kBFloat16}));
  EXPECT_EQ(claims->head_dims, (std::vector<IntRange>{{64, 256, 64}}));
  EXPECT_EQ(claims->block_sizes, (std::vector<IntRange>{{16, 32, 16}}));
  ASSERT_EQ(claims->exclusions.size(), 1U);
  EXPECT_EQ(claims->exclusions[0].query_dtype, DType::kFloat16);
  EXPECT_EQ(claims->exclusions[0].cache_dtype, DType::kNone);
  EXPECT_EQ(claims->arithmetic, StrictArithmetic());
}

TEST(ClaimsFromAbi, AZeroedStructureButForTheNameClaimsNothing) {
  attest_claims_t abi = {};
  abi.name = "nothing";
  const Result<Claims> claims = FromAbi(abi);
  ASSERT_TRUE(claims.ok()) << claims.status().message();
  EXPECT_EQ(claims->features, 0U);
  EXPECT_EQ(ScopeOf(*claims, Problem{}).scope, ClaimScope::kOutside);
}

TEST(ClaimsFromAbi, NamesTheFieldThatIsWrong) {
  EXPECT_EQ(MessageAfter([](Declared* d) { d->claims.name = nullptr; }), "claims.name: missing");
  EXPECT_EQ(MessageAfter([](Declared* d) { d->claims.name = ""; }), "claims.name: missing");
  EXPECT_EQ(MessageAfter([](Declared* d) { d->claims.features |= UINT64_C(1) << 40; }),
            "claims.features: unknown bits 0x10000000000");
  EXPECT_EQ(MessageAfter([](Declared* d) { d->claims.graph_level = 4; }),
            "claims.graph_level: unknown value 4");
  EXPECT_EQ(MessageAfter([](Declared* d) {
              d->dtypes[1] = {ATTEST_FLOAT, 64, 1};
            }),
            "claims.query_dtypes[1]: unknown dtype (code 2, bits 64, lanes 1)");
  EXPECT_EQ(MessageAfter([](Declared* d) { d->claims.query_dtypes = nullptr; }),
            "claims.query_dtypes: 2 entries at address 0x0");
  EXPECT_EQ(MessageAfter([](Declared* d) {
              d->claims.num_head_dims = -1;
            }).rfind("claims.head_dims: -1 entries", 0),
            0U);
  EXPECT_EQ(MessageAfter([](Declared* d) { d->head_dims[0].step = 0; }),
            "claims.head_dims[0]: 64..256 step 0 is no range");
  EXPECT_EQ(MessageAfter([](Declared* d) {
              d->block_sizes[0] = {32, 16, 1};
            }),
            "claims.block_sizes[0]: 32..16 step 1 is no range");
  EXPECT_EQ(MessageAfter([](Declared* d) { d->claims.exclusions = nullptr; }),
            "claims.exclusions: 1 entries without an array");
  EXPECT_EQ(MessageAfter([](Declared* d) { d->exclusions[0].reason = ""; }),
            "claims.exclusions[0].reason: missing");
  EXPECT_EQ(MessageAfter([](Declared* d) { d->exclusions[0].features = UINT64_C(1) << 60; }),
            "claims.exclusions[0].features: unknown bits 0x1000000000000000");
  EXPECT_EQ(MessageAfter([](Declared* d) { d->exclusions[0].query_dtype.bits = 12; }),
            "claims.exclusions[0]: unknown dtype (code 2, bits 12)");
  EXPECT_EQ(MessageAfter([](Declared* d) { d->exclusions[0].cache_dtype.code = 99; }),
            "claims.exclusions[0]: unknown dtype (code 99, bits 0)");
  EXPECT_EQ(MessageAfter([](Declared* d) { d->claims.arithmetic.arithmetic_class = 9; }),
            "claims.arithmetic: unknown class, or a parameter out of range");
}

ScopeAnswer ScopeAfter(const std::function<void(Problem*)>& change) {
  const Declared declared;
  Problem problem;
  problem.num_q_heads = 4;
  change(&problem);
  return ScopeOf(*FromAbi(declared.claims), problem);
}

TEST(Scope, InsideWhereEverythingIsClaimed) {
  const ScopeAnswer answer = ScopeAfter([](Problem* p) { p->sinks = true; });
  EXPECT_EQ(answer.scope, ClaimScope::kInside) << answer.reason;
  EXPECT_EQ(answer.reason, "");
}

TEST(Scope, OutsideNamesWhatIsNotClaimed) {
  const auto reason = [](const std::function<void(Problem*)>& change) {
    const ScopeAnswer answer = ScopeAfter(change);
    EXPECT_EQ(answer.scope, ClaimScope::kOutside);
    return answer.reason;
  };
  EXPECT_EQ(reason([](Problem* p) { p->causality = Causality::kNonCausal; }),
            "does not claim decoder-non-causal");
  EXPECT_EQ(reason([](Problem* p) {
              p->softcap = 30.0F;
              p->alibi = true;
            }),
            "does not claim softcap, alibi");
  EXPECT_EQ(reason([](Problem* p) { p->query_dtype = DType::kFloat32; }),
            "does not claim query dtype float32");
  EXPECT_EQ(reason([](Problem* p) { p->cache_dtype = DType::kFloat32; }),
            "does not claim cache dtype float32");
  EXPECT_EQ(reason([](Problem* p) { p->output_dtype = DType::kFloat32; }),
            "does not claim output dtype float32");
  EXPECT_EQ(reason([](Problem* p) { p->head_dim_qk = p->head_dim_v = 96; }),
            "does not claim head_dim 96");
  EXPECT_EQ(reason([](Problem* p) { p->num_q_heads = 9; }), "does not claim group size 9");
  EXPECT_EQ(reason([](Problem* p) { p->block_size = 64; }), "does not claim block_size 64");
}

TEST(Scope, AnExclusionHoldsOnlyWhereAllItsTermsDo) {
  const auto with = [](DType dtype, std::int64_t window) {
    return ScopeAfter([=](Problem* p) {
      p->sinks = true;
      p->window_left = window;
      p->query_dtype = dtype;
    });
  };
  EXPECT_EQ(with(DType::kFloat16, 8).scope, ClaimScope::kExcluded);
  EXPECT_EQ(with(DType::kFloat16, 8).reason, "excluded: no sinks in windows");
  EXPECT_EQ(with(DType::kFloat16, 0).scope, ClaimScope::kInside);
  EXPECT_EQ(with(DType::kBFloat16, 8).scope, ClaimScope::kInside);
}

TEST(Features, EachBitHasOneNameOfItsOwn) {
  std::uint64_t seen = 0;
  std::vector<std::string_view> names;
  for (const FeatureName& feature : FeatureNames()) {
    EXPECT_EQ(feature.bit & (feature.bit - 1), 0U) << feature.name;
    EXPECT_EQ(seen & feature.bit, 0U) << feature.name;
    EXPECT_EQ(std::count(names.begin(), names.end(), feature.name), 0) << feature.name;
    seen |= feature.bit;
    names.push_back(feature.name);
  }
  EXPECT_EQ(DescribeFeatures(0), "none");
  EXPECT_EQ(DescribeFeatures(ATTEST_CLAIM_SINKS | ATTEST_CLAIM_LSE), "sinks, lse");
}

}  // namespace
}  // namespace attest
