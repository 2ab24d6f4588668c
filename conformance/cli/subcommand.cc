// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/subcommand.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <optional>
#include <utility>

#include "conformance/report/report.h"

namespace attest {
namespace {

constexpr const char* kExitCodes =
    "Exit codes: 0 conformant or done; 1 not conformant, or a regression; 2 bad usage or "
    "unreadable "
    "input; 3 environment (no such device, a full disk, interrupted); 4 the run is void.";

std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

int Complain(const std::string& command, const Status& status) {
  fmt::print(stderr, "{}: {}\n", command, OneLine(status.message()));
  return static_cast<int>(status.code());
}

// Words on the command line that named a subcommand, for messages: "attest certify".
std::string CommandOf(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app.get_name() : app.get_name() + " " + chosen.front()->get_name();
}

int Run(const std::string& command, const Action& action) {
  try {
    Result<ExitCode> result = action();
    std::fflush(stdout);
    return result.ok() ? static_cast<int>(*result) : Complain(command, result.status());
  } catch (const std::exception& error) {  // out of memory, or a fault of ours
    return Complain(command, InternalError(error.what()));
  }
}

}  // namespace

std::vector<Subcommand> ConformanceCommands(std::vector<FileReplay> files,
                                            std::vector<Subcommand> drafter_tools) {
  return {CertifyCommand(), ReplayCommand(std::move(files)),
          ListCommand(),    VerifyCommand(),
          DiffCommand(),    MergeCommand(),
          BenchCommand(),   EvalCommand(),
          JudgeCommand(),   ProbeCommand(),
          StudyCommand(),   ExplainCommand(),
          KillCommand(),    DrafterCommand(std::move(drafter_tools))};
}

int RunProgram(int argc, const char* const* argv, const std::vector<Subcommand>& commands) {
  CLI::App app("attest: conformance suite for the attention backends of LLM serving systems",
               "attest");
  app.set_version_flag("--version",
                       fmt::format("attest {} (ABI {})", SuiteVersion(), AbiVersion()));
  app.footer(kExitCodes);
  std::vector<std::pair<CLI::App*, Action>> actions;
  for (const Subcommand& command : commands) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    sub->footer(command.examples);
    actions.emplace_back(sub, command.declare(*sub));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {  // --help, --version
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    const std::string command = CommandOf(app);
    return Complain(command, BadInput(fmt::format("{} (see '{} --help')", error.what(), command)));
  }
  for (const auto& [sub, action] : actions) {
    if (sub->parsed()) return Run("attest " + sub->get_name(), action);
  }
  return Complain("attest", BadInput("no command (see 'attest --help')"));
}

}  // namespace attest
