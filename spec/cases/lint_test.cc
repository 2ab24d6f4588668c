// SPDX-License-Identifier: Apache-2.0
//
// What must be true of the data of the spec, whoever edits it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include "spec/cases/expand.h"
#include "spec/cases/spec.h"
#include "spec/vocabulary/claims.h"

namespace attest {
namespace {

const Spec& TheSpec() {
  static const Spec kSpec = [] {
    Result<Spec> spec = LoadSpec();
    if (!spec.ok()) {
      ADD_FAILURE() << spec.status().message();
      return Spec{};
    }
    return std::move(*spec);
  }();
  return kSpec;
}

const CaseTemplate* TemplateOf(const Case& value) {
  for (const TopicFile& file : TheSpec().topics) {
    if (file.topic != value.topic) continue;
    for (const CaseTemplate& candidate : file.cases) {
      if (candidate.slug == value.slug) return &candidate;
    }
  }
  return nullptr;
}

bool Exempt(const Case& value, const std::string& rule) {
  const CaseTemplate* origin = TemplateOf(value);
  return origin != nullptr && origin->exempt.count(rule) > 0;
}

// Cases whose numbers somebody chose, and whose outputs are judged.
std::vector<Case> DesignedCases() {
  std::vector<Case> designed;
  for (const Case& value : TheSpec().cases.cases) {
    const bool judged = value.kind != CaseKind::kRefusal && value.kind != CaseKind::kInvalid;
    if (value.origin == "design" && judged) designed.push_back(value);
  }
  return designed;
}

TEST(Lint, TheSpecLoads) {
  EXPECT_FALSE(TheSpec().clauses.empty());
  EXPECT_GE(TheSpec().models.size(), 20U);
  EXPECT_FALSE(TheSpec().batches.empty());
}

TEST(Lint, ClauseIdsAndDeviationNamesAreUniqueInTheWholeSpec) {
  std::set<std::string> ids;
  std::set<std::string> names;
  for (const Clause& clause : TheSpec().clauses) {
    EXPECT_TRUE(ids.insert(clause.id).second) << clause.id;
    for (const Deviation& deviation : clause.deviations) {
      EXPECT_TRUE(names.insert(deviation.name).second) << deviation.name;
    }
  }
}

TEST(Lint, CasesCiteNoReservedClause) {
  for (const Case& value : TheSpec().cases.cases) {
    EXPECT_FALSE(value.clauses.empty()) << value.id;
    for (const std::string& id : value.clauses) {
      const Clause* clause = TheSpec().FindClause(id);
      ASSERT_NE(clause, nullptr) << value.id << " cites " << id;
      EXPECT_FALSE(clause->reserved || clause->configuration) << value.id << " cites " << id;
    }
  }
}

TEST(Lint, CasesCiteEachClauseOnce) {
  for (const Case& value : TheSpec().cases.cases) {
    const std::set<std::string> cited(value.clauses.begin(), value.clauses.end());
    EXPECT_EQ(cited.size(), value.clauses.size()) << value.id;
  }
}

TEST(Lint, EveryMustClauseHasADesignedCaseOrAWaiver) {
  std::map<std::string, int> witnesses;
  for (const Case& value : TheSpec().cases.cases) {
    if (value.origin != "design" || value.tier == Tier::kFull) continue;
    for (const std::string& clause : value.clauses) ++witnesses[clause];
  }
  std::set<std::string> waived;
  for (const ClauseWaiver& waiver : TheSpec().waivers) waived.insert(waiver.clause);
  for (const Clause& clause : TheSpec().clauses) {
    if (clause.reserved || clause.configuration) continue;
    if (!clause.must || waived.count(clause.id) > 0) continue;
    EXPECT_GT(witnesses[clause.id], 0) << clause.id << " has no case but those of models";
  }
}

TEST(Lint, EveryUnreservedClauseHasASmokeCase) {
  std::set<std::string> shown;
  for (const Case& value : TheSpec().cases.cases) {
    if (value.tier == Tier::kSmoke) shown.insert(value.clauses.begin(), value.clauses.end());
  }
  for (const Clause& clause : TheSpec().clauses) {
    if (clause.configuration) continue;
    EXPECT_TRUE(clause.reserved || shown.count(clause.id) > 0) << clause.id;
  }
}

TEST(Lint, WaiversAreFewAndNoneIsForMasksOrPaging) {
  EXPECT_LE(TheSpec().waivers.size(), 5U);
  for (const ClauseWaiver& waiver : TheSpec().waivers) {
    const Clause* clause = TheSpec().FindClause(waiver.clause);
    ASSERT_NE(clause, nullptr) << waiver.clause;
    EXPECT_FALSE(waiver.clause.starts_with("MASK-")) << waiver.clause;
    EXPECT_FALSE(waiver.clause.starts_with("KV-")) << waiver.clause;
  }
}

TEST(Lint, ModelsWaitForReservedClausesOnly) {
  for (const Model& model : TheSpec().models) {
    EXPECT_FALSE(model.source.empty()) << model.id;
    for (const ModelLayer& layer : model.layers) {
      for (const std::string& id : layer.waits_for) {
        const Clause* clause = TheSpec().FindClause(id);
        ASSERT_NE(clause, nullptr) << model.id << " waits for " << id;
        EXPECT_TRUE(clause->reserved) << model.id << " waits for " << id;
      }
    }
  }
}

TEST(Lint, EveryLayerThatDoesNotWaitHasACiCase) {
  std::set<std::string> covered;
  for (const Case& value : TheSpec().cases.cases) {
    if (value.tier == Tier::kFull || !value.origin.starts_with("model:")) continue;
    covered.insert(value.id.substr(0, value.id.find(',')));
  }
  for (const Model& model : TheSpec().models) {
    for (const ModelLayer& layer : model.layers) {
      if (!layer.waits_for.empty()) continue;
      EXPECT_EQ(covered.count(fmt::format("models/{}/layer={}", model.id, layer.name)), 1U)
          << model.id << " " << layer.name;
    }
  }
}

TEST(Lint, EveryBatchOfTheModelsDataIsUsed) {
  std::set<std::string> used;
  for (const TopicFile& file : TheSpec().topics) {
    for (const ModelGroup& group : file.groups) {
      used.insert(group.batches.begin(), group.batches.end());
    }
  }
  for (const BatchSpec& batch : TheSpec().batches) {
    EXPECT_EQ(used.count(batch.id), 1U) << batch.id;
  }
}

TEST(Lint, EveryCaseHasAProfileExceptRefusals) {
  for (const Case& value : TheSpec().cases.cases) {
    EXPECT_EQ(value.profiles.empty(), value.kind == CaseKind::kRefusal) << value.id;
  }
}

TEST(Lint, TiersKeepTheirBudgets) {
  int smoke = 0;
  for (const Case& value : TheSpec().cases.cases) {
    const double cost = MultiplyAdds(value.problem);
    if (value.tier == Tier::kSmoke) {
      ++smoke;
      EXPECT_LE(cost, 0x1p22) << value.id;
    }
    if (value.tier == Tier::kCi) {
      EXPECT_LE(cost, 0x1p28) << value.id;
    }
  }
  EXPECT_LE(smoke, 150);
}

TEST(Lint, CiHasCasesEnough) {
  int count = 0;
  for (const Case& value : TheSpec().cases.cases) count += value.tier != Tier::kFull ? 1 : 0;
  EXPECT_GE(count, 3000);
}

TEST(Lint, CiShowsEveryKindOfCase) {
  std::set<CaseKind> kinds;
  for (const Case& value : TheSpec().cases.cases) {
    if (value.tier != Tier::kFull) kinds.insert(value.kind);
  }
  EXPECT_EQ(kinds.size(), kAllCaseKinds.size());
}

TEST(Lint, EveryMustClauseNamesADeviationOrIsOfArithmetic) {
  for (const Clause& clause : TheSpec().clauses) {
    if (!clause.must || clause.id.starts_with("NUM-")) continue;
    // ABI-01 is a promise of the header: a lost field is a deviation of the clause it belongs to.
    if (clause.id == "ABI-01") continue;
    EXPECT_FALSE(clause.deviations.empty()) << clause.id;
  }
}

TEST(Lint, SmokeShowsEveryAttentionTypeAndDType) {
  std::set<AttentionType> types;
  std::set<DType> dtypes;
  for (const Case& value : TheSpec().cases.cases) {
    if (value.tier != Tier::kSmoke || value.kind != CaseKind::kForward) continue;
    types.insert(value.problem.attention_type);
    dtypes.insert(value.problem.query_dtype);
  }
  EXPECT_EQ(types.size(), 3U);
  EXPECT_EQ(dtypes, (std::set<DType>{DType::kFloat32, DType::kFloat16, DType::kBFloat16}));
}

// deterministic and chunk-invariant are promises about several calls: no single problem asks for
// them, so there is nothing to refuse.
TEST(Lint, EveryFeatureThatAProblemCanAskForHasARefusalCase) {
  std::map<std::uint64_t, int> cases;
  for (const Case& value : TheSpec().cases.cases) {
    if (value.kind == CaseKind::kRefusal) ++cases[value.feature];
  }
  for (const FeatureName& feature : FeatureNames()) {
    constexpr std::uint64_t kNotAsked = ATTEST_CLAIM_DETERMINISTIC | ATTEST_CLAIM_CHUNK_INVARIANT;
    EXPECT_EQ(cases[feature.bit], (feature.bit & kNotAsked) != 0 ? 0 : 1) << feature.name;
  }
}

// ---- Rules about single cases, which a template may be exempt from with a reason

// What breaks the rule; empty if nothing does.
using Rule = std::string (*)(const Case&);

// Flat scores are blind to keys, so structural cases run with one-hot keys as well.
std::string OneCodeOnly(const Case& value) {
  const CaseTemplate& origin = *TemplateOf(value);
  const std::set<Recipe> inputs(origin.inputs.begin(), origin.inputs.end());
  const bool structural =
      std::any_of(origin.clauses.begin(), origin.clauses.end(), [](const std::string& clause) {
        return clause.starts_with("MASK-") || clause.starts_with("HEAD-") ||
               clause.starts_with("KV-");
      });
  if (!structural || inputs.count(Recipe::kVCoded) <= inputs.count(Recipe::kKCoded)) return {};
  return "v-coded inputs without k-coded ones";
}

// Sizes that are equal hide an exchange of one for the other.
std::string EqualSizes(const Case& value) {
  const Problem& p = value.problem;
  std::map<std::string, std::int64_t> sizes = {
      {"num_q_heads", p.num_q_heads}, {"num_kv_heads", p.num_kv_heads},
      {"group", p.group()},           {"requests", static_cast<std::int64_t>(p.requests.size())},
      {"block_size", p.block_size},   {"max_query_len", MaxQueryLen(p)},
      {"window_left", p.window_left},
  };
  if (p.window_right != p.window_left) sizes["window_right"] = p.window_right;
  std::map<std::int64_t, std::string> seen;
  for (const auto& [name, size] : sizes) {
    const auto [other, fresh] = seen.emplace(size, name);
    if (!fresh && size > 1) return fmt::format("{} and {} are {}", name, other->second, size);
  }
  return {};
}

std::string WholePages(const Case& value) {
  const int block_size = value.problem.block_size;
  for (const Request& request : value.problem.requests) {
    if (block_size > 1 && request.seq_len > 0 && request.seq_len % block_size == 0) {
      return fmt::format("seq_len {}, block_size {}", request.seq_len, block_size);
    }
  }
  return {};
}

std::string WindowOfWholePages(const Case& value) {
  const Problem& p = value.problem;
  for (const std::int64_t window : {p.window_left, p.window_right}) {
    if (p.block_size > 1 && window > 0 && window % p.block_size == 0) {
      return fmt::format("window {}, block_size {}", window, p.block_size);
    }
  }
  return {};
}

const std::map<std::string, Rule>& Rules() {
  static const std::map<std::string, Rule> kRules = {{"both-codes", OneCodeOnly},
                                                     {"distinct-sizes", EqualSizes},
                                                     {"whole-pages", WholePages},
                                                     {"no-multiples", WindowOfWholePages}};
  return kRules;
}

TEST(Lint, DesignedCasesKeepTheRulesTheyAreNotExemptFrom) {
  for (const Case& value : DesignedCases()) {
    for (const auto& [name, rule] : Rules()) {
      if (Exempt(value, name)) continue;
      EXPECT_EQ(rule(value), "") << value.id << " breaks " << name;
    }
  }
}

TEST(Lint, EveryExemptionHasAReasonAndIsNeeded) {
  std::set<std::string> needed;
  for (const Case& value : DesignedCases()) {
    for (const auto& [name, rule] : Rules()) {
      if (!rule(value).empty())
        needed.insert(fmt::format("{}/{}/{}", value.topic, value.slug, name));
    }
  }
  for (const TopicFile& file : TheSpec().topics) {
    for (const CaseTemplate& value : file.cases) {
      for (const auto& [rule, reason] : value.exempt) {
        EXPECT_FALSE(reason.empty()) << file.topic << "/" << value.slug << ": " << rule;
        EXPECT_EQ(needed.count(fmt::format("{}/{}/{}", file.topic, value.slug, rule)), 1U)
            << file.topic << "/" << value.slug << " need not be exempt from " << rule;
      }
    }
  }
}

// ---- Ids

TEST(Lint, NoIdDisappearsWithoutATombstone) {
  const char* source = std::getenv("ATTEST_SOURCE");
  ASSERT_NE(source, nullptr) << "run by ctest";
  std::ifstream file(std::string(source) + "/spec/cases/ids.txt");
  ASSERT_TRUE(file) << "spec/cases/ids.txt: cmake --build BUILD --target update_case_ids";
  std::set<std::string> ever;
  for (std::string line; std::getline(file, line);) ever.insert(line);
  std::set<std::string> buried;
  for (const Tombstone& tombstone : TheSpec().tombstones) buried.insert(tombstone.id);
  std::set<std::string> alive;
  for (const Case& value : TheSpec().cases.cases) alive.insert(value.id);
  for (const std::string& id : ever) {
    EXPECT_NE(alive.count(id), buried.count(id)) << id << " is neither a case nor a tombstone";
  }
  for (const std::string& id : alive) {
    EXPECT_EQ(ever.count(id), 1U) << id << " is new: --target update_case_ids";
  }
}

}  // namespace
}  // namespace attest
