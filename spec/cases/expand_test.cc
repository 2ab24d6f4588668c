// SPDX-License-Identifier: Apache-2.0
#include "spec/cases/expand.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "spec/cases/spec.h"

namespace attest {
namespace {

constexpr const char* kClauses =
    "## MASK-01 MUST causal\nYes.\n\n- Source: x\n\n## KV-01 MUST core\nYes.\n\n- Source: x\n"
    "\n## MASK-10 MUST window\nYes.\n\n- Source: x\n\n## SCORE-01 MUST core\nYes.\n\n- Source: x\n"
    "\n## NUM-01 MUST core\nYes.\n\n- Source: x\n\n## NUM-02 MUST core\nYes.\n\n- Source: x\n"
    "\n## HEAD-01 MUST core\nYes.\n\n- Source: x\n";
constexpr const char* kAxes =
    R"({"schema": 1, "axes": {"heads": {"4x2": {"num_q_heads": 4, "num_kv_heads": 2},
                                        "5x2": {"num_q_heads": 5, "num_kv_heads": 2}}}})";

// A spec of one topic "t" whose file is `topic`.
Result<Spec> Load(const std::string& topic) {
  return LoadSpecFrom({{"spec/cases/axes.json", kAxes},
                       {"spec/cases/t.json", topic},
                       {"spec/clauses/c.md", kClauses}});
}

std::string File(const std::string& value) {
  return R"({"schema": 1, "topic": "t", "cases": [)" + value + "]}";
}

std::string ErrorOf(const std::string& topic) {
  const Result<Spec> spec = Load(topic);
  return spec.ok() ? "" : spec.status().message();
}

std::vector<std::string> Ids(const Spec& spec) {
  std::vector<std::string> ids;
  for (const Case& value : spec.cases.cases) ids.push_back(value.id);
  return ids;
}

constexpr const char* kSimple =
    R"({"slug": "s", "sentence": "S.", "clauses": ["KV-01"], "tier": "ci",
        "problem": {"q_lens": [1], "seq_lens": [9]}, "inputs": "generic"})";

TEST(Expand, ASingleWordOfInputsDoesNotStandInTheId) {
  const Result<Spec> spec = Load(File(kSimple));
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(Ids(*spec), std::vector<std::string>{"t/s"});
  const Case& value = spec->cases.cases[0];
  EXPECT_EQ(value.recipe, Recipe::kGeneric);
  EXPECT_EQ(value.poison, Poison::kLoud);
  EXPECT_EQ(value.origin, "design");
  EXPECT_EQ(value.profiles, std::vector<std::string>{"causal"});
  EXPECT_EQ(value.content_hash.size(), 64U);
}

TEST(Expand, AxesArePatchedInOrderAndNamedInTheId) {
  const Result<Spec> spec = Load(File(
      R"({"slug": "s", "sentence": "S.", "clauses": ["KV-01"], "tier": "ci",
          "problem": {"q_lens": [1, 1], "seq_lens": [9, 8]},
          "axes": {"window": {"none": {}, "3": {"window_left": 3, "clauses": ["MASK-10"]}},
                   "heads": ["4x2"]},
          "smoke": {"window": ["3"], "poison": ["nan"]},
          "inputs": ["v-coded", "k-coded"], "poison": ["loud", "nan"]})"));
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(Ids(*spec),
            (std::vector<std::string>{"t/s/window=none,heads=4x2,poison=loud,inputs=v-coded",
                                      "t/s/window=none,heads=4x2,poison=loud,inputs=k-coded",
                                      "t/s/window=none,heads=4x2,poison=nan,inputs=v-coded",
                                      "t/s/window=none,heads=4x2,poison=nan,inputs=k-coded",
                                      "t/s/window=3,heads=4x2,poison=loud,inputs=v-coded",
                                      "t/s/window=3,heads=4x2,poison=loud,inputs=k-coded",
                                      "t/s/window=3,heads=4x2,poison=nan,inputs=v-coded",
                                      "t/s/window=3,heads=4x2,poison=nan,inputs=k-coded"}));
  const Case& last = spec->cases.cases.back();
  EXPECT_EQ(last.problem.window_left, 3);
  EXPECT_EQ(last.problem.num_q_heads, 4);
  EXPECT_EQ(last.clauses, (std::vector<std::string>{"KV-01", "MASK-10"}));
  EXPECT_EQ(last.profiles, std::vector<std::string>{"window"});
  EXPECT_EQ(last.tier, Tier::kSmoke);
  EXPECT_EQ(spec->cases.cases[5].tier, Tier::kCi);
}

