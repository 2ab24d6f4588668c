// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "conformance/cli/subcommand.h"
#include "conformance/report/diff.h"
#include "conformance/report/run_directory.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

struct DiffFlags {
  std::string before;
  std::string after;
  bool json = false;
};

Result<ExitCode> RunDiff(const DiffFlags& flags) {
  const Result<RunDirectory> before = ReadIntactRunDirectory(flags.before);
  if (!before.ok()) return before.status();
  const Result<RunDirectory> after = ReadIntactRunDirectory(flags.after);
  if (!after.ok()) return after.status();
  const RunInfo& x = before->certificate.info;
  const RunInfo& y = after->certificate.info;
  const bool same_cases = x.case_set_digest == y.case_set_digest && x.selection == y.selection;
  const Diff diff = DiffRecords(before->records, after->records, same_cases);
  if (flags.json) {
    fmt::print("{}\n", IndentedText(ToJson(diff)));
  } else {
    if (!same_cases) fmt::print("note: the runs looked at different sets of cases\n");
    fmt::print("{}", DiffText(diff));
  }
  return diff.regressed > 0 ? ExitCode::kNotConformant : ExitCode::kDone;
}

}  // namespace

Subcommand DiffCommand() {
  return {.name = "diff",
          .summary = "Compare two finished runs, case by case; exit 1 on a regression",
          .examples =
              "Example:\n  attest diff certificates/main build/certificate\n\n"
              "A regression is a case that passed and does not pass now. With equal case "
              "sets, so is a case that passed and is no longer claimed.",
          .declare = [](CLI::App& app) -> Action {
            auto flags = std::make_shared<DiffFlags>();
            app.add_option("OLD", flags->before, "directory of the older run")->required();
            app.add_option("NEW", flags->after, "directory of the newer run")->required();
            app.add_flag("--json", flags->json, "print JSON");
            return [flags] { return RunDiff(*flags); };
          }};
}

}  // namespace attest
