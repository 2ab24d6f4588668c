// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>
#include <string>

#include "conformance/run/inputs.h"
#include "property_tests/generators/classes.h"
#include "property_tests/generators/samples.h"
#include "property_tests/generators/scope.h"

namespace attest {
namespace {

constexpr int kDraws = 2000;

Aim Everything() { return {.claims = EverythingClaims()}; }

// What a kernel for one model claims.
Claims NarrowClaims() {
  Claims claims;
  claims.name = "narrow";
  claims.features = ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_WINDOW_CAUSAL | ATTEST_CLAIM_LSE;
  claims.query_dtypes = claims.cache_dtypes = claims.output_dtypes = {DType::kBFloat16};
  claims.head_dims = {{64, 128, 64}};
  claims.group_sizes = {{4, 8, 4}};
  claims.block_sizes = {{16, 64, 16}};
  return claims;
}

struct Draws {
  std::vector<Sample> samples;
  int discarded = 0;
};

Draws Draw(const Aim& aim, int count) {
  Draws draws;
  rc::Random random(20260101);
  for (int i = 0; i < count; ++i) {
    if (std::optional<Sample> sample = DrawSample(aim, random.split(), i % 101)) {
      draws.samples.push_back(std::move(*sample));
    } else {
      ++draws.discarded;
    }
  }
  return draws;
}

TEST(Generator, EverythingThatIsDrawnIsValidInsideTheClaimsAndCanBeBuilt) {
  for (const Claims& claims : {EverythingClaims(), NarrowClaims()}) {
    const Aim aim{.claims = claims};
    for (const Sample& sample : Draw(aim, 60).samples) {
      EXPECT_EQ(Validate(sample.problem).message(), "") << Describe(sample);
      EXPECT_EQ(ScopeOf(claims, sample.problem).reason, "") << Describe(sample);
      EXPECT_EQ(WhyOutside(aim, sample), "") << Describe(sample);
      EXPECT_LE(MultiplyAdds(sample.problem), aim.budget) << Describe(sample);
      const Result<CaseInputs> inputs = BuildInputs(CaseOf(sample), sample.seed);
      EXPECT_TRUE(inputs.ok()) << Describe(sample) << ": " << inputs.status().message();
    }
  }
}

// Problems are built to be valid: what is thrown away are chance meetings of features and sizes.
TEST(Generator, FewDrawsAreThrownAway) {
  EXPECT_LE(Draw(Everything(), kDraws).discarded, kDraws / 10);
  EXPECT_LE(Draw({.claims = NarrowClaims()}, kDraws).discarded, kDraws / 10);
}

TEST(Generator, EveryClassIsReached) {
  std::map<std::string_view, int> counts;
  for (const Sample& sample : Draw(Everything(), kDraws).samples) {
    for (const SampleClass& one : SampleClasses()) {
      if (one.holds(sample)) ++counts[one.name];
    }
  }
  for (const SampleClass& one : SampleClasses()) {
    EXPECT_GE(counts[one.name], kDraws / 100) << one.name;
  }
  // Sizes that could stand for one another differ in most samples, and not in all.
  EXPECT_GE(counts["coincidence-free"], kDraws / 3);
  EXPECT_LE(counts["coincidence-free"], kDraws * 9 / 10);
}

TEST(Generator, NarrowClaimsAreKept) {
  std::set<int> dims;
  for (const Sample& sample : Draw({.claims = NarrowClaims()}, 100).samples) {
    EXPECT_EQ(sample.problem.query_dtype, DType::kBFloat16);
    EXPECT_EQ(sample.problem.head_dim_qk, 64) << "the smallest is enough";
    EXPECT_EQ(sample.problem.group(), 4);
    EXPECT_EQ(sample.problem.block_size, 16);
    dims.insert(sample.problem.head_dim_v);
  }
  EXPECT_EQ(dims, std::set<int>{64});
}

TEST(Generator, EqualSeedsDrawEqualSamples) {
  const auto a = Draw(Everything(), 50).samples;
  const auto b = Draw(Everything(), 50).samples;
  EXPECT_EQ(a, b);
}

TEST(Generator, NothingCanBeDrawnFromClaimsOfNothing) {
  EXPECT_EQ(WhyNothingToDraw(Claims{}), "claims no attention type");
  EXPECT_EQ(WhyNothingToDraw(EverythingClaims()), "");
  Claims claims = NarrowClaims();
  claims.block_sizes.clear();
  EXPECT_EQ(WhyNothingToDraw(claims), "claims no block_size");
}

TEST(Shrinking, EveryStepIsValidAndSmaller) {
  const Aim aim = Everything();
  for (const Sample& sample : Draw(aim, 60).samples) {
    const SampleSize size = SizeOfSample(sample);
    for (const Sample& smaller : SmallerSamples(aim, sample)) {
      EXPECT_EQ(WhyOutside(aim, smaller), "") << Describe(smaller);
      EXPECT_TRUE(SizeOfSample(smaller) < size) << Describe(sample) << "\n" << Describe(smaller);
    }
  }
}

TEST(Shrinking, StepsStayInsideTheAim) {
  const Aim aim{.claims = NarrowClaims(),
                .applies = [](const Sample& s) { return s.problem.window_left > 0; }};
  int steps = 0;
  for (const Sample& sample : Draw(aim, 200).samples) {
    for (const Sample& smaller : SmallerSamples(aim, sample)) {
      ++steps;
      EXPECT_EQ(ScopeOf(aim.claims, smaller.problem).reason, "");
      EXPECT_GT(smaller.problem.window_left, 0);
    }
  }
  EXPECT_GT(steps, 1000);
}

// The first step that keeps a property, again and again.
Sample ShrinkWhile(const Aim& aim, Sample sample, bool (*keeps)(const Sample&)) {
  for (bool moved = true; moved;) {
    moved = false;
    for (Sample& smaller : SmallerSamples(aim, sample)) {
      if (!keeps(smaller)) continue;
      sample = std::move(smaller);
      moved = true;
      break;
    }
  }
  return sample;
}

TEST(Shrinking, EndsAtTheSmallestSampleOfAClass) {
  const Aim aim = Everything();
  for (const Sample& sample : Draw(aim, 20).samples) {
    const Sample least = ShrinkWhile(aim, sample, [](const Sample&) { return true; });
    const Problem& p = least.problem;
    EXPECT_EQ(p.requests, (std::vector<Request>{{0, 0}})) << Describe(least);
    EXPECT_EQ(p.attention_type, AttentionType::kDecoder) << Describe(least);
    EXPECT_EQ(p.causality, Causality::kCausal) << Describe(least);
    EXPECT_EQ(p.num_q_heads * p.head_dim_qk * p.head_dim_v * p.block_size, 1) << Describe(least);
    EXPECT_EQ(p.query_dtype, DType::kFloat32) << Describe(least);
    EXPECT_EQ(p.cache_dtype, DType::kFloat32) << Describe(least);
    EXPECT_EQ(RequiredFeatures(p), std::uint64_t{ATTEST_CLAIM_DECODER_CAUSAL}) << Describe(least);
    EXPECT_EQ(least.seed, 0U);
  }
}

TEST(Shrinking, KeepsTheClassThatItIsToldToKeep) {
  const Aim aim = Everything();
  for (const Sample& sample : Draw(aim, 400).samples) {
    if (!sample.problem.tree_mask) continue;
    const auto tree = [](const Sample& s) {
      return s.problem.tree_mask && NumTokens(s.problem) >= 3;
    };
    if (!tree(sample)) continue;
    const Sample least = ShrinkWhile(aim, sample, tree);
    EXPECT_EQ(NumTokens(least.problem), 3) << Describe(least);
    // Three tokens in one request meet three keys each, with one column of each kind.
    EXPECT_LE(MultiplyAdds(least.problem), 2.0 * 3 * 3) << Describe(least);
    EXPECT_FALSE(least.problem.sinks || least.problem.softcap > 0) << Describe(least);
  }
}

RC_GTEST_PROP(Printing, ReadsBackWhatItWrote, ()) {
  const std::optional<Sample> sample = *Samples(Everything());
  RC_PRE(sample.has_value());
  const LawSample value{"masked-keys", *sample};
  const std::string text = ToJson(value).dump(2);
  const Result<LawSample> back = LawSampleFromJson(text, "a.json");
  RC_ASSERT(back.ok());
  RC_ASSERT(back->law == value.law);
  RC_ASSERT(back->sample == value.sample);
  RC_ASSERT(IsLawSample(text));
  RC_ASSERT(Describe(*sample).find('\n') == std::string::npos);
}

TEST(Printing, SaysWhatIsWrongAndWhere) {
  const auto message = [](const std::string& text) {
    return LawSampleFromJson(text, "a.json").status().message();
  };
  EXPECT_EQ(message("{").substr(0, 11), "a.json:1:2:") << message("{");
  EXPECT_NE(message(R"({"law": "x"})").find("seed"), std::string::npos);
  EXPECT_NE(message(R"({"law": "x", "seed": -1, "recipe": "generic", "poison": "loud",
                        "problem": {}})")
                .find("seed: -1 is negative"),
            std::string::npos);
  EXPECT_NE(message(R"({"law": "x", "seed": 1, "recipe": "odd", "poison": "loud",
                        "problem": {}})")
                .find("recipe"),
            std::string::npos);
  EXPECT_NE(message(R"({"law": "x", "seed": 1, "recipe": "generic", "poison": "loud",
                        "problem": {"num_q_heads": 0}})")
                .find("num_q_heads"),
            std::string::npos);
  EXPECT_FALSE(IsLawSample("["));
  EXPECT_FALSE(IsLawSample(R"({"recipe": "generic"})"));
}

}  // namespace
}  // namespace attest
