// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/json_object.h"

#include <gtest/gtest.h>

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

TEST(JsonObject, GivesFieldsOfTheirTypes) {
  const Json json = Json::parse(
      R"({"s": "x", "i": -3, "n": 0.5, "b": true, "ss": ["a"], "is": [1, 2], "any": {}})");
  JsonObject object(json, "top");
  EXPECT_EQ(object.String("s"), "x");
  EXPECT_EQ(object.Integer("i"), -3);
  EXPECT_EQ(object.Number("n"), 0.5);
  EXPECT_TRUE(object.Bool("b"));
  EXPECT_EQ(object.Strings("ss"), std::vector<std::string>{"a"});
  EXPECT_EQ(object.Integers("is"), (std::vector<std::int64_t>{1, 2}));
  EXPECT_NE(object.Optional("any"), nullptr);
  EXPECT_EQ(object.Optional("none"), nullptr);
  EXPECT_TRUE(object.Done().ok());
}

TEST(JsonObject, TheFirstErrorStaysAndNamesItsPath) {
  const Json json = Json::parse(R"({"a": 1, "b": "x"})");
  JsonObject object(json, "top");
  EXPECT_EQ(object.String("a"), "");
  EXPECT_EQ(object.Integer("b"), 0);
  EXPECT_EQ(object.Done().message(), "top.a: not a text");
}

TEST(JsonObject, WrongTypesOfEveryKindAreErrors) {
  const Json json = Json::parse(R"({"a": {}})");
  const auto error = [&json](auto read) {
    JsonObject object(json, "");
    read(object);
    return object.Done().message();
  };
  EXPECT_EQ(error([](JsonObject& o) { o.Integer("a"); }), "a: not an integer");
  EXPECT_EQ(error([](JsonObject& o) { o.Number("a"); }), "a: not a number");
  EXPECT_EQ(error([](JsonObject& o) { o.Bool("a"); }), "a: neither true nor false");
  EXPECT_EQ(error([](JsonObject& o) { o.Strings("a"); }), "a: not a list");
  EXPECT_EQ(error([](JsonObject& o) { o.Integers("a"); }), "a: not a list");
}

TEST(JsonObject, WrongElementsAreErrors) {
  const Json json = Json::parse(R"({"a": [1, "x"]})");
  JsonObject texts(json, "");
  texts.Strings("a");
  EXPECT_EQ(texts.Done().message(), "a: not a list of texts");
  JsonObject numbers(json, "");
  numbers.Integers("a");
  EXPECT_EQ(numbers.Done().message(), "a: not a list of integers");
}

TEST(JsonObject, MissingAndLeftOverKeysAreErrors) {
  const Json json = Json::parse(R"({"a": 1})");
  JsonObject missing(json, "top");
  missing.Integer("b");
  EXPECT_EQ(missing.Done().message(), "top: \"b\" is missing");
  JsonObject unread(json, "top");
  EXPECT_EQ(unread.Done().message(), "top.a: unknown key");
}

TEST(JsonObject, SomethingElseThanAnObjectIsAnError) {
  const Json json = Json::parse("[1]");
  JsonObject object(json, "top");
  EXPECT_EQ(object.String("a"), "");
  EXPECT_EQ(object.Done().message(), "top: not an object");
}

TEST(JsonObject, TheReaderAddsErrorsOfItsOwn) {
  const Json json = Json::parse(R"({"a": 1})");
  JsonObject object(json, "");
  object.Integer("a");
  object.Fail("a", "too small");
  EXPECT_EQ(object.Done().message(), "a: too small");
}

}  // namespace
}  // namespace attest