TEST(Expand, ABrokenConstraintDropsThePointAndSaysWhy) {
  const Result<Spec> spec =
      Load(File(R"({"slug": "s", "sentence": "S.", "clauses": ["KV-01"], "tier": "ci",
               "problem": {"q_lens": [1], "seq_lens": [9]}, "axes": {"heads": ["4x2", "5x2"]},
               "inputs": "generic", "constraints": ["whole-groups"]})"));
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(Ids(*spec), std::vector<std::string>{"t/s/heads=4x2"});
  ASSERT_EQ(spec->cases.dropped.size(), 1U);
  EXPECT_EQ(spec->cases.dropped[0].id, "t/s/heads=5x2");
  EXPECT_EQ(spec->cases.dropped[0].rule, "whole-groups");
  EXPECT_EQ(spec->cases.dropped[0].reason,
            "num_kv_heads divides num_q_heads (5 query heads, 2 KV heads)");
  EXPECT_NE(FindCase(spec->cases, "t/s/heads=5x2").status().message().find("whole-groups"),
            std::string::npos);
}

TEST(Expand, WithoutTheConstraintTheSamePointIsAnErrorWithItsPlace) {
  EXPECT_EQ(ErrorOf("{\"schema\": 1, \"topic\": \"t\", \"cases\": [\n"
                    " {\"slug\": \"s\", \"sentence\": \"S.\", \"clauses\": [\"KV-01\"],\n"
                    "  \"tier\": \"ci\", \"problem\": {\"q_lens\": [1], \"seq_lens\": [9]},\n"
                    "  \"axes\": {\"heads\": [\"4x2\", \"5x2\"]}, \"inputs\": \"generic\"}]}"),
            "spec/cases/t.json:4:29: cases[0].axes.heads[1]: t/s/heads=5x2: "
            "num_kv_heads: 2 does not divide num_q_heads 5");
}

std::string WithField(const std::string& field) {
  return File(R"({"slug": "s", "sentence": "S.", "clauses": ["KV-01"], "inputs": "generic",
                  "problem": {"q_lens": [1], "seq_lens": [9]}, )" +
              field + "}");
}

TEST(Expand, MistakesInTemplatesAreFound) {
  const auto finds = [](const std::string& topic, const std::string& what) {
    const std::string error = ErrorOf(topic);
    EXPECT_NE(error.find(what), std::string::npos) << error;
    EXPECT_TRUE(error.starts_with("spec/cases/t.json:")) << error;
  };
  finds(WithField(R"("tier": "huge")"), "cases[0].tier: not one of smoke, ci, full");
  finds(WithField(R"("tier": "ci", "axes": {"x": {}})"), "an axis maps value names to patches");
  finds(WithField(R"("tier": "ci", "axes": {"x": {"a,b": {}}})"), "no ',', '/' or '='");
  finds(WithField(R"("tier": "ci", "axes": {"heads": ["9x9"]})"), "\"9x9\" is no value");
  finds(WithField(R"("tier": "ci", "axes": {"tails": ["9x9"]})"), "no shared axis of this name");
  finds(WithField(R"("tier": "ci", "axes": {"x": {"a": {"colour": 1}}})"),
        "cases[0].axes.x.a.colour: unknown key");
  finds(WithField(R"("tier": "ci", "axes": {"x": {"a": {}}}, "smoke": {"x": ["b"]})"),
        "cases[0].smoke.x: no value \"b\"");
  finds(WithField(R"("tier": "ci", "axes": {"x": {"a": {}}}, "smoke": {"y": ["a"]})"),
        "cases[0].smoke.y: no value \"a\"");
  finds(WithField(R"("tier": "ci", "constraints": ["never"])"), "no constraint \"never\"");
  finds(WithField(R"("tier": "ci", "poison": "arsenic")"), "\"arsenic\" is not one of loud");
  finds(WithField(R"("tier": "ci", "kind": "refusal")"),
        "a refusal, and nothing else, has a feature");
  finds(WithField(R"("tier": "ci", "kind": "refusal", "axes": {"x": {"a": {"feature": "sinks"}}})"),
        "does not need the feature");
  finds(WithField(R"("tier": "ci", "axes": {"x": {"a": {"feature": "wings"}}})"),
        "no feature \"wings\"");
  finds(WithField(R"("tier": "ci", "axes": {"x": {"a": {"clauses": ["NONE-01"]}}})"),
        "cites NONE-01, which is no clause");
  finds(File(std::string(kSimple) + "," + kSimple), "two cases t/s");
  finds(R"({"schema": 1, "topic": "other", "cases": []})", "is not the file's name");
  finds(R"({"schema": 1, "topic": "t"})", "cases: missing");
}

