// SPDX-License-Identifier: Apache-2.0
//
// Every draft config on every platform, era and runner as an approved table, and the story of
// vllm-project/vllm#40394 as approved texts. What must be in them is fixed by hand in
// spec/drafter/cases.json and resolve_test.cc; here nothing may change unseen.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "reference/drafter/drafter_case.h"
#include "reference/drafter/resolution_output.h"
#include "reference/drafter/resolve.h"
#include "spec/testing/approved_text.h"

namespace attest::drafter {
namespace {

void ExpectApprovedHere(const std::string& name, const std::string& text) {
  ExpectApproved("reference/drafter/testdata/" + name, text);
}

// "E1-E2: ..." : eras that follow each other with one answer share a line.
std::string Table(const Tables& tables, const NamedDraft& draft) {
  std::string text = fmt::format("{}\n", draft.name);
  for (const char* name : {"cuda:7.5", "cuda:8.0", "cuda:9.0", "cuda:10.0", "rocm", "cpu"}) {
    for (const Runner runner : kAllRunners) {
      std::string line;
      std::string last;
      Era first = Era::kE0;
      Era before = Era::kE0;
      const auto flush = [&] {
        if (line.empty()) return;
        text += fmt::format("  {:<9} {} {}: {}\n", name, NameOf(runner),
                            first == before ? fmt::format("{}", NameOf(first))
                                            : fmt::format("{}-{}", NameOf(first), NameOf(before)),
                            line);
      };
      for (const Era era : kAllEras) {
        const Resolution resolution = Resolve(tables, TargetConfig{}, draft.config,
                                              {.era = era,
                                               .runner = runner,
                                               .platform = ParsePlatform(name).value(),
                                               .explain = false});
        const std::string now = ToLine(tables, resolution);
        if (now != line) {
          flush();
          line = now;
          first = era;
        }
        before = era;
      }
      flush();
    }
  }
  return text;
}

TEST(Approved, EveryConfigOnEveryPlatformEraAndRunner) {
  const Result<const Tables*> tables = LoadTables();
  ASSERT_TRUE(tables.ok());
  const Result<std::vector<NamedDraft>> drafts = LoadNamedDrafts();
  ASSERT_TRUE(drafts.ok()) << drafts.status().message();
  std::string text;
  for (const NamedDraft& draft : *drafts) text += Table(**tables, draft);
  ExpectApprovedHere("resolutions.txt", text);
}

// A target with mm-prefix attention on an A100: FLASH_ATTN has a reason against it, FLEX_ATTENTION
// serves the drafter once it can do non-causal attention.
TEST(Approved, TheA100StoryOf40394) {
  const Result<const Tables*> tables = LoadTables();
  ASSERT_TRUE(tables.ok());
  const Result<std::vector<NamedDraft>> drafts = LoadNamedDrafts();
  ASSERT_TRUE(drafts.ok());
  const auto draft = std::find_if(drafts->begin(), drafts->end(),
                                  [](const NamedDraft& d) { return d.name == "qwen3-8b-dflash"; });
  ASSERT_NE(draft, drafts->end());
  TargetConfig target;
  target.model.is_mm_prefix_lm = true;
  const auto story = [&](Era era) {
    return Resolve(**tables, target, draft->config,
                   {.era = era, .platform = ParsePlatform("cuda:8.0").value()});
  };
  const Resolution before = story(Era::kE0b);
  EXPECT_TRUE(before.rejected());
  const Resolution after = story(Era::kE0c);
  EXPECT_FALSE(after.rejected());
  ExpectApprovedHere("a100_before_40394.txt", ToText(**tables, before));
  ExpectApprovedHere("a100_after_40394.txt", ToText(**tables, after));
  std::string diff;
  const ResolveOptions options{.platform = ParsePlatform("cuda:8.0").value()};
  for (const Change& change :
       Diff(**tables, target, draft->config, options, Era::kE0b, Era::kE0c)) {
    diff += fmt::format("{}: {} -> {}\n", change.part, change.from, change.to);
    for (const EraEvent* event : change.because) diff += fmt::format("  {}\n", event->reference);
  }
  ExpectApprovedHere("a100_diff.txt", diff);
}

}  // namespace
}  // namespace attest::drafter
