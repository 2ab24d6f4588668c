// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/read_mask.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "conformance/probe/mask_difference.h"
#include "conformance/probe/test_backend.h"
#include "conformance/run/inputs_random.h"
#include "spec/vocabulary/mask.h"

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

Problem Plain(DType dtype = DType::kBFloat16) {
  Problem p;
  p.num_q_heads = 4;
  p.num_kv_heads = 2;
  p.head_dim_qk = p.head_dim_v = 64;
  p.query_dtype = p.cache_dtype = p.output_dtype = dtype;
  p.block_size = 8;
  p.requests = {{4, 77}, {2, 33}};
  return p;
}

MaskReading Read(const TestBackend& backend, bool against_spec = false) {
  Result<Box> box = Box::Make(backend.problem, backend);
  EXPECT_TRUE(box.ok()) << box.status().message();
  Result<MaskReading> reading = against_spec ? ReadMaskAgainstSpec(*box) : ReadMask(*box);
  EXPECT_TRUE(reading.ok()) << reading.status().message();
  return std::move(*reading);
}

// What a wrong backend sees in place of what the problem says.
using Sees = std::function<bool(const Problem&, int, std::int64_t, int, std::int64_t)>;
struct WrongMask {
  const char* name;
  std::int64_t window;
  Sees sees;
};

std::vector<WrongMask> WrongMasks() {
  const auto at = [](const Problem& p, int r, std::int64_t row) { return PositionOf(p, r, row); };
  const auto in = [](const Problem& p, int r, std::int64_t k) { return k < p.requests[r].seq_len; };
  return {
      {"one key past causal", 0,
       [=](const Problem& p, int r, std::int64_t i, int, std::int64_t k) {
         return k <= at(p, r, i) + 1;
       }},
      {"diagonal missing", 0,
       [=](const Problem& p, int r, std::int64_t i, int, std::int64_t k) {
         return k < at(p, r, i);
       }},
      {"top-left", 0,
       [=](const Problem&, int, std::int64_t i, int, std::int64_t k) { return k <= i; }},
      {"not causal", 0,
       [=](const Problem& p, int r, std::int64_t, int, std::int64_t k) { return in(p, r, k); }},
      {"window one wider", 9,
       [=](const Problem& p, int r, std::int64_t i, int, std::int64_t k) {
         return k <= at(p, r, i) && k >= at(p, r, i) - 9;
       }},
      {"window dropped", 9,
       [=](const Problem& p, int r, std::int64_t i, int, std::int64_t k) {
         return k <= at(p, r, i);
       }},
      {"first key missing", 0,
       [=](const Problem& p, int r, std::int64_t i, int, std::int64_t k) {
         return k > 0 && k <= at(p, r, i);
       }},
      {"whole last page", 0,
       [=](const Problem&, int, std::int64_t, int, std::int64_t) { return true; }},
      {"chunked", 0,
       [=](const Problem& p, int r, std::int64_t i, int, std::int64_t k) {
         return k <= at(p, r, i) && k / 16 == at(p, r, i) / 16;
       }},
      {"every seventh key of head 3", 0,
       [=](const Problem& p, int r, std::int64_t i, int h, std::int64_t k) {
         return k <= at(p, r, i) && (h != 3 || k % 7 != 0);
       }},
      {"nothing", 0, [](const Problem&, int, std::int64_t, int, std::int64_t) { return false; }},
  };
}

TEST(ReadMaskTest, WrongMasksAreReadAndTheirDifferenceIsExact) {
  for (const WrongMask& wrong : WrongMasks()) {
    for (const DType dtype : {DType::kBFloat16, DType::kFloat16, DType::kFloat32}) {
      for (const bool lse : {true, false}) {
        TestBackend backend{.problem = Plain(dtype)};
        backend.problem.lse = lse;
        backend.problem.window_left = wrong.window;
        backend.sees = [&](int r, std::int64_t row, int head, std::int64_t key) {
          return wrong.sees(backend.problem, r, row, head, key);
        };
        Result<Box> box = Box::Make(backend.problem, backend);
        ASSERT_TRUE(box.ok());
        for (const bool against_spec : {false, true}) {
          const MaskReading reading = Read(backend, against_spec);
          bool differs = false;
          for (const RowReading& row : reading.rows) {
            ASSERT_TRUE(row.conclusive) << wrong.name << ": " << row.why;
            std::vector<std::int64_t> sees;
            const int r = row.row.request;
            for (std::int64_t key = 0; key < box->KeysOf(r); ++key) {
              if (box->PlaceOf(r, key) >= 0 && backend.sees(r, row.row.row, row.row.head, key)) {
                sees.push_back(key);
              }
            }
            EXPECT_EQ(Expand(row.keys), sees) << wrong.name;
            differs = differs || DifferenceOf(*box, row).any();
          }
          EXPECT_TRUE(differs) << wrong.name;
        }
      }
    }
  }
}

