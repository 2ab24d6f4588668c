// SPDX-License-Identifier: Apache-2.0
//
// attest drafter prepare, problems, serve and check as a user meets them.
#include <gtest/gtest.h>
#include <sys/wait.h>

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

std::string FromEnvironment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

struct Finished {
  int code = -1;
  std::string out;
  std::string err;
};

class Drafter : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    directory_ = fs::path(testing::TempDir()) / (std::string("attest-drafter-") + info->name());
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string Path(const std::string& name) const { return (directory_ / name).string(); }
  static std::string Program() { return FromEnvironment("ATTEST_BIN", "bin") + "/attest"; }
  static std::string Source(const std::string& path) {
    return FromEnvironment("ATTEST_SOURCE", ".") + "/" + path;
  }
  std::string Write(const std::string& text) const {
    std::ofstream(directory_ / "b.json") << text;
    return Path("b.json");
  }

  Finished Run(const std::string& arguments) const {
    const std::string line = "'" + Program() + "' drafter " + arguments + " > '" + Path("stdout") +
                             "' 2> '" + Path("stderr") + "'";
    const int status = std::system(line.c_str());
    return {.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            .out = Contents(directory_ / "stdout"),
            .err = Contents(directory_ / "stderr")};
  }

  void ExpectBadInput(const std::string& arguments, const std::string& words) const {
    const Finished finished = Run(arguments);
    EXPECT_EQ(finished.code, 2) << arguments << "\n" << finished.err;
    EXPECT_NE(finished.err.find(words), std::string::npos) << finished.err;
    EXPECT_EQ(finished.err.find('\n'), finished.err.size() - 1) << "one line: " << finished.err;
  }

  fs::path directory_;
};

TEST_F(Drafter, PreparesTheWorkedExample) {
  const std::string batch = "prepare --batch '" + Source("spec/drafter/examples/batch.json") + "'";
  const Finished first = Run(batch);
  ASSERT_EQ(first.code, 0) << first.err;
  for (const std::string line :
       {"last accepted position   10 | 8\n", "slot_mapping             23 36 37 38 | 25 26 27 44\n",
        "context_slots            20 21 22 23 | 33 34 35 24\n", "seq_lens                 15 13\n",
        "captured size            8\n"}) {
    EXPECT_NE(first.out.find(line), std::string::npos) << line << first.out;
  }
  const Finished second = Run(batch + " --runner R2 --json");
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(Json::parse(second.out)["context_slots"], Json({20, 21, 22, -1, 33, 34, 35, 24}));
  const Finished early = Run(batch + " --era E2");
  EXPECT_NE(early.out.find("buffer slot_mapping      8\n"), std::string::npos) << early.out;
}

TEST_F(Drafter, BadInputIsOneLine) {
  ExpectBadInput("", "attest drafter");
  ExpectBadInput("prepare --batch '" + Path("none.json") + "'", "none.json");
  ExpectBadInput("prepare --batch '" + directory_.string() + "'", directory_.string());
  ExpectBadInput("prepare --batch '" + Write("{\"block_size\": 1") + "'", "b.json:1:");
  ExpectBadInput("prepare --batch '" + Write("{\"bloc_size\": 1}") + "'",
                 "\"num_speculative_tokens\" is missing");
  ExpectBadInput("prepare --runner R3 --batch '" + Write("{}") + "'", "R1 or R2");
  ExpectBadInput("serve --mutant none", "not one of --list");
  ExpectBadInput("problems --draft '" + Write("{\"num_hidden_layers\": 2}") + "'", "b.json");
  ExpectBadInput("check --impl true --questions 0", "--questions");
}

TEST_F(Drafter, ProblemsAreCasesThatReplayRuns) {
  const std::string draft = Source("spec/drafter/configs/qwen3-8b-dflash.json");
  const Finished finished =
      Run("problems --draft '" + draft + "' --json --out '" + Path("p") + "'");
  ASSERT_EQ(finished.code, 0) << finished.err;
  const Json all = Json::parse(finished.out);
  EXPECT_EQ(all.size(), 15U);
  EXPECT_EQ(all[0]["problem"]["causality"], "non_causal");
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(Path("p"))) files += entry.exists() ? 1 : 0;
  EXPECT_EQ(files, all.size());
}

TEST_F(Drafter, ChecksTheModelAndNamesAMistake) {
  const std::string serve = "check --questions 10 --impl \"'" + Program() + "' drafter serve";
  const Finished right = Run(serve + "\"");
  EXPECT_EQ(right.code, 0) << right.out << right.err;
  EXPECT_NE(right.out.find("0 wrong, 0 faults"), std::string::npos) << right.out;
  const Finished wrong = Run(serve + " --mutant drafter-inherits-target-backend\" --json");
  EXPECT_EQ(wrong.code, 1) << wrong.err;
  EXPECT_EQ(Json::parse(wrong.out)["known_mistakes"], Json({"drafter-inherits-target-backend"}));
}

TEST_F(Drafter, SaysWhatIsNotAvailable) {
  const Finished absent = Run(
      "check --impl 'read line; echo \"{\\\"id\\\": 1, \\\"not_available\\\": \\\"no vllm\\\"}\"'");
  EXPECT_EQ(absent.code, 3);
  EXPECT_NE(absent.err.find("not available: no vllm"), std::string::npos) << absent.err;
  EXPECT_EQ(Run("check --impl 'exit 9'").code, 3);
}

}  // namespace
}  // namespace attest
