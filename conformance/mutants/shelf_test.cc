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
#include "spec/bugs/bug.h"
#include "spec/cases/spec.h"

namespace attest {
namespace {

const std::vector<Clause>& Clauses() {
  static const Spec kSpec = LoadSpec().value();
  return kSpec.clauses;
}

// Name of each deviation and the clause it stands under. Those of configurations are no attention.
std::map<std::string, std::string> DeviationsOfTheSpec() {
  std::map<std::string, std::string> deviations;
  for (const Clause& clause : Clauses()) {
    if (clause.topic == "drafter") continue;
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

const BugList& Bugs() {
  static const BugList kBugs = LoadBugs().value();
  return kBugs;
}

bool Names(const Bug& bug, std::string_view mutant) {
  return std::find(bug.mutants.begin(), bug.mutants.end(), mutant) != bug.mutants.end();
}

TEST(Bugs, AreOfTheClassesOfTheShelf) {
  std::vector<std::string_view> classes;
  for (const BugClass& listed : Bugs().classes) classes.push_back(listed.name);
  EXPECT_EQ(classes, BugClasses());
}

TEST(Bugs, NameMutantsThatExist) {
  for (const Bug& bug : Bugs().bugs) {
    for (const std::string& id : bug.mutants) {
      EXPECT_NE(FindMutant(id), nullptr) << bug.id << " names " << id;
    }
  }
}

TEST(Bugs, StandForOneMutantEachOfTheSameClass) {
  std::set<std::string_view> taken;
  std::set<std::string_view> classes;
  for (const Mutant& mutant : Mutants()) {
    if (mutant.bug.empty()) continue;
    EXPECT_TRUE(taken.insert(mutant.bug).second) << mutant.bug << " is two mutants";
    const Bug* bug = Bugs().Find(mutant.bug);
    ASSERT_NE(bug, nullptr) << mutant.id << " is " << mutant.bug;
    EXPECT_TRUE(Names(*bug, mutant.id)) << bug->id << " does not name " << mutant.id;
    EXPECT_EQ(bug->bug_class, mutant.bug_class) << mutant.id;
    classes.insert(mutant.bug_class);
    EXPECT_TRUE(mutant.is_deviation() || mutant.reference == bug->reference) << mutant.id;
  }
  EXPECT_GE(taken.size(), 150U);
  EXPECT_EQ(classes.size(), BugClasses().size());
}

}  // namespace
}  // namespace attest
