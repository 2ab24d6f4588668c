// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "conformance/cli/drafter_problems.h"
#include "conformance/cli/out_dir.h"
#include "conformance/cli/subcommand.h"
#include "conformance/report/console.h"
#include "conformance/report/merge.h"

namespace attest {
namespace {

struct MergeFlags {
  std::vector<std::string> parts;
  std::string out;
};

Result<ExitCode> RunMerge(const MergeFlags& flags) {
  std::vector<RunDirectory> parts;
  for (const std::string& path : flags.parts) {
    Result<RunDirectory> part = ReadIntactRunDirectory(path);
    if (!part.ok()) return part.status();
    parts.push_back(std::move(*part));
  }
  const Result<Spec> spec = LoadSpecOf(parts.front().certificate.info.drafter);
  if (!spec.ok()) return spec.status();
  const Result<MergedRuns> merged = MergeRuns(parts, *spec);
  if (!merged.ok()) return merged.status();
  if (Status status = PrepareOutDir(flags.out, "choose another --out"); !status.ok()) return status;
  const Report& report = merged->report;
  if (Status status = WriteRunDirectory(flags.out, report, merged->evidence); !status.ok()) {
    return status;
  }
  fmt::print("{}report: {}/{}\n", ConsoleText(report), flags.out, kReportFile);
  return ExitCodeOf(report.summary.verdict);
}

}  // namespace

Subcommand MergeCommand() {
  return {.name = "merge",
          .summary = "Put the shards of one run together",
          .examples =
              "Example:\n  attest merge shard1 shard2 --out whole\n\n"
              "Refuses shards that overlap, leave a gap, or come from another suite, "
              "backend, seed or set of claims. The merged records equal those of one whole "
              "run byte for byte.",
          .declare = [](CLI::App& app) -> Action {
            auto flags = std::make_shared<MergeFlags>();
            app.add_option("DIR", flags->parts, "directories of all shards")->required();
            app.add_option("--out", flags->out, "directory to write; absent or empty")->required();
            return [flags] { return RunMerge(*flags); };
          }};
}

}  // namespace attest
