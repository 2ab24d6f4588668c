// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "conformance/cli/backend_option.h"
#include "conformance/cli/backend_runner.h"
#include "conformance/cli/drafter_problems.h"
#include "conformance/cli/find_case.h"
#include "conformance/cli/probed_mask.h"
#include "conformance/cli/record_text.h"
#include "conformance/cli/subcommand.h"
#include "conformance/diagnose/explain.h"
#include "conformance/report/explanation_html.h"
#include "conformance/run/files.h"
#include "spec/cases/case_json.h"
#include "spec/cases/spec.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

struct ExplainFlags {
  std::string what;
  std::string backend;
  std::string drafter;
  std::string arithmetic;
  std::string out;
  std::string without;
  std::uint64_t seed = 0;
  int most_tried = 400;
  bool json = false;
};

std::string ReplayOf(const ExplainFlags& flags, const std::string& what) {
  return fmt::format("attest replay '{}' --backend {} --seed {}{}", what, flags.backend, flags.seed,
                     flags.drafter.empty() || IsCaseFile(what)
                         ? ""
                         : fmt::format(" --drafter '{}'", flags.drafter));
}

std::string TextOf(const ExplainFlags& flags, const Explanation& explained, const ProbedMask& mask,
                   const std::vector<MutantEntry>& catalogue, const std::string& smallest_file) {
  const auto& least = explained.smallest.problem;
  std::string text = RecordText(explained.value, explained.record);
  text += fmt::format("\n{}", DiagnosisText(explained.diagnosis, catalogue));
  std::vector<std::string> requests;
  for (const Request& request : least.requests) {
    requests.push_back(fmt::format("{} of {}", request.q_len, request.seq_len));
  }
  text += fmt::format(
      "\nsmallest case that fails in the same way ({} tried): {} query heads, {} KV heads, "
      "head_dim {}, rows {}\n",
      explained.tried, least.num_q_heads, least.num_kv_heads, least.head_dim_qk,
      fmt::join(requests, ", "));
  const std::vector<std::string> needs = Needs(explained.smallest);
  if (!needs.empty()) text += fmt::format("  it needs {}\n", fmt::join(needs, ", "));
  if (!explained.smallest_record.reason.empty()) {
    text += fmt::format("  {}\n", explained.smallest_record.reason);
  }
  text += fmt::format("\nits mask, read off the backend with other inputs: {}", mask.text);
  text += fmt::format("\nto see it again: {}\n", ReplayOf(flags, explained.value.id));
  if (!smallest_file.empty()) {
    text += fmt::format("the smallest:    {}\n", ReplayOf(flags, smallest_file));
  }
  return text;
}

// explain.json, .txt and .html, and the smallest case as a file that replay reads.
Status WriteFiles(const ExplainFlags& flags, const Explanation& explained, const ProbedMask& mask,
                  const std::vector<MutantEntry>& catalogue, const nlohmann::ordered_json& json,
                  const std::string& text) {
  if (Status status = EnsureDirectory(flags.out); !status.ok()) return status;
  const auto write = [&flags](const char* name, const std::string& content) {
    return WriteFileAtomically(flags.out + "/" + name, content);
  };
  Status status = write("smallest.json", CaseToJson(explained.smallest).dump(2) + "\n");
  if (status.ok()) {
    status = write("explain.json", IndentedText(json) + "\n");
  }
  if (status.ok()) status = write("explain.txt", text);
  if (status.ok()) {
    status = write("explain.html", ExplanationHtml(explained, catalogue, flags.backend,
                                                   ReplayOf(flags, flags.out + "/smallest.json"),
                                                   {.text = mask.text, .svg = mask.svg}));
  }
  return status;
}

