// SPDX-License-Identifier: Apache-2.0
//
// Every planted error must be caught by a case that cites the clause it breaks, and the same
// attention without an error must pass every smoke case.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "conformance/run/run_case.h"
#include "conformance/testing/planted/errors.h"
#include "spec/cases/case.h"

namespace attest {
namespace {

const CaseSet& Cases() {
  static const CaseSet kCases = LoadCases().value();
  return kCases;
}

std::unique_ptr<Session> OpenPlanted(std::string_view id) {
  const Result<BackendSpec> spec =
      ResolveBackend(std::string(ATTEST_PLANTED_LIBRARY ":") + std::string(id));
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

// The first case of `tier` that cites `clause` and that `session` fails; nullptr if it passes all.
const Case* FirstCatch(Session& session, std::string_view clause, Tier tier) {
  for (const Case& value : Cases().cases) {
    if (value.tier != tier || !Cites(value, clause)) continue;
    if (!ExpectationOf(session.claims(), value).expected) continue;
    if (RunOne(session, value).verdict == Verdict::kFail) return &value;
  }
  return nullptr;
}

class PlantedVerdict : public testing::TestWithParam<PlantedError> {};

TEST_P(PlantedVerdict, IsCaughtByACaseOfTheClauseItBreaks) {
  const PlantedError& planted = GetParam();
  const std::unique_ptr<Session> session = OpenPlanted(planted.id);
  ASSERT_NE(session, nullptr);
  const Case* caught = FirstCatch(*session, planted.clause, Tier::kSmoke);
  if (caught == nullptr) caught = FirstCatch(*session, planted.clause, Tier::kCi);
  EXPECT_NE(caught, nullptr) << planted.sentence << ": no case of " << planted.clause << " fails";
}

std::vector<PlantedError> WrongOnes() {
  std::vector<PlantedError> wrong = PlantedErrors();
  std::erase_if(wrong, [](const PlantedError& planted) { return planted.clause.empty(); });
  return wrong;
}

INSTANTIATE_TEST_SUITE_P(Shelf, PlantedVerdict, testing::ValuesIn(WrongOnes()),
                         [](const auto& info) {
                           std::string name(info.param.id);
                           std::replace_if(
                               name.begin(), name.end(),
                               [](char c) { return c == '-' || c == '.'; }, '_');
                           return name;
                         });

TEST(FaithfulAttention, PassesEverySmokeCase) {
  const std::unique_ptr<Session> session = OpenPlanted("faithful");
  ASSERT_NE(session, nullptr);
  int run = 0;
  for (const Case& value : Cases().cases) {
    if (value.tier != Tier::kSmoke || !ExpectationOf(session->claims(), value).expected) continue;
    const Record record = RunOne(*session, value);
    EXPECT_EQ(record.verdict, Verdict::kPass) << value.id << ": " << record.reason;
    ++run;
  }
  EXPECT_GT(run, 80);
}

}  // namespace
}  // namespace attest
