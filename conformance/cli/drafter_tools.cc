// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/drafter_tools.h"

#include <fmt/format.h>

#include <CLI/App.hpp>

#include "conformance/run/files.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

struct JsonFile {
  std::string name;
  std::string text = "{}";
  Json json = Json::object();
};

Result<JsonFile> ReadJson(const std::string& path, const char* what) {
  JsonFile file;
  file.name = what;
  if (path.empty()) return file;
  Result<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  file.name = path;
  file.text = std::move(*text);
  Result<Json> json = ParseJson(path, file.text);
  if (!json.ok()) return json.status();
  file.json = std::move(*json);
  if (!file.json.is_object()) return BadInput(path + ":1:1: not an object");
  return file;
}

}  // namespace

void AddDrafterFlags(CLI::App& app, DrafterFlags& flags) {
  app.add_option("--target", flags.target,
                 "JSON file of the target (spec/drafter/target.schema.json); default: {}");
  app.add_option("--draft", flags.draft, "config.json of the draft model")->required();
  app.add_option("--platform", flags.platform, "cuda:MAJOR.MINOR, rocm or cpu")->required();
  app.add_option("--runner", flags.runner, "R1 or R2 (default: R1)");
  app.add_option("--attention-backend", flags.attention_backend, "as on vLLM's command line");
  app.add_option("--speculative-attention-backend", flags.speculative_attention_backend,
                 "attention_backend of the speculative config");
  app.add_option("--set", flags.sets,
                 "KEY=VALUE of the target, or draft.KEY=VALUE of the draft; may be repeated")
      ->allow_extra_args(false);
  app.add_flag("--json", flags.json, "print JSON");
}

Result<drafter::Era> ParseEraFlag(const char* flag, const std::string& text) {
  const auto era = drafter::ParseEra(text);
  if (era) return *era;
  return BadInput(
      fmt::format("{}: \"{}\" is no era: E0, E0b, E0c, E1, E1b, E2, E3, E4 or E5", flag, text));
}

Result<drafter::Runner> ParseRunnerFlag(const std::string& text) {
  const auto runner = drafter::ParseRunner(text);
  if (runner) return *runner;
  return BadInput(fmt::format("--runner: \"{}\" is neither R1 nor R2", text));
}

Result<DrafterInput> ReadDrafterInput(const CLI::App& app, const DrafterFlags& flags) {
  Result<JsonFile> target = ReadJson(flags.target, "target");
  if (!target.ok()) return target.status();
  Result<JsonFile> draft = ReadJson(flags.draft, "draft");
  if (!draft.ok()) return draft.status();
  for (const std::string& set : flags.sets) {
    if (Status status = drafter::ApplySet(set, target->json, draft->json); !status.ok()) {
      return status;
    }
  }
  if (app.count("--attention-backend") > 0) {
    target->json["attention_backend"] = flags.attention_backend;
  }
  if (app.count("--speculative-attention-backend") > 0) {
    Json& speculative = target->json["speculative"];
    if (speculative.is_null()) speculative = Json::object();
    if (speculative.is_object()) {
      speculative["attention_backend"] = flags.speculative_attention_backend;
    }
  }
  DrafterInput input;
  Result<drafter::TargetConfig> read_target = drafter::TargetFromJson(target->json);
  if (!read_target.ok()) return WithPlace(target->name, target->text, read_target.status());
  Result<drafter::DraftConfig> read_draft = drafter::DraftFromJson(draft->json);
  if (!read_draft.ok()) return WithPlace(draft->name, draft->text, read_draft.status());
  Result<drafter::Platform> platform = drafter::ParsePlatform(flags.platform);
  if (!platform.ok()) return BadInput("--platform: " + platform.status().message());
  const Result<drafter::Runner> runner = ParseRunnerFlag(flags.runner);
  if (!runner.ok()) return runner.status();
  return DrafterInput{.target = std::move(*read_target),
                      .draft = std::move(*read_draft),
                      .platform = *platform,
                      .runner = *runner};
}

}  // namespace attest
