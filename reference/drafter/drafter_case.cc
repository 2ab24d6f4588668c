// SPDX-License-Identifier: Apache-2.0
#include "reference/drafter/drafter_case.h"

#include <fmt/format.h>

#include <algorithm>

#include "reference/drafter/parse.h"
#include "spec/drafter/embedded.h"
#include "spec/vocabulary/json_object.h"
#include "spec/vocabulary/json_text.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;

// "a.b": value, or the text "absent" to remove the key.
Status Change(std::string_view path, const Json& value, Json& draft) {
  Json* at = &draft;
  while (true) {
    const std::size_t dot = path.find('.');
    const std::string key(path.substr(0, dot));
    if (!at->is_object()) return BadInput(fmt::format("set: {}: leads nowhere", key));
    if (dot == std::string_view::npos) {
      if (value == "absent") {
        at->erase(key);
      } else {
        (*at)[key] = value;
      }
      return {};
    }
    at = &(*at)[key];
    if (at->is_null()) *at = Json::object();
    path.remove_prefix(dot + 1);
  }
}

template <typename T, typename Parse>
std::vector<T> ReadNames(JsonObject& object, const char* key, Parse parse) {
  std::vector<T> values;
  for (const std::string& name : object.Strings(key)) {
    const auto value = parse(name);
    if (!value.has_value()) object.Fail(key, fmt::format("\"{}\" is unknown", name));
    if (value.has_value()) values.push_back(*value);
  }
  if (values.empty()) object.Fail(key, "empty");
  return values;
}

std::optional<Platform> PlatformNamed(const std::string& name) {
  Result<Platform> platform = ParsePlatform(name);
  return platform.ok() ? std::optional(*platform) : std::nullopt;
}

void ReadHead(JsonObject& object, CaseHead& head) {
  head.id = object.String("id");
  head.sentence = object.String("sentence");
  head.clauses = object.Strings("clauses");
  head.eras = ReadNames<Era>(object, "eras", ParseEra);
  head.runners = ReadNames<Runner>(object, "runners", ParseRunner);
  if (const Json* expect = object.Required("expect")) {
    for (const auto& [pointer, wanted] : expect->items()) head.expect.emplace_back(pointer, wanted);
  }
}

Result<DrafterCase> ReadCase(const Json& json, const std::string& path, const Json& drafts) {
  JsonObject object(json, path);
  DrafterCase value;
  ReadHead(object, value);
  value.platforms = ReadNames<Platform>(object, "platforms", PlatformNamed);
  value.strict = object.Has("strict") && object.Bool("strict");
  const Json* target = object.Optional("target");
  value.target_json = target == nullptr ? Json::object() : *target;
  const std::string draft = object.String("draft");
  if (!drafts.contains(draft)) object.Fail("draft", fmt::format("\"{}\" is no draft", draft));
  value.draft_json = drafts.value(draft, Json::object());
  if (const Json* set = object.Optional("set")) {
    for (const auto& [key, change] : set->items()) {
      if (Status status = Change(key, change, value.draft_json); !status.ok()) {
        object.Fail("set", status.message());
      }
    }
  }
  Result<TargetConfig> read_target = TargetFromJson(value.target_json);
  if (!read_target.ok()) object.Fail("target", read_target.status().message());
  Result<DraftConfig> read_draft = DraftFromJson(value.draft_json);
  if (!read_draft.ok()) object.Fail("draft", read_draft.status().message());
  if (Status status = object.Done(); !status.ok()) return status;
  value.target = std::move(*read_target);
  value.draft = std::move(*read_draft);
  return value;
}

Result<BatchCase> ReadBatchCase(const Json& json, const std::string& path, const Json& batches) {
  JsonObject object(json, path);
  BatchCase value;
  ReadHead(object, value);
  const std::string batch = object.String("batch");
  if (!batches.contains(batch)) object.Fail("batch", fmt::format("\"{}\" is no batch", batch));
  value.batch = batches.value(batch, Json::object());
  if (const Json* set = object.Optional("set")) value.batch.update(*set);
  value.kills = object.Strings("kills");
  if (Status status = object.Done(); !status.ok()) return status;
  return value;
}

