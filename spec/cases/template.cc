// SPDX-License-Identifier: Apache-2.0
#include "spec/cases/template.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "spec/cases/constraints.h"
#include "spec/cases/steps_json.h"
#include "spec/vocabulary/claims.h"
#include "spec/vocabulary/json_text.h"
#include "spec/vocabulary/problem_json.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

template <typename Enum, std::size_t kCount>
Result<Enum> ParseWord(std::string_view word, const std::string& path,
                       const std::array<Enum, kCount>& values) {
  std::string words;
  for (const Enum value : values) {
    if (Name(value) == word) return value;
    words += fmt::format("{}{}", words.empty() ? "" : ", ", Name(value));
  }
  return BadInput(fmt::format("{}: \"{}\" is not one of {}", path, word, words));
}

// A list of words stands in the id, a single word does not.
template <typename Enum, typename Parse>
std::vector<Enum> ReadWords(JsonObject& object, std::string_view key, Parse parse, bool& listed) {
  std::vector<Enum> values;
  const Json* json = object.Required(key);
  if (json == nullptr) return values;
  listed = json->is_array();
  const Json list = listed ? *json : Json::array({*json});
  for (const Json& word : list) {
    Result<Enum> value = parse(word.is_string() ? word.get<std::string>() : word.dump(), "");
    if (!value.ok()) {
      object.Fail(key, value.status().message().substr(2));
      break;
    }
    values.push_back(*value);
  }
  if (values.empty()) object.Fail(key, "empty");
  return values;
}

Result<std::vector<AxisValue>> ReadAxisValues(const Json& json, const std::string& path) {
  if (!json.is_object() || json.empty()) {
    return BadInput(path + ": an axis maps value names to patches");
  }
  std::vector<AxisValue> values;
  for (const auto& [name, patch] : json.items()) {
    const std::string at = fmt::format("{}.{}", path, name);
    if (name.find_first_of(",/=") != std::string::npos) {
      return BadInput(at + ": a value's name has no ',', '/' or '='");
    }
    values.push_back({name, patch, at});
  }
  return values;
}

// A list picks values of a shared axis by name.
Result<std::vector<AxisValue>> PickShared(const std::string& axis, const Json& names,
                                          const std::string& path, const SharedAxes& shared) {
  const auto known = shared.find(axis);
  if (known == shared.end()) return BadInput(fmt::format("{}: no shared axis of this name", path));
  std::vector<AxisValue> values;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", path, i);
    const auto found =
        std::find_if(known->second.begin(), known->second.end(), [&](const AxisValue& value) {
          return names[i].is_string() && value.name == names[i].get_ref<const std::string&>();
        });
    if (found == known->second.end()) {
      return BadInput(fmt::format("{}: {} is no value of this axis", at, names[i].dump()));
    }
    values.push_back({found->name, found->patch, at});
  }
  if (values.empty()) return BadInput(path + ": empty");
  return values;
}

Result<std::vector<Axis>> ReadAxes(const Json& json, const std::string& path,
                                   const SharedAxes& shared) {
  std::vector<Axis> axes;
  for (const auto& [name, values] : json.items()) {
    const std::string at = fmt::format("{}.{}", path, name);
    Result<std::vector<AxisValue>> read =
        values.is_array() ? PickShared(name, values, at, shared) : ReadAxisValues(values, at);
    if (!read.ok()) return read.status();
    axes.push_back({name, std::move(*read)});
  }
  return axes;
}

Result<PointFilter> ReadFilter(const Json& json, const std::string& path) {
  PointFilter filter;
  JsonObject object(json, path);
  for (const auto& [axis, names] : json.items()) filter[axis] = object.Strings(axis);
  if (Status status = object.Done(); !status.ok()) return status;
  return filter;
}

// Tier, and which points of it are smoke.
template <typename HasTier>
Status ReadTier(JsonObject& object, HasTier& out) {
  const std::optional<Tier> tier = ParseTier(object.String("tier"));
  if (!tier) object.Fail("tier", "not one of smoke, ci, full");
  out.tier = tier.value_or(Tier::kCi);
  const Json* smoke = object.Optional("smoke");
  out.has_smoke = smoke != nullptr;
  if (smoke == nullptr) return {};
  Result<PointFilter> filter = ReadFilter(*smoke, object.PathOf("smoke"));
  if (!filter.ok()) return filter.status();
  out.smoke = std::move(*filter);
  return {};
}

