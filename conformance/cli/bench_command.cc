// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "conformance/bench/backend_bench.h"
#include "conformance/bench/reference_bench.h"
#include "conformance/cli/backend_option.h"
#include "conformance/cli/subcommand.h"
#include "conformance/run/files.h"
#include "conformance/run/session.h"

namespace attest {
namespace {

struct BenchFlags {
  std::string what;
  std::string backend;
  std::string out;
  bool json = false;
  BenchOptions options;
};

Result<ExitCode> Show(const BenchFlags& flags, const std::string& json, const std::string& text) {
  if (!flags.out.empty()) {
    if (Status status = WriteFileAtomically(flags.out, json); !status.ok()) return status;
  }
  fmt::print("{}", flags.json ? json : text);
  return ExitCode::kDone;
}

Result<ExitCode> RunBench(const BenchFlags& flags) {
  if (flags.what == "reference") {
    if (!flags.backend.empty()) return BadInput("--backend: bench reference measures none");
    const Result<BenchReport> report = BenchReference(flags.options);
    if (!report.ok()) return report.status();
    return Show(flags, ToJsonText(*report), Describe(*report));
  }
  if (flags.backend.empty()) return BadInput("bench backend: --backend is missing");
  const Result<BackendSpec> spec = ResolveBackend(flags.backend);
  if (!spec.ok()) return spec.status();
  const Result<BackendBenchReport> report =
      BenchBackend({.library = spec->library,
                    .selector = spec->selector,
                    .options = spec->options,
                    .threads = flags.options.threads,
                    .repetitions = flags.options.repetitions});
  if (!report.ok()) return report.status();
  return Show(flags, ToJsonText(*report), Describe(*report));
}

}  // namespace

Subcommand BenchCommand() {
  return {.name = "bench",
          .summary = "Measure the speed of the oracle or of a backend's calls",
          .examples =
              "Examples:\n  attest bench reference\n"
              "  attest bench reference --long-length 0     # without the 1M-token prefill\n"
              "  attest bench reference --out bench.json\n"
              "  attest bench backend --backend cpu --threads 1\n"
              "  attest bench backend --backend cuda.flash --repetitions 20\n\n"
              "Exits with 0 whatever the figures are: speed is no test. Build the release preset "
              "first; its flags are printed.",
          .declare = [](CLI::App& app) -> Action {
            auto flags = std::make_shared<BenchFlags>();
            app.add_option("WHAT", flags->what, "reference or backend")
                ->required()
                ->check(CLI::IsMember({"reference", "backend"}));
            AddBackendOption(app, flags->backend);
            app.add_flag("--json", flags->json, "print JSON");
            app.add_option("--out", flags->out, "also write the JSON to this file");
            app.add_option("--repetitions", flags->options.repetitions, "of each workload (5)")
                ->check(CLI::Range(1, 1000));
            app.add_option("--threads", flags->options.threads,
                           "of the backend, or of the scaling figures (2)")
                ->check(CLI::Range(1, 1024));
            app.add_option("--long-length", flags->options.long_length,
                           "keys of the sampled prefill (1048576); 0 leaves it out")
                ->check(CLI::Range(0, 1 << 24));
            return [flags] { return RunBench(*flags); };
          }};
}

}  // namespace attest
