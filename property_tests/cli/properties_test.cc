// SPDX-License-Identifier: Apache-2.0
//
// attest properties as a user meets it: the built program, its exit codes, and replays of what it
// saves.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "conformance/testing/program.h"

namespace attest {
namespace {

using Json = nlohmann::json;

class Properties : public ProgramTest {
 protected:
  // Of a command line that begins with "attest ".
  Outcome Run(const std::string& command) const {
    return Attest(command.substr(std::string("attest ").size()));
  }
};

TEST_F(Properties, AFailureIsSavedAndItsCommandShowsItAgain) {
  const Outcome finished =
      Run("attest properties --backend mutant:causal-one-more --cases 20 "
          "--law masked-keys --json --out '" +
          Path("broken") + "'");
  ASSERT_EQ(finished.code, 1) << finished.err;
  const Json law = Json::parse(finished.out)["laws"][0];
  EXPECT_EQ(law["verdict"], "fails");
  EXPECT_EQ(law["failure"]["file"], Path("broken") + "/masked-keys.json");
  const std::string command = law["failure"]["command"];
  EXPECT_EQ(command, "attest replay '" + Path("broken") +
                         "/masked-keys.json' --backend 'mutant:causal-one-more'");
  const Outcome again = Run(command);
  EXPECT_EQ(again.code, 1) << again.err;
  EXPECT_EQ(again.out.find("fails: masked-keys"), 0U) << again.out;
  EXPECT_NE(again.out.find(law["reason"]), std::string::npos) << again.out;
  // The sample is right: the reference backend keeps the law.
  const Outcome right =
      Run("attest replay '" + Path("broken") + "/masked-keys.json' --backend cpu");
  EXPECT_EQ(right.code, 0) << right.out << right.err;
  const Outcome json = Run(command + " --json");
  EXPECT_EQ(Json::parse(json.out)["verdict"], "fails");
  EXPECT_EQ(Json::parse(json.out)["sample"], law["failure"]["smallest"]);
}

TEST_F(Properties, TheSameSeedIsTheSameRun) {
  const std::string command =
      "attest properties --backend cpu --cases 5 --seed 7 --law oracle --law decode-row --json";
  const Outcome first = Run(command);
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(Run(command).out, first.out);
  const Json json = Json::parse(first.out);
  EXPECT_EQ(json["seed"], 7);
  ASSERT_EQ(json["laws"].size(), 2U);
  EXPECT_EQ(json["laws"][0]["cases"], 5);
  EXPECT_EQ(json["laws"][1]["coverage"]["causal"], 5);
  EXPECT_NE(first.err.find("2 of 2: decode-row"), std::string::npos) << first.err;
  // A law alone draws what it draws among others.
  const Outcome alone =
      Run("attest properties --backend cpu --cases 5 --seed 7 --law decode-row --json");
  EXPECT_EQ(Json::parse(alone.out)["laws"][0], json["laws"][1]);
}

TEST_F(Properties, WhatIsNotClaimedIsSaid) {
  const Outcome none = Run("attest properties --backend null --law key-order");
  EXPECT_EQ(none.code, 1) << none.out;
  EXPECT_NE(none.out.find("not-claimed  key-order"), std::string::npos) << none.out;
  EXPECT_NE(none.out.find("claims no attention type"), std::string::npos) << none.out;
  EXPECT_NE(none.err.find("no law could be tried"), std::string::npos) << none.err;
  const Outcome some = Run("attest properties --backend null --cases 5");
  EXPECT_EQ(some.code, 0) << some.err;
  EXPECT_NE(some.out.find("holds        honest-supports"), std::string::npos) << some.out;
  EXPECT_NE(some.out.find("5 samples tried: causal "), std::string::npos) << some.out;
}

TEST_F(Properties, ListsTheLaws) {
  const Outcome text = Run("attest properties --list");
  EXPECT_EQ(text.code, 0);
  EXPECT_EQ(std::count(text.out.begin(), text.out.end(), '\n'), 20) << text.out;
  EXPECT_EQ(Json::parse(Run("attest properties --list --json").out).size(), 20U);
}

TEST_F(Properties, BadInputIsOneLine) {
  ExpectBadInput("properties", "--backend is required");
  ExpectBadInput("properties --backend cpu --law gravity", "no such law");
  ExpectBadInput("properties --backend nowhere", "nowhere");
  ExpectBadInput("properties --backend cpu --cases 0", "--cases");
  ExpectBadInput("properties --backend cpu --arithmetic loose", "loose");
  const auto file = [this](const std::string& text) {
    return "replay '" + Write("a.json", text) + "' --backend cpu";
  };
  ExpectBadInput(file(R"({"law": "gravity", "seed": 1, "recipe": "generic", "poison": "loud",
                          "problem": {}})"),
                 "no such law \"gravity\"");
  ExpectBadInput(file(R"({"law": "oracle", "recipe": "generic"})"), "seed");
}

}  // namespace
}  // namespace attest
