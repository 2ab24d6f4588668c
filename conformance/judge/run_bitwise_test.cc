// SPDX-License-Identifier: Apache-2.0
//
// Each bitwise kind lets the faithful backend pass and fails one that breaks its promise by a unit
// in the last place, far inside the bound, and says what moved.
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "conformance/judge/fake_backend.h"
#include "conformance/judge/rearrange.h"
#include "conformance/run/run_case.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

Case SmallCase(CaseKind kind) {
  Case value;
  value.id = "bitwise/causal/kind=" + std::string(Name(kind));
  value.kind = kind;
  value.recipe = Recipe::kGeneric;
  value.problem = PlainProblem(
      {{.q_len = 2, .seq_len = 9}, {.q_len = 7, .seq_len = 13}, {.q_len = 1, .seq_len = 6}});
  value.problem.batch_invariant = kind == CaseKind::kBatchInvariance;
  return value;
}

Record RunWith(const Case& value, Sin sin) {
  FakeBackend backend({.forward = std::move(sin)});
  EXPECT_TRUE(ValidateKind(value).ok());
  EXPECT_TRUE(ExpectationOf(backend.claims(), value).expected)
      << ExpectationOf(backend.claims(), value).reason;
  return RunCase(backend, value, {.arithmetic = backend.claims().arithmetic});
}

// Nudges one number of the last request's first row by something that must not matter.
Sin ByUlps(std::function<int(const FakeCall&)> ulps) {
  return [ulps = std::move(ulps)](const FakeCall& call) {
    const std::int64_t token = FirstTokens(call.problem)[call.problem.requests.size() - 1];
    Nudge(call.image, "out", {token, 3, 5}, ulps(call));
  };
}

std::int32_t FirstBits(const CallImage& image, const char* tensor) {
  std::int32_t bits = 0;
  const PlacedTensor& found = *image.Find(tensor);
  std::memcpy(&bits, image.bytes.data() + found.offset, sizeof(bits));
  return bits;
}

struct Sinner {
  const char* name;
  CaseKind kind;
  Sin sin;
  const char* reason;  // stands in the record's reason
};

class Bitwise : public testing::TestWithParam<Sinner> {};

TEST_P(Bitwise, FailsTheSinnerAndNamesWhatMoved) {
  const Sinner& sinner = GetParam();
  const Record record = RunWith(SmallCase(sinner.kind), sinner.sin);
  EXPECT_EQ(Name(record.verdict), Name(Verdict::kFail)) << record.reason;
  EXPECT_EQ(record.rule, "bitwise") << record.reason;
  EXPECT_NE(record.reason.find(sinner.reason), std::string::npos) << record.reason;
  EXPECT_NE(record.reason.find(" head 3 dim 5: 0x"), std::string::npos) << record.reason;
  EXPECT_NE(record.reason.find("; 1 of "), std::string::npos) << record.reason;
}

