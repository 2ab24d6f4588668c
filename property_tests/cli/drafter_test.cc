// SPDX-License-Identifier: Apache-2.0
//
// attest drafter prepare, problems, serve and check as a user meets them.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "conformance/testing/program.h"

namespace attest {
namespace {

using Json = nlohmann::json;

class Drafter : public ProgramTest {
 protected:
  Outcome Run(const std::string& arguments) const { return Attest("drafter " + arguments); }
  void ExpectBadTool(const std::string& arguments, const std::string& words) const {
    ExpectBadInput("drafter " + arguments, words);
  }
};

TEST_F(Drafter, PreparesTheWorkedExample) {
  const std::string batch = "prepare --batch " + Source("spec/drafter/examples/batch.json");
  const Outcome first = Run(batch);
  ASSERT_EQ(first.code, 0) << first.err;
  for (const std::string line :
       {"last accepted position   10 | 8\n", "slot_mapping             23 36 37 38 | 25 26 27 44\n",
        "context_slots            20 21 22 23 | 33 34 35 24\n", "seq_lens                 15 13\n",
        "captured size            8\n"}) {
    EXPECT_NE(first.out.find(line), std::string::npos) << line << first.out;
  }
  const Outcome second = Run(batch + " --runner R2 --json");
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(Json::parse(second.out)["context_slots"], Json({20, 21, 22, -1, 33, 34, 35, 24}));
  const Outcome early = Run(batch + " --era E2");
  EXPECT_NE(early.out.find("buffer slot_mapping      8\n"), std::string::npos) << early.out;
}

TEST_F(Drafter, BadInputIsOneLine) {
  ExpectBadTool("", "attest drafter");
  ExpectBadTool("prepare --batch '" + Path("none.json") + "'", "none.json");
  ExpectBadTool("prepare --batch '" + directory_.string() + "'", directory_.string());
  ExpectBadTool("prepare --batch '" + Write("b.json", "{\"block_size\": 1") + "'", "b.json:1:");
  ExpectBadTool("prepare --batch '" + Write("b.json", "{\"bloc_size\": 1}") + "'",
                "\"num_speculative_tokens\" is missing");
  ExpectBadTool("prepare --runner R3 --batch '" + Write("b.json", "{}") + "'", "neither R1 nor R2");
  ExpectBadTool("serve --mutant none", "not one of --list");
  ExpectBadTool("problems --draft '" + Write("b.json", "{\"num_hidden_layers\": 2}") + "'",
                "b.json");
  ExpectBadTool("check --impl true --questions 0", "--questions");
}

TEST_F(Drafter, ProblemsAreCasesThatReplayRuns) {
  const std::string draft = Source("spec/drafter/configs/qwen3-8b-dflash.json");
  const Outcome finished = Run("problems --draft " + draft + " --json --out '" + Path("p") + "'");
  ASSERT_EQ(finished.code, 0) << finished.err;
  const Json all = Json::parse(finished.out);
  EXPECT_EQ(all.size(), 15U);
  EXPECT_EQ(all[0]["problem"]["causality"], "non_causal");
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(Path("p")))
    files += entry.exists() ? 1 : 0;
  EXPECT_EQ(files, all.size());
}

// A backend that is silently causal fails the problems of a non-causal drafter. Everything that a
// run of the suite's own cases offers works for these: resume, verify, replay, explain.
TEST_F(Drafter, ARunForADrafterIsVerifiedAndItsFailuresReplay) {
  const std::string draft = Source("spec/drafter/configs/qwen3-8b-dflash.json");
  const Outcome right =
      Attest("certify --backend cpu --drafter " + draft + " --out '" + Path("right") + "'");
  EXPECT_EQ(right.code, 0) << right.out << right.err;
  EXPECT_NE(right.out.find("the problems of the drafter "), std::string::npos) << right.out;
  const Outcome verified = Attest("verify '" + Path("right") + "'");
  EXPECT_EQ(verified.code, 0) << verified.out << verified.err;
  const Json config = Json::parse(Contents(Path("right/certificate.json")))["run"]["drafter"];
  EXPECT_EQ(config["config"]["num_attention_heads"], 32);

  const std::string backend = "mutant:noncausal-ignored";
  const std::string ids = Run("problems --draft " + draft).out;
  const std::string id = ids.substr(0, ids.find('\n'));
  const std::string rest = " '" + id + "' --backend " + backend + " --drafter " + draft;
  const Outcome replay = Attest("replay" + rest + " --json");
  EXPECT_EQ(replay.code, 1) << replay.out << replay.err;
  EXPECT_NE(std::string(Json::parse(replay.out)["repro"]).find("--drafter"), std::string::npos);
  EXPECT_EQ(Attest("replay '" + id + "' --backend cpu --drafter " + draft).code, 0);
  ExpectBadInput("replay '" + id + "' --backend cpu", id);
  ExpectBadInput("replay '" + id + "' --backend cpu --drafter none.json", "none.json");
}

TEST_F(Drafter, ChecksTheModelAndNamesAMistake) {
  const std::string serve = "check --questions 10 --impl \"" + Program() + " drafter serve";
  const Outcome right = Run(serve + "\"");
  EXPECT_EQ(right.code, 0) << right.out << right.err;
  EXPECT_NE(right.out.find("0 wrong, 0 faults"), std::string::npos) << right.out;
  const Outcome wrong = Run(serve + " --mutant drafter-inherits-target-backend\" --json");
  EXPECT_EQ(wrong.code, 1) << wrong.err;
  EXPECT_EQ(Json::parse(wrong.out)["known_mistakes"], Json({"drafter-inherits-target-backend"}));
}

TEST_F(Drafter, SaysWhatIsNotAvailable) {
  const Outcome absent = Run(
      "check --impl 'read line; echo \"{\\\"id\\\": 1, \\\"not_available\\\": \\\"no vllm\\\"}\"'");
  EXPECT_EQ(absent.code, 3);
  EXPECT_NE(absent.err.find("not available: no vllm"), std::string::npos) << absent.err;
  EXPECT_EQ(Run("check --impl 'exit 9'").code, 3);
}

}  // namespace
}  // namespace attest
