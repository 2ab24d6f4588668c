// SPDX-License-Identifier: Apache-2.0
//
// A slice of the power study, and that it can fail.
#include "conformance/study/power.h"

#include <gtest/gtest.h>

#include "conformance/study/power_kernel.h"
#include "reference/oracle.h"

namespace attest {
namespace {

PowerReport Study(std::int64_t length, std::vector<std::string> mistakes) {
  const Result<PowerReport> report = StudyPower(
      {.lengths = {length}, .seed = 4711, .trials = 1, .jobs = 1, .mistakes = std::move(mistakes)},
      {});
  EXPECT_TRUE(report.ok()) << report.status().message();
  return *report;
}

const PowerCell& Cell(const PowerReport& report, const std::string& name) {
  return report.cells.at({name, report.options.lengths.front()});
}

TEST(Power, DesignedInputsSeeWhatTheUsualRulesMiss) {
  const PowerReport report =
      Study(512, {"last key missing", "scale times 1.001", "output not rescaled once"});
  EXPECT_TRUE(report.Faults().empty()) << Describe(report);
  const PowerCell& control = Cell(report, "none");
  EXPECT_EQ(control.trials, 1);
  EXPECT_EQ(control.designed_trials, 1);
  EXPECT_EQ(control.designed_seen, 0);
  for (const int seen : control.seen) EXPECT_EQ(seen, 0);
  EXPECT_EQ(Cell(report, "last key missing").designed_by, "v-coded");
  EXPECT_EQ(Cell(report, "output not rescaled once").designed_by, "k-coded");
  const PowerCell& scale = Cell(report, "scale times 1.001");
  for (std::size_t rule = 0; rule < kUsualRules; ++rule) EXPECT_EQ(scale.seen[rule], 0);
  EXPECT_EQ(scale.designed_seen, 1);
  EXPECT_EQ(scale.seen[7], 1);  // the matched filter
}

TEST(Power, SeesAKeyTooManyOf1024) {
  const PowerReport report = Study(1024, {"key counted twice at a split"});
  EXPECT_TRUE(report.Faults().empty()) << Describe(report);
  EXPECT_EQ(report.names, (std::vector<std::string>{"none", "key counted twice at a split"}));
}

TEST(Power, ReportsWhatIsMissedAndWhoIsAccused) {
  PowerReport report;
  report.options.lengths = {512};
  report.cells[{"none", 512}] = {.trials = 2, .designed_trials = 2};
  report.cells[{"last key missing", 512}] = {.trials = 2, .designed_trials = 2, .designed_seen = 2};
  EXPECT_TRUE(report.Faults().empty());
  report.cells[{"none", 512}].seen[0] = 1;  // a usual rule is not ours to defend
  EXPECT_TRUE(report.Faults().empty());
  report.cells[{"none", 512}].seen[4] = 1;
  report.cells[{"last key missing", 512}].designed_seen = 1;
  ASSERT_EQ(report.Faults().size(), 2U);
  EXPECT_EQ(report.Faults()[0],
            "last key missing at 512 keys: no designed input sees it in 1 of 2 trials");
  EXPECT_EQ(report.Faults()[1], "none at 512 keys: bound objects to a correct kernel");
  EXPECT_NE(ToMarkdown(report).find("objects to a correct kernel"), std::string::npos);
}

Case SmallCase() {
  Case value;
  value.id = "study/power/test";
  value.recipe = Recipe::kGeneric;
  value.problem.num_q_heads = 4;
  value.problem.num_kv_heads = 2;
  value.problem.softcap = 20.0F;
  value.problem.sinks = true;
  value.problem.window_left = 100;
  value.problem.requests = {{.q_len = 3, .seq_len = 150}};
  return value;
}

// Without a mistake the kernel is the oracle's attention, written a second time.
TEST(PowerKernel, IsRightWithoutAMistake) {
  const Case value = SmallCase();
  const Result<CaseInputs> inputs = BuildInputs(value, 1);
  ASSERT_TRUE(inputs.ok()) << inputs.status().message();
  const AttentionTensors tensors = TensorsOf(inputs->image);
  const Result<Expected> expected =
      ComputeExpected(value.problem, tensors, AllRows(value.problem), StrictArithmetic(), {});
  ASSERT_TRUE(expected.ok());
  const KernelAnswer exact = RunExactly(value.problem, tensors, {.name = "none"});
  EXPECT_LT((exact.out - expected->out).cwiseAbs().maxCoeff(), 1e-12);
  EXPECT_LT((exact.lse - expected->lse).cwiseAbs().maxCoeff(), 1e-12);
  const KernelAnswer kernel = RunKernel(value.problem, tensors, {.name = "none"});
  EXPECT_TRUE(((kernel.out - expected->out).array().abs() <= expected->out_bound.array()).all());
  EXPECT_TRUE(((kernel.lse - expected->lse).array().abs() <= expected->lse_bound.array()).all());
  EXPECT_GT((kernel.out - expected->out).cwiseAbs().maxCoeff(), 1e-6);  // it does round
  const KernelAnswer eager = RunEager(value.problem, tensors);
  EXPECT_LT((eager.out - expected->out).cwiseAbs().maxCoeff(), 0.05);
}

// A mistake of a feature that the problem lacks, and of forgetting a rescale that there is none of,
// changes nothing; every other changes some row.
TEST(PowerKernel, MakesEachMistake) {
  Case value = SmallCase();
  value.problem.requests = {{.q_len = 8, .seq_len = 512}};
  value.problem.window_left = 400;
  const Result<CaseInputs> inputs = BuildInputs(value, 1);
  ASSERT_TRUE(inputs.ok());
  const AttentionTensors tensors = TensorsOf(inputs->image);
  const RowMajorMatrix right = RunExactly(value.problem, tensors, {.name = "none"}).out;
  for (const Mistake& mistake : Mistakes()) {
    const RowMajorMatrix wrong = RunExactly(value.problem, tensors, mistake).out;
    EXPECT_GT((wrong - right).cwiseAbs().maxCoeff(), 1e-6) << mistake.name;
  }
}

}  // namespace
}  // namespace attest