TEST(ReadMaskTest, ARightBackendIsVerifiedInOneCall) {
  for (const DType dtype : {DType::kBFloat16, DType::kFloat16, DType::kFloat32}) {
    TestBackend backend{.problem = Plain(dtype)};
    backend.problem.sinks = true;
    const MaskReading reading = Read(backend, true);
    EXPECT_EQ(reading.calls, 1);
    Result<Box> box = Box::Make(backend.problem, backend);
    for (const RowReading& row : reading.rows) {
      ASSERT_TRUE(row.conclusive);
      EXPECT_FALSE(DifferenceOf(*box, row).any());
    }
  }
}

TEST(ReadMaskTest, AnotherHeadsValuesAreNoWrongMask) {
  TestBackend backend{.problem = Plain()};
  backend.value_head = [](int head) { return 1 - head / 2; };
  const MaskReading reading = Read(backend, true);
  for (const RowReading& row : reading.rows) {
    EXPECT_TRUE(row.conclusive);
    EXPECT_TRUE(row.other_values);
  }
}

TEST(ReadMaskTest, AWrongPageShowsAsAStrayAndAsMissedKeys) {
  TestBackend backend{.problem = Plain()};
  backend.value_page = [](int r, std::int64_t page, std::int64_t entry) {
    return r == 0 && page == 3 ? std::int64_t{0} : entry;
  };
  const MaskReading reading = Read(backend);
  Result<Box> box = Box::Make(backend.problem, backend);
  const RowReading& row = reading.rows.front();
  ASSERT_TRUE(row.conclusive) << row.why;
  EXPECT_EQ(row.strays.size(), 8U);
  EXPECT_EQ(box->Describe(row.strays.front().place), "page 0, slot 0: a page of nobody");
  EXPECT_EQ(Expand(DifferenceOf(*box, row).missed),
            (std::vector<std::int64_t>{24, 25, 26, 27, 28, 29, 30, 31}));
}

TEST(ReadMaskTest, APageReadTwiceIsCounted) {
  for (const bool lse : {true, false}) {
    TestBackend backend{.problem = Plain()};
    backend.problem.lse = lse;
    std::int64_t first = 0;
    backend.value_page = [&](int r, std::int64_t page, std::int64_t entry) {
      if (r == 0 && page == 0) first = entry;
      return r == 0 && page == 3 ? first : entry;
    };
    const MaskReading reading = Read(backend);
    const RowReading& row = reading.rows.front();
    ASSERT_TRUE(row.conclusive) << "lse " << lse << ": " << row.why;
    ASSERT_EQ(row.repeats.size(), 8U);
    EXPECT_EQ(row.repeats.front().times, 2);
  }
}

// Pages so large that all places of the call that tells N are seen twice: they say N/2.
TEST(ReadMaskTest, ALargePageReadTwiceIsCountedWithoutAnLse) {
  TestBackend backend{.problem = Plain()};
  backend.problem.lse = false;
  backend.problem.head_dim_qk = backend.problem.head_dim_v = 16;
  backend.problem.block_size = 64;
  backend.problem.requests = {{1, 160}};
  std::int64_t first = 0;
  backend.value_page = [&](int, std::int64_t page, std::int64_t entry) {
    if (page == 0) first = entry;
    return page == 1 ? first : entry;
  };
  for (const RowReading& row : Read(backend).rows) {
    ASSERT_TRUE(row.conclusive) << row.why;
    EXPECT_EQ(row.count, 160);
    ASSERT_EQ(row.repeats.size(), 64U);
    for (const OddRead& repeat : row.repeats) EXPECT_EQ(repeat.times, 2);
  }
}

TEST(ReadMaskTest, TruncatedOutputsAreReadWithNarrowerColumns) {
  TestBackend backend{.truncates = true, .problem = Plain()};
  backend.sees = [](int r, std::int64_t row, int head, std::int64_t key) {
    return RandomBit(7, r, row, head, key, 50);
  };
  const MaskReading reading = Read(backend);
  ASSERT_FALSE(reading.notes.empty());
  EXPECT_NE(reading.notes.front().find("truncated"), std::string::npos);
  Result<Box> box = Box::Make(backend.problem, backend);
  for (const RowReading& row : reading.rows) {
    ASSERT_TRUE(row.conclusive) << row.why;
    std::vector<std::int64_t> sees;
    const int r = row.row.request;
    for (std::int64_t key = 0; key < box->KeysOf(r); ++key) {
      if (backend.sees(r, row.row.row, row.row.head, key)) sees.push_back(key);
    }
    EXPECT_EQ(Expand(row.keys), sees);
  }
}