Result<ExitCode> RunExplain(const ExplainFlags& flags) {
  const Result<DrafterOfRun> drafter = ReadDrafter(flags.drafter);
  if (!drafter.ok()) return drafter.status();
  const Result<Spec> spec = LoadSpecOf(*drafter);
  if (!spec.ok()) return spec.status();
  const Result<Case> value = FindOrReadCase(spec->cases, flags.what);
  if (!value.ok()) return value.status();
  const Result<BackendSpec> backend = ResolveBackend(flags.backend);
  if (!backend.ok()) return backend.status();
  Result<std::unique_ptr<Session>> session = Session::Open(*backend, {});
  if (!session.ok()) return session.status();
  const Claims& claims = (*session)->claims();
  const Result<Arithmetic> arithmetic = TightenArithmetic(claims, flags.arithmetic);
  if (!arithmetic.ok()) return arithmetic.status();
  const Expectation expectation = ExpectationOf(claims, *value);
  if (!expectation.expected) {
    fmt::print("not expected of {}: {}: {}\n", claims.name, value->id, expectation.reason);
    return ExitCode::kNotConformant;
  }
  const RunOptions run{.seed = flags.seed, .arithmetic = *arithmetic};
  Result<Observation> failing = Observe(**session, *value, run);
  if (!failing.ok()) return failing.status();
  if (!failing->wrong()) {
    fmt::print("{}\n", flags.json ? ToJson(failing->record).dump(2)
                                  : fmt::format("pass: {}: nothing to explain. What fails only "
                                                "after other cases needs its run: attest certify "
                                                "--filter GLOB",
                                                value->id));
    return ExitCode::kDone;
  }
  const Explanation explained = Explain(
      **session, std::move(*failing), spec->cases.cases,
      {.diagnosis = {.run = run, .without = flags.without}, .most_tried = flags.most_tried});
  const std::vector<MutantEntry> catalogue = MutantCatalogue(spec->clauses);
  const ProbedMask mask = ProbeMaskOf(**session, explained.smallest);
  nlohmann::ordered_json json = ToJson(explained, catalogue);
  json["smallest"]["mask"] = mask.json;
  const std::string text = TextOf(flags, explained, mask, catalogue,
                                  flags.out.empty() ? "" : flags.out + "/smallest.json");
  if (!flags.out.empty()) {
    if (Status status = WriteFiles(flags, explained, mask, catalogue, json, text); !status.ok()) {
      return status;
    }
  }
  if (flags.json) {
    fmt::print("{}\n", IndentedText(json));
  } else {
    fmt::print("{}", text);
  }
  return ExitCode::kNotConformant;
}

}  // namespace

Subcommand ExplainCommand() {
  return {.name = "explain",
          .summary = "Say which known mistake a failing case behaves like, and make it small",
          .examples =
              "Examples:\n"
              "  attest explain 'windows/causal/q_len=1,window=7' --backend ./libmine.so\n"
              "  attest explain case.json --backend mutant:window-one-long --out why\n\n"
              "Runs the case, and others that tell the known mistakes apart. A mistake is named\n"
              "only if it predicts all that was seen. Exits with 0 when the case passes, 1 when\n"
              "it fails, explained or not.",
          .declare = [](CLI::App& app) -> Action {
            auto flags = std::make_shared<ExplainFlags>();
            app.add_option("CASE", flags->what, "case id, or a file ending in .json")->required();
            AddBackendOption(app, flags->backend)->required();
            AddDrafterOption(app, flags->drafter);
            app.add_option("--seed", flags->seed, "seed of the inputs (default: 0)");
            app.add_option("--arithmetic", flags->arithmetic, "tighter class to judge by");
            app.add_option("--tries", flags->most_tried, "cases that may be run to make it small")
                ->check(CLI::Range(0, 100000));
            app.add_option("--without", flags->without,
                           "known mistake that is left out of account");
            app.add_option("--out", flags->out,
                           "directory for explain.{json,txt,html} and smallest.json");
            app.add_flag("--json", flags->json, "print JSON");
            return [flags] { return RunExplain(*flags); };
          }};
}

}  // namespace attest
