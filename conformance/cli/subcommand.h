// SPDX-License-Identifier: Apache-2.0
//
// A subcommand of attest as a value. The program is a list of them, put together in main.cc.
#ifndef ATTEST_CONFORMANCE_CLI_SUBCOMMAND_H_
#define ATTEST_CONFORMANCE_CLI_SUBCOMMAND_H_

#include <CLI/App.hpp>
#include <functional>
#include <string>
#include <vector>

#include "conformance/judge/verdict.h"
#include "spec/vocabulary/status.h"

namespace attest {

// What the command does once its flags are read. A failed Status becomes one line on stderr and the
// exit code of its StatusCode.
using Action = std::function<Result<ExitCode>()>;

struct Subcommand {
  std::string name;
  std::string summary;                       // one line of `attest --help`
  std::string examples;                      // end of `attest NAME --help`
  std::function<Action(CLI::App&)> declare;  // adds flags; the action may own what they fill
};

Subcommand CertifyCommand();
Subcommand ReplayCommand();
Subcommand ListCommand();
Subcommand VerifyCommand();
Subcommand DiffCommand();
Subcommand MergeCommand();
Subcommand BenchCommand();
Subcommand ProbeCommand();
Subcommand StudyCommand();
Subcommand EvalCommand();
Subcommand JudgeCommand();
Subcommand KillCommand();

// Parses, runs, returns the exit code. --help and --version print to stdout and return 0; anything
// wrong with the flags is one line on stderr and 2.
int RunProgram(int argc, const char* const* argv, const std::vector<Subcommand>& commands);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_SUBCOMMAND_H_
