// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "conformance/cli/drafter_problems.h"
#include "conformance/cli/subcommand.h"
#include "conformance/report/run_directory.h"

namespace attest {
namespace {

Result<ExitCode> Verify(const std::string& directory) {
  const Result<RunDirectory> run = ReadRunDirectory(directory);
  if (!run.ok()) return run.status();
  for (const std::string& line : run->damage) fmt::print("DAMAGED: {}\n", line);
  if (!run->damage.empty()) return ExitCode::kNotConformant;

  const Result<Spec> spec = LoadSpecOf(run->certificate.info.drafter);
  if (!spec.ok()) return spec.status();
  const Result<std::vector<std::string>> contradictions = Contradictions(*run, *spec);
  if (!contradictions.ok()) return contradictions.status();
  for (const std::string& line : *contradictions) fmt::print("CONTRADICTION: {}\n", line);
  if (!contradictions->empty()) return ExitCode::kNotConformant;

  const Certificate& certificate = run->certificate;
  fmt::print("intact: {} files, {} records; the verdict follows from them\n",
             certificate.files.size(), run->records.size());
  fmt::print("{} {}, tier {}, seed {}, {}: {}\n", certificate.claims.name,
             certificate.claims.version, Name(certificate.info.selection.tier),
             certificate.info.seed, certificate.info.date, Name(certificate.verdict));
  return ExitCodeOf(certificate.verdict);
}

}  // namespace

Subcommand VerifyCommand() {
  return {.name = "verify",
          .summary = "Find any changed byte of a finished run, and derive its verdict again",
          .examples =
              "Example:\n  attest verify build/certificate\n\n"
              "Exits with the verdict's code, and with 1 for damage. The seal shows damage "
              "and editing; it is no signature: it does not say who made the files.",
          .declare = [](CLI::App& app) -> Action {
            auto directory = std::make_shared<std::string>();
            app.add_option("DIR", *directory, "directory that certify or merge wrote")->required();
            return [directory] { return Verify(*directory); };
          }};
}

}  // namespace attest
