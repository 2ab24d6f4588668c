// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/clause.h"

#include <gtest/gtest.h>

namespace attest {
namespace {

constexpr const char* kText = R"(# Masks

Free text.

### A table

## MASK-01 MUST causal
A row sees
itself.

An explanation.

- Source: a paper; a README.
- Deviation `causal-top-left`: sees less. Seen: somewhere.
- Deviation `causal-dropped`: sees more.

## MASK-02 SHOULD window,encoder-only reserved
Another sentence.

- Source: a paper.
)";

std::string ErrorOf(const std::string& text) {
  const auto clauses = ParseClauses("spec/clauses/t.md", text);
  return clauses.ok() ? "" : clauses.status().message();
}

TEST(Clauses, AreReadFromMarkdown) {
  const auto clauses = ParseClauses("spec/clauses/masks.md", kText);
  ASSERT_TRUE(clauses.ok()) << clauses.status().message();
  ASSERT_EQ(clauses->size(), 2U);
  const Clause& first = (*clauses)[0];
  EXPECT_EQ(first.id, "MASK-01");
  EXPECT_EQ(first.topic, "masks");
  EXPECT_TRUE(first.must);
  EXPECT_FALSE(first.reserved);
  EXPECT_EQ(first.profiles, std::vector<std::string>{"causal"});
  EXPECT_EQ(first.sentence, "A row sees itself.");
  EXPECT_EQ(first.sources, std::vector<std::string>{"a paper; a README."});
  ASSERT_EQ(first.deviations.size(), 2U);
  EXPECT_EQ(first.deviations[0].name, "causal-top-left");
  EXPECT_EQ(first.deviations[0].sentence, "sees less. Seen: somewhere.");
  const Clause& second = (*clauses)[1];
  EXPECT_FALSE(second.must);
  EXPECT_TRUE(second.reserved);
  EXPECT_EQ(second.profiles, (std::vector<std::string>{"window", "encoder-only"}));
}

TEST(Clauses, LinesMayEndAsOnWindows) {
  const auto clauses = ParseClauses("t.md", "## A-01 MUST core\r\nYes.\r\n\r\n- Source: x\r\n");
  ASSERT_TRUE(clauses.ok()) << clauses.status().message();
  EXPECT_EQ((*clauses)[0].sentence, "Yes.");
  EXPECT_EQ((*clauses)[0].sources[0], "x");
}

TEST(Clauses, ErrorsHaveTheLine) {
  const std::string rest = "\nYes.\n\n- Source: x\n";
  EXPECT_EQ(ErrorOf("## A-1 MUST core" + rest), "spec/clauses/t.md:1:1: \"A-1\" is no clause id");
  EXPECT_EQ(ErrorOf("\n## A-01 MIGHT core" + rest),
            "spec/clauses/t.md:2:1: \"MIGHT\" is neither MUST nor SHOULD");
  EXPECT_EQ(ErrorOf("## A-01 MUST corn" + rest), "spec/clauses/t.md:1:1: \"corn\" is no profile");
  EXPECT_EQ(ErrorOf("## A-01 MUST" + rest),
            "spec/clauses/t.md:1:1: a clause heading is \"## ID LEVEL PROFILES "
            "[reserved|configuration]\"");
  EXPECT_EQ(ErrorOf("## A-01 MUST core\n\n- Source: x\n"),
            "spec/clauses/t.md:1:1: A-01 has no sentence");
  EXPECT_EQ(ErrorOf("## A-01 MUST core\nYes.\n"), "spec/clauses/t.md:1:1: A-01 has no source");
  EXPECT_EQ(ErrorOf("## A-01 MUST core" + rest + "## A-01 MUST core" + rest),
            "spec/clauses/t.md:5:1: A-01 stands twice");
  EXPECT_EQ(ErrorOf("## A-01 MUST core" + rest + "- Deviation x: y\n"),
            "spec/clauses/t.md:5:1: a deviation is \"- Deviation `name`: sentence\"");
  EXPECT_EQ(ErrorOf("## A-01 MUST core" + rest + "- Deviation `X y`: z\n"),
            "spec/clauses/t.md:5:1: \"X y\" is no kebab-case name");
}

TEST(Clauses, AFileWithoutClausesHasNone) {
  const auto clauses = ParseClauses("t.md", "# Only text\n\n- Source: nothing\n");
  ASSERT_TRUE(clauses.ok());
  EXPECT_TRUE(clauses->empty());
}

}  // namespace
}  // namespace attest
