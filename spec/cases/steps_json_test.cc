// SPDX-License-Identifier: Apache-2.0
#include "spec/cases/steps_json.h"

#include <gtest/gtest.h>

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

TEST(StepsJson, ComesBack) {
  const std::vector<Step> steps = {{.how = "plain", .requests = {{1, 9}}},
                                   {.how = "all of it",
                                    .requests = {{2, 5}, {0, 3}},
                                    .request_causal = {true, false},
                                    .padding_tokens = 3,
                                    .block_table_extra = 1,
                                    .max_seq_len_slack = 7,
                                    .max_query_len_slack = 2}};
  const Result<std::vector<Step>> read = StepsFromJson(StepsToJson(steps), "steps");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(*read, steps);
}

std::string ErrorOf(const char* text) {
  const Result<std::vector<Step>> read = StepsFromJson(Json::parse(text), "steps");
  return read.ok() ? "" : read.status().message();
}

TEST(StepsJson, SaysWhereItIsWrong) {
  EXPECT_EQ(ErrorOf("{}"), "steps: not a list");
  EXPECT_EQ(ErrorOf(R"([{"how": "a", "q_lens": [1], "seq_lens": [1, 2]}])"),
            "steps[0].seq_lens: not as many as q_lens");
  EXPECT_EQ(ErrorOf(R"([{"how": "a", "q_lens": [1], "seq_lens": [1], "window": 2}])"),
            "steps[0].window: unknown key");
}

Case Walking() {
  Case value;
  value.kind = CaseKind::kGraph;
  value.problem.requests = {{3, 21}, {2, 9}};
  value.steps = {{.how = "smaller", .requests = {{2, 20}}}};
  return value;
}

TEST(Steps, AreOfKindsThatWalkAndNeverLargerThanTheProblem) {
  EXPECT_TRUE(ValidateKind(Walking()).ok());
  Case value = Walking();
  value.kind = CaseKind::kForward;
  EXPECT_EQ(ValidateKind(value).message(), "steps: of kinds that walk, and of nothing else");
  value = Walking();
  value.steps.clear();
  EXPECT_EQ(ValidateKind(value).message(), "steps: this kind walks through some");
  value = Walking();
  value.steps[0].requests = {{3, 22}};
  EXPECT_EQ(ValidateKind(value).message(), "steps[0]: max_seq_len 22, the problem has 21");
  value.problem.max_seq_len_slack = 1;
  EXPECT_TRUE(ValidateKind(value).ok());
  value.steps[0].requests = {{1, 9}, {1, 9}, {1, 9}};
  EXPECT_EQ(ValidateKind(value).message(), "steps[0]: requests 3, the problem has 2");
  value.steps[0].requests = {{3, 9}, {3, 9}};
  EXPECT_EQ(ValidateKind(value).message(), "steps[0]: tokens 6, the problem has 5");
  value = Walking();
  value.kind = CaseKind::kServingLoop;
  EXPECT_EQ(ValidateKind(value).message(), "kind: a serving loop needs batch_invariant");
}

TEST(Steps, CostWhatTheirCallsCost) {
  const Case value = Walking();
  EXPECT_EQ(MultiplyAddsOf(value), MultiplyAdds(ProblemOf(value.problem, value.steps[0])));
  Case forward = value;
  forward.kind = CaseKind::kForward;
  EXPECT_EQ(MultiplyAddsOf(forward), MultiplyAdds(value.problem));
}

}  // namespace
}  // namespace attest
