// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "conformance/cli/backend_option.h"
#include "conformance/cli/backend_runner.h"
#include "conformance/cli/drafter_problems.h"
#include "conformance/cli/find_case.h"
#include "conformance/cli/record_text.h"
#include "conformance/cli/subcommand.h"
#include "conformance/run/files.h"
#include "spec/cases/spec.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

struct ReplayFlags {
  std::string what;
  std::string backend;
  std::string drafter;
  std::string arithmetic;
  std::uint64_t seed = 0;
  bool json = false;
};

ExitCode ExitCodeOf(Verdict verdict) {
  if (verdict == Verdict::kPass) return ExitCode::kDone;
  return verdict == Verdict::kMistrusted ? ExitCode::kVoid : ExitCode::kNotConformant;
}

Result<ExitCode> RunReplay(const ReplayFlags& flags) {
  const Result<DrafterOfRun> drafter = ReadDrafter(flags.drafter);
  if (!drafter.ok()) return drafter.status();
  const Result<Spec> spec = LoadSpecOf(*drafter);
  if (!spec.ok()) return spec.status();
  const Result<Case> value = FindOrReadCase(spec->cases, flags.what);
  if (!value.ok()) return value.status();
  const Result<BackendSpec> backend = ResolveBackend(flags.backend);
  if (!backend.ok()) return backend.status();
  const Result<Claims> claims = ReadClaims(*backend, {});
  if (!claims.ok()) return claims.status();
  const Result<Arithmetic> arithmetic = TightenArithmetic(*claims, flags.arithmetic);
  if (!arithmetic.ok()) return arithmetic.status();
  const Expectation expectation = ExpectationOf(*claims, *value);
  if (!expectation.expected) {
    fmt::print("not expected of {}: {}: {}\n", claims->name, value->id, expectation.reason);
    return ExitCode::kNotConformant;
  }
  const RunInfo info{
      .backend = flags.backend, .drafter = *drafter, .seed = flags.seed, .arithmetic = *arithmetic};
  BackendRunner runner(*backend, {}, info, *claims, 1);
  Result<Record> record = runner.Run(0, *value);
  if (!record.ok()) return record.status();
  if (flags.json) {
    fmt::print("{}\n", IndentedText(ToJson(*record)));
  } else {
    fmt::print("{}", RecordText(*value, *record));
  }
  return ExitCodeOf(record->verdict);
}

// A file that one of `files` reads is its to run; anything else is a case.
Result<ExitCode> RunReplay(const ReplayFlags& flags, const std::vector<FileReplay>& files) {
  const Result<std::string> text = IsCaseFile(flags.what) ? ReadFile(flags.what) : std::string();
  if (!text.ok()) return text.status();
  for (const FileReplay& file : files) {
    if (!IsCaseFile(flags.what) || !file.reads(*text)) continue;
    return file.run({.text = *text,
                     .filename = flags.what,
                     .backend = flags.backend,
                     .arithmetic = flags.arithmetic,
                     .json = flags.json});
  }
  return RunReplay(flags);
}

}  // namespace

Subcommand ReplayCommand(std::vector<FileReplay> files) {
  return {.name = "replay",
          .summary = "Run one case alone and show what is wrong, and where",
          .examples =
              "Examples:\n"
              "  attest replay 'masks/causal/q_len=3' --backend cpu\n"
              "  attest replay case.json --backend ./libmine.so --seed 7\n"
              "  attest replay build/properties/masked-keys.json --backend cpu\n\n"
              "Exits with 0 for a pass, 4 for a mistrusted case, 1 for anything else.",
          .declare = [files = std::move(files)](CLI::App& app) -> Action {
            auto flags = std::make_shared<ReplayFlags>();
            app.add_option("CASE", flags->what,
                           "case id, or a file ending in .json: a case, or a sample of a law")
                ->required();
            AddBackendOption(app, flags->backend)->required();
            AddDrafterOption(app, flags->drafter);
            app.add_option("--seed", flags->seed, "seed of the inputs (default: 0)");
            app.add_option("--arithmetic", flags->arithmetic, "tighter class to judge by");
            app.add_flag("--json", flags->json, "print the record as JSON");
            return [flags, files] { return RunReplay(*flags, files); };
          }};
}

}  // namespace attest
