// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/read_mask.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <vector>

#include "conformance/probe/mask_difference.h"
#include "conformance/probe/test_backend.h"
#include "conformance/run/inputs_random.h"

namespace attest {
namespace {

// Bits that depend on everything and that nothing but the outputs tells.
bool RandomBit(std::uint64_t seed, int request, std::int64_t row, int head, std::int64_t key,
               std::uint64_t share) {
  std::uint64_t stream = Chain(seed, static_cast<std::uint64_t>(request));
  stream = Chain(stream, static_cast<std::uint64_t>(row));
  stream = Chain(stream, static_cast<std::uint64_t>(head));
  return Draw(stream, static_cast<std::uint64_t>(key)) % 100 < share;
}

// A problem of any layout, types, groups and lengths.
Problem RandomProblem(std::uint64_t seed) {
  std::uint64_t next = 0;
  const auto pick = [&](auto... options) {
    const std::vector<std::common_type_t<decltype(options)...>> all = {options...};
    return all[Below(Draw(seed, next++), all.size())];
  };
  Problem p;
  p.num_kv_heads = pick(1, 2, 3);
  p.num_q_heads = p.num_kv_heads * pick(1, 2, 3);
  p.head_dim_qk = pick(16, 24, 32);
  p.head_dim_v = pick(16, 32, 64);
  p.query_dtype = pick(DType::kBFloat16, DType::kFloat16, DType::kFloat32);
  p.cache_dtype = p.query_dtype;
  p.output_dtype = p.query_dtype;
  p.lse = pick(true, true, false);
  if (pick(0, 0, 0, 1) == 1) {
    p.attention_type = AttentionType::kEncoderOnly;
    p.block_size = 0;
  } else {
    p.block_size = pick(1, 5, 16, 32);
    p.cache_layout = pick(CacheLayout::kNhd, CacheLayout::kHnd, CacheLayout::kPackedKv,
                          CacheLayout::kKvFirst, CacheLayout::kPaddedPages);
    p.causality = pick(Causality::kCausal, Causality::kNonCausal);
    p.block_table_extra = pick(0, 2);
  }
  p.token_layout = pick(TokenLayout::kDense, TokenLayout::kPaddedRows, TokenLayout::kQkvFused);
  p.sinks = pick(false, false, true);
  p.requests.clear();
  for (int i = pick(1, 1, 2, 3); i > 0; --i) {
    const std::int64_t q_len = pick(1, 2, 5);
    const std::int64_t extra = pick(0, 3, 40, 150);
    p.requests.push_back(
        {q_len, p.attention_type == AttentionType::kEncoderOnly ? q_len : q_len + extra});
  }
  return p;
}

std::vector<std::int64_t> Expand(const std::vector<KeyRange>& runs) {
  std::vector<std::int64_t> keys;
  for (const KeyRange& run : runs) {
    for (std::int64_t key = run.first; key < run.last; ++key) keys.push_back(key);
  }
  return keys;
}

// Rows of `backend` that were not read bit for bit, or not at all.
int WrongRows(const TestBackend& backend) {
  Result<Box> box = Box::Make(backend.problem, backend);
  EXPECT_TRUE(box.ok()) << box.status().message();
  if (!box.ok()) return -1;
  const Result<MaskReading> reading = ReadMask(*box);
  EXPECT_TRUE(reading.ok()) << reading.status().message();
  if (!reading.ok()) return -1;
  int wrong = 0;
  for (const RowReading& row : reading->rows) {
    std::vector<std::int64_t> sees;
    for (std::int64_t key = 0; key < box->KeysOf(static_cast<std::size_t>(row.row.request));
         ++key) {
      // A key without a page is read from page 0, a place of no key.
      if (backend.sees(row.row.request, row.row.row, row.row.head, key) &&
          box->PlaceOf(static_cast<std::size_t>(row.row.request), key) >= 0) {
        sees.push_back(key);
      }
    }
    if (row.conclusive && Expand(row.keys) == sees) continue;
    ++wrong;
    EXPECT_LE(wrong, 3) << "request " << row.row.request << " row " << row.row.row << " head "
                        << row.row.head << ": " << row.why;
  }
  return wrong;
}

// ATTEST_PROBE_CONFIGURATIONS asks for a longer run.
int NumConfigurations() {
  const char* asked = std::getenv("ATTEST_PROBE_CONFIGURATIONS");
  return asked != nullptr ? std::atoi(asked) : 100;
}

TEST(ReadMaskTest, RandomMasksOfRandomConfigurationsAreReadBitForBit) {
  std::int64_t rows = 0;
  for (int i = 0; i < NumConfigurations(); ++i) {
    const std::uint64_t seed = Chain(20260101, static_cast<std::uint64_t>(i));
    TestBackend backend;
    backend.problem = RandomProblem(seed);
    const std::uint64_t share = std::vector<std::uint64_t>{2, 30, 50, 97}[Draw(seed, 90) % 4];
    // No key without a page: those are read from page 0 again and again, which is another test.
    Result<Box> box = Box::Make(backend.problem, backend);
    ASSERT_TRUE(box.ok()) << box.status().message();
    backend.sees = [&](int request, std::int64_t row, int head, std::int64_t key) {
      return box->PlaceOf(static_cast<std::size_t>(request), key) >= 0 &&
             RandomBit(seed, request, row, head, key, share);
    };
    backend.tile = std::vector<int>{4, 16, 64}[Draw(seed, 91) % 3];
    backend.backwards = Draw(seed, 92) % 2 == 0;
    EXPECT_EQ(WrongRows(backend), 0) << "configuration " << i;
    rows += static_cast<std::int64_t>(AllProbeRows(backend.problem).size());
  }
  fmt::print("{} rows of {} configurations\n", rows, NumConfigurations());
}

}  // namespace
}  // namespace attest
