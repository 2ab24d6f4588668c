// SPDX-License-Identifier: Apache-2.0
//
// An output that somebody dumped, held against the expectation element by element.
#ifndef ATTEST_CONFORMANCE_EVAL_JUDGE_OUTPUT_H_
#define ATTEST_CONFORMANCE_EVAL_JUDGE_OUTPUT_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "conformance/eval/npy.h"
#include "conformance/eval/user_problem.h"
#include "conformance/run/record.h"
#include "reference/oracle.h"
#include "spec/vocabulary/status.h"

namespace attest {

struct OutputJudgement {
  std::int64_t lines = 0;  // (request, row, query head)
  std::int64_t wrong_lines = 0;
  std::int64_t elements = 0;  // of out and LSE
  std::int64_t wrong_elements = 0;
  double worst_ratio = 0.0;  // largest error / bound; infinite where no error is allowed
  std::vector<Element>
      worst;  // wrong ones, at most 8, worst first; where nothing is, the worst one
  std::vector<std::string> notes;
  RowMajorMatrix got;       // as Expected::out
  Eigen::VectorXd got_lse;  // as Expected::lse; empty without an LSE

  bool pass() const { return wrong_elements == 0; }
};

// The values of `out`, and of `lse` where it is present, at the rows of `expected`. Where the exact
// number is NaN or infinite, the same must stand in the file; a NaN anywhere else is wrong. Bad
// input: a shape that is not the query's (with head_dim_v), a type that is neither the output's nor
// float32 nor float64.
Result<OutputJudgement> JudgeOutput(const UserProblem& about, const Expected& expected,
                                    const NpyArray& out, const NpyArray& lse);

nlohmann::ordered_json ToJson(const OutputJudgement& judgement, const std::string& arithmetic);
std::string JudgementText(const OutputJudgement& judgement, const std::string& arithmetic);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_EVAL_JUDGE_OUTPUT_H_
