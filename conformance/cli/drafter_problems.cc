// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/drafter_problems.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "conformance/drafter/problems.h"
#include "conformance/run/files.h"
#include "reference/drafter/parse.h"
#include "reference/drafter/resolve.h"
#include "spec/cases/case_json.h"
#include "spec/cases/spec.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

struct ProblemsFlags {
  std::string draft;
  std::string out;
  bool json = false;
};

// Case ids become file names.
std::string FileNameOf(const Case& value) {
  std::string name = value.id.substr(value.id.rfind('/') + 1);
  for (char& c : name) {
    if (c == '=' || c == ',') c = '-';
  }
  return name + ".json";
}

Status WriteCases(const CaseSet& set, const std::string& directory) {
  if (Status status = EnsureDirectory(directory); !status.ok()) return status;
  for (const Case& value : set.cases) {
    const std::string path = directory + "/" + FileNameOf(value);
    if (Status status = WriteFileAtomically(path, CaseToJson(value).dump(2) + "\n"); !status.ok()) {
      return status;
    }
  }
  return {};
}

Result<ExitCode> RunProblems(const ProblemsFlags& flags) {
  const Result<DrafterOfRun> drafter = ReadDrafter(flags.draft);
  if (!drafter.ok()) return drafter.status();
  const Result<Spec> spec = LoadSpecOf(*drafter);
  if (!spec.ok()) return spec.status();
  const CaseSet& set = spec->cases;
  if (!flags.out.empty()) {
    if (Status status = WriteCases(set, flags.out); !status.ok()) return status;
  }
  Json all = Json::array();
  for (const Case& value : set.cases) {
    if (flags.json) all.push_back(CaseToJson(value));
    if (!flags.json) fmt::print("{}\n", value.id);
  }
  if (flags.json) fmt::print("{}\n", all.dump(2));
  if (!flags.json) fmt::print("{} problems\n", set.cases.size());
  return ExitCode::kDone;
}

}  // namespace

void AddDrafterOption(CLI::App& app, std::string& drafter) {
  app.add_option("--drafter", drafter,
                 "config.json of a drafter: CASE is one of its problems, as in certify --drafter");
}

Result<DrafterOfRun> ReadDrafter(const std::string& path) {
  if (path.empty()) return DrafterOfRun{};
  const Result<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  const Result<Json> json = ParseJson(path, *text);
  if (!json.ok()) return json.status();
  if (const auto draft = drafter::DraftFromJson(*json); !draft.ok()) {
    return WithPlace(path, *text, draft.status());
  }
  return DrafterOfRun{.file = path, .config = LineText(*json)};
}

Result<Spec> LoadSpecOf(const DrafterOfRun& drafter) {
  Result<Spec> spec = LoadSpec();
  if (!spec.ok()) return InternalError(spec.status().message());
  if (drafter.file.empty()) return spec;
  const Result<drafter::DraftConfig> draft = drafter::ParseDraft(drafter.file, drafter.config);
  if (!draft.ok()) return draft.status();
  const Result<const drafter::Tables*> tables = drafter::LoadTables();
  if (!tables.ok()) return tables.status();
  drafter::TargetConfig target;
  target.speculative.method = "dflash";
  const drafter::Resolution resolution = drafter::Resolve(
      **tables, target, *draft, {.runner = drafter::Runner::kR2, .explain = false});
  Result<CaseSet> problems = drafter::ProblemsOf(
      std::filesystem::path(drafter.file).stem().string(), *draft, resolution, spec->clauses);
  if (!problems.ok()) {
    return BadInput(fmt::format("{}: {}", drafter.file, problems.status().message()));
  }
  spec->cases = std::move(*problems);
  return spec;
}

Subcommand DrafterProblemsCommand() {
  return {.name = "problems",
          .summary = "The attention problems that a drafter poses in serving",
          .examples =
              "Examples:\n"
              "  attest drafter problems --draft config.json\n"
              "  attest drafter problems --draft config.json --out problems\n"
              "  attest certify --backend ./libmine.so --drafter config.json\n"
              "\nEach file of --out is a case that attest replay runs. Layers are those of the\n"
              "newest era on runner R2.",
          .declare = [](CLI::App& app) -> Action {
            auto flags = std::make_shared<ProblemsFlags>();
            app.add_option("--draft", flags->draft, "config.json of the draft model")->required();
            app.add_option("--out", flags->out, "directory for the cases, one file each");
            app.add_flag("--json", flags->json, "print JSON");
            return [flags] { return RunProblems(*flags); };
          }};
}

}  // namespace attest
