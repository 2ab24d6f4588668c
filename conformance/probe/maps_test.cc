// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/maps.h"

#include <gtest/gtest.h>

#include "conformance/probe/test_backend.h"

namespace attest {
namespace {

Problem Batch() {
  Problem p;
  p.num_q_heads = 6;
  p.num_kv_heads = 3;
  p.head_dim_qk = p.head_dim_v = 16;
  p.block_size = 4;
  p.requests = {{2, 21}, {1, 30}, {3, 3}};
  return p;
}

Box BoxOf(const TestBackend& backend) {
  Result<Box> box = Box::Make(backend.problem, backend);
  EXPECT_TRUE(box.ok()) << box.status().message();
  return std::move(*box);
}

TEST(ReadHeadsTest, HeadsOfKeysAndValuesAreReadApart) {
  TestBackend backend{.problem = Batch()};
  backend.value_head = [](int head) { return head % 3; };
  backend.key_head = [](int head) { return 2 - head / 2; };
  Box box = BoxOf(backend);
  const auto maps = ReadHeads(box);
  ASSERT_TRUE(maps.ok());
  EXPECT_EQ(box.calls(), 3);
  for (const HeadMap& map : *maps) {
    EXPECT_EQ(map.expected, map.head / 2);
    EXPECT_EQ(map.value_head, map.head % 3) << map.why_value;
    EXPECT_EQ(map.key_head, 2 - map.head / 2) << map.why_key;
  }
}

TEST(ReadHeadsTest, KeysOfASingleKeyRowTellNothing) {
  TestBackend backend{.problem = Batch()};
  backend.problem.requests = {{1, 1}};
  Box box = BoxOf(backend);
  const auto maps = ReadHeads(box);
  ASSERT_TRUE(maps.ok());
  EXPECT_EQ(maps->back().value_head, 2);
  EXPECT_EQ(maps->back().key_head, -1);
  EXPECT_NE(maps->back().why_key.find("two keys"), std::string::npos);
}

TEST(ReadPagesTest, ARightBackendReadsWhatTheTableSays) {
  for (const DType dtype : {DType::kBFloat16, DType::kFloat16, DType::kFloat32}) {
    TestBackend backend{.problem = Batch()};
    backend.problem.query_dtype = backend.problem.cache_dtype = backend.problem.output_dtype =
        dtype;
    Box box = BoxOf(backend);
    const auto maps = ReadPages(box, 5);
    ASSERT_TRUE(maps.ok());
    ASSERT_EQ(maps->size(), 3U);
    for (const PageMap& map : *maps) {
      EXPECT_TRUE(map.unread.empty());
      EXPECT_EQ(map.reads.size(), map.expected.size());
      for (const PageRead& read : map.reads) EXPECT_EQ(read.key_page, read.page);
    }
    EXPECT_EQ(maps->front().reads.size(), 6U);
  }
}

TEST(ReadPagesTest, WrongPagesOfKeysAndValuesAreNamed) {
  TestBackend backend{.problem = Batch()};
  // Values of logical page 2 come from page 0, keys of logical page 1 from page 1's successor.
  backend.value_page = [](int r, std::int64_t page, std::int64_t entry) {
    return r == 0 && page == 2 ? std::int64_t{0} : entry;
  };
  std::int64_t wrong_for = -1;
  std::int64_t wrong_from = -1;
  backend.key_page = [&](int r, std::int64_t page, std::int64_t entry) {
    if (r != 1 || page != 1) return entry;
    wrong_for = entry;
    wrong_from = entry == 3 ? 4 : 3;
    return wrong_from;
  };
  Box box = BoxOf(backend);
  const auto maps = ReadPages(box, 0);
  ASSERT_TRUE(maps.ok());
  const PageMap& values = (*maps)[0];
  ASSERT_EQ(values.unread.size(), 1U);
  EXPECT_EQ(values.unread[0], values.expected[2]);
  EXPECT_EQ(values.reads.front().page, 0);
  const PageMap& keys = (*maps)[1];
  EXPECT_TRUE(keys.unread.empty());
  for (const PageRead& read : keys.reads) {
    EXPECT_EQ(read.key_page, read.page == wrong_for ? wrong_from : read.page);
  }
}

TEST(ReadPagesTest, WithoutLsePagesOfKeysAreNotGuessed) {
  TestBackend backend{.problem = Batch()};
  backend.problem.lse = false;
  Box box = BoxOf(backend);
  const auto maps = ReadPages(box, 0);
  ASSERT_TRUE(maps.ok());
  EXPECT_NE(maps->front().why.find("no LSE"), std::string::npos);
  EXPECT_EQ(maps->front().reads.front().key_page, -1);
}

}  // namespace
}  // namespace attest
