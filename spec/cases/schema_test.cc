// SPDX-License-Identifier: Apache-2.0
//
// The schemas say what the readers read: the same keys, and words that the readers know.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "spec/cases/case_json.h"
#include "spec/cases/embedded.h"
#include "spec/cases/steps_json.h"
#include "spec/cases/template.h"
#include "spec/vocabulary/json_text.h"
#include "spec/vocabulary/problem_json.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

Json Schema(std::string_view path) {
  for (const EmbeddedFile& file : EmbeddedFiles()) {
    if (file.path != path) continue;
    Result<Json> json = ParseJson(file.path, file.text);
    if (json.ok()) return *json;
    ADD_FAILURE() << json.status().message();
  }
  ADD_FAILURE() << path << " is not embedded";
  return Json::object();
}

std::vector<std::string> Keys(const Json& properties) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : properties.items()) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  return keys;
}

std::vector<std::string> Sorted(std::vector<std::string> keys) {
  std::sort(keys.begin(), keys.end());
  return keys;
}

TEST(Schema, ProblemHasTheKeysOfTheReader) {
  const Json schema = Schema("spec/cases/problem.schema.json");
  EXPECT_EQ(Keys(schema["properties"]), Sorted(ProblemKeys()));
  EXPECT_EQ(schema["additionalProperties"], false);
}

TEST(Schema, ProblemWordsAreWordsOfTheReader) {
  const Json properties = Schema("spec/cases/problem.schema.json")["properties"];
  for (const auto& [key, property] : properties.items()) {
    if (!property.contains("enum")) continue;
    for (const Json& word : property["enum"]) {
      Problem problem;
      EXPECT_TRUE(PatchProblem(Json{{key, word}}, "", problem).ok()) << key << " " << word;
    }
    Problem problem;
    EXPECT_FALSE(PatchProblem(Json{{key, "sideways"}}, "", problem).ok()) << key;
  }
}

TEST(Schema, CaseFilesHaveTheKeysOfTheReaders) {
  const Json definitions = Schema("spec/cases/case.schema.json")["$defs"];
  EXPECT_EQ(Keys(definitions["template"]["properties"]), Sorted(TemplateKeys()));
  EXPECT_EQ(Keys(definitions["patch"]["properties"]), Sorted(CasePatchKeys()));
  EXPECT_EQ(Keys(definitions["step"]["properties"]), Sorted(StepKeys()));
  EXPECT_EQ(Keys(definitions["model_group"]["properties"]), Sorted(ModelGroupKeys()));
  EXPECT_EQ(Keys(definitions["replay"]["properties"]), Sorted(ReplayKeys()));
}

TEST(Schema, CaseWordsAreWordsOfTheReaders) {
  const Json replay = Schema("spec/cases/case.schema.json")["$defs"]["replay"]["properties"];
  for (const Json& word : replay["recipe"]["enum"]) {
    EXPECT_TRUE(ParseRecipe(word.get<std::string>(), "").ok()) << word;
  }
  for (const Json& word : replay["poison"]["enum"]) {
    EXPECT_TRUE(ParsePoison(word.get<std::string>(), "").ok()) << word;
  }
}

TEST(Schema, KindsAreTheKindsOfTheReader) {
  std::vector<std::string> names;
  for (const CaseKind kind : kAllCaseKinds) {
    names.emplace_back(Name(kind));
    const Result<CaseKind> read = ParseCaseKind(Name(kind), "");
    ASSERT_TRUE(read.ok()) << Name(kind);
    EXPECT_EQ(*read, kind);
  }
  EXPECT_EQ(Schema("spec/cases/case.schema.json")["$defs"]["kind"]["enum"]
                .get<std::vector<std::string>>(),
            names);
}

TEST(Schema, ATemplateWithEveryKeyIsReadAndOneWithAnotherKeyIsNot) {
  const std::string body = R"("slug": "a", "sentence": "A.", "clauses": ["MASK-01"], "tier": "ci",
      "smoke": {"x": ["one"]}, "kind": "forward", "problem": {"q_lens": [1], "seq_lens": [2]},
      "axes": {"x": {"one": {"block_size": 8, "clauses": ["KV-01"]}}}, "inputs": ["generic"],
      "poison": "nan", "constraints": ["whole-groups"], "exempt": {"whole-pages": "why"})";
  const auto file = [](const std::string& value) {
    return R"({"schema": 1, "topic": "t", "problem": {}, "cases": [{)" + value + "}]}";
  };
  const Result<TopicFile> read = ParseTopic("t.json", file(body), {});
  ASSERT_TRUE(read.ok()) << read.status().message();
  ASSERT_EQ(read->cases.size(), 1U);
  EXPECT_EQ(read->cases[0].axes[0].values[0].name, "one");
  const Result<TopicFile> unread = ParseTopic("t.json", file(body + ", \"colour\": 1"), {});
  ASSERT_FALSE(unread.ok());
  EXPECT_NE(unread.status().message().find("cases[0].colour: unknown key"), std::string::npos)
      << unread.status().message();
}

}  // namespace
}  // namespace attest
