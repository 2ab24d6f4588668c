// SPDX-License-Identifier: Apache-2.0
#include "conformance/drafter/question.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "spec/vocabulary/json_object.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;

bool Lists(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool NotServed(const Json& answer) {
  const auto served = answer.find("served");
  return served != answer.end() && *served == false;
}

// An object in the order of its keys says the same as in any other order.
bool Same(const Json& a, const Json& b) { return nlohmann::json(a) == nlohmann::json(b); }

}  // namespace

std::string_view NameOf(Op op) { return op == Op::kResolve ? "resolve" : "prepare"; }

Json ToJson(const Question& question) {
  Json json = {{"op", std::string(NameOf(question.op))},
               {"era", std::string(NameOf(question.era))},
               {"runner", std::string(NameOf(question.runner))}};
  if (question.op == Op::kPrepare) {
    json["batch"] = question.batch;
    return json;
  }
  json["platform"] = NameOf(question.platform);
  json["target"] = question.target;
  json["draft"] = question.draft;
  return json;
}

Result<Question> QuestionFromJson(const Json& json) {
  JsonObject object(json, "");
  Question question;
  const std::string op = object.String("op");
  if (op == "resolve") {
    question.op = Op::kResolve;
  } else if (op != "prepare") {
    object.Fail("op", fmt::format("\"{}\" is neither resolve nor prepare", op));
  }
  const std::optional<Era> era = ParseEra(object.String("era"));
  if (!era) object.Fail("era", "no such era");
  const std::optional<Runner> runner = ParseRunner(object.String("runner"));
  if (!runner) object.Fail("runner", "no such runner");
  if (question.op == Op::kPrepare) {
    if (const Json* batch = object.Required("batch")) question.batch = *batch;
  } else {
    const Result<Platform> platform = ParsePlatform(object.String("platform"));
    if (!platform.ok()) object.Fail("platform", platform.status().message());
    if (platform.ok()) question.platform = *platform;
    if (const Json* target = object.Required("target")) question.target = *target;
    if (const Json* draft = object.Required("draft")) question.draft = *draft;
  }
  if (Status status = object.Done(); !status.ok()) return status;
  question.era = *era;
  question.runner = *runner;
  return question;
}

std::vector<Difference> Differences(const Json& expected, const Json& got,
                                    const std::vector<std::string>& fields) {
  const bool raises = NotServed(expected) || NotServed(got);
  std::vector<Difference> differences;
  for (const auto& [field, value] : expected.items()) {
    if (raises && field != "served" && field != "error") continue;
    if (!fields.empty() && !Lists(fields, field)) continue;
    const auto found = got.find(field);
    const Json other = found == got.end() ? Json(nullptr) : Json(*found);
    if (!Same(value, other)) differences.push_back({field, value, other});
  }
  return differences;
}

}  // namespace attest::drafter
