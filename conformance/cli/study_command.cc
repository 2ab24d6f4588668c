// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>

#include "conformance/cli/subcommand.h"
#include "conformance/run/files.h"
#include "conformance/study/machine.h"
#include "conformance/study/naming.h"
#include "conformance/study/power.h"
#include "conformance/study/soundness.h"

namespace attest {
namespace {

struct StudyFlags {
  std::string what;
  std::string out;
  bool json = false;
  bool markdown = false;
  std::uint64_t seed = 1;
  int jobs = 2;
  SoundnessOptions soundness;
  PowerStudyOptions power;
  NamingOptions naming;
};

// A line on stderr every ten seconds, with the time that is left at the pace so far.
class Progress {
 public:
  explicit Progress(std::int64_t lines) : lines_(lines) {}

  void operator()(std::int64_t rows, std::uint64_t violations) {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::seconds(10) || rows == 0) return;
    last_ = now;
    const double spent = std::chrono::duration<double>(now - start_).count();
    const double left = spent * static_cast<double>(lines_ - rows) / static_cast<double>(rows);
    fmt::print(stderr, "{} of {} rows, {} violations, {:.0f} s left\n", rows, lines_, violations,
               std::max(left, 0.0));
  }

 private:
  std::int64_t lines_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_ = start_;
};

template <typename Report>
Status Show(const StudyFlags& flags, const Report& report) {
  const std::string json = ToJsonText(report);
  if (!flags.out.empty()) {
    if (Status status = WriteFileAtomically(flags.out, json); !status.ok()) return status;
  }
  const std::string text = flags.markdown ? ToMarkdown(report) : Describe(report);
  fmt::print("{}", flags.json ? json : text);
  return Status();
}

Result<ExitCode> RunSoundness(const StudyFlags& flags) {
  SoundnessOptions options = flags.soundness;
  options.seed = flags.seed;
  options.jobs = flags.jobs;
  Progress progress(options.lines);
  const Result<SoundnessReport> report = StudySoundness(
      options,
      [&progress](std::int64_t rows, std::uint64_t violations) { progress(rows, violations); });
  if (!report.ok()) return report.status();
  if (Status status = Show(flags, *report); !status.ok()) return status;
  return report->violations.empty() ? ExitCode::kDone : ExitCode::kNotConformant;
}

Result<ExitCode> RunPower(const StudyFlags& flags) {
  PowerStudyOptions options = flags.power;
  options.seed = flags.seed;
  options.jobs = flags.jobs;
  const Result<PowerReport> report = StudyPower(options, [](std::size_t done, std::size_t all) {
    fmt::print(stderr, "{} of {} trials\n", done, all);
  });
  if (!report.ok()) return report.status();
  if (Status status = Show(flags, *report); !status.ok()) return status;
  return report->Faults().empty() ? ExitCode::kDone : ExitCode::kNotConformant;
}

Result<ExitCode> RunNaming(const StudyFlags& flags) {
  NamingOptions options = flags.naming;
  options.jobs = flags.jobs;
  const Result<NamingReport> report = StudyNaming(options, [](std::size_t done, std::size_t all) {
    if (done % 20 == 0 || done == all) fmt::print(stderr, "{} of {} mutants\n", done, all);
  });
  if (!report.ok()) return report.status();
  if (Status status = Show(flags, *report); !status.ok()) return status;
  return report->Faults().empty() ? ExitCode::kDone : ExitCode::kNotConformant;
}

std::vector<std::string> Defects() { return {DefectNames().begin(), DefectNames().end()}; }

void AddFlags(CLI::App& app, StudyFlags& flags) {
  app.add_option("WHAT", flags.what, "soundness, power or naming")
      ->required()
      ->check(CLI::IsMember({"soundness", "power", "naming"}));
  app.add_flag("--json", flags.json, "print JSON");
  app.add_flag("--markdown", flags.markdown, "print tables of markdown");
  app.add_option("--out", flags.out, "also write the JSON to this file");
  app.add_option("--seed", flags.seed, "of all inputs and kernels (1)");
  app.add_option("--jobs", flags.jobs, "threads (2)")->check(CLI::Range(1, 1024));
  app.add_option("--lines", flags.soundness.lines, "soundness: rows to judge (1000000)")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40));
  app.add_option("--case", flags.soundness.only_case, "soundness: this case of the seed alone")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40));
  app.add_option("--defect", flags.soundness.defect, "soundness: make every kernel wrong this way")
      ->check(CLI::IsMember(Defects()));
  app.add_option("--lengths", flags.power.lengths, "power: keys (512,1024,4096,16384,65536,131072)")
      ->delimiter(',')
      ->check(CLI::Range(512, 1 << 20));
  app.add_option("--trials", flags.power.trials, "power: of each length; 0: fewer the longer (0)")
      ->check(CLI::Range(0, 1000));
  app.add_option("--mistake", flags.power.mistakes, "power: this mistake alone; may be given again")
      ->expected(1)
      ->take_all();
  app.add_flag("--unlisted", flags.naming.unlisted,
               "naming: keep each mutant off the shelf while it is diagnosed");
  app.add_option("--mutant", flags.naming.mutants, "naming: this mutant alone; may be given again");
}

}  // namespace

Subcommand StudyCommand() {
  return {
      .name = "study",
      .summary =
          "Measure the suite itself: are its bounds sound, do its inputs show mistakes, "
          "does its diagnosis name them",
      .examples =
          "Examples:\n  attest study soundness --lines 10000\n"
          "  attest study soundness --lines 1000000 --out soundness.json\n"
          "  attest study soundness --lines 10000 --defect exponential-1-percent  # fails\n"
          "  attest study power --lengths 512,1024\n"
          "  attest study naming --unlisted\n\n"
          "Exits with 1 when a correct kernel leaves its bound, with the line that replays it; and "
          "when designed inputs miss a mistake, or a rule of the suite objects to a correct "
          "kernel; and when the diagnosis names too few mistakes, or wrong ones.",
      .declare = [](CLI::App& app) -> Action {
        auto flags = std::make_shared<StudyFlags>();
        AddFlags(app, *flags);
        return [flags] {
          if (flags->what == "naming") return RunNaming(*flags);
          return flags->what == "power" ? RunPower(*flags) : RunSoundness(*flags);
        };
      }};
}

}  // namespace attest
