// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/poison.h"

#include <gtest/gtest.h>

#include "conformance/probe/test_backend.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

Problem Decode(DType dtype) {
  Problem p;
  p.num_q_heads = 2;
  p.head_dim_qk = p.head_dim_v = 32;
  p.query_dtype = p.cache_dtype = p.output_dtype = dtype;
  p.window_left = 20;
  p.requests = {{1, 53}, {1, 40}};
  return p;
}

PoisonReading Read(const TestBackend& backend) {
  Result<Box> box = Box::Make(backend.problem, backend);
  EXPECT_TRUE(box.ok()) << box.status().message();
  Result<PoisonReading> reading = ReadPoison(*box);
  EXPECT_TRUE(reading.ok());
  return std::move(*reading);
}

class PoisonTest : public testing::TestWithParam<DType> {};

TEST_P(PoisonTest, ARightBackendDoesNotChangeOneBit) {
  const PoisonReading reading = Read({.problem = Decode(GetParam())});
  EXPECT_TRUE(reading.deterministic);
  ASSERT_EQ(reading.trials.size(), 6U);
  for (const PoisonTrial& trial : reading.trials) {
    EXPECT_GT(trial.places, 0) << Name(trial.where);
    EXPECT_TRUE(trial.changed.empty()) << Name(trial.where);
  }
}

TEST_P(PoisonTest, OneKeyTooManyChangesBits) {
  TestBackend backend{.problem = Decode(GetParam())};
  const Problem& p = backend.problem;
  backend.sees = [&p](int r, std::int64_t row, int, std::int64_t key) {
    return Visible(p, r, row, key) || key == PositionOf(p, r, row) - 20;
  };
  const PoisonReading reading = Read(backend);
  EXPECT_TRUE(reading.deterministic);
  EXPECT_EQ(reading.trials[0].changed.size(), 4U);  // masked keys
  EXPECT_TRUE(reading.trials[1].changed.empty());   // slots past seq_len
  EXPECT_TRUE(reading.trials[2].changed.empty());   // pages of nobody
}

TEST_P(PoisonTest, ReadingPastSeqLenChangesBits) {
  TestBackend backend{.problem = Decode(GetParam())};
  const Problem& p = backend.problem;
  backend.sees = [&p](int r, std::int64_t row, int, std::int64_t key) {
    return Visible(p, r, row, key) || (r == 0 && key == 53);
  };
  const PoisonReading reading = Read(backend);
  EXPECT_TRUE(reading.trials[0].changed.empty());
  EXPECT_EQ(reading.trials[1].changed.size(), 2U);
}

TEST_P(PoisonTest, AMaskThatIsANumberLetsNanThrough) {
  TestBackend backend{.mask_value = -1e4, .problem = Decode(GetParam())};
  const PoisonReading reading = Read(backend);
  EXPECT_TRUE(reading.deterministic);
  EXPECT_TRUE(reading.trials[3].nan);
  EXPECT_EQ(reading.trials[3].changed.size(), 4U);
}

TEST_P(PoisonTest, ARestlessBackendIsNotConclusive) {
  int calls = 0;
  TestBackend backend{.noise = 1, .calls = &calls, .problem = Decode(GetParam())};
  const PoisonReading reading = Read(backend);
  EXPECT_FALSE(reading.deterministic);
  EXPECT_EQ(reading.restless.size(), 4U);
  EXPECT_TRUE(reading.trials.empty());
}

INSTANTIATE_TEST_SUITE_P(Types, PoisonTest,
                         testing::Values(DType::kBFloat16, DType::kFloat16, DType::kFloat32),
                         [](const auto& info) { return std::string(Name(info.param)); });

}  // namespace
}  // namespace attest
