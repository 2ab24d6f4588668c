// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/show.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conformance/probe/test_backend.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

using testing::HasSubstr;
using testing::Not;

TestBackend OneKeyTooMany() {
  TestBackend backend;
  backend.problem.head_dim_qk = backend.problem.head_dim_v = 16;
  backend.problem.block_size = 4;
  backend.problem.requests = {{3, 5}};
  backend.sees = [](int, std::int64_t row, int, std::int64_t key) {
    return key <= row + 3 && key != 1;
  };
  return backend;
}

class ShowTest : public testing::Test {
 protected:
  explicit ShowTest(const TestBackend& backend = OneKeyTooMany())
      : box_(*Box::Make(backend.problem, backend)), reading_(*ReadMask(box_)) {}
  Box box_;
  MaskReading reading_;
};

TEST_F(ShowTest, GridsShowSpecBackendAndDifference) {
  const std::string text = DrawText(PicturesOf(box_, reading_));
  EXPECT_THAT(text, HasSubstr("0  [### "));   // by the spec row 0 sees keys 0..2
  EXPECT_THAT(text, HasSubstr("0  [* ** "));  // the backend 0, 2, 3
  EXPECT_THAT(text, HasSubstr("0  [o-o+ "));
  EXPECT_THAT(text, HasSubstr("2  [o-ooo|+"));  // past seq_len
}

TEST(ShowRightTest, WhereNothingDiffersOneGridIsEnough) {
  TestBackend backend = OneKeyTooMany();
  backend.sees = nullptr;
  Box box = *Box::Make(backend.problem, backend);
  const std::string text = DrawText(PicturesOf(box, *ReadMask(box)));
  EXPECT_THAT(text, HasSubstr("read off its outputs"));
  EXPECT_THAT(text, Not(HasSubstr("differ")));
}

TEST_F(ShowTest, SvgIsWholeAndHoldsThreeGrids) {
  const std::string svg = DrawSvg(PicturesOf(box_, reading_), "a <backend>");
  EXPECT_THAT(svg, HasSubstr("a &lt;backend&gt;"));
  EXPECT_THAT(svg, HasSubstr("by the spec"));
  EXPECT_THAT(svg, HasSubstr("read off its outputs"));
  EXPECT_THAT(svg, HasSubstr("url(#attest-extra)"));
  EXPECT_THAT(svg, HasSubstr("url(#attest-missed)"));
  EXPECT_EQ(svg.rfind("</svg>\n"), svg.size() - 7);
}

TEST_F(ShowTest, JsonNamesKeysInclusively) {
  const auto json = ToJson(box_, reading_);
  EXPECT_EQ(json["agrees_with_spec"], false);
  EXPECT_EQ(json["rows"][0]["spec"].dump(), "[[0,2]]");
  EXPECT_EQ(json["rows"][0]["seen"].dump(), "[[0,0],[2,3]]");
  EXPECT_EQ(json["rows"][0]["extra"].dump(), "[[3,3]]");
  EXPECT_EQ(json["rows"][0]["missed"].dump(), "[[1,1]]");
}

TEST_F(ShowTest, TextSaysWhatDiffersAndInHowManyCalls) {
  const std::string text = SummaryText(box_, reading_);
  EXPECT_THAT(text, HasSubstr("3 of 3 rows"));
  EXPECT_THAT(text, HasSubstr(fmt::format("in {} call", reading_.calls)));
  EXPECT_THAT(text, HasSubstr("request 0, row 0, head 0: sees 3 and should not; misses 1"));
}

TEST(ShowUnreadTest, WhatIsNotConclusiveIsNotDrawnAsAMask) {
  TestBackend backend = OneKeyTooMany();
  backend.slope = [](int) { return 0.5; };
  Box box = *Box::Make(backend.problem, backend);
  const MaskReading reading = *ReadMask(box);
  const std::string text = DrawText(PicturesOf(box, reading));
  EXPECT_THAT(text, HasSubstr("0  [?????"));
  EXPECT_THAT(SummaryText(box, reading), HasSubstr("not conclusive"));
  EXPECT_FALSE(ToJson(box, reading)["rows"][0].contains("seen"));
}

TEST(ShowLargeTest, OnlyTheSurroundingsOfADifferenceAreDrawn) {
  TestBackend backend = OneKeyTooMany();
  backend.problem.requests = {{100, 300}};
  const Problem& p = backend.problem;
  backend.sees = [&p](int r, std::int64_t row, int, std::int64_t key) {
    return Visible(p, r, row, key) && key != 150;
  };
  Box box = *Box::Make(backend.problem, backend);
  const MaskPictures pictures = PicturesOf(box, *ReadMask(box));
  EXPECT_EQ(pictures.difference.x.labels.size(), 64U);
  EXPECT_EQ(pictures.difference.y.labels.size(), 64U);
  EXPECT_THAT(pictures.difference.x.labels, testing::Contains("150"));
  ASSERT_EQ(pictures.difference.notes.size(), 1U);
}

}  // namespace
}  // namespace attest
