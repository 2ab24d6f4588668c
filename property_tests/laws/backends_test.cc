// SPDX-License-Identifier: Apache-2.0
//
// Laws hold for right backends, and each is broken by a wrong one.
#include <gtest/gtest.h>

#include <memory>

#include "property_tests/laws/run_law.h"

namespace attest {
namespace {

std::unique_ptr<Session> Open(const std::string& backend) {
  const Result<BackendSpec> spec = ResolveBackend(backend);
  if (!spec.ok()) {
    ADD_FAILURE() << spec.status().message();
    return nullptr;
  }
  Result<std::unique_ptr<Session>> session = Session::Open(*spec, {});
  if (!session.ok()) {
    ADD_FAILURE() << session.status().message();
    return nullptr;
  }
  return std::move(*session);
}

void ExpectLawsHold(const std::string& backend, int cases) {
  const std::unique_ptr<Session> session = Open(backend);
  ASSERT_NE(session, nullptr);
  Subject subject(*session, session->claims().arithmetic);
  for (const Law& law : Laws()) {
    const LawRun run = RunLaw(law, subject, {.cases = cases, .seed = 20260101});
    EXPECT_EQ(Name(run.verdict), "holds") << law.name << ": " << run.reason;
    EXPECT_EQ(run.cases, cases) << law.name;
  }
}

TEST(LawsOf, CpuHold) { ExpectLawsHold("cpu", 20); }
TEST(LawsOf, TheFaithfulAttentionHold) { ExpectLawsHold("mutant:faithful", 8); }

TEST(LawsOf, NullHoldAsFarAsThereAreAny) {
  const std::unique_ptr<Session> session = Open("null");
  ASSERT_NE(session, nullptr);
  Subject subject(*session, session->claims().arithmetic);
  for (const Law& law : Laws()) {
    const LawRun run = RunLaw(law, subject, {.cases = 20});
    const bool refuses = law.name == "honest-supports";
    EXPECT_EQ(Name(run.verdict), refuses ? "holds" : "not-claimed") << law.name << run.reason;
  }
}

struct Breaker {
  const char* law;
  const char* mutant;
};
void PrintTo(const Breaker& breaker, std::ostream* out) {
  *out << breaker.law << " by " << breaker.mutant;
}

class Broken : public testing::TestWithParam<Breaker> {};

TEST_P(Broken, ByAWrongBackend) {
  const std::unique_ptr<Session> session = Open(std::string("mutant:") + GetParam().mutant);
  ASSERT_NE(session, nullptr);
  Subject subject(*session, session->claims().arithmetic);
  const LawRun run = RunLaw(*FindLaw(GetParam().law), subject,
                            {.cases = 200, .seed = 20260101, .shrink_tries = 0});
  EXPECT_EQ(Name(run.verdict), "fails") << run.cases << " cases; " << run.reason;
}

}  // namespace
}  // namespace attest
