// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/picture.h"

#include <gtest/gtest.h>

#include <limits>

namespace attest {
namespace {

Case CausalCase(std::int64_t q_len, std::int64_t seq_len) {
  Case value;
  value.problem.num_q_heads = 4;
  value.problem.num_kv_heads = 2;
  value.problem.requests = {{.q_len = q_len, .seq_len = seq_len}};
  return value;
}

TEST(Picture, AMaskShowsSeenMissedAndPastTheEnd) {
  Record record;
  record.wrong_keys = {{0, 1, 2, 0, false}, {0, 0, 2, 3, true}, {0, 1, 2, 5, true}};
  const auto picture = MaskPicture(CausalCase(2, 4), record);
  ASSERT_TRUE(picture);
  EXPECT_EQ(DrawText(*picture),
            "Mask of request 0, query head 2: read off the output\n"
            "  query row  key 0 .. 5\n"
            "          0  [ooo+|  ]\n"
            "          1  [-ooo| +]\n"
            "  ' ' not visible, not seen\n"
            "  '+' seen, should not be\n"
            "  '-' missed, should be seen\n"
            "  'o' visible and seen\n"
            "  '|' seq_len\n");
}

TEST(Picture, CellsTellAWrongNumberFromNoNumber) {
  Record record;
  record.rows_judged = 8;
  record.wrong_cells_total = 2;
  record.wrong_cells = {{0, 1, 0, 2.5}, {0, 0, 3, std::numeric_limits<double>::infinity()}};
  const auto picture = CellPicture(CausalCase(2, 4), record);
  ASSERT_TRUE(picture);
  EXPECT_EQ(DrawText(*picture),
            "Wrong cells: 2 of 8 judged\n"
            "  query head  query row 0 .. 1\n"
            "           0  [.x]\n"
            "           1  [..]\n"
            "           2  [..]\n"
            "           3  [N.]\n"
            "  '.' no error recorded\n"
            "  'N' not a number, or never written\n"
            "  'x' wrong\n");
}

TEST(Picture, AMaskFarFromTheStartIsCroppedAroundWhatIsWrong) {
  Record record;
  record.wrong_keys = {{0, 3, 0, 99999, true}};
  const auto picture = MaskPicture(CausalCase(4, 100000), record);
  ASSERT_TRUE(picture);
  EXPECT_LE(picture->x.labels.size(), 64U);
  EXPECT_EQ(picture->x.labels.back(), "100000");
  ASSERT_EQ(picture->notes.size(), 1U);
  EXPECT_EQ(picture->notes[0].substr(0, 8), "cropped:");
}

TEST(Picture, ManyRowsShowOnlyThoseWithAWrongCell) {
  Record record;
  record.wrong_cells = {{0, 500, 1, 2.0}, {0, 900, 1, 2.0}};
  const auto picture = CellPicture(CausalCase(1000, 1000), record);
  ASSERT_TRUE(picture);
  EXPECT_EQ(picture->x.labels, (std::vector<std::string>{"500", "900"}));
}

TEST(Picture, NothingWrongIsNoPicture) {
  EXPECT_FALSE(CellPicture(CausalCase(1, 1), {}));
  EXPECT_FALSE(MaskPicture(CausalCase(1, 1), {}));
}

TEST(Picture, ARecordThatNamesPlacesOutsideTheCaseDrawsNothingThere) {
  Record record;
  record.wrong_cells = {{7, 0, 0, 2.0}, {0, 0, 99, 2.0}, {0, 0, -1, 2.0}};
  record.wrong_keys = {{7, 0, 0, 0, true}};
  const auto picture = CellPicture(CausalCase(1, 1), record);
  ASSERT_TRUE(picture);
  EXPECT_EQ(picture->cells, std::vector<Symbol>(4, Symbol::kRight));
  EXPECT_FALSE(MaskPicture(CausalCase(1, 1), record));
}

}  // namespace
}  // namespace attest