INSTANTIATE_TEST_SUITE_P(
    Judge, Bitwise,
    testing::Values(
        Sinner{"OtherBitsEachTime", CaseKind::kDeterminism,
               ByUlps([](const FakeCall& call) { return call.calls % 2; }),
               "the same call again: "},
        // Says the same thing twice in a row, and something else after another call.
        Sinner{"RemembersTheCallBefore", CaseKind::kDeterminism, ByUlps([](const FakeCall& call) {
                 return call.previous != nullptr && call.previous->bytes != call.before.bytes;
               }),
               "the same call after another one: request 2 row 0"},
        Sinner{"DependsOnTheProcess", CaseKind::kDeterminism,
               ByUlps([](const FakeCall& call) { return call.process; }),
               "the same call in another process: "},
        Sinner{
            "DependsOnTheNeighboursQueries", CaseKind::kNeighbours,
            ByUlps([](const FakeCall& call) { return FirstBits(call.before, "query") >> 16 & 7; }),
            "other contents in all requests but 2: request 2 row 0"},
        Sinner{"DependsOnThePages", CaseKind::kBatchInvariance, ByUlps([](const FakeCall& call) {
                 return FirstBits(call.before, "block_table") & 7;
               }),
               "on other pages: request 2 row 0"},
        Sinner{"DependsOnTheBounds", CaseKind::kBatchInvariance,
               ByUlps([](const FakeCall& call) { return call.abi.max_seq_len > 100 ? 1 : 0; }),
               "with more padding, a wider table and larger bounds: "},
        Sinner{"DependsOnTheBatchSize", CaseKind::kBatchInvariance,
               ByUlps([](const FakeCall& call) { return call.abi.num_requests == 3 ? 0 : 1; }),
               " alone: "},
        Sinner{"DependsOnTheOtherLengths", CaseKind::kBatchInvariance,
               ByUlps([](const FakeCall& call) {
                 return call.problem.requests.size() == 3 && MaxSeqLen(call.problem) > 20 ? 1 : 0;
               }),
               "request 2 among longer ones: "}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Judge, ARowThatDependsOnItsPlaceInTheBatchIsFound) {
  const Record record = RunWith(SmallCase(CaseKind::kBatchInvariance), [](const FakeCall& call) {
    for (std::size_t r = 0; r < call.problem.requests.size(); ++r) {
      Nudge(call.image, "lse", {FirstTokens(call.problem)[r], 1}, static_cast<int>(r));
    }
  });
  EXPECT_EQ(record.verdict, Verdict::kFail);
  EXPECT_NE(record.reason.find("requests in the opposite order: request 0 row 0 head 1 lse: 0x"),
            std::string::npos)
      << record.reason;
}

TEST(Judge, TilesThatStartAtTheChunkAreFound) {
  const Record record = RunWith(SmallCase(CaseKind::kChunkInvariance), [](const FakeCall& call) {
    for (std::size_t r = 0; r < call.problem.requests.size(); ++r) {
      const Request& request = call.problem.requests[r];
      const auto start = static_cast<int>((request.seq_len - request.q_len) % 4);
      if (request.q_len > 0) Nudge(call.image, "out", {FirstTokens(call.problem)[r], 2, 1}, start);
    }
  });
  EXPECT_EQ(record.verdict, Verdict::kFail);
  EXPECT_NE(record.reason.find("last chunk, request 0 cut at row 1: request 1 row 3 head 2 dim 1"),
            std::string::npos)
      << record.reason;
}

TEST(Judge, TheFaithfulBackendPassesEveryBitwiseKind) {
  for (const CaseKind kind : {CaseKind::kDeterminism, CaseKind::kNeighbours,
                              CaseKind::kBatchInvariance, CaseKind::kChunkInvariance}) {
    Case value = SmallCase(kind);
    for (const bool sinks : {false, true}) {
      value.problem.sinks = sinks;
      const Record record = RunWith(value, nullptr);
      EXPECT_EQ(Name(record.verdict), Name(Verdict::kPass)) << Name(kind) << ": " << record.reason;
    }
  }
}

TEST(Judge, WhatIsWrongInTheFirstPlaceIsNoMatterOfBits) {
  const Record record = RunWith(SmallCase(CaseKind::kDeterminism), [](const FakeCall& call) {
    Nudge(call.image, "out", {0, 0, 0}, 1 << 22);
  });
  EXPECT_EQ(record.verdict, Verdict::kFail);
  EXPECT_EQ(record.rule, "bound");
}

TEST(Judge, NoChildIsAFaultOfTheEnvironment) {
  FakeBackend backend;
  backend.can_start = false;
  const Record record = RunCase(backend, SmallCase(CaseKind::kForward), {});
  EXPECT_EQ(record.verdict, Verdict::kError);
  EXPECT_EQ(record.rule, kEnvironmentRule);
  EXPECT_NE(record.reason.find("no memory"), std::string::npos) << record.reason;
}

TEST(Judge, KindsAreExpectedWhereTheirClaimIsMade) {
  const std::pair<CaseKind, std::uint64_t> claims[] = {
      {CaseKind::kDeterminism, ATTEST_CLAIM_DETERMINISTIC},
      {CaseKind::kNeighbours, ATTEST_CLAIM_DETERMINISTIC},
      {CaseKind::kBatchInvariance, ATTEST_CLAIM_BATCH_INVARIANT},
      {CaseKind::kChunkInvariance, ATTEST_CLAIM_CHUNK_INVARIANT},
      {CaseKind::kWriteKv, ATTEST_CLAIM_WRITE_KV},
      {CaseKind::kMerge, ATTEST_CLAIM_MERGE},
      {CaseKind::kCascade, ATTEST_CLAIM_MERGE},
  };
  for (const auto& [kind, claim] : claims) {
    FakeBackend backend;
    Claims without = backend.claims();
    without.features &= ~claim;
    EXPECT_TRUE(ExpectationOf(backend.claims(), SmallCase(kind)).expected) << Name(kind);
    const Expectation expectation = ExpectationOf(without, SmallCase(kind));
    EXPECT_FALSE(expectation.expected) << Name(kind);
    EXPECT_TRUE(expectation.reason.starts_with("does not claim ")) << expectation.reason;
  }
  FakeBackend backend;
  Claims causal_only = backend.claims();
  causal_only.features &= ~ATTEST_CLAIM_DECODER_NON_CAUSAL;
  EXPECT_FALSE(ExpectationOf(causal_only, SmallCase(CaseKind::kCascade)).expected)
      << "the prefix part is a non-causal call";
}

}  // namespace
}  // namespace attest
