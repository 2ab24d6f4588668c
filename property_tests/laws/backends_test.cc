// SPDX-License-Identifier: Apache-2.0
//
// Laws hold for right backends, and each is broken by a wrong one.
#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <vector>

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
    const LawRun run = RunLaw(law, subject, {.cases = cases, .seed = 20260101, .largest = 20});
    EXPECT_EQ(Name(run.verdict), "holds") << law.name << ": " << run.reason;
    EXPECT_EQ(run.cases, cases) << law.name;
  }
}

TEST(LawsOf, CpuHold) { ExpectLawsHold("cpu", 5); }
TEST(LawsOf, TheFaithfulAttentionHold) { ExpectLawsHold("mutant:faithful", 3); }

TEST(LawsOf, NullHoldAsFarAsThereAreAny) {
  const std::unique_ptr<Session> session = Open("null");
  ASSERT_NE(session, nullptr);
  Subject subject(*session, session->claims().arithmetic);
  for (const Law& law : Laws()) {
    const LawRun run = RunLaw(law, subject, {.cases = 10});
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
                            {.cases = 100, .seed = 20260101, .largest = 40, .shrink_tries = 0});
  EXPECT_EQ(Name(run.verdict), "fails") << run.cases << " cases; " << run.reason;
}

const std::vector<Breaker>& Breakers() {
  static const std::vector<Breaker> kBreakers = {{"oracle", "scale-three-percent"},
                                                 {"hull-of-values", "denominator-missing"},
                                                 {"value-linearity", "output-cut-to-ten-bits"},
                                                 {"value-linearity", "int8-read-unsigned"},
                                                 {"masked-keys", "causal-one-more"},
                                                 {"masked-keys", "window-one-long"},
                                                 {"unused-memory", "masked-value-multiplied"},
                                                 {"unused-memory", "page-tail-visible"},
                                                 {"key-order", "last-key-missing"},
                                                 {"score-shift", "lse-base-two"},
                                                 {"score-shift", "scores-in-bf16"},
                                                 {"split-and-merge", "merge-base-two"},
                                                 {"split-and-merge", "cascade-sink-missing"},
                                                 {"grouped-heads", "head-interleaved"},
                                                 {"physical-pages", "table-identity"},
                                                 {"physical-pages", "physical-order-accumulation"},
                                                 {"independent-requests", "keys-of-wrong-request"},
                                                 {"independent-requests", "tile-shares-maximum"},
                                                 {"independent-requests", "splits-follow-batch"},
                                                 {"roomier-call", "bound-taken-as-length"},
                                                 {"roomier-call", "table-pitch-assumed"},
                                                 {"causal-last-row", "causal-top-left"},
                                                 {"chunked-prefill", "tiles-start-at-chunk"},
                                                 {"chunked-prefill", "causal-top-left"},
                                                 {"decode-row", "softcap-ignored-in-decode"},
                                                 {"packed-documents", "encoder-sees-neighbours"},
                                                 {"symmetric-window", "window-both-one-short"},
                                                 {"written-slots", "negative-slot-wraps"},
                                                 {"written-slots", "write-one-too-many"},
                                                 {"written-slots", "write-absmax-over-448"},
                                                 {"written-slots", "write-truncates"},
                                                 {"no-memory", "scale-of-first-call"},
                                                 {"no-memory", "mask-stale"},
                                                 {"honest-supports", "feature-silently-ignored"},
                                                 {"honest-supports", "refusal-after-yes"},
                                                 {"honest-supports", "refusal-touches-output"}};
  return kBreakers;
}

INSTANTIATE_TEST_SUITE_P(Laws, Broken, testing::ValuesIn(Breakers()));

TEST(LawsOf, AllHaveABackendThatBreaksThem) {
  std::set<std::string_view> broken;
  for (const Breaker& breaker : Breakers()) broken.insert(breaker.law);
  for (const Law& law : Laws()) EXPECT_EQ(broken.count(law.name), 1U) << law.name;
}

}  // namespace
}  // namespace attest
