// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/merge.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "conformance/report/records_file.h"
#include "conformance/report/test_report.h"

namespace attest {
namespace {

Spec SpecOf(const TestRun& run) {
  Spec spec;
  spec.clauses = run.clauses;
  spec.cases = run.set;
  return spec;
}

// Shard `index` of `count` of this run, as if it had been read from a directory.
RunDirectory ShardOf(const TestRun& whole, int index, int count) {
  TestRun part = whole;
  part.info.selection.shard = {index, count};
  std::erase_if(part.records, [&](const Record& record) {
    const auto cases = SelectCases(part.set, part.info.selection);
    return std::none_of(cases.begin(), cases.end(),
                        [&](const Case* value) { return value->id == record.case_id; });
  });
  const Report report = part.MakeReport();
  return {.path = "shard" + std::to_string(index),
          .certificate = CertificateOf(report, {}, {}),
          .records = report.records};
}

std::vector<RunDirectory> Shards(const TestRun& whole, int count) {
  std::vector<RunDirectory> parts;
  for (int index = 1; index <= count; ++index) parts.push_back(ShardOf(whole, index, count));
  return parts;
}

std::string ErrorOf(const std::vector<RunDirectory>& parts, const Spec& spec) {
  const Result<MergedRuns> merged = MergeRuns(parts, spec);
  if (merged.ok()) return "merged";
  EXPECT_EQ(merged.status().code(), StatusCode::kBadInput);
  return merged.status().message();
}

TEST(Merge, AnyShardingEqualsTheWholeByteForByte) {
  for (const TestRun& whole : {MixedRun(), GoodRun()}) {
    const Spec spec = SpecOf(whole);
    const Report expected = whole.MakeReport();
    for (int count = 1; count <= 5; ++count) {
      std::vector<RunDirectory> parts = Shards(whole, count);
      std::reverse(parts.begin(), parts.end());
      const Result<MergedRuns> merged = MergeRuns(parts, spec);
      ASSERT_TRUE(merged.ok()) << merged.status().message();
      EXPECT_EQ(RecordsText(merged->report), RecordsText(expected)) << count;
      EXPECT_EQ(merged->report.summary.verdict, expected.summary.verdict);
      EXPECT_EQ(merged->report.summary.because, expected.summary.because);
      EXPECT_EQ(merged->report.info, expected.info);
    }
  }
}

TEST(Merge, AShardGivenTwiceOverlapsAndNamesTheCases) {
  const TestRun whole = GoodRun();
  std::vector<RunDirectory> parts = Shards(whole, 2);
  parts.push_back(parts[0]);
  parts[2].path = "again";
  EXPECT_EQ(ErrorOf(parts, SpecOf(whole)).substr(0, 75),
            "shard1 and again overlap: masks/causal-with-context/dtype=bfloat16, masks/p");
}

TEST(Merge, AShardThatIsNotThereIsAGapAndNamesItsCases) {
  const TestRun whole = GoodRun();
  std::vector<RunDirectory> parts = Shards(whole, 3);
  parts.erase(parts.begin() + 1);
  EXPECT_EQ(ErrorOf(parts, SpecOf(whole)).substr(0, 69),
            "shard 2/3 is given nowhere: masks/window-edge/dtype=bfloat16, softmax");
}

TEST(Merge, PartsOfDifferentRunsAreRefused) {
  struct Row {
    const char* difference;
    void (*change)(Certificate&);
  };
  const Row rows[] = {
      {"suite version", [](Certificate& c) { c.info.suite_version = "9"; }},
      {"case set", [](Certificate& c) { c.info.case_set_digest = "9"; }},
      {"attest program", [](Certificate& c) { c.info.executable_sha256 = "9"; }},
      {"backend library", [](Certificate& c) { c.info.backend_sha256 = "9"; }},
      {"--backend", [](Certificate& c) { c.info.backend = "9"; }},
      {"selector", [](Certificate& c) { c.info.selector = "9"; }},
      {"seed", [](Certificate& c) { c.info.seed = 9; }},
      {"tier", [](Certificate& c) { c.info.selection.tier = Tier::kFull; }},
      {"filter", [](Certificate& c) { c.info.selection.filter = "9"; }},
      {"requested profiles", [](Certificate& c) { c.info.selection.profiles = {"window"}; }},
      {"number of shards", [](Certificate& c) { c.info.selection.shard.count = 9; }},
      {"arithmetic class", [](Certificate& c) { c.info.arithmetic.name = "9"; }},
      {"claims", [](Certificate& c) { c.claims.features ^= ATTEST_CLAIM_SINKS; }},
      {"waivers", [](Certificate& c) { c.accepted.push_back({.cases = "9"}); }},
  };
  const TestRun whole = GoodRun();
  for (const Row& row : rows) {
    std::vector<RunDirectory> parts = Shards(whole, 2);
    row.change(parts[1].certificate);
    const std::string error = ErrorOf(parts, SpecOf(whole));
    EXPECT_EQ(error.find("shard1 and shard2 are no parts of one run: "), 0U) << error;
    EXPECT_NE(error.find(row.difference), std::string::npos) << error;
  }
}

TEST(Merge, ShardsOfAnotherSuiteAreRefused) {
  const TestRun whole = GoodRun();
  Spec spec = SpecOf(whole);
  spec.cases.digest = "another";
  EXPECT_NE(ErrorOf(Shards(whole, 2), spec).find("this one has another"), std::string::npos);
}

TEST(Merge, ACaseThatItsOwnShardLostStaysMissing) {
  const TestRun whole = GoodRun();
  std::vector<RunDirectory> parts = Shards(whole, 2);
  parts[0].records.pop_back();
  const Spec spec = SpecOf(whole);
  const Result<MergedRuns> merged = MergeRuns(parts, spec);
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merged->report.summary.verdict, RunVerdict::kNotConformant);
  EXPECT_EQ(merged->report.summary.missing.size(), 1U);
}

TEST(Merge, HostsOfAllPartsAreListed) {
  const TestRun whole = GoodRun();
  std::vector<RunDirectory> parts = Shards(whole, 2);
  parts[1].certificate.info.hosts[0].processor = "another";
  const Spec spec = SpecOf(whole);
  EXPECT_EQ(MergeRuns(parts, spec)->report.info.hosts.size(), 2U);
}

}  // namespace
}  // namespace attest
