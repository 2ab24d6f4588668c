// SPDX-License-Identifier: Apache-2.0
//
// The model against the cases of spec/drafter, and the tables against their rules.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "reference/drafter/batch_json.h"
#include "reference/drafter/drafter_case.h"
#include "reference/drafter/resolution_output.h"
#include "reference/drafter/resolve.h"
#include "spec/cases/spec.h"

namespace attest::drafter {
namespace {

const Tables& TheTables() {
  static const Tables* const kTables = [] {
    Result<const Tables*> tables = LoadTables();
    EXPECT_TRUE(tables.ok()) << tables.status().message();
    return tables.ok() ? *tables : nullptr;
  }();
  return *kTables;
}

template <typename C>
std::vector<C> Loaded(Result<std::vector<C>> cases) {
  EXPECT_TRUE(cases.ok()) << cases.status().message();
  return cases.ok() ? std::move(*cases) : std::vector<C>{};
}

const std::vector<DrafterCase>& Cases() {
  static const std::vector<DrafterCase> kCases = Loaded(LoadDrafterCases());
  return kCases;
}

const std::vector<BatchCase>& Batches() {
  static const std::vector<BatchCase> kCases = Loaded(LoadBatchCases());
  return kCases;
}

TEST(DrafterCases, TheModelAnswersThemAll) {
  ASSERT_GE(Cases().size(), 130U);
  for (const DrafterCase& value : Cases()) {
    for (const Era era : value.eras) {
      for (const Runner runner : value.runners) {
        for (const Platform& platform : value.platforms) {
          const Resolution resolution =
              Resolve(TheTables(), value.target, value.draft,
                      {.era = era, .runner = runner, .platform = platform, .strict = value.strict});
          for (const std::string& wrong :
               Mismatches(value.expect, ToJson(TheTables(), resolution))) {
            ADD_FAILURE() << value.id << " at " << NameOf(era) << " " << NameOf(runner) << " "
                          << NameOf(platform) << ": " << wrong;
          }
        }
      }
    }
  }
}

TEST(DrafterCases, TheProposerAnswersTheBatches) {
  ASSERT_GE(Batches().size(), 20U);
  for (const BatchCase& value : Batches()) {
    for (const Era era : value.eras) {
      for (const Runner runner : value.runners) {
        const Result<BatchRequest> request = BatchFromJson(value.batch, runner);
        const nlohmann::ordered_json answer =
            request.ok() ? PreparedJson(*request, runner, era)
                         : nlohmann::ordered_json{{"error", request.status().message()}};
        for (const std::string& wrong : Mismatches(value.expect, answer)) {
          ADD_FAILURE() << value.id << " at " << NameOf(era) << " " << NameOf(runner) << ": "
                        << wrong;
        }
      }
    }
  }
}

std::vector<CaseHead> All() {
  std::vector<CaseHead> all(Cases().begin(), Cases().end());
  all.insert(all.end(), Batches().begin(), Batches().end());
  return all;
}

TEST(DrafterCases, HaveIdsOfTheirOwn) {
  std::set<std::string> ids;
  for (const CaseHead& value : All()) {
    EXPECT_TRUE(ids.insert(value.id).second) << value.id;
    EXPECT_TRUE(value.id.starts_with("drafter/")) << value.id;
    EXPECT_FALSE(value.sentence.empty()) << value.id;
    EXPECT_FALSE(value.expect.empty()) << value.id;
  }
}

// A clause that configurations judge has a case, and a case cites such clauses only.
TEST(DrafterCases, WitnessEveryClauseOfConfigurations) {
  const Result<Spec> spec = LoadSpec();
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  std::set<std::string> cited;
  for (const CaseHead& value : All()) {
    EXPECT_FALSE(value.clauses.empty()) << value.id;
    for (const std::string& id : value.clauses) {
      const Clause* clause = spec->FindClause(id);
      ASSERT_NE(clause, nullptr) << value.id << " cites " << id;
      EXPECT_TRUE(clause->configuration) << value.id << " cites " << id;
      cited.insert(id);
    }
  }
  for (const Clause& clause : spec->clauses) {
    if (!clause.configuration) continue;
    EXPECT_EQ(cited.count(clause.id), 1U) << clause.id << " has no case";
  }
}

// ---- Tables

TEST(DrafterTables, OneBackendCannotDoCausal) {
  for (const Era era : kAllEras) {
    int without = 0;
    for (const BackendRow& row : TheTables().at(era).rows) {
      without += row.present && !row.causal ? 1 : 0;
      EXPECT_TRUE(row.causal || row.of_this_spec);
    }
    EXPECT_EQ(without, 1) << NameOf(era);
  }
}

TEST(DrafterTables, NoEraLosesNonCausalAttention) {
  for (std::size_t i = 1; i < kAllEras.size(); ++i) {
    const auto& before = TheTables().eras[i - 1].rows;
    const auto& after = TheTables().eras[i].rows;
    for (std::size_t b = 0; b < before.size(); ++b) {
      if (!before[b].present || !after[b].present) continue;
      EXPECT_TRUE(!before[b].non_causal || after[b].non_causal)
          << TheTables().name(static_cast<BackendId>(b)) << " at " << NameOf(kAllEras[i]);
    }
  }
}

TEST(DrafterTables, EveryListedBackendHasARowInItsEras) {
  for (const PriorityRule& rule : TheTables().priorities) {
    for (const Era era : kAllEras) {
      if (!rule.eras[static_cast<std::size_t>(era)]) continue;
      for (const PriorityEntry& entry : rule.order) {
        if (entry.sparse_pair) continue;
        EXPECT_TRUE(TheTables().row(era, entry.backend).present)
            << TheTables().name(entry.backend) << " at " << NameOf(era);
      }
    }
  }
}

TEST(DrafterTables, FamiliesStandForFiveBackends) {
  std::map<std::string, std::string> families;
  for (const FamilyRow& row : TheTables().families) {
    families[TheTables().name(row.backend)] = row.family;
  }
  const std::map<std::string, std::string> expected = {
      {"FLASH_ATTN", "flash"},
      {"FLEX_ATTENTION", "flex"},
      {"ROCM_ATTN", "prefix"},
      {"TRITON_ATTN", "unified"},
      {"ROCM_AITER_UNIFIED_ATTN", "aiter_unified"}};
  EXPECT_EQ(families, expected);
}

TEST(DrafterTables, EveryTextThatTheModelUsesIsThere) {
  for (const char* id : {"slow-backend",
                         "backend-differs",
                         "causal-against-checkpoint",
                         "tokens-exceed-block",
                         "cpu-ignores-non-causal",
                         "cpu-ignores-backend",
                         "cpu-ignores-batch-invariance",
                         "block-size-precluded",
                         "layout-flips",
                         "target-forced-non-causal",
                         "flashinfer-sm90-window",
                         "flashinfer-dcp",
                         "flashinfer-nvfp4",
                         "window-two-sided",
                         "window-anchor",
                         "metadata-unchecked",
                         "aux-layers-unshifted",
                         "aux-layers-default",
                         "backend-dropped",
                         "moe-backend-dropped",
                         "unknown-layer-type",
                         "config-incomplete",
                         "runner-forced"}) {
    EXPECT_NE(TheTables().FindWarning(id), nullptr) << id;
  }
  EXPECT_EQ(TheTables().warnings.size(), 23U);
  for (const char* id :
       {"causal-not-boolean", "backend-per-kind-leak", "tokens-exceed-block", "mask-token-range",
        "window-null", "layer-types-length", "unknown-layer-type", "aux-layer-range",
        "target-config-changed", "mm-prefix-leak", "cpu-silence", "speculators-flag-all-layers",
        "conflicting-causality", "dflash-config-null", "use-non-causal-set-by-user"}) {
    EXPECT_NE(TheTables().FindStrictRule(id), nullptr) << id;
  }
  EXPECT_EQ(TheTables().strict_rules.size(), 15U);
}

TEST(DrafterConfigs, NameTheirSourceAndWhatItLacks) {
  const Result<std::vector<NamedDraft>> drafts = LoadNamedDrafts();
  ASSERT_TRUE(drafts.ok()) << drafts.status().message();
  EXPECT_GE(drafts->size(), 12U);
  for (const NamedDraft& draft : *drafts) {
    EXPECT_TRUE(draft.source.starts_with("https://")) << draft.name;
    const DraftConfig& config = draft.config;
    const std::map<std::string, bool> given = {
        {"architectures", !config.architectures.empty()},
        {"head_dim", config.head_dim.has_value()},
        {"num_attention_heads", config.num_attention_heads.has_value()},
        {"num_hidden_layers", config.num_hidden_layers.has_value()},
        {"layer_types", config.layer_types.value.given()},
        {"vocab_size", config.vocab_size.has_value()},
        {"block_size", BlockSizeOf(config).has_value()}};
    for (const auto& [key, there] : given) {
      const bool listed =
          std::find(draft.missing.begin(), draft.missing.end(), key) != draft.missing.end();
      EXPECT_NE(there, listed) << draft.name << ": " << key;
    }
  }
}

}  // namespace
}  // namespace attest::drafter
