// SPDX-License-Identifier: Apache-2.0
#include "spec/cases/case_json.h"

#include <gtest/gtest.h>

#include "spec/cases/spec.h"

namespace attest {
namespace {

std::string ErrorOf(const std::string& text) {
  const Result<Case> value = CaseFromJson(text, "dir/f.json");
  return value.ok() ? "" : value.status().message();
}

TEST(CaseJson, EveryCaseComesBackFromAFileOfItsOwn) {
  const Result<CaseSet> set = LoadCases();
  ASSERT_TRUE(set.ok());
  for (const Case& value : set->cases) {
    const Result<Case> read = CaseFromJson(CaseToJson(value).dump(2), "one.json");
    ASSERT_TRUE(read.ok()) << value.id << ": " << read.status().message();
    EXPECT_EQ(read->content_hash, value.content_hash) << value.id;
  }
}

TEST(CaseJson, TheIdIsTheNameOfTheFileWhereverItLies) {
  const std::string text = R"({"recipe": "generic", "problem": {"q_lens": [1], "seq_lens": [3]}})";
  const Result<Case> value = CaseFromJson(text, "some/where/f.json");
  ASSERT_TRUE(value.ok()) << value.status().message();
  EXPECT_EQ(value->id, "file:f.json");
  EXPECT_EQ(value->tier, Tier::kFull);
  EXPECT_EQ(value->profiles, std::vector<std::string>{"causal"});
  EXPECT_FALSE(value->clauses.empty());
}

TEST(CaseJson, ErrorsHaveFileLineColumnAndKeyPath) {
  EXPECT_EQ(ErrorOf("{\"recipe\": \"generic\",\n \"problem\": {\"scale\": \"x\"}}"),
            "dir/f.json:2:23: problem.scale: \"x\" is not a number");
  EXPECT_EQ(ErrorOf("{\"recipe\": \"generic\",\n \"problem\": {\"scale\": 0}}"),
            "dir/f.json:2:23: problem.scale: 0 is not finite and nonzero");
  EXPECT_EQ(ErrorOf("{\"recipe\": \"generic\"\n \"problem\": {}}").substr(0, 17),
            "dir/f.json:2:10: ");
  EXPECT_NE(ErrorOf(R"({"recipe": "salad", "problem": {}})").find("1:12: recipe: \"salad\" is not"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"problem": {}})").find("\"recipe\" is missing"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"recipe": "generic", "problem": {}, "x": 1})").find("x: unknown key"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"recipe": "generic", "problem": {}, "poison": "x"})").find("poison: \"x\""),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"recipe": "generic", "problem": {}, "kind": "x"})").find("kind: \"x\""),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"recipe": "generic", "problem": {}, "feature": "x"})").find("no feature"),
            std::string::npos);
  EXPECT_NE(ErrorOf("[]").find("not an object"), std::string::npos);
}

TEST(CaseJson, KindsAndTheirFieldsGoTogether) {
  EXPECT_NE(ErrorOf(R"({"recipe": "generic", "problem": {}, "kind": "refusal"})"), "");
  EXPECT_NE(ErrorOf(R"({"recipe": "generic", "problem": {}, "feature": "sinks"})"), "");
  EXPECT_NE(ErrorOf(R"({"recipe": "generic", "problem": {}, "kind": "invalid"})"), "");
  EXPECT_NE(ErrorOf(R"({"recipe": "generic", "problem": {}, "abi": {"scale": 0}})"), "");
  const std::string decode = R"("recipe": "generic", "problem": {"q_lens": [1], "seq_lens": [40])";
  EXPECT_EQ(ErrorOf("{" + decode + R"(}, "kind": "merge", "parts": 5})"), "");
  EXPECT_NE(ErrorOf("{" + decode + R"(}, "kind": "merge"})").find("1 to 5 parts"),
            std::string::npos);
  EXPECT_NE(ErrorOf("{" + decode + R"(}, "kind": "merge", "parts": 6})").find("parts: 6 is not"),
            std::string::npos);
  EXPECT_NE(ErrorOf("{" + decode + R"(}, "parts": 2})").find("nothing else has any"),
            std::string::npos);
  EXPECT_EQ(ErrorOf("{" + decode + R"(, "shared_prefix": 32}, "kind": "cascade"})"), "");
  EXPECT_NE(ErrorOf("{" + decode + R"(}, "kind": "cascade"})").find("cuts at shared_prefix"),
            std::string::npos);
  EXPECT_EQ(ErrorOf("{" + decode + R"(, "batch_invariant": true}, "kind": "batch-invariance"})"),
            "");
  EXPECT_NE(ErrorOf("{" + decode + R"(}, "kind": "batch-invariance"})").find("needs batch_invar"),
            std::string::npos);
}

}  // namespace
}  // namespace attest
