// SPDX-License-Identifier: Apache-2.0
//
// The committed corpus of the fuzzer, through the same entry points.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "conformance/drafter/fuzz/entry_points.h"
#include "conformance/drafter/serve.h"
#include "conformance/run/files.h"
#include "reference/drafter/batch_json.h"

namespace attest::drafter {
namespace {

TEST(Corpus, IsReadEverywhere) {
  const char* source = std::getenv("ATTEST_SOURCE");
  ASSERT_NE(source, nullptr) << "run by ctest";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(source) /
                                                               "conformance/drafter/fuzz/corpus")) {
    const Result<std::string> text = ReadFile(entry.path().string());
    ASSERT_TRUE(text.ok()) << text.status().message();
    ReadEverywhere(*text);
    ++files;
  }
  EXPECT_GE(files, 12);
}

std::string MessageOf(std::string_view text) {
  return ParseBatch("b.json", text, Runner::kR1).status().message();
}

TEST(BadInput, IsOneLineWithItsPlace) {
  EXPECT_EQ(MessageOf(""),
            "b.json:1:1: syntax error while parsing value - unexpected end of "
            "input; expected '[', '{', or a literal");
  EXPECT_EQ(MessageOf(std::string(100, '[') + std::string(100, ']')),
            "b.json: more than 64 levels");
  EXPECT_EQ(MessageOf("{\"a\": 1, \"a\": 2}"), "b.json:1:10: \"a\" stands twice");
  EXPECT_NE(MessageOf("{\"a\": NaN}").find("b.json:1:7: syntax error"), std::string::npos);
  EXPECT_NE(MessageOf("{\"a\": \"\xff\"}").find("b.json:1:8: "), std::string::npos);
  EXPECT_NE(MessageOf("{\"block_size\": 1e999}").find("b.json: "), std::string::npos);
}

TEST(Serve, AnswersWhatIsNoQuestion) {
  EXPECT_EQ(AnswerLine("[]", nullptr),
            R"({"id":null,"error":"request: no object with id and op"})");
  EXPECT_EQ(AnswerLine(R"({"id": 1, "op": "dance"})", nullptr),
            R"({"id":1,"error":"op: \"dance\" is neither resolve nor prepare"})");
  EXPECT_EQ(AnswerLine(R"({"id": 1, "op": "bye"})", nullptr), "");
  EXPECT_EQ(
      AnswerLine(
          R"({"id": 2, "op": "prepare", "era": "E5", "runner": "R1", "batch": {"block_size": 1}})",
          nullptr),
      R"({"id":2,"error":"batch.: \"num_speculative_tokens\" is missing"})");
}

}  // namespace
}  // namespace attest::drafter