// The cases of a file: `read` makes one from its JSON, its key path, and what stands under
// `shared`.
template <typename C>
Result<std::vector<C>> LoadCasesOf(std::string_view path, const char* shared,
                                   Result<C> (*read)(const Json&, const std::string&,
                                                     const Json&)) {
  const auto& files = DrafterFiles();
  const auto file = std::find_if(files.begin(), files.end(),
                                 [path](const EmbeddedFile& f) { return f.path == path; });
  if (file == files.end()) return InternalError(fmt::format("{} is not embedded", path));
  const Result<Json> json = ParseJson(file->path, file->text);
  if (!json.ok()) return json.status();
  JsonObject object(*json, "");
  object.Integer("schema");
  object.String("note");
  const Json* given = object.Required(shared);
  const Json* list = object.Required("cases");
  if (Status status = object.Done(); !status.ok()) return WithPlace(path, file->text, status);
  std::vector<C> cases;
  for (std::size_t i = 0; i < list->size(); ++i) {
    Result<C> value = read((*list)[i], fmt::format("cases[{}]", i), *given);
    if (!value.ok()) return WithPlace(path, file->text, value.status());
    cases.push_back(std::move(*value));
  }
  return cases;
}

std::string Mismatch(const std::string& pointer, const Json& wanted, const Json& answer) {
  const Json::json_pointer at(pointer);
  const bool there = answer.contains(at);
  const Json found = there ? answer.at(at) : Json();
  const std::string text = found.is_string() ? found.get<std::string>() : found.dump();
  if (wanted.is_object() && wanted.contains("contains")) {
    if (text.find(wanted["contains"].get<std::string>()) != std::string::npos) return {};
  } else if (wanted.is_object() && wanted.contains("without")) {
    if (text.find(wanted["without"].get<std::string>()) == std::string::npos) return {};
  } else if (there && found == wanted) {
    return {};
  }
  return fmt::format("{}: {} instead of {}", pointer, there ? text : "nothing", wanted.dump());
}

}  // namespace

Result<std::vector<DrafterCase>> LoadDrafterCases() {
  return LoadCasesOf<DrafterCase>("spec/drafter/cases.json", "drafts", ReadCase);
}

Result<std::vector<BatchCase>> LoadBatchCases() {
  return LoadCasesOf<BatchCase>("spec/drafter/batches.json", "batches", ReadBatchCase);
}

std::vector<std::string> Mismatches(const Expectations& wanted, const Json& answer) {
  std::vector<std::string> all;
  for (const auto& [pointer, value] : wanted) {
    std::string text = Mismatch(pointer, value, answer);
    if (!text.empty()) all.push_back(std::move(text));
  }
  return all;
}

Result<std::vector<NamedDraft>> LoadNamedDrafts() {
  constexpr std::string_view kFolder = "spec/drafter/configs/";
  std::vector<NamedDraft> drafts;
  for (const EmbeddedFile& file : DrafterFiles()) {
    if (!file.path.starts_with(kFolder)) continue;
    const Result<Json> json = ParseJson(file.path, file.text);
    if (!json.ok()) return json.status();
    Result<DraftConfig> config = DraftFromJson(*json);
    if (!config.ok()) return WithPlace(file.path, file.text, config.status());
    JsonObject object(*json, "");
    const Json* meta = object.Required("_meta");
    if (meta == nullptr) return BadInput(fmt::format("{}:1:1: \"_meta\" is missing", file.path));
    JsonObject about(*meta, "_meta");
    NamedDraft draft{.name = std::string(
                         file.path.substr(kFolder.size(), file.path.size() - kFolder.size() - 5)),
                     .source = about.String("source"),
                     .missing = about.Strings("missing"),
                     .config = std::move(*config)};
    if (Status status = about.Done(); !status.ok()) {
      return WithPlace(file.path, file.text, status);
    }
    drafts.push_back(std::move(draft));
  }
  return drafts;
}

}  // namespace attest::drafter
