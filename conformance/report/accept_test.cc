// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/accept.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "conformance/report/test_report.h"

namespace attest {
namespace {

constexpr const char* kToday = "2026-02-01";

AcceptEntry Entry(std::string cases, std::string deviation = "",
                  std::string expires = "2026-12-31") {
  return {.cases = std::move(cases),
          .deviation = std::move(deviation),
          .reason = "known",
          .link = "https://example.com/1",
          .expires = std::move(expires)};
}

// Two cases of the clause that owns window-one-long, one of another clause.
class Accept : public testing::Test {
 protected:
  Accept() {
    for (const char* id : {"masks/a", "masks/b", "heads/c"}) {
      Case value;
      value.id = id;
      value.clauses = {value.id.starts_with("masks") ? "MASK-10" : "HEAD-01"};
      cases_.push_back(value);
    }
    clauses_ = {{.id = "MASK-10", .deviations = {{"window-one-long", "W + 1 keys"}}},
                {.id = "HEAD-01"}};
    for (const Case& value : cases_) {
      accounts_.push_back({&value, Standing::kExpected, ""});
      records_.push_back(PassOf(value));
    }
  }

  std::vector<std::string> Apply(const std::vector<AcceptEntry>& entries, bool partial = false) {
    return ApplyAccept(entries, accounts_, clauses_, kToday, partial, records_);
  }

  std::vector<Case> cases_;
  std::vector<Clause> clauses_;
  std::vector<CaseAccount> accounts_;
  std::vector<Record> records_;
};

TEST_F(Accept, AFailingCaseThatMatchesIsWaivedWithReasonAndLink) {
  records_[0].verdict = Verdict::kFail;
  EXPECT_TRUE(Apply({Entry("masks/a")}).empty());
  EXPECT_EQ(records_[0].verdict, Verdict::kWaived);
  EXPECT_EQ(records_[0].waiver, "known (https://example.com/1; was: fail; until 2026-12-31)");
  EXPECT_EQ(records_[1].verdict, Verdict::kPass);
}

TEST_F(Accept, ApplyingTwiceChangesNothing) {
  records_[0].verdict = Verdict::kFail;
  EXPECT_TRUE(Apply({Entry("masks/a")}).empty());
  const std::vector<Record> once = records_;
  EXPECT_TRUE(Apply({Entry("masks/a")}).empty());
  EXPECT_EQ(records_, once);
}

TEST_F(Accept, AnEntryThatMatchesNoExpectedCaseFailsTheRun) {
  EXPECT_EQ(
      Apply({Entry("nothing/*")}),
      std::vector<std::string>{"--accept case 'nothing/*': unused, no expected case matches"});
  accounts_[0].standing = Standing::kOutside;
  EXPECT_EQ(Apply({Entry("masks/a")}).size(), 1U);
  EXPECT_TRUE(Apply({Entry("masks/a")}, true).empty()) << "another shard may have it";
}

TEST_F(Accept, ACaseThatPassesUnexpectedlyFailsTheRun) {
  records_[0].verdict = Verdict::kFail;
  EXPECT_EQ(Apply({Entry("masks/*")}),
            std::vector<std::string>{
                "--accept case 'masks/*': masks/b passes; remove or narrow the entry"});
}

TEST_F(Accept, AnExpiredEntryWaivesNothing) {
  records_[0].verdict = Verdict::kFail;
  EXPECT_EQ(Apply({Entry("masks/a", "", "2026-01-31")}),
            std::vector<std::string>{"--accept case 'masks/a': expired on 2026-01-31"});
  EXPECT_EQ(records_[0].verdict, Verdict::kFail);
  EXPECT_TRUE(Apply({Entry("masks/a", "", kToday)}).empty()) << "the last day still counts";
}

TEST_F(Accept, ADeviationCoversTheWrongAnswersOfItsClauseAndNoOther) {
  records_[1].verdict = Verdict::kFail;
  records_[2].verdict = Verdict::kFail;
  EXPECT_TRUE(Apply({Entry("", "window-one-long")}).empty());
  EXPECT_EQ(records_[0].verdict, Verdict::kPass);
  EXPECT_EQ(records_[1].verdict, Verdict::kWaived);
  EXPECT_EQ(records_[2].verdict, Verdict::kFail);
}

TEST_F(Accept, ACrashIsNoDeviation) {
  records_[0].verdict = Verdict::kCrash;
  EXPECT_EQ(Apply({Entry("", "window-one-long")}).size(), 1U);
  EXPECT_EQ(records_[0].verdict, Verdict::kCrash);
}

TEST_F(Accept, OurFaultsAndLostDevicesCannotBeWaived) {
  for (const Verdict verdict : {Verdict::kMistrusted, Verdict::kDeviceLost}) {
    records_[0].verdict = verdict;
    EXPECT_EQ(Apply({Entry("masks/a")}).size(), 1U);
    EXPECT_EQ(records_[0].verdict, verdict);
  }
}

TEST_F(Accept, AnUnknownDeviationIsNamed) {
  EXPECT_TRUE(CheckDeviations({Entry("", "window-one-long"), Entry("masks/a")}, clauses_).ok());
  const Status status = CheckDeviations({Entry("", "window-two-long")}, clauses_);
  EXPECT_NE(status.message().find("'window-two-long'"), std::string::npos);
}

TEST(AcceptFile, ReadsWhatItWrites) {
  const auto entries = ParseAccept("a.json", R"({"accept": [
    {"case": "masks/*", "reason": "r", "link": "l", "expires": "2026-01-02"},
    {"deviation": "window-one-long", "reason": "r", "link": "l", "expires": "2027-01-02"}]})");
  ASSERT_TRUE(entries.ok()) << entries.status().message();
  ASSERT_EQ(entries->size(), 2U);
  for (const AcceptEntry& entry : *entries)
    EXPECT_EQ(*AcceptEntryFromJson(ToJson(entry), "entry"), entry);
}

