// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/sample_cover.h"

#include <gtest/gtest.h>

#include "conformance/judge/sample_rows.h"

namespace attest {
namespace {

Problem Prefill(std::int64_t q_len, std::int64_t seq_len) {
  Problem problem;
  problem.requests = {{.q_len = q_len, .seq_len = seq_len}};
  return problem;
}

std::vector<QueryRow> Rows(std::initializer_list<std::int64_t> rows) {
  std::vector<QueryRow> list;
  for (const std::int64_t row : rows) list.push_back({.request = 0, .row = row});
  return list;
}

TEST(SampleCover, AllRowsCoverEverything) {
  const Problem problem = Prefill(64, 64);
  const SampleCover cover = CoverOf(problem, AllRows(problem));
  EXPECT_EQ(cover.run, 1);
  EXPECT_EQ(cover.residues, 64);
  EXPECT_EQ(cover.chunk, 16);
  EXPECT_TRUE(cover.ends);
  EXPECT_TRUE(cover.keys);
  EXPECT_EQ(Describe(cover), "64 of 64 rows (100 %)");
}

TEST(SampleCover, CountsTheLongestRunThatNobodyLooksAt) {
  // Rows 3, 4, 5, 6 are not judged, so any five neighbours hold a judged one.
  const SampleCover cover = CoverOf(Prefill(10, 10), Rows({0, 1, 2, 7, 9}));
  EXPECT_EQ(cover.run, 5);
  EXPECT_EQ(cover.residues, 4);  // 0, 1, 2 and 7 are 0, 1, 2, 3 modulo 4; nothing is 4 modulo 8
  EXPECT_TRUE(cover.ends);
}

TEST(SampleCover, AnUnjudgedEndIsSeen) {
  EXPECT_FALSE(CoverOf(Prefill(10, 10), Rows({0, 5})).ends);
  EXPECT_EQ(CoverOf(Prefill(10, 10), Rows({0, 5})).run, 5);
}

TEST(SampleCover, ChunksAreCountedInPositionsAndNotInRows) {
  // Row 0 stands at position 8: the chunk edge at 16 lies between rows 7 and 8.
  Problem problem = Prefill(72, 80);
  std::vector<QueryRow> rows = Rows({0, 7, 8, 23, 24, 39, 40, 55, 56, 71});
  EXPECT_EQ(CoverOf(problem, rows).chunk, 16);
  rows.erase(rows.begin() + 1);
  EXPECT_EQ(CoverOf(problem, rows).chunk, 0);  // 18 rows are the most a chunk may have here
}

// A window of 3 holds the row's own key: the rows 0 and 9 see the keys 0 and 7 to 9.
TEST(SampleCover, KeysThatNoJudgedRowSeesAreKnown) {
  Problem problem = Prefill(10, 10);
  EXPECT_TRUE(CoverOf(problem, Rows({0, 9})).keys);
  problem.window_left = 3;
  EXPECT_FALSE(CoverOf(problem, Rows({0, 9})).keys);
  EXPECT_TRUE(CoverOf(problem, Rows({0, 3, 6, 9})).keys);
}

TEST(SampleCover, ALongSampleSaysWhatItIsCertainOf) {
  const Problem problem = Prefill(1 << 20, 1 << 20);
  const double cost = MultiplyAdds(problem);
  const std::vector<QueryRow> rows = SampleRows(problem, cost * 1024 / (1 << 20), 0);
  const SampleCover cover = CoverOf(problem, rows);
  EXPECT_GE(cover.residues, 256);
  EXPECT_EQ(cover.chunk, 8192);
  EXPECT_TRUE(cover.keys);
  EXPECT_TRUE(cover.ends);
  EXPECT_LT(cover.run, 4096);
  EXPECT_NE(Describe(cover).find("every key, the first or last row of chunks of 8192"),
            std::string::npos)
      << Describe(cover);
}

}  // namespace
}  // namespace attest
