// SPDX-License-Identifier: Apache-2.0
//
// A subcommand of attest as a value. The program is a list of them, put together at the top
// (property_tests/cli/main.cc), so that higher floors may hand up subcommands of their own.
#ifndef ATTEST_CONFORMANCE_CLI_SUBCOMMAND_H_
#define ATTEST_CONFORMANCE_CLI_SUBCOMMAND_H_

#include <functional>
#include <string>
#include <vector>

#include "conformance/judge/verdict.h"
#include "spec/vocabulary/status.h"

namespace CLI {
class App;
}

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

// A kind of file that replay runs and this floor does not know.
struct FileReplay {
  struct Request {
    std::string text;  // of the file
    std::string filename;
    std::string backend;
    std::string arithmetic;  // a tighter class, or empty
    bool json = false;
  };
  std::function<bool(const std::string& text)> reads;  // is it for this one?
  std::function<Result<ExitCode>(const Request& request)> run;
};

// All subcommands of this floor. Files that end in .json are offered to `files` first;
// `drafter_tools` are further commands under `attest drafter`.
std::vector<Subcommand> ConformanceCommands(std::vector<FileReplay> files,
                                            std::vector<Subcommand> drafter_tools);

Subcommand CertifyCommand();
Subcommand ReplayCommand(std::vector<FileReplay> files);
Subcommand ExplainCommand();
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
Subcommand DrafterCommand(std::vector<Subcommand> more);

// Parses, runs, returns the exit code. --help and --version print to stdout and return 0; anything
// wrong with the flags is one line on stderr and 2.
int RunProgram(int argc, const char* const* argv, const std::vector<Subcommand>& commands);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_SUBCOMMAND_H_
