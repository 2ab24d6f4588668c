// SPDX-License-Identifier: Apache-2.0
//
// What a certificate promises, and that inputs which can show nothing get none.
#include "conformance/judge/power.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "conformance/judge/expect_merge.h"
#include "conformance/judge/fake_backend.h"
#include "conformance/judge/power_calls.h"
#include "conformance/run/inputs_merge.h"
#include "conformance/run/inputs_write_kv.h"
#include "conformance/run/run_case.h"

namespace attest {
namespace {

using Ids = std::vector<std::string>;

Case SmallCase(CaseKind kind, std::vector<Request> requests) {
  Case value;
  value.id = "power/causal/kind=" + std::string(Name(kind));
  value.kind = kind;
  value.recipe = Recipe::kGeneric;
  value.clauses = {"MASK-01"};
  value.problem = PlainProblem(std::move(requests));
  return value;
}

Ids ExposedOf(const Case& value, bool all = false) {
  const CaseInputs inputs = BuildInputs(value, 0).value();
  const Expected expected =
      ComputeExpected(value.problem, TensorsOf(inputs.image), AllRows(value.problem),
                      DefaultArithmetic(), {.bound = true, .threads = 1})
          .value();
  return ExposedMutants(value, inputs, expected, {.all = all});
}

bool Holds(const Ids& ids, const std::string& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

TEST(OutOfReach, IsTwiceTheAllowedErrorAndKnowsSpecialNumbers) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(OutOfReach(1.5, 1.0, 0.25));
  EXPECT_TRUE(OutOfReach(1.51, 1.0, 0.25));
  EXPECT_TRUE(OutOfReach(std::nan(""), 1.0, 100.0));
  EXPECT_TRUE(OutOfReach(-kInfinity, 1.0, 100.0));
  EXPECT_TRUE(OutOfReach(1.0, -kInfinity, 100.0));
  EXPECT_FALSE(OutOfReach(-kInfinity, -kInfinity, 0.0));
}

TEST(Power, NamesAMutantOfEachClauseAndAllOnDemand) {
  Case value = SmallCase(CaseKind::kForward, {{.q_len = 5, .seq_len = 17}});
  value.clauses = {"HEAD-01", "MASK-01"};
  const Ids first = ExposedOf(value);
  ASSERT_EQ(first.size(), 2U);
  EXPECT_EQ(FindMutant(first[0])->clause, "HEAD-01");
  EXPECT_EQ(FindMutant(first[1])->clause, "MASK-01");
  const Ids all = ExposedOf(value, true);
  EXPECT_GT(all.size(), first.size());
  EXPECT_TRUE(Holds(all, "causal-top-left"));
}

TEST(Power, AnInputThatCannotShowTheClauseShowsAGeneralDefect) {
  Case value = SmallCase(CaseKind::kForward, {{.q_len = 5, .seq_len = 17}});
  value.problem.num_q_heads = value.problem.num_kv_heads = 1;
  value.clauses = {"HEAD-01"};
  EXPECT_EQ(ExposedOf(value), Ids{"output-is-zero"});
}

TEST(Power, AKindThatAsksForBitsNeedsAnInputWhoseBitsCanMove) {
  struct Row {
    CaseKind kind;
    const char* exposes;
    std::vector<Request> blind;
  };
  // One key is one partial state however it is cut; a lone request has no neighbours; one row
  // cannot be cut into chunks.
  const Row rows[] = {
      {CaseKind::kDeterminism, "unordered-accumulation", {{1, 1}}},
      {CaseKind::kNeighbours, "tile-shares-maximum", {{5, 17}, {0, 9}}},
      {CaseKind::kBatchInvariance, "splits-follow-batch", {{1, 1}, {1, 1}}},
      {CaseKind::kChunkInvariance, "tiles-start-at-chunk", {{1, 17}, {1, 40}}},
  };
  for (const Row& row : rows) {
    const Ids seen = ExposedOf(SmallCase(row.kind, {{5, 17}, {3, 40}}));
    ASSERT_FALSE(seen.empty()) << row.exposes;
    EXPECT_EQ(seen.front(), row.exposes);
    EXPECT_EQ(ExposedOf(SmallCase(row.kind, row.blind)), Ids{}) << row.exposes;
  }
}

TEST(Power, ACaseWithoutPowerIsMistrusted) {
  FakeBackend backend;
  const auto run = [&backend](std::vector<Request> requests) {
    return RunCase(backend, SmallCase(CaseKind::kDeterminism, std::move(requests)),
                   {.arithmetic = backend.claims().arithmetic});
  };
  const Record blind = run({{1, 1}});
  EXPECT_EQ(Name(blind.verdict), Name(Verdict::kMistrusted));
  EXPECT_EQ(blind.reason, "no mutant would fail this case");
  const Record seeing = run({{5, 17}});
  EXPECT_EQ(Name(seeing.verdict), Name(Verdict::kPass)) << seeing.reason;
  EXPECT_TRUE(Holds(seeing.exposes, "unordered-accumulation"));
}

TEST(Power, WriteKvIsSeenByItsBytes) {
  Case value = SmallCase(CaseKind::kWriteKv, {{5, 17}, {3, 9}});
  const Mutant& truncates = *FindMutant("write-truncates");
  const CaseInputs same_type = BuildWriteKvInputs(value, 0).value();
  EXPECT_FALSE(WriteKvExposes(same_type, truncates)) << "nothing is rounded";
  EXPECT_TRUE(WriteKvExposes(same_type, *FindMutant("slot-one-late")));
  EXPECT_FALSE(WriteKvExposes(same_type, *FindMutant("output-is-zero"))) << "writes as it should";
  value.problem.cache_dtype = DType::kBFloat16;
  EXPECT_TRUE(WriteKvExposes(BuildWriteKvInputs(value, 0).value(), truncates));
}

TEST(Power, AMergeOfOnePartShowsNoWeights) {
  for (const int parts : {1, 3}) {
    Case value = SmallCase(CaseKind::kMerge, {{5, 17}, {3, 9}});
    value.parts = parts;
    const CaseInputs inputs = BuildMergeInputs(value, parts, 0).value();
    const Expected expected =
        ExpectMerge(value.problem, inputs.image, parts, DefaultArithmetic()).value();
    EXPECT_FALSE(MergeExposes(inputs, parts, expected, *FindMutant("faithful")));
    EXPECT_EQ(MergeExposes(inputs, parts, expected, *FindMutant("merge-unweighted")), parts > 1);
  }
}

}  // namespace
}  // namespace attest
