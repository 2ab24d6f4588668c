// SPDX-License-Identifier: Apache-2.0
//
// attest properties as a user meets it: the built program, its exit codes, and replays of what it
// saves.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace attest {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

std::string Contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Finished {
  int code = -1;
  std::string out;
  std::string err;
};

class Properties : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    directory_ = fs::path(testing::TempDir()) / (std::string("attest-properties-") + info->name());
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string Path(const std::string& name) const { return (directory_ / name).string(); }

  // Of a command line that begins with "attest ", through the shell.
  Finished Run(const std::string& command) const {
    const char* bin = std::getenv("ATTEST_BIN");
    const std::string line = std::string(bin == nullptr ? "bin" : bin) + "/" + command + " > '" +
                             Path("stdout") + "' 2> '" + Path("stderr") + "'";
    const int status = std::system(line.c_str());
    return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            .out = Contents(directory_ / "stdout"),
            .err = Contents(directory_ / "stderr")};
  }

  void ExpectBadInput(const std::string& arguments, const std::string& words) const {
    const Finished finished = Run("attest " + arguments);
    EXPECT_EQ(finished.code, 2) << arguments << "\n" << finished.err;
    EXPECT_NE(finished.err.find(words), std::string::npos) << finished.err;
    EXPECT_EQ(finished.err.find('\n'), finished.err.size() - 1) << "one line: " << finished.err;
  }

  fs::path directory_;
};

TEST_F(Properties, AFailureIsSavedAndItsCommandShowsItAgain) {
  const Finished finished =
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
  const Finished again = Run(command);
  EXPECT_EQ(again.code, 1) << again.err;
  EXPECT_EQ(again.out.find("fails: masked-keys"), 0U) << again.out;
  EXPECT_NE(again.out.find(law["reason"]), std::string::npos) << again.out;
  // The sample is right: the reference backend keeps the law.
  const Finished right =
      Run("attest replay '" + Path("broken") + "/masked-keys.json' --backend cpu");
  EXPECT_EQ(right.code, 0) << right.out << right.err;
  const Finished json = Run(command + " --json");
  EXPECT_EQ(Json::parse(json.out)["verdict"], "fails");
  EXPECT_EQ(Json::parse(json.out)["sample"], law["failure"]["smallest"]);
}

TEST_F(Properties, TheSameSeedIsTheSameRun) {
  const std::string command =
      "attest properties --backend cpu --cases 5 --seed 7 --law oracle --law decode-row --json";
  const Finished first = Run(command);
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(Run(command).out, first.out);
  const Json json = Json::parse(first.out);
  EXPECT_EQ(json["seed"], 7);
  ASSERT_EQ(json["laws"].size(), 2U);
  EXPECT_EQ(json["laws"][0]["cases"], 5);
  EXPECT_EQ(json["laws"][1]["coverage"]["causal"], 5);
  EXPECT_NE(first.err.find("2 of 2: decode-row"), std::string::npos) << first.err;
  // A law alone draws what it draws among others.
  const Finished alone =
      Run("attest properties --backend cpu --cases 5 --seed 7 --law decode-row --json");
  EXPECT_EQ(Json::parse(alone.out)["laws"][0], json["laws"][1]);
}

TEST_F(Properties, WhatIsNotClaimedIsSaid) {
  const Finished none = Run("attest properties --backend null --law key-order");
  EXPECT_EQ(none.code, 1) << none.out;
  EXPECT_NE(none.out.find("not-claimed  key-order"), std::string::npos) << none.out;
  EXPECT_NE(none.out.find("claims no attention type"), std::string::npos) << none.out;
  EXPECT_NE(none.err.find("no law could be tried"), std::string::npos) << none.err;
  const Finished some = Run("attest properties --backend null --cases 5");
  EXPECT_EQ(some.code, 0) << some.err;
  EXPECT_NE(some.out.find("holds        honest-supports"), std::string::npos) << some.out;
  EXPECT_NE(some.out.find("5 samples tried: causal "), std::string::npos) << some.out;
}

TEST_F(Properties, ListsTheLaws) {
  const Finished text = Run("attest properties --list");
  EXPECT_EQ(text.code, 0);
  EXPECT_EQ(std::count(text.out.begin(), text.out.end(), '\n'), 19) << text.out;
  EXPECT_EQ(Json::parse(Run("attest properties --list --json").out).size(), 19U);
}

TEST_F(Properties, BadInputIsOneLine) {
  ExpectBadInput("properties", "--backend is required");
  ExpectBadInput("properties --backend cpu --law gravity", "no such law");
  ExpectBadInput("properties --backend nowhere", "nowhere");
  ExpectBadInput("properties --backend cpu --cases 0", "--cases");
  ExpectBadInput("properties --backend cpu --arithmetic loose", "loose");
  const auto file = [this](const std::string& text) {
    std::ofstream(directory_ / "a.json") << text;
    return "replay '" + Path("a.json") + "' --backend cpu";
  };
  ExpectBadInput(file(R"({"law": "gravity", "seed": 1, "recipe": "generic", "poison": "loud",
                          "problem": {}})"),
                 "no such law \"gravity\"");
  ExpectBadInput(file(R"({"law": "oracle", "recipe": "generic"})"), "seed");
}

}  // namespace
}  // namespace attest
