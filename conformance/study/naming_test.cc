// SPDX-License-Identifier: Apache-2.0
//
// A slice of the naming study, and that it can fail.
#include "conformance/study/naming.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace attest {
namespace {

NamingReport Study(bool unlisted, std::vector<std::string> mutants) {
  const Result<NamingReport> report =
      StudyNaming({.unlisted = unlisted, .mutants = std::move(mutants), .jobs = 1}, {});
  EXPECT_TRUE(report.ok()) << report.status().message();
  return *report;
}

TEST(Naming, ListedMutantsGetTheirNames) {
  const NamingReport report = Study(false, {"window-one-long", "head-interleaved"});
  EXPECT_EQ(report.failing(), 2U);
  EXPECT_EQ(report.class_right(), 2U);
  EXPECT_EQ(report.id_right(), 2U);
  EXPECT_TRUE(report.Faults().empty()) << Describe(report);
  const auto json = nlohmann::json::parse(ToJsonText(report));
  EXPECT_EQ(json.at("mutants").size(), 2U);
  EXPECT_EQ(json.at("class_wrong"), 0);
  EXPECT_NE(ToMarkdown(report).find("sliding-window"), std::string::npos);
}

// What nobody has listed gets a class by what it needs, or nothing; never a name.
TEST(Naming, UnlistedMutantsGetNoName) {
  const NamingReport report = Study(true, {"alibi-signed", "causal-top-left"});
  EXPECT_EQ(report.failing(), 2U);
  EXPECT_EQ(report.id_right(), 0U);
  EXPECT_EQ(report.class_wrong(), 0U) << Describe(report);
  EXPECT_EQ(report.mutants.size(), 2U);
}

TEST(Naming, WrongAndMissingNamesAreFaults) {
  NamingReport report;
  report.mutants = {{.id = "a", .bug_class = "x", .case_id = "case", .named_class = "y"},
                    {.id = "b", .bug_class = "x", .case_id = "case"}};
  EXPECT_EQ(report.class_wrong(), 1U);
  EXPECT_EQ(report.Faults().size(), 3U);
  EXPECT_NE(Describe(report).find("wrong: a (x)"), std::string::npos);
  report.mutants.clear();
  EXPECT_FALSE(report.Faults().empty());
}

}  // namespace
}  // namespace attest
