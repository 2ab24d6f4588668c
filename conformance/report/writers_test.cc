// SPDX-License-Identifier: Apache-2.0
//
// Each writer against an approved text (spec/testing/approved_text.h).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "conformance/report/console.h"
#include "conformance/report/html.h"
#include "conformance/report/junit.h"
#include "conformance/report/markup.h"
#include "conformance/report/test_report.h"
#include "spec/testing/approved_text.h"

namespace attest {
namespace {

void ExpectApprovedHere(const std::string& name, const std::string& text) {
  ExpectApproved("conformance/report/testdata/" + name, text);
}

TEST(Writers, ConsoleTextIsTheApprovedOne) {
  ExpectApprovedHere("mixed_console.txt", ConsoleText(MixedRun().MakeReport()));
  ExpectApprovedHere("good_console.txt", ConsoleText(GoodRun().MakeReport()));
}

TEST(Writers, JUnitXmlIsTheApprovedOne) {
  const TestRun run = MixedRun();
  ExpectApprovedHere("mixed_junit.xml", JUnitText(run.MakeReport()));
}

TEST(Writers, HtmlIsTheApprovedOne) {
  const TestRun run = MixedRun();
  ExpectApprovedHere("mixed_report.html", HtmlText(run.MakeReport()));
}

TEST(Writers, HtmlLoadsNothingFromAnywhere) {
  const TestRun run = MixedRun();
  const std::string text = HtmlText(run.MakeReport());
  for (const char* forbidden :
       {"<script", "<link", "<img", "@import", "url('", "url(h", "url(/", "src="}) {
    EXPECT_EQ(text.find(forbidden), std::string::npos) << forbidden;
  }
}

TEST(Writers, HtmlDrawsTheFirstFailuresAndListsTheRest) {
  TestRun run = GoodRun();
  const Case first = run.set.cases.front();
  for (std::size_t i = 0; i < kFailureCards + 3; ++i) {
    run.set.cases.push_back(first);
    run.set.cases.back().id += fmt::format(",{}", i);
    run.records.push_back(PassOf(run.set.cases.back()));
    run.records.back().verdict = Verdict::kFail;
  }
  const std::string text = HtmlText(run.MakeReport());
  EXPECT_NE(text.find("id='failure-200'"), std::string::npos);
  EXPECT_EQ(text.find("id='failure-201'"), std::string::npos);
  EXPECT_NE(text.find("And 3 more"), std::string::npos);
}

TEST(Writers, TextOfABackendCannotBreakMarkup) {
  EXPECT_EQ(EscapeMarkup("<b> & \"x\" 'y'"), "&lt;b&gt; &amp; &quot;x&quot; &#39;y&#39;");
  EXPECT_EQ(EscapeMarkup("bell \a, bytes \xff\xc3("),
            "bell ?, bytes ?"
            "?(");
  EXPECT_EQ(EscapeMarkup("é ✔ 𝄞"), "é ✔ 𝄞");
}

TEST(Writers, BackquotesBecomeCode) {
  EXPECT_EQ(ProseMarkup("a `b < c` d `e"), "a <code>b &lt; c</code> d `e");
  EXPECT_EQ(ProseMarkup(""), "");
}

TEST(Writers, NumbersReadWell) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1234567), "1,234,567");
  EXPECT_EQ(FormatCount(-1234), "-1,234");
  EXPECT_EQ(FormatNumber(std::numeric_limits<double>::quiet_NaN()), "NaN");
  EXPECT_EQ(FormatNumber(-std::numeric_limits<double>::infinity()), "-inf");
  EXPECT_EQ(FormatNumber(0.1), "0.1");
}

TEST(Writers, ProgressShowsRateAndTimeLeft) {
  EXPECT_EQ(ProgressLine(0, 100, 0, 0), "0/100 cases");
  EXPECT_EQ(ProgressLine(50, 100, 2, 10), "50/100 cases, 2 not passed, 5.0/s, 10 s left");
  EXPECT_EQ(ProgressLine(10, 7210, 0, 10), "10/7210 cases, 1.0/s, 2:00 h left");
  EXPECT_EQ(ProgressLine(100, 100, 0, 10), "100/100 cases, 10.0/s");
}

}  // namespace
}  // namespace attest
