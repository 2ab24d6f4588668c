// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "conformance/kill/report.h"
#include "spec/cases/spec.h"

namespace attest {
namespace {

const Spec& TheSpec() {
  static const Spec kSpec = LoadSpec().value();
  return kSpec;
}

// Up to `most` smoke cases that cite `clause`.
CaseSet CasesOf(const std::string& clause, std::size_t most) {
  CaseSet set;
  for (const Case& value : TheSpec().cases.cases) {
    const bool cites =
        std::find(value.clauses.begin(), value.clauses.end(), clause) != value.clauses.end();
    if (value.tier == Tier::kSmoke && cites && set.cases.size() < most) set.cases.push_back(value);
  }
  return set;
}

KillReport Killed(const CaseSet& set, const std::string& mutant) {
  const Result<KillMatrix> matrix =
      BuildKillMatrix(set, {.tier = Tier::kSmoke, .jobs = 2, .mutant = mutant});
  if (!matrix.ok()) {
    ADD_FAILURE() << matrix.status().message();
    return {};
  }
  return ReportOf(*matrix, TheSpec().clauses, set, !mutant.empty());
}

bool Holds(const std::vector<std::string>& faults, const std::string& text) {
  return std::any_of(faults.begin(), faults.end(), [&text](const std::string& fault) {
    return fault.find(text) != std::string::npos;
  });
}

TEST(KillMatrix, NamesTheCaseThatFailsTheMutantBehindTheAbi) {
  const CaseSet set = CasesOf("MASK-03", 4);
  const KillReport report = Killed(set, "noncausal-ignored");
  ASSERT_EQ(report.rows.size(), 1U);
  EXPECT_TRUE(report.faults.empty()) << report.faults.front();
  const KillRow& row = report.rows.front();
  ASSERT_FALSE(row.killed_by.empty());
  EXPECT_EQ(row.tier, Tier::kSmoke);
  EXPECT_EQ(row.mutant.bug, "seed-causal-flag-not-in-metadata");
}

// A wrong answer is no wrong number: the case is found behind the ABI.
TEST(KillMatrix, FindsWhatNumbersDoNotTell) {
  const KillReport report = Killed(CasesOf("ABI-05", 3), "contradiction-computed");
  ASSERT_EQ(report.rows.size(), 1U);
  EXPECT_FALSE(report.rows.front().killed_by.empty());
}

TEST(KillMatrix, SurvivorsAndIdleCasesAndBareClausesAreFaults) {
  CaseSet set = CasesOf("HEAD-01", 1);
  ASSERT_EQ(set.cases.size(), 1U);
  Case& value = set.cases.front();
  value.clauses = {"HEAD-01"};  // with one head there is no map to get wrong
  value.problem.num_q_heads = value.problem.num_kv_heads = 1;
  const Result<KillMatrix> matrix = BuildKillMatrix(set, {.tier = Tier::kSmoke, .jobs = 2});
  ASSERT_TRUE(matrix.ok());
  EXPECT_EQ(matrix->idle, std::vector<std::string>{value.id});
  EXPECT_TRUE(matrix->unfair.empty());
  EXPECT_GE(matrix->pairs, 2U);
  const KillReport report = ReportOf(*matrix, TheSpec().clauses, set, false);
  EXPECT_TRUE(Holds(report.faults, "survivor: head-interleaved"));
  EXPECT_TRUE(Holds(report.faults, "kills nothing that it claims: " + value.id));
  EXPECT_TRUE(Holds(report.faults, "no mutant of this clause was killed: HEAD-01"));
}

TEST(KillMatrix, UnknownMutantsAreBadInput) {
  const Result<KillMatrix> matrix = BuildKillMatrix({}, {.mutant = "no-such"});
  ASSERT_FALSE(matrix.ok());
  EXPECT_NE(matrix.status().message().find("no-such"), std::string::npos);
}

TEST(KillReport, HoldsARowForEachMutantWithAPlaceForTheDiagnosis) {
  KillReport report{.tier = Tier::kCi};
  report.rows.push_back({.mutant = {.id = "m", .bug_class = "layout-strides", .clause = "KV-14"},
                         .killed_by = {"a/b"},
                         .tier = Tier::kCi});
  report.rows.push_back({.mutant = {.id = "n", .bug = "some-bug"},
                         .diagnosed = Diagnosed{.bug_class = "api-plumbing", .id = "o"}});
  const nlohmann::json json = nlohmann::json::parse(ToJsonText(report));
  EXPECT_EQ(json["mutants"][0]["killed_by"][0], "a/b");
  EXPECT_EQ(json["mutants"][0]["tier"], "ci");
  EXPECT_TRUE(json["mutants"][0]["diagnosed"].is_null());
  EXPECT_TRUE(json["mutants"][1]["tier"].is_null());
  EXPECT_EQ(json["mutants"][1]["bug"], "some-bug");
  EXPECT_EQ(json["mutants"][1]["diagnosed"]["id"], "o");
}

TEST(Tiers, AreOfMutantsThatExist) {
  int later = 0;
  for (const Mutant& mutant : Mutants()) later += TierThatKills(mutant.id) != Tier::kSmoke ? 1 : 0;
  EXPECT_GT(later, 0);
  EXPECT_EQ(TierThatKills("noncausal-ignored"), Tier::kSmoke);
}

}  // namespace
}  // namespace attest
