// SPDX-License-Identifier: Apache-2.0
//
// What `attest eval` and `attest judge` share: a call from files, and its expectation.
#ifndef ATTEST_CONFORMANCE_CLI_EVAL_COMMAND_H_
#define ATTEST_CONFORMANCE_CLI_EVAL_COMMAND_H_

#include <CLI/App.hpp>
#include <string>

#include "conformance/eval/user_call.h"
#include "reference/oracle.h"
#include "spec/vocabulary/arithmetic.h"
#include "spec/vocabulary/status.h"

namespace attest {

struct CallFlags {
  std::string problem;
  std::string tensors;
  std::string layout;  // empty: by the number of axes
  std::string rows;    // empty: all
  std::string arithmetic = "default";
  int threads = 0;  // 0: all cores
};
void AddCallFlags(CLI::App& app, CallFlags& flags);

struct Evaluation {
  Expected expected;
  Arithmetic arithmetic;
};
// `detail`: with scores and weights of each key.
Result<Evaluation> Evaluate(const CallFlags& flags, const UserCall& call, bool detail);

// One line on the call, one on what its problem file leaves out.
std::string CallText(const UserCall& call);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_EVAL_COMMAND_H_
