// SPDX-License-Identifier: Apache-2.0
//
// Templates: how cases are written down. One file of spec/cases is one topic; a template of it is a
// problem, axes that patch it, and the inputs it is run with. Format: spec/cases/case.schema.json.
#ifndef ATTEST_SPEC_CASES_TEMPLATE_H_
#define ATTEST_SPEC_CASES_TEMPLATE_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "spec/cases/case.h"
#include "spec/vocabulary/json_object.h"

namespace attest {

struct AxisValue {
  std::string name;
  nlohmann::ordered_json patch;  // fields of the problem, and of the case: see kCaseKeys
  std::string path;              // of the patch, for messages
};

struct Axis {
  std::string name;
  std::vector<AxisValue> values;
};

// Axes that several templates name the values of: spec/cases/axes.json.
using SharedAxes = std::map<std::string, std::vector<AxisValue>>;

// Which points are in the smoke tier: those whose value of each named axis is listed.
using PointFilter = std::map<std::string, std::vector<std::string>>;

struct CaseTemplate {
  std::string slug;
  std::string sentence;
  std::vector<std::string> clauses;
  Tier tier = Tier::kCi;
  bool has_smoke = false;
  PointFilter smoke;
  CaseKind kind = CaseKind::kForward;
  nlohmann::ordered_json file_problem;  // of the whole file; may be null
  nlohmann::ordered_json problem;
  std::vector<Axis> axes;
  std::vector<Recipe> inputs;
  bool inputs_in_id = false;  // written as a list
  std::vector<Poison> poisons;
  bool poison_in_id = false;
  std::vector<std::string> constraints;
  std::map<std::string, std::string> exempt;  // lint rule -> reason
  std::string path;                           // "cases[3]"
};

// Layers of models times batches: see model_cases.h.
struct ModelGroup {
  std::vector<std::string> models;  // ids; "*": all
  std::vector<std::string> layers;  // attention types; empty: all
  std::vector<std::string> batches;
  std::vector<std::string> clauses;  // beside those that each problem shows
  std::vector<Recipe> inputs;
  Tier tier = Tier::kCi;
  bool has_smoke = false;
  PointFilter smoke;  // over "model", "layer", "batch", "inputs"
  std::string path;   // "model_groups[3]"
};

struct TopicFile {
  std::string filename;
  std::string topic;
  std::string origin;  // of model groups: "model" or "batch"
  std::vector<CaseTemplate> cases;
  std::vector<ModelGroup> groups;
};

Result<SharedAxes> ParseSharedAxes(std::string_view filename, std::string_view text);
Result<TopicFile> ParseTopic(std::string_view filename, std::string_view text,
                             const SharedAxes& shared);

// Words of a case that stand in templates, patches and replay files alike.
Result<Recipe> ParseRecipe(std::string_view word, const std::string& path);
Result<Poison> ParsePoison(std::string_view word, const std::string& path);
Result<CaseKind> ParseCaseKind(std::string_view word, const std::string& path);
// The ATTEST_CLAIM_ bit of a word of FeatureNames().
Result<std::uint64_t> ParseFeature(std::string_view word, const std::string& path);
// Key "parts" of `object`: 1 to kMaxMergeParts.
Result<int> ReadParts(JsonObject& object);
Status ReadAbiPatch(const nlohmann::ordered_json& json, const std::string& path,
                    std::map<std::string, std::int64_t>& patch);

// Overwrites what `patch` names, of the case ("clauses" adds; "feature", "abi", "parts", "steps")
// and of its problem.
Status PatchCase(const nlohmann::ordered_json& patch, const std::string& path, Case& value);

// Every key of each kind of object, for the schema lint.
const std::vector<std::string>& TemplateKeys();
const std::vector<std::string>& CasePatchKeys();  // beside the fields of a problem
const std::vector<std::string>& ModelGroupKeys();

}  // namespace attest

#endif  // ATTEST_SPEC_CASES_TEMPLATE_H_