TEST(AcceptFile, MistakesAreNamedWithLineAndColumn) {
  struct Row {
    const char* text;
    const char* message;
  };
  const Row rows[] = {
      {"{\n  \"accept\": [,]}", "a.json:2:14: "},
      {"[]", "a.json:1:1: "},
      {"{\"accept\": [], \"more\": 1}", "more: unknown key"},
      {"{\"accept\": [{\"case\": \"a\", \"reason\": \"r\", \"link\": \"l\"}]}",
       "accept[0]: \"expires\" is missing"},
      {"{\"accept\": [{\"case\": \"a\", \"reason\": \"r\", \"link\": \"l\",\n"
       " \"expires\": \"2026-13-01\"}]}",
       "a.json:2:13: accept[0].expires: '2026-13-01' is no date YYYY-MM-DD"},
      {"{\"accept\": [{\"reason\": \"r\", \"link\": \"l\", \"expires\": \"2026-01-01\"}]}",
       "accept[0]: an entry names either a case or a deviation"},
      {"{\"accept\": [{\"case\": \"a\", \"deviation\": \"d\", \"reason\": \"r\", \"link\": \"l\", "
       "\"expires\": \"2026-01-01\"}]}",
       "accept[0]: an entry names either a case or a deviation"},
      {"{\"accept\": [{\"case\": \"a\", \"reason\": \"\", \"link\": \"l\", \"expires\": "
       "\"2026-01-01\"}]}",
       "accept[0].reason: empty"},
  };
  for (const Row& row : rows) {
    const auto entries = ParseAccept("a.json", row.text);
    ASSERT_FALSE(entries.ok()) << row.text;
    EXPECT_EQ(entries.status().code(), StatusCode::kBadInput);
    EXPECT_NE(entries.status().message().find(row.message), std::string::npos)
        << entries.status().message();
  }
}

}  // namespace
}  // namespace attest
