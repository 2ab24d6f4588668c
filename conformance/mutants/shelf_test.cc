// SPDX-License-Identifier: Apache-2.0
//
// The shelf and the spec name the same deviations.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "conformance/mutants/catalogue.h"
#include "conformance/mutants/mutant.h"
#include "spec/cases/spec.h"

namespace attest {
namespace {

const std::vector<Clause>& Clauses() {
  static const Spec kSpec = LoadSpec().value();
  return kSpec.clauses;
}

// Name of each deviation and the clause it stands under.
std::map<std::string, std::string> DeviationsOfTheSpec() {
  std::map<std::string, std::string> deviations;
  for (const Clause& clause : Clauses()) {
    for (const Deviation& deviation : clause.deviations) deviations[deviation.name] = clause.id;
  }
  return deviations;
}

TEST(Shelf, HoldsEveryNamedDeviationUnderItsClauseAndNoOther) {
  std::map<std::string, std::string> mutants;
  for (const Mutant& mutant : Mutants()) {
    if (mutant.is_deviation()) mutants[std::string(mutant.id)] = std::string(mutant.clause);
  }
  EXPECT_EQ(mutants, DeviationsOfTheSpec());
}

TEST(Shelf, GivesMutantsOfItsOwnATextAndAReference) {
  const std::map<std::string, std::string> deviations = DeviationsOfTheSpec();
  for (const MutantEntry& entry : MutantCatalogue(Clauses())) {
    EXPECT_EQ(entry.deviation, deviations.count(entry.id) == 1) << entry.id;
    EXPECT_FALSE(entry.sentence.empty()) << entry.id;
    EXPECT_FALSE(entry.reference.empty()) << entry.id;
  }
}

TEST(Shelf, NamesEachMutantOnceWithAKnownClassAndClause) {
  std::set<std::string_view> ids;
  std::set<std::string> clauses;
  for (const Clause& clause : Clauses()) clauses.insert(clause.id);
  const std::vector<std::string_view>& classes = BugClasses();
  for (const Mutant& mutant : Mutants()) {
    EXPECT_TRUE(ids.insert(mutant.id).second) << mutant.id;
    EXPECT_EQ(FindMutant(mutant.id), &mutant);
    if (mutant.clause.empty()) continue;  // faithful
    EXPECT_EQ(clauses.count(std::string(mutant.clause)), 1U) << mutant.id;
    EXPECT_NE(std::find(classes.begin(), classes.end(), mutant.bug_class), classes.end())
        << mutant.id << ": " << mutant.bug_class;
  }
  EXPECT_EQ(FindMutant(""), FindMutant("faithful"));
  EXPECT_EQ(FindMutant("no-such-mutant"), nullptr);
}

}  // namespace
}  // namespace attest
