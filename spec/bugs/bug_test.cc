// SPDX-License-Identifier: Apache-2.0
#include "spec/bugs/bug.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

namespace attest {
namespace {

std::string FileWith(const std::string& bug) {
  return R"({"schema": 1, "classes": [{"name": "layout-strides", "sentence": "Strides."}],
  "bugs": [)" +
         bug + "]}";
}

std::string MessageOf(const std::string& text) {
  const Result<BugList> list = ParseBugs("bugs.json", text);
  return list.ok() ? "" : list.status().message();
}

constexpr const char* kGood =
    R"({"id": "a", "class": "layout-strides", "reference": "o/r#1", "sentence": "S.", "mutants": ["m"]})";

TEST(BugList, IsRead) {
  const Result<BugList> list = ParseBugs("bugs.json", FileWith(kGood));
  ASSERT_TRUE(list.ok()) << list.status().message();
  ASSERT_NE(list->Find("a"), nullptr);
  EXPECT_EQ(list->Find("a")->mutants, std::vector<std::string>{"m"});
  EXPECT_EQ(list->Find("b"), nullptr);
}

TEST(BugList, NamesTheFirstProblem) {
  const std::string good = kGood;
  EXPECT_NE(MessageOf(FileWith(good + "," + good)).find("two bugs a"), std::string::npos);
  const auto changed = [&good](const std::string& from, const std::string& to) {
    return MessageOf(FileWith(std::regex_replace(good, std::regex(from), to)));
  };
  EXPECT_NE(changed("layout-strides", "other").find("not one of the classes"), std::string::npos);
  EXPECT_NE(changed(R"("mutants": \["m"\])", R"("not_a_mutant": "")").find("empty"),
            std::string::npos);
  EXPECT_NE(changed(R"(, "mutants": \["m"\])", "").find("either"), std::string::npos);
  EXPECT_NE(changed(R"("mutants")", R"("not_a_mutant": "w", "mutants")").find("either"),
            std::string::npos);
  EXPECT_NE(changed("sentence", "text").find("sentence"), std::string::npos);
}

TEST(Bugs, HavePublicReferencesAndOneSentence) {
  const Result<BugList> list = LoadBugs();
  ASSERT_TRUE(list.ok()) << list.status().message();
  EXPECT_GE(list->bugs.size(), 250U);
  EXPECT_EQ(list->classes.size(), 19U);
  const std::regex reference("[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+(#[0-9]+|@[0-9a-f]{7,40})");
  for (const Bug& bug : list->bugs) {
    EXPECT_TRUE(std::regex_match(bug.reference, reference)) << bug.id << ": " << bug.reference;
    for (const std::string& text : {bug.sentence, bug.not_a_mutant}) {
      EXPECT_TRUE(text.empty() || text.back() == '.') << bug.id;
      EXPECT_LE(text.size(), 160U) << bug.id;
    }
  }
}

TEST(Bugs, OfEveryClassAreListed) {
  const Result<BugList> list = LoadBugs();
  ASSERT_TRUE(list.ok());
  for (const BugClass& listed : list->classes) {
    EXPECT_TRUE(std::any_of(list->bugs.begin(), list->bugs.end(), [&listed](const Bug& bug) {
      return bug.bug_class == listed.name;
    })) << listed.name;
  }
}

}  // namespace
}  // namespace attest