Status ReadConstraints(JsonObject& object, std::vector<std::string>& constraints) {
  if (!object.Has("constraints")) return {};
  constraints = object.Strings("constraints");
  for (const std::string& name : constraints) {
    if (FindConstraint(name) == nullptr) {
      return BadInput(fmt::format("{}: no constraint \"{}\"", object.PathOf("constraints"), name));
    }
  }
  return {};
}

Result<CaseTemplate> ReadTemplate(const Json& json, const std::string& path,
                                  const SharedAxes& shared) {
  JsonObject object(json, path);
  CaseTemplate value;
  value.path = path;
  value.slug = object.String("slug");
  value.sentence = object.String("sentence");
  value.clauses = object.Strings("clauses");
  if (Status status = ReadTier(object, value); !status.ok()) return status;
  if (object.Has("kind")) {
    Result<CaseKind> kind = ParseCaseKind(object.String("kind"), object.PathOf("kind"));
    if (!kind.ok()) return kind.status();
    value.kind = *kind;
  }
  if (const Json* problem = object.Optional("problem")) value.problem = *problem;
  if (const Json* axes = object.Optional("axes")) {
    Result<std::vector<Axis>> read = ReadAxes(*axes, object.PathOf("axes"), shared);
    if (!read.ok()) return read.status();
    value.axes = std::move(*read);
  }
  value.inputs = ReadWords<Recipe>(object, "inputs", ParseRecipe, value.inputs_in_id);
  value.poisons = {Poison::kLoud};
  if (object.Has("poison")) {
    value.poisons = ReadWords<Poison>(object, "poison", ParsePoison, value.poison_in_id);
  }
  if (Status status = ReadConstraints(object, value.constraints); !status.ok()) return status;
  if (const Json* exempt = object.Optional("exempt")) {
    JsonObject rules(*exempt, object.PathOf("exempt"));
    for (const auto& [rule, reason] : exempt->items()) value.exempt[rule] = rules.String(rule);
    if (Status status = rules.Done(); !status.ok()) return status;
  }
  if (value.clauses.empty()) object.Fail("clauses", "empty");
  if (Status status = object.Done(); !status.ok()) return status;
  return value;
}

Result<ModelGroup> ReadGroup(const Json& json, const std::string& path) {
  JsonObject object(json, path);
  ModelGroup group;
  group.path = path;
  group.models = object.Strings("models");
  if (object.Has("layers")) group.layers = object.Strings("layers");
  group.batches = object.Strings("batches");
  if (object.Has("clauses")) group.clauses = object.Strings("clauses");
  bool listed = false;
  group.inputs = ReadWords<Recipe>(object, "inputs", ParseRecipe, listed);
  if (Status status = ReadTier(object, group); !status.ok()) return status;
  if (Status status = object.Done(); !status.ok()) return status;
  return group;
}

Status ReadTopic(JsonObject& object, const SharedAxes& shared, TopicFile& file) {
  if (object.Integer("schema") != 1) object.Fail("schema", "not 1");
  file.topic = object.String("topic");
  const Json* problem = object.Optional("problem");
  const Json* cases = object.Optional("cases");
  const Json* groups = object.Optional("model_groups");
  if (groups != nullptr) file.origin = object.String("origin");
  if (cases == nullptr && groups == nullptr) object.Fail("cases", "missing");
  if (Status status = object.Done(); !status.ok()) return status;
  for (std::size_t i = 0; cases != nullptr && i < cases->size(); ++i) {
    Result<CaseTemplate> read = ReadTemplate((*cases)[i], fmt::format("cases[{}]", i), shared);
    if (!read.ok()) return read.status();
    if (problem != nullptr) read->file_problem = *problem;
    file.cases.push_back(std::move(*read));
  }
  for (std::size_t i = 0; groups != nullptr && i < groups->size(); ++i) {
    Result<ModelGroup> read = ReadGroup((*groups)[i], fmt::format("model_groups[{}]", i));
    if (!read.ok()) return read.status();
    file.groups.push_back(std::move(*read));
  }
  return {};
}

}  // namespace

Result<Recipe> ParseRecipe(std::string_view word, const std::string& path) {
  return ParseWord(word, path,
                   std::array{Recipe::kVCoded, Recipe::kKCoded, Recipe::kGeneric, Recipe::kPeaked,
                              Recipe::kPositive, Recipe::kStepped, Recipe::kCancelling});
}

