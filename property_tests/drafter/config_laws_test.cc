// SPDX-License-Identifier: Apache-2.0
//
// The laws on random configurations and batches. ATTEST_DRAFTER_SAMPLES sets how many; a million
// take less than a minute in a release build.
#include "property_tests/drafter/config_laws.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "reference/drafter/resolution_output.h"

namespace attest::drafter {
namespace {

constexpr std::uint64_t kSeed = 20260101;

std::int64_t Samples() {
  const char* wanted = std::getenv("ATTEST_DRAFTER_SAMPLES");
  return wanted == nullptr ? 3000 : std::atoll(wanted);
}

const Tables& TheTables() {
  static const Tables* const kTables = LoadTables().value();
  return *kTables;
}

std::string TryConfig(const LawSubject& subject, const ConfigLaw& law, FastRandom& random) {
  const ConfigSample sample = DrawConfig(TheTables(), random);
  const Resolution base = subject.Resolve(sample);
  const std::string what = law.broken(subject, sample, base);
  return what.empty() ? "" : what + "\n" + ToText(TheTables(), base);
}

std::string TryBatch(const LawSubject& subject, const BatchLaw& law, FastRandom& random) {
  const BatchSample sample = DrawBatch(random);
  if (const Status valid = Validate(sample.batch, sample.runner); !valid.ok()) {
    return valid.message();
  }
  return law.broken(subject, sample, subject.Prepare(sample.batch, sample.runner));
}

// Half of all samples are configurations, half are batches. One law in turn is tried on each.
std::map<int, std::string> BrokenBy(const LawSubject& subject, std::int64_t samples) {
  FastRandom random(kSeed);
  std::map<int, std::string> broken;
  for (std::int64_t i = 0; i < samples; ++i) {
    const auto at = static_cast<std::size_t>(i / 2);
    const ConfigLaw& config = ConfigLaws()[at % ConfigLaws().size()];
    const BatchLaw& batch = BatchLaws()[at % BatchLaws().size()];
    const std::string what =
        i % 2 == 0 ? TryConfig(subject, config, random) : TryBatch(subject, batch, random);
    if (!what.empty()) broken.emplace(i % 2 == 0 ? config.clause : batch.clause, what);
  }
  return broken;
}

TEST(ConfigLaws, HoldOfTheModel) {
  const LawSubject model{.tables = TheTables()};
  for (const auto& [clause, what] : BrokenBy(model, Samples())) {
    ADD_FAILURE() << "DRAFT-" << clause << ": " << what;
  }
}

TEST(ConfigLaws, CoverEveryClauseOrSayWhyNot) {
  std::set<int> covered;
  for (const ConfigLaw& law : ConfigLaws()) covered.insert(law.clause);
  for (const BatchLaw& law : BatchLaws()) covered.insert(law.clause);
  for (const ClauseWithoutLaw& one : ClausesWithoutLaw()) {
    EXPECT_TRUE(covered.insert(one.clause).second) << one.clause;
    EXPECT_FALSE(one.reason.empty());
  }
  EXPECT_EQ(covered.size(), 50U);
  EXPECT_EQ(*covered.begin(), 1);
  EXPECT_EQ(*covered.rbegin(), 50);
}

// Is one of the clause's laws broken by one of a few samples?
bool Breaks(const LawSubject& subject, int clause) {
  FastRandom random(kSeed);
  for (int i = 0; i < 4000; ++i) {
    for (const ConfigLaw& law : ConfigLaws()) {
      if (law.clause == clause && !TryConfig(subject, law, random).empty()) return true;
    }
    for (const BatchLaw& law : BatchLaws()) {
      if (law.clause == clause && !TryBatch(subject, law, random).empty()) return true;
    }
  }
  return false;
}

// A law that no wrong implementation breaks proves nothing.
TEST(ConfigLaws, AreEachBrokenByAKnownMistake) {
  const std::map<int, std::string_view> breaks = {
      {1, "drafter-inherits-target-backend"},
      {2, "drafter-backend-dropped"},
      {4, "cache-dtype-not-inherited"},
      {5, "target-takes-drafter-backend"},
      {8, "backend-names-with-dashes"},
      {9, "backend-per-kind-ignored"},
      {10, "target-as-non-causal-as-drafter"},
      {12, "nested-causal-first"},
      {13, "null-is-false"},
      {14, "text-false-is-false"},
      {16, "false-falls-through"},
      {34, "use-swa-means-causal"},
      {35, "top-level-window-first"},
      {38, "aux-layers-shifted-twice"},
      {40, "bonus-row-sampled"},
      {41, "rows-behind-rejected"},
      {42, "rejected-rows-written"},
      {44, "bound-from-real-lengths"},
      {45, "padding-slots-stale"},
      {47, "slots-of-clamped-positions"},
      {48, "masks-only"},
      {49, "unpadded-batch-accepted"},
      {50, "metadata-causal-by-default"},
  };
  for (const auto& [clause, id] : breaks) {
    const ConfigMutant* mutant = FindConfigMutant(id);
    ASSERT_NE(mutant, nullptr) << id;
    const LawSubject subject{.tables = TheTables(), .mutant = mutant};
    EXPECT_TRUE(Breaks(subject, clause)) << "DRAFT-" << clause << " " << id;
  }
}

}  // namespace
}  // namespace attest::drafter