TEST(ReadMaskTest, ALyingLseIsNotBelieved) {
  TestBackend backend{.lse_factor = 1.4426950408889634, .problem = Plain()};  // base 2
  const MaskReading reading = Read(backend);
  Result<Box> box = Box::Make(backend.problem, backend);
  for (const RowReading& row : reading.rows) {
    ASSERT_TRUE(row.conclusive) << row.why;
    EXPECT_NE(row.why.find("exp(LSE)"), std::string::npos);
    EXPECT_FALSE(DifferenceOf(*box, row).any());
  }
}

// Weights that are not equal: nothing may be read, and the reason is given.
TEST(ReadMaskTest, UnequalWeightsAreNotConclusive) {
  for (const bool lse : {true, false}) {
    for (const DType dtype : {DType::kBFloat16, DType::kFloat16, DType::kFloat32}) {
      TestBackend bias{.key_bias = 0.01, .problem = Plain(dtype)};
      TestBackend slope{.problem = Plain(dtype)};
      slope.slope = [](int) { return 0.25; };
      for (TestBackend* backend : {&bias, &slope}) {
        backend->problem.lse = lse;
        for (const RowReading& row : Read(*backend).rows) {
          EXPECT_FALSE(row.conclusive);
          EXPECT_FALSE(row.why.empty());
          EXPECT_TRUE(row.keys.empty());
        }
      }
    }
  }
}

TEST(ReadMaskTest, AHeavySinkOfTheBackendsOwnIsNotConclusive) {
  TestBackend backend{.problem = Plain()};
  backend.sink = [](int) { return 4.0; };
  for (const RowReading& row : Read(backend).rows) EXPECT_FALSE(row.conclusive);
}

TEST(ReadMaskTest, NanIsNotConclusive) {
  TestBackend backend{.key_bias = NAN, .problem = Plain()};
  for (const RowReading& row : Read(backend).rows) {
    EXPECT_FALSE(row.conclusive);
    EXPECT_NE(row.why.find("NaN"), std::string::npos);
  }
}

TEST(ReadMaskTest, CallsAreFew) {
  TestBackend backend{.problem = Plain()};
  backend.problem.num_q_heads = backend.problem.num_kv_heads = 1;
  backend.problem.head_dim_qk = backend.problem.head_dim_v = 128;
  backend.problem.block_size = 16;
  backend.problem.requests = {{1, 8192}};
  EXPECT_EQ(Read(backend).calls, 10);
  backend.problem.lse = false;
  EXPECT_EQ(Read(backend).calls, 11);
}

TEST(ColumnsTest, DigitsGiveEveryNumberBack) {
  for (const DigitCode& code : {DigitCode{.bits = 7}, DigitCode{.bits = 7, .digit_bits = 2}}) {
    const int base = 1 << code.digit_bits;
    std::int64_t combinations = 1;
    for (int i = 0; i < code.places(); ++i) combinations *= base;
    for (std::int64_t n = 0; n < combinations; ++n) {
      std::vector<int> digits;
      double number = 0;
      for (int i = 0; i < code.places(); ++i) {
        digits.push_back(static_cast<int>(n >> (i * code.digit_bits)) % base);
        number += digits.back() * code.ValueOf(i);
      }
      EXPECT_EQ(code.Digits(static_cast<std::int64_t>(number)), digits);
    }
  }
}

TEST(MaskDifferenceTest, RunsAreSubtracted) {
  const auto text = [](const std::vector<KeyRange>& runs) {
    std::string all;
    for (const KeyRange& run : runs) all += fmt::format("[{},{})", run.first, run.last);
    return all;
  };
  EXPECT_EQ(text(Without({{0, 10}}, {{3, 5}})), "[0,3)[5,10)");
  EXPECT_EQ(text(Without({{0, 10}}, {{0, 10}})), "");
  EXPECT_EQ(text(Without({{2, 4}, {6, 9}}, {{0, 3}, {7, 8}})), "[3,4)[6,7)[8,9)");
  EXPECT_EQ(text(Without({{0, 3}, {5, 8}}, {{1, 6}})), "[0,1)[6,8)");
  EXPECT_EQ(text(Without({}, {{1, 6}})), "");
}

}  // namespace
}  // namespace attest