TEST(Expand, SmokeCasesAboveTheBudgetAreErrorsAndLargeCiCasesAreFull) {
  const std::string large = R"("problem": {"num_q_heads": 64, "num_kv_heads": 8, "q_lens": [64],
      "seq_lens": [1000]}, "slug": "s", "sentence": "S.", "clauses": ["KV-01"],
      "inputs": "generic")";
  EXPECT_NE(ErrorOf(File("{" + large + R"(, "tier": "smoke"})")).find("multiply-adds"),
            std::string::npos);
  const Result<Spec> spec = Load(File("{" + large + R"(, "tier": "ci"})"));
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(spec->cases.cases[0].tier, Tier::kFull);
}

TEST(Expand, RefusalsAndInvalidCasesCarryWhatTheyNeed) {
  const Result<Spec> spec = Load(File(
      R"({"slug": "r", "sentence": "S.", "clauses": ["KV-01"], "tier": "ci", "kind": "refusal",
          "problem": {"q_lens": [1], "seq_lens": [9]}, "inputs": "generic",
          "axes": {"f": {"sinks": {"feature": "sinks", "sinks": true}}}},
         {"slug": "i", "sentence": "S.", "clauses": ["KV-01"], "tier": "ci", "kind": "invalid",
          "problem": {"q_lens": [1], "seq_lens": [9]}, "inputs": "generic",
          "axes": {"f": {"a": {"abi": {"causality": 9, "window_left": -1}}}}})"));
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  const Case& refusal = spec->cases.cases[0];
  EXPECT_EQ(refusal.feature, ATTEST_CLAIM_SINKS);
  EXPECT_TRUE(refusal.profiles.empty());
  const Case& invalid = spec->cases.cases[1];
  EXPECT_EQ(invalid.abi_patch,
            (std::map<std::string, std::int64_t>{{"causality", 9}, {"window_left", -1}}));
  EXPECT_EQ(invalid.profiles, std::vector<std::string>{"causal"});
}

TEST(Expand, TheSameDataGivesTheSameCasesAndDigest) {
  const Result<Spec> one = LoadSpec();
  const Result<Spec> two = LoadSpec();
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(one->cases.digest, two->cases.digest);
  EXPECT_EQ(Ids(*one), Ids(*two));
}

TEST(Expand, TheContentHashFollowsWhatDecidesInputsAndExpectation) {
  Case value;
  const std::string before = ContentHash(value);
  value.sentence = "Other words.";
  value.tier = Tier::kFull;
  EXPECT_EQ(ContentHash(value), before);
  const auto changes = [&before](auto change) {
    Case changed;
    change(changed);
    return ContentHash(changed) != before;
  };
  EXPECT_TRUE(changes([](Case& c) { c.kind = CaseKind::kDeterminism; }));
  EXPECT_TRUE(changes([](Case& c) { c.recipe = Recipe::kPeaked; }));
  EXPECT_TRUE(changes([](Case& c) { c.poison = Poison::kInf; }));
  EXPECT_TRUE(changes([](Case& c) { c.feature = 1; }));
  EXPECT_TRUE(changes([](Case& c) { c.abi_patch["scale"] = 0; }));
  EXPECT_TRUE(changes([](Case& c) { c.problem.window_left = 1; }));
}

TEST(Expand, AnUnknownIdIsAnsweredWithTheNearestOnes) {
  const Result<CaseSet> set = LoadCases();
  ASSERT_TRUE(set.ok());
  const std::string id = set->cases[0].id;
  EXPECT_EQ(FindCase(*set, id)->id, id);
  const Result<Case> missing = FindCase(*set, id + "x");
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.status().message().find("\n  " + id + "\n"), std::string::npos)
      << missing.status().message();
}

