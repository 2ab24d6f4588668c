// SPDX-License-Identifier: Apache-2.0
//
// A whole call out of a user's files: the completed problem and its tensors as the oracle reads
// them. The files and their rules: spec/cases/EVAL.md.
#ifndef ATTEST_CONFORMANCE_EVAL_USER_CALL_H_
#define ATTEST_CONFORMANCE_EVAL_USER_CALL_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "conformance/eval/token_layout.h"
#include "conformance/eval/user_files.h"
#include "conformance/eval/user_problem.h"
#include "reference/attention_tensors.h"
#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"

namespace attest {

struct UserCall {
  UserProblem about;
  AttentionTensors tensors;  // views of the two below
  UserFiles files;
  std::deque<std::vector<std::byte>> made;  // tensors that are no plain view of a file

  const Problem& problem() const { return about.problem; }
};

// Bad input: one line that names the file and the field.
Result<UserCall> ReadUserCall(const std::string& problem_path, const std::string& directory,
                              std::optional<BatchLayout> layout);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_EVAL_USER_CALL_H_
