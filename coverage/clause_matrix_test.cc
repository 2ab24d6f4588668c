// SPDX-License-Identifier: Apache-2.0
#include "coverage/clause_matrix.h"

#include <gtest/gtest.h>

namespace attest {
namespace {

Spec SmallSpec() {
  Spec spec;
  spec.clauses = {{.id = "MASK-01", .profiles = {"causal"}},
                  {.id = "MASK-02", .profiles = {"causal"}},
                  {.id = "MASK-03", .must = false, .profiles = {"causal"}},
                  {.id = "MASK-04", .reserved = true, .profiles = {"causal"}}};
  spec.cases.cases = {{.id = "a", .clauses = {"MASK-01"}},
                      {.id = "b", .clauses = {"MASK-01", "MASK-02"}}};
  return spec;
}

Record RecordOf(const char* id, Verdict verdict) { return {.case_id = id, .verdict = verdict}; }

TEST(ClauseMatrix, AClauseIsCoveredByAPassingRecordAndNothingElse) {
  const Spec spec = SmallSpec();
  EXPECT_EQ(Uncovered(ClauseMatrix(spec, {})), (std::vector<std::string>{"MASK-01", "MASK-02"}));
  EXPECT_EQ(
      Uncovered(ClauseMatrix(spec, {RecordOf("a", Verdict::kPass), RecordOf("b", Verdict::kFail)})),
      (std::vector<std::string>{"MASK-02"}));
  EXPECT_TRUE(Uncovered(ClauseMatrix(spec, {RecordOf("b", Verdict::kPass)})).empty());
}

TEST(ClauseMatrix, OnePassAmongSeveralRunsIsEnough) {
  const Spec spec = SmallSpec();
  EXPECT_TRUE(
      Uncovered(ClauseMatrix(spec, {RecordOf("b", Verdict::kFail), RecordOf("b", Verdict::kPass)}))
          .empty());
}

TEST(ClauseMatrix, AWaivedClauseNeedsNoCase) {
  Spec spec = SmallSpec();
  spec.waivers = {{.clause = "MASK-02", .reason = "no input shows it"}};
  EXPECT_TRUE(Uncovered(ClauseMatrix(spec, {RecordOf("a", Verdict::kPass)})).empty());
}

TEST(ClauseMatrix, TheCsvHoldsEachPassingPair) {
  const Spec spec = SmallSpec();
  const auto rows = ClauseMatrix(spec, {RecordOf("b", Verdict::kPass)});
  EXPECT_EQ(MatrixCsv(rows), "clause,case\nMASK-01,\"b\"\nMASK-02,\"b\"\n");
}

}  // namespace
}  // namespace attest
