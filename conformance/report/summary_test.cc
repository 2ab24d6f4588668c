// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/summary.h"

#include <gtest/gtest.h>

#include <string>

#include "conformance/report/test_report.h"

namespace attest {
namespace {

Case MakeCase(const std::string& id, std::vector<std::string> profiles,
              CaseKind kind = CaseKind::kForward) {
  Case value;
  value.id = id;
  value.clauses = {"MASK-01"};
  value.profiles = std::move(profiles);
  value.kind = kind;
  value.content_hash = "hash";
  return value;
}

// Cases with their standing and the verdict of their record; kMissing: no record.
struct Item {
  Case value;
  Standing standing = Standing::kExpected;
  Verdict verdict = Verdict::kPass;
  std::string reason;  // why not expected
};

Summary SummaryOf(const std::vector<Item>& items, const Selection& selection = {},
                  const Evidence& evidence = {}) {
  std::vector<CaseAccount> accounts;
  std::vector<Record> records;
  for (const Item& item : items) {
    accounts.push_back({&item.value, item.standing, item.reason});
    if (item.standing != Standing::kExpected || item.verdict == Verdict::kMissing) continue;
    records.push_back(PassOf(item.value));
    records.back().verdict = item.verdict;
  }
  return Summarise(selection, accounts, records, evidence);
}

ProfileVerdict VerdictOf(const Summary& summary, const std::string& name) {
  for (const ProfileSummary& profile : summary.profiles) {
    if (profile.name == name) return profile.verdict;
  }
  ADD_FAILURE() << "no profile " << name;
  return ProfileVerdict::kNotClaimed;
}

TEST(Summary, EachVerdictOfOneCaseDecidesProfileAndRun) {
  struct Row {
    Verdict verdict;
    ProfileVerdict profile;
    RunVerdict run;
    ExitCode exit_code;
  };
  const Row rows[] = {
      {Verdict::kPass, ProfileVerdict::kConformant, RunVerdict::kConformant, ExitCode::kDone},
      {Verdict::kFail, ProfileVerdict::kNotConformant, RunVerdict::kNotConformant,
       ExitCode::kNotConformant},
      {Verdict::kRefused, ProfileVerdict::kNotConformant, RunVerdict::kNotConformant,
       ExitCode::kNotConformant},
      {Verdict::kCrash, ProfileVerdict::kNotConformant, RunVerdict::kNotConformant,
       ExitCode::kNotConformant},
      {Verdict::kTimeout, ProfileVerdict::kNotConformant, RunVerdict::kNotConformant,
       ExitCode::kNotConformant},
      {Verdict::kDeviceLost, ProfileVerdict::kNotConformant, RunVerdict::kNotConformant,
       ExitCode::kNotConformant},
      {Verdict::kError, ProfileVerdict::kNotConformant, RunVerdict::kNotConformant,
       ExitCode::kNotConformant},
      {Verdict::kMistrusted, ProfileVerdict::kNotConformant, RunVerdict::kVoid, ExitCode::kVoid},
      {Verdict::kMissing, ProfileVerdict::kNotConformant, RunVerdict::kNotConformant,
       ExitCode::kNotConformant},
      {Verdict::kWaived, ProfileVerdict::kConformantWithWaivers, RunVerdict::kConformantWithWaivers,
       ExitCode::kDone},
  };
  ASSERT_EQ(std::size(rows), kAllVerdicts.size());
  for (const Row& row : rows) {
    SCOPED_TRACE(Name(row.verdict));
    const Summary summary = SummaryOf({{MakeCase("a", {"causal"})},
                                       {.value = MakeCase("b", {"causal"}), .verdict = row.verdict},
                                       {MakeCase("c", {"cross"})}});
    EXPECT_EQ(VerdictOf(summary, "causal"), row.profile);
    EXPECT_EQ(VerdictOf(summary, "cross"), ProfileVerdict::kConformant);
    EXPECT_EQ(VerdictOf(summary, "window"), ProfileVerdict::kNotClaimed);
    EXPECT_EQ(summary.verdict, row.run);
    EXPECT_EQ(ExitCodeOf(summary.verdict), row.exit_code);
    EXPECT_EQ(summary.because.empty(), ExitCodeOf(summary.verdict) == ExitCode::kDone);
  }
}

TEST(Summary, ACaseOfTwoProfilesFailsBoth) {
  const Summary summary =
      SummaryOf({{.value = MakeCase("a", {"causal", "window"}), .verdict = Verdict::kFail}});
  EXPECT_EQ(VerdictOf(summary, "causal"), ProfileVerdict::kNotConformant);
  EXPECT_EQ(VerdictOf(summary, "window"), ProfileVerdict::kNotConformant);
}

TEST(Summary, SmokeAloneNeverSaysConformant) {
  const Selection smoke{.tier = Tier::kSmoke};
  const Summary good = SummaryOf({{MakeCase("a", {"causal"})}}, smoke);
  EXPECT_EQ(good.verdict, RunVerdict::kSmokePassed);
  EXPECT_EQ(ExitCodeOf(good.verdict), ExitCode::kDone);
  EXPECT_EQ(
      SummaryOf({{.value = MakeCase("a", {"causal"}), .verdict = Verdict::kFail}}, smoke).verdict,
      RunVerdict::kNotConformant);
}

TEST(Summary, PartOfTheExpectedSetNeverSaysConformant) {
  for (const Selection& part : {Selection{.filter = "a*"}, Selection{.shard = {1, 2}}}) {
    EXPECT_EQ(SummaryOf({{MakeCase("a", {"causal"})}}, part).verdict, RunVerdict::kPartialPassed);
    EXPECT_EQ(
        SummaryOf({{.value = MakeCase("a", {"causal"}), .verdict = Verdict::kCrash}}, part).verdict,
        RunVerdict::kNotConformant);
  }
}

TEST(Summary, RefusalsThatPassClaimNothing) {
  const Summary summary =
      SummaryOf({{MakeCase("refuse", {}, CaseKind::kRefusal)},
                 {.value = MakeCase("a", {"causal"}), .standing = Standing::kOutside}});
  EXPECT_EQ(summary.verdict, RunVerdict::kNotClaimed);
  EXPECT_EQ(ExitCodeOf(summary.verdict), ExitCode::kNotConformant);
  EXPECT_EQ(summary.outside, 1);
}

TEST(Summary, ARefusalOfAFeatureDoesNotClaimItsProfile) {
  const Summary summary =
      SummaryOf({{MakeCase("a", {"causal"})}, {MakeCase("refuse", {"window"}, CaseKind::kRefusal)}},
                {.profiles = {"causal", "window"}});
  EXPECT_EQ(VerdictOf(summary, "window"), ProfileVerdict::kNotClaimed);
  EXPECT_EQ(summary.verdict, RunVerdict::kNotConformant);
}

TEST(Summary, ARefusalThatFailsIsNotConformantEvenWithoutAClaim) {
  const Summary summary =
      SummaryOf({{.value = MakeCase("refuse", {}, CaseKind::kRefusal), .verdict = Verdict::kFail}});
  EXPECT_EQ(summary.verdict, RunVerdict::kNotConformant);
}

TEST(Summary, NothingExecutedIsAnError) {
  for (const Selection& selection : {Selection{}, Selection{.shard = {3, 3}}}) {
    const Summary summary = SummaryOf({}, selection);
    EXPECT_EQ(summary.verdict, RunVerdict::kNotClaimed);
    EXPECT_NE(ExitCodeOf(summary.verdict), ExitCode::kDone);
    EXPECT_EQ(summary.because, std::vector<std::string>{"nothing was executed"});
  }
}

TEST(Summary, ARequestedProfileMustBeClaimed) {
  const Selection wanted{.profiles = {"causal", "window"}};
  const Summary summary = SummaryOf({{MakeCase("a", {"causal"})},
                                     {.value = MakeCase("b", {"window"}),
                                      .standing = Standing::kOutside,
                                      .reason = "does not claim window-causal"}},
                                    wanted);
  EXPECT_EQ(summary.verdict, RunVerdict::kNotConformant);
  EXPECT_EQ(summary.because,
            std::vector<std::string>{
                "profile window: requested, but not claimed: does not claim window-causal"});
}

// A backend that does a drafter's causal layers and not the others does not serve it.
TEST(Summary, ADrafterNeedsAllOfItsProblems) {
  const std::vector<Item> items = {{MakeCase("a", {"dflash"})},
                                   {.value = MakeCase("b", {"dflash"}),
                                    .standing = Standing::kOutside,
                                    .reason = "does not claim decoder-non-causal"}};
  EXPECT_EQ(SummaryOf(items).verdict, RunVerdict::kConformant);
  const Summary summary = SummaryOf(items, {}, {.of_drafter = true});
  EXPECT_EQ(summary.verdict, RunVerdict::kNotConformant);
  EXPECT_EQ(summary.because,
            std::vector<std::string>{"1 of 2 problems of the drafter are not served: does not "
                                     "claim decoder-non-causal"});
}

TEST(Summary, AProfileThatWasNotRequestedDecidesNothing) {
  const Summary summary =
      SummaryOf({{MakeCase("a", {"causal"})},
                 {.value = MakeCase("b", {"causal", "window"}), .verdict = Verdict::kPass}},
                {.profiles = {"causal"}});
  EXPECT_EQ(summary.verdict, RunVerdict::kConformant);
  for (const ProfileSummary& profile : summary.profiles) {
    EXPECT_EQ(profile.judged, profile.name == "causal" || profile.name == "core") << profile.name;
  }
}

TEST(Summary, ACoreCaseThatFailsFailsTheRun) {
  const Summary summary = SummaryOf(
      {{MakeCase("a", {"causal"})}, {.value = MakeCase("invalid", {}), .verdict = Verdict::kFail}});
  EXPECT_EQ(VerdictOf(summary, "causal"), ProfileVerdict::kConformant);
  EXPECT_EQ(summary.verdict, RunVerdict::kNotConformant);
}

TEST(Summary, AFailureOfShouldClausesOnlyIsReportedAndDecidesNothing) {
  const std::vector<Clause> clauses = {{.id = "MASK-01", .must = false}};
  const Summary summary =
      SummaryOf({{MakeCase("a", {"causal"})},
                 {.value = MakeCase("b", {"causal"}), .verdict = Verdict::kFail}},
                {}, {.clauses = &clauses});
  EXPECT_EQ(summary.verdict, RunVerdict::kConformant);
  EXPECT_EQ(summary.tally.Of(Verdict::kFail), 1);
}

TEST(Summary, FaultsOfOursVoidTheRunWhateverElseHappened) {
  const Case a = MakeCase("a", {"causal"});
  const std::vector<CaseAccount> accounts = {{&a, Standing::kExpected, ""}};
  const auto verdict_of = [&](std::vector<Record> records, const Evidence& evidence) {
    return Summarise({}, accounts, records, evidence).verdict;
  };
  Record stale = PassOf(a);
  stale.content_hash = "older";
  Record stranger = PassOf(a);
  stranger.case_id = "z";
  EXPECT_EQ(verdict_of({PassOf(a)}, {}), RunVerdict::kConformant);
  EXPECT_EQ(verdict_of({PassOf(a)}, {.faults = {"self-check"}}), RunVerdict::kVoid);
  EXPECT_EQ(verdict_of({PassOf(a), PassOf(a)}, {}), RunVerdict::kVoid);
  EXPECT_EQ(verdict_of({stale}, {}), RunVerdict::kVoid);
  EXPECT_EQ(verdict_of({PassOf(a), stranger}, {}), RunVerdict::kVoid);
}

TEST(Summary, AcceptProblemsFailTheRun) {
  const Summary summary =
      SummaryOf({{MakeCase("a", {"causal"})}}, {}, {.accept_problems = {"--accept x: unused"}});
  EXPECT_EQ(summary.verdict, RunVerdict::kNotConformant);
  EXPECT_EQ(summary.because, std::vector<std::string>{"--accept x: unused"});
}

TEST(Summary, MoreThanHalfExcludedIsSaidInTheHeadlineAndChangesNoExitCode) {
  const auto summary_of = [](int expected, int excluded, Verdict verdict) {
    std::vector<Item> items;
    for (int i = 0; i < expected + excluded; ++i) {
      items.push_back({.value = MakeCase("a/" + std::to_string(i), {"causal"}),
                       .standing = i < expected ? Standing::kExpected : Standing::kExcluded,
                       .verdict = verdict});
    }
    items.push_back({.value = MakeCase("outside", {"causal"}), .standing = Standing::kOutside});
    return SummaryOf(items);
  };
  const Summary half = summary_of(3, 3, Verdict::kPass);
  EXPECT_EQ(Headline(half), "conformant");
  EXPECT_TRUE(ExclusionWarnings(half).empty());
  const Summary most = summary_of(2, 98, Verdict::kPass);
  EXPECT_EQ(Headline(most), "conformant, with exclusions");
  EXPECT_EQ(ExclusionWarnings(most),
            std::vector<std::string>{"profile causal: the backend excluded 98 of 100 cases inside "
                                     "the claims (98%); only 2 ran"});
  EXPECT_EQ(ExitCodeOf(most.verdict), ExitCode::kDone);
  EXPECT_EQ(Headline(summary_of(2, 98, Verdict::kFail)), "not conformant");
}

TEST(Summary, EveryVerdictHasAWordThatReadsBack) {
  for (int i = 0; i <= static_cast<int>(RunVerdict::kVoid); ++i) {
    const auto verdict = static_cast<RunVerdict>(i);
    EXPECT_EQ(ParseRunVerdict(Name(verdict)), verdict);
  }
  for (int i = 0; i <= static_cast<int>(ProfileVerdict::kNotConformant); ++i) {
    const auto verdict = static_cast<ProfileVerdict>(i);
    EXPECT_EQ(ParseProfileVerdict(Name(verdict)), verdict);
  }
}

TEST(Summary, CountsAreThoseOfTheCases) {
  const TestRun run = MixedRun();
  const Summary summary = run.MakeReport().summary;
  EXPECT_EQ(summary.tally.Total() + summary.outside + summary.excluded + summary.not_applicable,
            static_cast<int>(run.set.cases.size()));
  EXPECT_EQ(Describe(summary.tally), "pass 2, fail 3, refused 1, crash 1, missing 1, waived 1");
  EXPECT_EQ(summary.missing, std::vector<std::string>{"softmax/no-record/dtype=bfloat16"});
}

}  // namespace
}  // namespace attest
