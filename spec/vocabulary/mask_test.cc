// SPDX-License-Identifier: Apache-2.0
//
// Masks drawn by hand. A line of a picture is a query row, a column is a key: 'x' visible, '.' not.
#include "spec/vocabulary/mask.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <vector>

namespace attest {
namespace {

using Picture = std::vector<std::string>;

Picture Draw(const Problem& problem, std::size_t request = 0) {
  Picture picture;
  const auto [q_len, seq_len] = problem.requests[request];
  for (std::int64_t row = 0; row < q_len; ++row) {
    std::string line;
    for (std::int64_t key = 0; key < seq_len; ++key) {
      line += Visible(problem, request, row, key) ? 'x' : '.';
    }
    picture.push_back(line);
  }
  return picture;
}

Picture DrawHulls(const Problem& problem, std::size_t request = 0) {
  Picture picture;
  const auto [q_len, seq_len] = problem.requests[request];
  for (std::int64_t row = 0; row < q_len; ++row) {
    const KeyRange hull = VisibleHull(problem, request, row);
    std::string line(static_cast<std::size_t>(seq_len), '.');
    for (std::int64_t key = hull.first; key < hull.last; ++key) {
      line.at(static_cast<std::size_t>(key)) = 'x';
    }
    picture.push_back(line);
  }
  return picture;
}

Problem Decoder(Causality causality, Request request, std::int64_t left = 0,
                std::int64_t right = 0) {
  Problem problem;
  problem.causality = causality;
  problem.window_left = left;
  problem.window_right = right;
  problem.requests = {request};
  return problem;
}

Problem Encoder(std::int64_t length, std::int64_t left = 0, std::int64_t right = 0) {
  Problem problem = Decoder(Causality::kCausal, {length, length}, left, right);
  problem.attention_type = AttentionType::kEncoderOnly;
  problem.block_size = 0;
  return problem;
}

void ExpectMask(const Problem& problem, const Picture& expected) {
  EXPECT_EQ(Draw(problem), expected);
  EXPECT_EQ(DrawHulls(problem), expected);
}

TEST(Mask, CausalWithoutContextIsATriangle) {
  ExpectMask(Decoder(Causality::kCausal, {4, 4}), {"x...",  //
                                                   "xx..",  //
                                                   "xxx.",  //
                                                   "xxxx"});
}

TEST(Mask, CausalWithContextIsAlignedToTheBottomRight) {
  ExpectMask(Decoder(Causality::kCausal, {3, 7}), {"xxxxx..",  //
                                                   "xxxxxx.",  //
                                                   "xxxxxxx"});
}

TEST(Mask, CausalDecodeStepSeesEveryKeyItsOwnIncluded) {
  ExpectMask(Decoder(Causality::kCausal, {1, 5}), {"xxxxx"});
}

TEST(Mask, CausalRowsBeforeTheFirstKeySeeNothing) {
  ExpectMask(Decoder(Causality::kCausal, {5, 3}), {"...",  //
                                                   "...",  //
                                                   "x..",  //
                                                   "xx.",  //
                                                   "xxx"});
}

TEST(Mask, NonCausalRowsSeeAllKeys) {
  ExpectMask(Decoder(Causality::kNonCausal, {3, 5}), {"xxxxx",  //
                                                      "xxxxx",  //
                                                      "xxxxx"});
  ExpectMask(Decoder(Causality::kNonCausal, {3, 2}), {"xx",  //
                                                      "xx",  //
                                                      "xx"});
}

TEST(Mask, EncoderOnlyIgnoresCausality) {
  for (const Causality causality :
       {Causality::kCausal, Causality::kNonCausal, Causality::kPerRequest}) {
    Problem problem = Encoder(3);
    problem.causality = causality;
    problem.request_causal = {true};
    ExpectMask(problem, {"xxx",  //
                         "xxx",  //
                         "xxx"});
  }
}

TEST(Mask, CrossRowsSeeAllEncoderKeysWhateverTheirNumber) {
  for (const Request request : {Request{2, 5}, Request{2, 1}}) {
    Problem problem = Decoder(Causality::kCausal, request);
    problem.attention_type = AttentionType::kEncoderDecoder;
    const std::string all(static_cast<std::size_t>(request.seq_len), 'x');
    ExpectMask(problem, {all, all});
    problem.window_left = 1;  // no valid cross problem has a window; it would mean nothing
    ExpectMask(problem, {all, all});
  }
}

TEST(Mask, CausalWindowOfOneIsTheDiagonal) {
  ExpectMask(Decoder(Causality::kCausal, {4, 6}, 1), {"..x...",  //
                                                      "...x..",  //
                                                      "....x.",  //
                                                      ".....x"});
}

TEST(Mask, CausalWindowOfTwoCountsTheOwnKey) {
  ExpectMask(Decoder(Causality::kCausal, {4, 4}, 2), {"x...",  //
                                                      "xx..",  //
                                                      ".xx.",  //
                                                      "..xx"});
}

TEST(Mask, CausalWindowOfThreeWithContext) {
  ExpectMask(Decoder(Causality::kCausal, {3, 6}, 3), {".xxx..",  //
                                                      "..xxx.",  //
                                                      "...xxx"});
}

TEST(Mask, CausalWindowWithMoreRowsThanKeys) {
  ExpectMask(Decoder(Causality::kCausal, {5, 3}, 2), {"...",  //
                                                      "...",  //
                                                      "x..",  //
                                                      "xx.",  //
                                                      ".xx"});
}

TEST(Mask, RightWindowUnderCausalityAddsNothing) {
  const Picture triangle = {"x..",  //
                            "xx.",  //
                            "xxx"};
  ExpectMask(Decoder(Causality::kCausal, {3, 3}, 0, 1), triangle);
  ExpectMask(Decoder(Causality::kCausal, {3, 3}, 0, 2), triangle);
}

TEST(Mask, SymmetricEncoderWindow) {
  ExpectMask(Encoder(5, 2, 2), {"xx...",  //
                                "xxx..",  //
                                ".xxx.",  //
                                "..xxx",  //
                                "...xx"});
  ExpectMask(Encoder(3, 1, 1), {"x..",  //
                                ".x.",  //
                                "..x"});
}

TEST(Mask, SymmetricNonCausalDecoderWindowIsCentredOnThePosition) {
  ExpectMask(Decoder(Causality::kNonCausal, {3, 7}, 2, 2), {"...xxx.",  //
                                                            "....xxx",  //
                                                            ".....xx"});
}

TEST(Mask, NonCausalDecoderWindowMayMissEveryKey) {
  ExpectMask(Decoder(Causality::kNonCausal, {5, 2}, 2, 2), {"..",  //
                                                            "..",  //
                                                            "x.",  //
                                                            "xx",  //
                                                            "xx"});
}

TEST(Mask, AsymmetricWindowsBoundEachSideByItsOwnNumber) {
  ExpectMask(Decoder(Causality::kNonCausal, {4, 6}, 3, 2), {"xxxx..",  //
                                                            ".xxxx.",  //
                                                            "..xxxx",  //
                                                            "...xxx"});
  ExpectMask(Encoder(4, 1, 3), {"xxx.",  //
                                ".xxx",  //
                                "..xx",  //
                                "...x"});
}

TEST(Mask, AWindowOnOneSideLeavesTheOtherOpen) {
  ExpectMask(Encoder(4, 2, 0), {"xxxx",  //
                                "xxxx",  //
                                ".xxx",  //
                                "..xx"});
  ExpectMask(Encoder(4, 0, 2), {"xx..",  //
                                "xxx.",  //
                                "xxxx",  //
                                "xxxx"});
}

TEST(Mask, AWindowPastTheEndsChangesNothing) {
  for (const std::int64_t window : {4, 5, 1000}) {
    EXPECT_EQ(Draw(Encoder(4, window, window)), Draw(Encoder(4)));
    EXPECT_EQ(Draw(Decoder(Causality::kCausal, {2, 4}, window)),
              Draw(Decoder(Causality::kCausal, {2, 4})));
    EXPECT_EQ(DrawHulls(Encoder(4, window, window)), DrawHulls(Encoder(4)));
  }
}

TEST(Mask, EachRequestFollowsItsOwnCausality) {
  Problem problem = Decoder(Causality::kPerRequest, {2, 3});
  problem.requests.push_back({2, 3});
  problem.request_causal = {false, true};
  EXPECT_EQ(Draw(problem, 0), (Picture{"xxx",  //
                                       "xxx"}));
  EXPECT_EQ(Draw(problem, 1), (Picture{"xx.",  //
                                       "xxx"}));
  EXPECT_EQ(DrawHulls(problem, 0), Draw(problem, 0));
  EXPECT_EQ(DrawHulls(problem, 1), Draw(problem, 1));
}

TEST(Mask, KeysOutsideTheRequestAreInvisibleToEveryType) {
  for (const AttentionType type :
       {AttentionType::kDecoder, AttentionType::kEncoderOnly, AttentionType::kEncoderDecoder}) {
    Problem problem = Decoder(Causality::kNonCausal, {2, 2});
    problem.attention_type = type;
    for (const std::int64_t key : {-1, 2, 3}) EXPECT_FALSE(Visible(problem, 0, 1, key));
    EXPECT_TRUE(Visible(problem, 0, 1, 0));
  }
}

TEST(Mask, ARequestWithoutKeysShowsNothing) {
  for (const AttentionType type : {AttentionType::kDecoder, AttentionType::kEncoderDecoder}) {
    Problem problem = Decoder(Causality::kCausal, {2, 0});
    problem.attention_type = type;
    const KeyRange hull = VisibleHull(problem, 0, 1);
    EXPECT_EQ(hull.first, hull.last);
    EXPECT_FALSE(Visible(problem, 0, 1, 0));
  }
}

TEST(Mask, PositionsAreNegativeWhenRowsOutnumberKeys) {
  const Problem problem = Decoder(Causality::kCausal, {5, 3});
  EXPECT_EQ(PositionOf(problem, 0, 0), -2);
  EXPECT_EQ(PositionOf(problem, 0, 4), 2);
}

Picture DrawMask(const Problem& problem, const MaskTensors& tensors, int head = 0) {
  const Mask mask(problem, tensors);
  const auto [q_len, seq_len] = problem.requests[0];
  Picture picture;
  for (std::int64_t row = 0; row < q_len; ++row) {
    std::vector<std::uint8_t> seen(static_cast<std::size_t>(seq_len));
    const std::int64_t count = mask.Fill(0, head, row, {0, seq_len}, seen.data());
    std::string line;
    for (const std::uint8_t one : seen) line += one != 0 ? 'x' : '.';
    EXPECT_EQ(count, std::count(line.begin(), line.end(), 'x'));
    picture.push_back(line);
  }
  return picture;
}

TEST(Mask, ChunkedLocalStartsAnewAtEachBlock) {
  Problem problem = Decoder(Causality::kCausal, {5, 9});
  problem.local_block_size = 4;
  ExpectMask(problem, {"....x....",  //
                       "....xx...",  //
                       "....xxx..",  //
                       "....xxxx.",  //
                       "........x"});
}

TEST(Mask, LookBackKeepsEarlierBlocks) {
  Problem problem = Decoder(Causality::kCausal, {4, 8});
  problem.local_block_size = 3;
  problem.local_block_lookback = 1;
  ExpectMask(problem, {"xxxxx...",  //
                       "xxxxxx..",  //
                       "...xxxx.",  //
                       "...xxxxx"});
}

TEST(Mask, PrefixRangeIsInclusiveAndOverridesCausalityAndWindow) {
  Problem problem = Decoder(Causality::kCausal, {6, 6}, 2);
  problem.prefix_ranges = {{.request = 0, .first = 1, .last = 4}};
  EXPECT_EQ(Draw(problem), (Picture{"x.....",  //
                                    "xxxxx.",  //
                                    ".xxxx.",  //
                                    ".xxxx.",  //
                                    ".xxxx.",  //
                                    "....xx"}));
}

TEST(Mask, PrefixRangeEndsAtSeqLen) {
  Problem problem = Decoder(Causality::kCausal, {2, 3});
  problem.prefix_ranges = {{.request = 0, .first = 1, .last = 7}};
  EXPECT_EQ(Draw(problem), (Picture{"xxx", "xxx"}));
  EXPECT_EQ(VisibleHull(problem, 0, 0).last, 3);
}

TEST(Mask, ClampedPrefixRangeKeepsTheLeftWindow) {
  Problem problem = Decoder(Causality::kCausal, {6, 6}, 2);
  problem.prefix_ranges = {{.request = 0, .first = 1, .last = 4}};
  problem.prefix_clamped = true;
  EXPECT_EQ(Draw(problem), (Picture{"x.....",  //
                                    "xxxxx.",  //
                                    ".xxxx.",  //
                                    "..xxx.",  //
                                    "...xx.",  //
                                    "....xx"}));
  EXPECT_EQ(VisibleHull(problem, 0, 3).first, 2);
}

TEST(Mask, PrefixRangeBelongsToItsRequest) {
  Problem problem = Decoder(Causality::kCausal, {2, 2});
  problem.requests.push_back({3, 3});
  problem.prefix_ranges = {{.request = 1, .first = 0, .last = 2}};
  EXPECT_EQ(Draw(problem), (Picture{"x.", "xx"}));
  EXPECT_EQ(Draw(problem, 1), (Picture{"xxx", "xxx", "xxx"}));
}

TEST(Mask, TreeRowsSeeTheContextAndTheirMarkedTokens) {
  Problem problem = Decoder(Causality::kCausal, {3, 5});
  problem.tree_mask = true;
  // Four columns where q_len is three: the last one must not be read.
  const std::array<std::uint8_t, 12> marks = {1, 0, 0, 1,  //
                                              1, 1, 0, 1,  //
                                              1, 0, 1, 1};
  const MaskTensors tensors = {.tree_mask = {.data = reinterpret_cast<const std::byte*>(&marks),
                                             .dtype = DType::kBool,
                                             .shape = {3, 4},
                                             .strides = {4, 1}},
                               .custom_mask = {}};
  EXPECT_EQ(DrawMask(problem, tensors), (Picture{"xxx..",  //
                                                 "xxxx.",  //
                                                 "xxx.x"}));
  EXPECT_FALSE(IsInterval(problem));
}

TEST(Mask, BooleanMaskIsAndedAndItsHeadAxisMayBeBroadcast) {
  Problem problem = Decoder(Causality::kCausal, {2, 3});
  problem.num_q_heads = 2;
  problem.custom_mask = MaskKind::kBoolean;
  const std::array<std::uint8_t, 12> marks = {1, 0, 1, 0, 1, 1,  //
                                              0, 1, 1, 1, 1, 0};
  MaskTensors tensors = {.tree_mask = {},
                         .custom_mask = {.data = reinterpret_cast<const std::byte*>(&marks),
                                         .dtype = DType::kBool,
                                         .shape = {1, 2, 2, 3},
                                         .strides = {0, 6, 3, 1}}};
  EXPECT_EQ(DrawMask(problem, tensors, 0), (Picture{"x..", ".xx"}));
  EXPECT_EQ(DrawMask(problem, tensors, 1), (Picture{".x.", "xx."}));
  tensors.custom_mask.strides[1] = 0;
  EXPECT_EQ(DrawMask(problem, tensors, 1), (Picture{"x..", ".xx"}));
}

TEST(Mask, MinusInfinityInAnAdditiveMaskRemovesTheKey) {
  Problem problem = Decoder(Causality::kNonCausal, {1, 3});
  problem.custom_mask = MaskKind::kAdditive;
  problem.query_dtype = DType::kFloat16;
  for (const DType dtype : {DType::kFloat32, DType::kFloat16, DType::kBFloat16}) {
    const std::array<float, 3> wide = {0.0F, -std::numeric_limits<float>::infinity(), -1e30F};
    const std::array<std::uint16_t, 3> narrow = {
        0, static_cast<std::uint16_t>(dtype == DType::kFloat16 ? 0xfc00 : 0xff80), 0xfbff};
    const void* data = dtype == DType::kFloat32 ? static_cast<const void*>(wide.data())
                                                : static_cast<const void*>(narrow.data());
    const MaskTensors tensors = {.tree_mask = {},
                                 .custom_mask = {.data = static_cast<const std::byte*>(data),
                                                 .dtype = dtype,
                                                 .shape = {1, 1, 1, 3},
                                                 .strides = {0, 0, 0, 1}}};
    EXPECT_EQ(DrawMask(problem, tensors), (Picture{"x.x"})) << Name(dtype);
  }
}

}  // namespace
}  // namespace attest
