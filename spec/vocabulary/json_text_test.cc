// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/json_text.h"

#include <gtest/gtest.h>

namespace attest {
namespace {

std::string ErrorOf(std::string_view text) {
  const auto json = ParseJson("f.json", text);
  return json.ok() ? "" : json.status().message();
}

TEST(JsonText, ReadsWhatIsJsonAndKeepsTheOrderOfKeys) {
  const auto json = ParseJson("f.json", R"({"b": [1, -2.5e3], "a": {"x": "\"}]"}, "c": null})");
  ASSERT_TRUE(json.ok()) << json.status().message();
  EXPECT_EQ(json->dump(), R"({"b":[1,-2500.0],"a":{"x":"\"}]"},"c":null})");
}

TEST(JsonText, SyntaxErrorsHaveLineAndColumn) {
  EXPECT_TRUE(ErrorOf("{\n  \"a\": 1,\n  \"b\" 2\n}").starts_with("f.json:3:7: "))
      << ErrorOf("{\n  \"a\": 1,\n  \"b\" 2\n}");
  EXPECT_TRUE(ErrorOf("").starts_with("f.json:1:1: ")) << ErrorOf("");
  EXPECT_TRUE(ErrorOf("[1,\n2").starts_with("f.json:2:2: ")) << ErrorOf("[1,\n2");
}

TEST(JsonText, AKeyThatStandsTwiceIsAnError) {
  EXPECT_EQ(ErrorOf("{\"a\": {\"k\": 1,\n \"k\": 2}}"), "f.json:2:2: \"k\" stands twice");
  EXPECT_EQ(ErrorOf(R"([{"k": 1}, {"k": 1}])"), "");
}

TEST(JsonText, DeepNestingIsAnErrorAndNoCrash) {
  EXPECT_EQ(ErrorOf(std::string(60, '[') + std::string(60, ']')), "");
  EXPECT_EQ(ErrorOf(std::string(100000, '[') + std::string(100000, ']')),
            "f.json: more than 64 levels");
}

TEST(JsonText, LocatesValuesByPath) {
  const std::string text = "{\n  \"cases\": [\n    {\"a.b\": 1},\n    {\"scale\": [0, 7]}\n  ]\n}";
  EXPECT_EQ(LocateJson("f", text, ""), "f:1:1");
  EXPECT_EQ(LocateJson("f", text, "cases[1].scale[1]"), "f:4:19");
  EXPECT_EQ(LocateJson("f", text, "cases[0].a.b"), "f:3:13");
  EXPECT_EQ(LocateJson("f", text, "cases[1].nowhere.at.all"), "f:4:5");
}

TEST(JsonText, APathInAMessageGetsItsPlace) {
  const Status status = WithPlace("f", "{\n\"a\": 1}", BadInput("a: too small"));
  EXPECT_EQ(status.message(), "f:2:6: a: too small");
  EXPECT_TRUE(WithPlace("f", "{}", Status()).ok());
}

TEST(JsonText, WritesWhateverTheBytesAre) {
  const nlohmann::ordered_json json = {{"a", "x\xff"}};
  EXPECT_EQ(LineText(json), "{\"a\":\"x\uFFFD\"}");
  EXPECT_EQ(IndentedText(json), "{\n  \"a\": \"x\uFFFD\"\n}");
}

}  // namespace
}  // namespace attest
