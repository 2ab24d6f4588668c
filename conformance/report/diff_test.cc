// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/diff.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace attest {
namespace {

Record Make(const char* id, Verdict verdict) {
  Record record;
  record.case_id = id;
  record.verdict = verdict;
  record.clauses = {"MASK-01"};
  return record;
}

TEST(Diff, EachPairOfVerdictsIsOneKindOfChange) {
  struct Row {
    Verdict before;
    Verdict after;
    ChangeKind kind;
  };
  const Row rows[] = {
      {Verdict::kPass, Verdict::kFail, ChangeKind::kRegression},
      {Verdict::kWaived, Verdict::kCrash, ChangeKind::kRegression},
      {Verdict::kFail, Verdict::kPass, ChangeKind::kImprovement},
      {Verdict::kFail, Verdict::kWaived, ChangeKind::kImprovement},
      {Verdict::kFail, Verdict::kCrash, ChangeKind::kOther},
      {Verdict::kPass, Verdict::kWaived, ChangeKind::kOther},
  };
  for (const Row& row : rows) {
    const Diff diff = DiffRecords({Make("a", row.before)}, {Make("a", row.after)}, true);
    ASSERT_EQ(diff.changes.size(), 1U);
    EXPECT_EQ(diff.changes[0].kind, row.kind) << Name(row.before) << " " << Name(row.after);
    EXPECT_EQ(diff.regressed, row.kind == ChangeKind::kRegression ? 1 : 0);
  }
}

TEST(Diff, EqualRunsChangeNothing) {
  const std::vector<Record> records = {Make("a", Verdict::kPass), Make("b", Verdict::kFail)};
  const Diff diff = DiffRecords(records, records, true);
  EXPECT_TRUE(diff.changes.empty());
  EXPECT_EQ(diff.unchanged, 2);
  EXPECT_EQ(DiffText(diff), "0 changed, 2 unchanged: no regression\n");
}

TEST(Diff, ACaseThatIsGoneRegressesOnlyWhereTheCasesAreTheSame) {
  const std::vector<Record> before = {Make("a", Verdict::kPass), Make("b", Verdict::kFail)};
  EXPECT_EQ(DiffRecords(before, {}, true).regressed, 1);
  EXPECT_EQ(DiffRecords(before, {}, false).regressed, 0);
  EXPECT_EQ(DiffRecords(before, {}, false).changes[0].kind, ChangeKind::kGone);
}

TEST(Diff, RegressionsAreCountedByClause) {
  Record two = Make("b", Verdict::kFail);
  two.clauses = {"MASK-01", "KV-02"};
  const Diff diff = DiffRecords({Make("a", Verdict::kPass), Make("b", Verdict::kPass)},
                                {Make("a", Verdict::kFail), two, Make("n", Verdict::kFail)}, true);
  EXPECT_EQ(diff.regressions, (std::map<std::string, int>{{"KV-02", 1}, {"MASK-01", 2}}));
  EXPECT_EQ(DiffText(diff),
            "regression: a: pass -> fail [MASK-01]\n"
            "regression: b: pass -> fail [MASK-01, KV-02]\n"
            "new: n: - -> fail [MASK-01]\n"
            "clause KV-02: 1 regression\n"
            "clause MASK-01: 2 regressions\n"
            "3 changed, 0 unchanged: 2 regressed\n");
  EXPECT_EQ(ToJson(diff)["changes"].size(), 3U);
}

TEST(Diff, ACaseWhoseContentChangedIsMarked) {
  Record after = Make("a", Verdict::kFail);
  after.content_hash = "other";
  const Diff diff = DiffRecords({Make("a", Verdict::kPass)}, {after}, false);
  EXPECT_NE(DiffText(diff).find("(the case itself changed)"), std::string::npos);
}

}  // namespace
}  // namespace attest
