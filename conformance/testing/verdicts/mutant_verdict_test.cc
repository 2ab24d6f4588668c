// SPDX-License-Identifier: Apache-2.0
//
// The scalar attention without an error must pass every smoke case. That no mutant does is shown by
// `attest kill`.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

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

// A row that sees nothing is 0, with no error allowed: the mean of the values is wrong there, and a
// number.
TEST(WrongCells, TellANumberFromNone) {
  for (const auto& [mutant, is_number] :
       {std::pair{"empty-row-mean", true}, {"empty-row-nan", false}}) {
    const std::unique_ptr<Session> session = OpenMutant(mutant);
    ASSERT_NE(session, nullptr);
    const Result<Case> value =
        FindCase(Cases(), "masks/rows-before-keys/type=causal,dtype=float32,inputs=v-coded");
    ASSERT_TRUE(value.ok());
    const Record record = RunOne(*session, *value);
    ASSERT_FALSE(record.wrong_cells.empty()) << mutant;
    for (const WrongCell& cell : record.wrong_cells) {
      EXPECT_EQ(std::isfinite(cell.ratio), is_number) << mutant;
    }
  }
}

}  // namespace
}  // namespace attest