TEST(Expand, LayersThatWaitAreDroppedWithTheClausesTheyWaitFor) {
  const Result<Spec> spec = LoadSpecFrom(
      {{"spec/cases/axes.json", kAxes},
       {"spec/cases/t.json",
        R"({"schema": 1, "topic": "t", "origin": "model", "model_groups": [
            {"models": ["*"], "batches": ["b"], "inputs": ["v-coded"], "tier": "ci"}]})"},
       {"spec/clauses/c.md", kClauses},
       {"spec/models/batches.json", R"({"schema": 1, "batches": [
            {"id": "b", "source": "s", "kind": "decode", "q_lens": [1], "seq_lens": [9],
             "shared_prefix": 0, "note": ""}]})"},
       {"spec/models/m.json", R"({"schema": 1, "id": "m", "name": "M", "source": "s", "note": "",
            "layers": [{"kind": "self", "count": 4, "attention_type": "decoder",
              "causality": "causal", "num_q_heads": 4, "num_kv_heads": 4, "head_dim_qk": 64,
              "head_dim_v": 64, "scale": 0.125, "scale_source": "somewhere", "window": 0,
              "sinks": false, "softcap": 0, "dtype": "float16", "block_size": 16,
              "waits_for": ["MASK-98", "MASK-99"]}]})"}});
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_TRUE(spec->cases.cases.empty());
  ASSERT_EQ(spec->cases.dropped.size(), 1U);
  EXPECT_EQ(spec->cases.dropped[0].rule, "waits-for");
  EXPECT_EQ(spec->cases.dropped[0].reason, "the layer needs reserved MASK-98, MASK-99");
}

std::vector<std::string> ShownBy(void (*change)(Problem&)) {
  Problem problem;
  problem.requests = {{1, 9}};
  change(problem);
  return ClausesShownBy(problem, Recipe::kGeneric);
}

TEST(Expand, ProblemsWithoutASentenceCiteTheClausesOfWhatTheyAskFor) {
  const auto shows = [](const char* clause, void (*change)(Problem&)) {
    const std::vector<std::string> shown = ShownBy(change);
    EXPECT_EQ(std::count(shown.begin(), shown.end(), clause), 1) << clause;
    const std::vector<std::string> plain = ShownBy([](Problem&) {});
    EXPECT_EQ(std::count(plain.begin(), plain.end(), clause), 0) << clause;
  };
  shows("MASK-20", [](Problem& p) { p.local_block_size = 4; });
  shows("MASK-21", [](Problem& p) { p.local_block_size = 4, p.local_block_lookback = 1; });
  shows("MASK-22", [](Problem& p) { p.prefix_ranges = {{0, 1, 2}}; });
  shows("MASK-24", [](Problem& p) { p.tree_mask = true; });
  shows("MASK-25", [](Problem& p) { p.custom_mask = MaskKind::kBoolean; });
  shows("MASK-26", [](Problem& p) { p.causality = Causality::kPerRequest; });
  shows("MASK-31", [](Problem& p) { p.causality = Causality::kPerRequest, p.window_left = 3; });
  shows("SCORE-03", [](Problem& p) { p.softcap = 30; });
  shows("SCORE-06", [](Problem& p) { p.alibi = true; });
  shows("SCORE-07", [](Problem& p) { p.custom_mask = MaskKind::kAdditive; });
  shows("KV-18", [](Problem& p) { p.cache_dtype = DType::kFloat8E4M3FN; });
  shows("KV-19", [](Problem& p) { p.cache_dtype = DType::kInt8; });
  shows("KV-21", [](Problem& p) { p.cache_layout = CacheLayout::kXSplit; });
  shows("KV-22", [](Problem& p) { p.cache_layout = CacheLayout::kSharedLatent; });
  shows("KV-23", [](Problem& p) { p.page_aliasing = true; });
  shows("KV-24", [](Problem& p) { p.hybrid_split = 2; });
}

TEST(Words, AreReadAsTheyAreWritten) {
  for (const Tier tier : {Tier::kSmoke, Tier::kCi, Tier::kFull}) {
    EXPECT_EQ(ParseTier(Name(tier)), tier);
  }
  EXPECT_EQ(ParseTier("huge"), std::nullopt);
  EXPECT_EQ(*ParseRecipe("peaked", ""), Recipe::kPeaked);
  EXPECT_EQ(*ParsePoison("inf", ""), Poison::kInf);
  EXPECT_EQ(*ParseCaseKind("determinism", ""), CaseKind::kDeterminism);
}

}  // namespace
}  // namespace attest