Result<Poison> ParsePoison(std::string_view word, const std::string& path) {
  return ParseWord(word, path, std::array{Poison::kLoud, Poison::kNan, Poison::kInf});
}

Result<CaseKind> ParseCaseKind(std::string_view word, const std::string& path) {
  return ParseWord(word, path, kAllCaseKinds);
}

Result<std::uint64_t> ParseFeature(std::string_view word, const std::string& path) {
  for (const FeatureName& feature : FeatureNames()) {
    if (feature.name == word) return feature.bit;
  }
  return BadInput(fmt::format("{}: no feature \"{}\"", path, word));
}

Result<int> ReadParts(JsonObject& object) {
  const std::int64_t parts = object.Integer("parts");
  if (parts >= 1 && parts <= kMaxMergeParts) return static_cast<int>(parts);
  return BadInput(
      fmt::format("{}: {} is not one of 1 to {}", object.PathOf("parts"), parts, kMaxMergeParts));
}

Status ReadAbiPatch(const Json& json, const std::string& path,
                    std::map<std::string, std::int64_t>& patch) {
  JsonObject object(json, path);
  if (json.is_object()) {
    for (const auto& [field, number] : json.items()) patch[field] = object.Integer(field);
  }
  return object.Done();
}

Status PatchCase(const Json& patch, const std::string& path, Case& value) {
  JsonObject object(patch, path);
  Json problem = Json::object();
  for (const auto& [key, field] : patch.items()) {
    if (key == "clauses") {
      for (std::string& clause : object.Strings(key)) value.clauses.push_back(std::move(clause));
    } else if (key == "feature") {
      Result<std::uint64_t> feature = ParseFeature(object.String(key), object.PathOf(key));
      if (!feature.ok()) return feature.status();
      value.feature = *feature;
    } else if (key == "parts") {
      Result<int> parts = ReadParts(object);
      if (!parts.ok()) return parts.status();
      value.parts = *parts;
    } else if (key == "steps") {
      Result<std::vector<Step>> steps = StepsFromJson(*object.Required(key), object.PathOf(key));
      if (!steps.ok()) return steps.status();
      value.steps = std::move(*steps);
    } else if (key == "abi") {
      if (Status status = ReadAbiPatch(*object.Required(key), object.PathOf(key), value.abi_patch);
          !status.ok()) {
        return status;
      }
    } else {
      problem[key] = *object.Required(key);
    }
  }
  if (Status status = object.Done(); !status.ok()) return status;
  return PatchProblem(problem, path, value.problem);
}

const std::vector<std::string>& TemplateKeys() {
  static const std::vector<std::string> kKeys = {"slug",   "sentence", "clauses",     "tier",
                                                 "smoke",  "kind",     "problem",     "axes",
                                                 "inputs", "poison",   "constraints", "exempt"};
  return kKeys;
}

const std::vector<std::string>& CasePatchKeys() {
  static const std::vector<std::string> kKeys = {"clauses", "feature", "abi", "parts", "steps"};
  return kKeys;
}

const std::vector<std::string>& ModelGroupKeys() {
  static const std::vector<std::string> kKeys = {"models", "layers", "batches", "clauses",
                                                 "inputs", "tier",   "smoke"};
  return kKeys;
}

Result<SharedAxes> ParseSharedAxes(std::string_view filename, std::string_view text) {
  const Result<Json> json = ParseJson(filename, text);
  if (!json.ok()) return json.status();
  JsonObject object(*json, "");
  if (object.Integer("schema") != 1) object.Fail("schema", "not 1");
  const Json* axes = object.Required("axes");
  if (axes != nullptr && !axes->is_object()) object.Fail("axes", "not an object");
  if (Status status = object.Done(); !status.ok()) return WithPlace(filename, text, status);
  SharedAxes shared;
  for (const auto& [name, values] : axes->items()) {
    Result<std::vector<AxisValue>> read = ReadAxisValues(values, "axes." + name);
    if (!read.ok()) return WithPlace(filename, text, read.status());
    shared[name] = std::move(*read);
  }
  return shared;
}

Result<TopicFile> ParseTopic(std::string_view filename, std::string_view text,
                             const SharedAxes& shared) {
  const Result<Json> json = ParseJson(filename, text);
  if (!json.ok()) return json.status();
  TopicFile file;
  file.filename = filename;
  JsonObject object(*json, "");
  if (Status status = ReadTopic(object, shared, file); !status.ok()) {
    return WithPlace(filename, text, status);
  }
  return file;
}

}  // namespace attest
