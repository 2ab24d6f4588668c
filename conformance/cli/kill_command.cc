// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>

#include "conformance/cli/subcommand.h"
#include "conformance/kill/report.h"
#include "conformance/run/files.h"
#include "conformance/run/in_parallel.h"
#include "conformance/study/naming.h"
#include "spec/cases/spec.h"

namespace attest {
namespace {

struct KillFlags {
  std::string tier = "ci";
  std::string out;
  bool json = false;
  bool diagnose = false;
  KillOptions options{.jobs = 2};
};

// A line on stderr every ten seconds.
class Progress {
 public:
  void operator()(std::string_view phase, std::size_t done, std::size_t all) {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::seconds(10)) return;
    last_ = now;
    fmt::print(stderr, "{}: {} of {}\n", phase, done, all);
  }

 private:
  std::mutex mutex_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

std::vector<const Case*> KillersOf(const KillRow& row, const CaseSet& cases) {
  std::vector<const Case*> killers;
  for (const Case& value : cases.cases) {
    if (std::find(row.killed_by.begin(), row.killed_by.end(), value.id) != row.killed_by.end()) {
      killers.push_back(&value);
    }
  }
  return killers;
}

// What the diagnosis makes of each dead mutant.
void DiagnoseRows(const CaseSet& cases, int jobs, Progress& progress, KillReport& report) {
  std::atomic<std::size_t> done{0};
  InParallel(report.rows.size(), jobs, [&](std::size_t at) {
    KillRow& row = report.rows[at];
    const Naming naming =
        NameMutant(*FindMutant(row.mutant.id), KillersOf(row, cases), cases.cases, false);
    if (!naming.case_id.empty()) {
      const std::string id = naming.id_right()      ? naming.id
                             : naming.named.empty() ? std::string()
                                                    : naming.named.front();
      row.diagnosed = Diagnosed{naming.named_class, id};
    }
    progress("diagnosed", ++done, report.rows.size());
  });
}

Result<ExitCode> RunKill(const KillFlags& flags) {
  const Result<Spec> spec = LoadSpec();
  if (!spec.ok()) return spec.status();
  const auto start = std::chrono::steady_clock::now();
  KillOptions options = flags.options;
  options.tier = *ParseTier(flags.tier);
  Progress progress;
  options.progress = [&progress](std::string_view phase, std::size_t done, std::size_t all) {
    progress(phase, done, all);
  };
  const Result<KillMatrix> matrix = BuildKillMatrix(spec->cases, options);
  if (!matrix.ok()) return matrix.status();
  KillReport report = ReportOf(*matrix, spec->clauses, spec->cases, !options.mutant.empty());
  if (flags.diagnose) DiagnoseRows(spec->cases, options.jobs, progress, report);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  report.seconds = spent.count();
  const std::string json = ToJsonText(report);
  if (!flags.out.empty()) {
    if (Status status = WriteFileAtomically(flags.out, json); !status.ok()) return status;
  }
  fmt::print("{}", flags.json ? json : Describe(report));
  return report.faults.empty() ? ExitCode::kDone : ExitCode::kNotConformant;
}

void AddFlags(CLI::App& app, KillFlags& flags) {
  app.add_option("--tier", flags.tier, "cases of this tier and the smaller ones (ci)")
      ->check(CLI::IsMember({"smoke", "ci", "full"}));
  app.add_option("--jobs", flags.options.jobs, "threads (2)")->check(CLI::Range(1, 1024));
  app.add_option("--mutant", flags.options.mutant, "this mutant alone");
  app.add_flag("--diagnose", flags.diagnose, "also say what the diagnosis makes of each mutant");
  app.add_flag("--json", flags.json, "print JSON");
  app.add_option("--out", flags.out, "also write the JSON to this file");
}

}  // namespace

Subcommand KillCommand() {
  return {
      .name = "kill",
      .summary = "Test the suite: every mutant must be killed by a case of the clause it breaks",
      .examples =
          "Examples:\n  attest kill --tier smoke\n  attest kill --diagnose --out kill.json\n"
          "  attest kill --mutant causal-top-left\n\n"
          "Exits with 1 when a mutant survives a tier that should kill it, when a case kills "
          "nothing that it claims, or when no mutant of a judged clause is killed.",
      .declare = [](CLI::App& app) -> Action {
        auto flags = std::make_shared<KillFlags>();
        AddFlags(app, *flags);
        return [flags] { return RunKill(*flags); };
      }};
}

}  // namespace attest
