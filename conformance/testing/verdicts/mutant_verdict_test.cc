// SPDX-License-Identifier: Apache-2.0
//
// Every mutant must be caught by a case that cites the clause it breaks, and the same attention
// without an error must pass every smoke case.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "conformance/mutants/mutant.h"
#include "conformance/run/run_case.h"
#include "spec/cases/case.h"

namespace attest {
namespace {

const CaseSet& Cases() {
  static const CaseSet kCases = LoadCases().value();
  return kCases;
}

std::unique_ptr<Session> OpenMutant(std::string_view id) {
  const Result<BackendSpec> spec = ResolveBackend("mutant:" + std::string(id));
  EXPECT_TRUE(spec.ok()) << spec.status().message();
  if (!spec.ok()) return nullptr;
  Result<std::unique_ptr<Session>> session = Session::Open(*spec, {});
  EXPECT_TRUE(session.ok()) << session.status().message();
  if (!session.ok()) return nullptr;
  return std::move(session).value();
}

Record RunOne(Session& session, const Case& value) {
  return RunCase(session, value, {.arithmetic = session.claims().arithmetic});
}

bool Cites(const Case& value, std::string_view clause) {
  return std::find(value.clauses.begin(), value.clauses.end(), clause) != value.clauses.end();
}

bool Kills(Verdict verdict) { return verdict == Verdict::kFail || verdict == Verdict::kRefused; }

// The first of at most `most` cases of `tier` that cite `clause` and that `session` fails; nullptr
// if it passes them. The small ones first.
const Case* FirstCatch(Session& session, std::string_view clause, Tier tier, std::size_t most) {
  std::vector<const Case*> citing;
  for (const Case& value : Cases().cases) {
    if (value.tier != tier || !Cites(value, clause)) continue;
    if (ExpectationOf(session.claims(), value).expected) citing.push_back(&value);
  }
  std::stable_sort(citing.begin(), citing.end(), [](const Case* a, const Case* b) {
    return MultiplyAdds(a->problem) < MultiplyAdds(b->problem);
  });
  for (std::size_t n = 0; n < std::min(most, citing.size()); ++n) {
    if (Kills(RunOne(session, *citing[n]).verdict)) return citing[n];
  }
  return nullptr;
}

// Without a case there is nothing that could catch it: what is reserved is not judged yet.
bool IsJudged(std::string_view clause) {
  return std::any_of(Cases().cases.begin(), Cases().cases.end(),
                     [clause](const Case& value) { return Cites(value, clause); });
}

class MutantVerdict : public testing::TestWithParam<std::string_view> {};

TEST_P(MutantVerdict, IsCaughtByACaseOfTheClauseItBreaks) {
  const Mutant& mutant = *FindMutant(GetParam());
  if (!IsJudged(mutant.clause)) GTEST_SKIP() << "no case cites " << mutant.clause;
  const std::unique_ptr<Session> session = OpenMutant(mutant.id);
  ASSERT_NE(session, nullptr);
  const Case* caught = FirstCatch(*session, mutant.clause, Tier::kSmoke, 100);
  if (caught == nullptr) caught = FirstCatch(*session, mutant.clause, Tier::kCi, 100);
  EXPECT_NE(caught, nullptr) << "no case of " << mutant.clause << " fails";
}

std::vector<std::string_view> WrongOnes() {
  std::vector<std::string_view> ids;
  for (const Mutant& mutant : Mutants()) {
    if (!mutant.clause.empty()) ids.push_back(mutant.id);
  }
  return ids;
}

INSTANTIATE_TEST_SUITE_P(Shelf, MutantVerdict, testing::ValuesIn(WrongOnes()),
                         [](const auto& info) {
                           std::string name(info.param);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(FaithfulAttention, PassesEverySmokeCase) {
  const std::unique_ptr<Session> session = OpenMutant("faithful");
  ASSERT_NE(session, nullptr);
  int run = 0;
  for (const Case& value : Cases().cases) {
    if (value.tier != Tier::kSmoke || !ExpectationOf(session->claims(), value).expected) continue;
    const Record record = RunOne(*session, value);
    EXPECT_EQ(record.verdict, Verdict::kPass) << value.id << ": " << record.reason;
    EXPECT_FALSE(record.exposes.empty()) << value.id;
    ++run;
  }
  EXPECT_GT(run, 80);
}

}  // namespace
}  // namespace attest
