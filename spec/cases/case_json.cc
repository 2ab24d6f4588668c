// SPDX-License-Identifier: Apache-2.0
#include "spec/cases/case_json.h"

#include <fmt/format.h>

#include "spec/cases/expand.h"
#include "spec/cases/steps_json.h"
#include "spec/cases/template.h"
#include "spec/vocabulary/claims.h"
#include "spec/vocabulary/json_object.h"
#include "spec/vocabulary/json_text.h"
#include "spec/vocabulary/problem_json.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

Status ReadHow(JsonObject& object, Case& value) {
  if (Result<Recipe> recipe = ParseRecipe(object.String("recipe"), object.PathOf("recipe"));
      recipe.ok()) {
    value.recipe = *recipe;
  } else {
    object.Fail("recipe", recipe.status().message().substr(sizeof("recipe: ") - 1));
  }
  if (object.Has("poison")) {
    Result<Poison> poison = ParsePoison(object.String("poison"), object.PathOf("poison"));
    if (!poison.ok()) return poison.status();
    value.poison = *poison;
  }
  if (object.Has("kind")) {
    Result<CaseKind> kind = ParseCaseKind(object.String("kind"), object.PathOf("kind"));
    if (!kind.ok()) return kind.status();
    value.kind = *kind;
  }
  if (object.Has("feature")) {
    Result<std::uint64_t> feature =
        ParseFeature(object.String("feature"), object.PathOf("feature"));
    if (!feature.ok()) return feature.status();
    value.feature = *feature;
  }
  if (object.Has("parts")) {
    Result<int> parts = ReadParts(object);
    if (!parts.ok()) return parts.status();
    value.parts = *parts;
  }
  if (const Json* steps = object.Optional("steps")) {
    Result<std::vector<Step>> read = StepsFromJson(*steps, object.PathOf("steps"));
    if (!read.ok()) return read.status();
    value.steps = std::move(*read);
  }
  if (const Json* abi = object.Optional("abi")) {
    return ReadAbiPatch(*abi, object.PathOf("abi"), value.abi_patch);
  }
  return {};
}

Status ReadCase(const Json& json, Case& value) {
  JsonObject object(json, "");
  const Json* problem = object.Required("problem");
  if (Status status = ReadHow(object, value); !status.ok()) return status;
  if (Status status = object.Done(); !status.ok()) return status;
  Result<Problem> read = ProblemFromJson(*problem, "problem");
  if (!read.ok()) return read.status();
  value.problem = std::move(*read);
  return ValidateKind(value);
}

}  // namespace

Result<Case> CaseFromJson(std::string_view text, std::string_view filename) {
  const Result<Json> json = ParseJson(filename, text);
  if (!json.ok()) return json.status();
  Case value;
  if (Status status = ReadCase(*json, value); !status.ok()) {
    return WithPlace(filename, text, status);
  }
  const std::string_view name = filename.substr(filename.rfind('/') + 1);
  value.id = fmt::format("file:{}", name);
  value.topic = "file";
  value.slug = name;
  value.sentence = "A problem given as a file.";
  value.clauses = ClausesShownBy(value.problem, value.recipe);
  value.profiles = {ProfileOfType(value.problem)};
  value.tier = Tier::kFull;
  value.origin = "file";
  value.content_hash = ContentHash(value);
  return value;
}

nlohmann::ordered_json CaseToJson(const Case& value) {
  Json json;
  json["kind"] = std::string(Name(value.kind));
  json["recipe"] = std::string(Name(value.recipe));
  json["poison"] = std::string(Name(value.poison));
  for (const FeatureName& feature : FeatureNames()) {
    if (feature.bit == value.feature) json["feature"] = std::string(feature.name);
  }
  for (const auto& [field, number] : value.abi_patch) json["abi"][field] = number;
  if (value.parts != 0) json["parts"] = value.parts;
  if (!value.steps.empty()) json["steps"] = StepsToJson(value.steps);
  json["problem"] = ToJson(value.problem);
  return json;
}

const std::vector<std::string>& ReplayKeys() {
  static const std::vector<std::string> kKeys = {"kind", "recipe", "poison", "feature",
                                                 "abi",  "parts",  "steps",  "problem"};
  return kKeys;
}

}  // namespace attest
