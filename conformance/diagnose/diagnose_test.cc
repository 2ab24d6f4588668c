// SPDX-License-Identifier: Apache-2.0
//
// The diagnosis against mutants behind the ABI, and the minimiser against predicates.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include "conformance/diagnose/explain.h"
#include "conformance/diagnose/match.h"
#include "spec/cases/spec.h"

namespace attest {
namespace {

const Spec& TheSpec() {
  static const Spec kSpec = LoadSpec().value();
  return kSpec;
}

std::unique_ptr<Session> OpenMutant(const std::string& id) {
  const Result<BackendSpec> spec = ResolveBackend("mutant:" + id);
  EXPECT_TRUE(spec.ok()) << spec.status().message();
  Result<std::unique_ptr<Session>> session = Session::Open(*spec, {});
  EXPECT_TRUE(session.ok()) << session.status().message();
  return std::move(session).value();
}

// The first smoke case of `topic` that `session` fails.
Observation FirstFailure(Session& session, const std::string& topic) {
  const RunOptions run{.arithmetic = session.claims().arithmetic};
  for (const Case& value : TheSpec().cases.cases) {
    if (value.topic != topic || value.tier != Tier::kSmoke) continue;
    if (!ExpectationOf(session.claims(), value).expected) continue;
    Result<Observation> seen = Observe(session, value, run);
    EXPECT_TRUE(seen.ok()) << seen.status().message();
    if (seen->wrong()) return std::move(*seen);
  }
  ADD_FAILURE() << "nothing fails in " << topic;
  return {};
}

std::vector<Case> GraphCases() {
  std::vector<Case> cases;
  for (const Case& value : TheSpec().cases.cases) {
    if (value.topic == "graph") cases.push_back(value);
  }
  return cases;
}

std::vector<std::string> Ids(const std::vector<Hypothesis>& hypotheses) {
  std::vector<std::string> ids;
  for (const Hypothesis& one : hypotheses) ids.emplace_back(one.mutant->id);
  return ids;
}

bool Has(const std::vector<std::string>& ids, const std::string& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

struct Known {
  const char* id;
  const char* topic;
  const char* bug_class;
};

class Diagnoses : public testing::TestWithParam<Known> {};

TEST_P(Diagnoses, NamesTheMistake) {
  const auto session = OpenMutant(GetParam().id);
  const Observation failing = FirstFailure(*session, GetParam().topic);
  const DiagnosisOptions options{.run = {.arithmetic = session->claims().arithmetic}};
  const Diagnosis diagnosis = Diagnose(*session, failing, TheSpec().cases.cases, options);
  EXPECT_TRUE(Has(Ids(diagnosis.named), GetParam().id)) << DiagnosisText(diagnosis, {});
  EXPECT_EQ(diagnosis.bug_class, GetParam().bug_class);
  EXPECT_EQ(diagnosis.confidence(), "exact");
}

// Without the mistake on the shelf nothing may be named: a wrong name is worse than none.
TEST_P(Diagnoses, NamesNothingThatItDoesNotKnow) {
  const auto session = OpenMutant(GetParam().id);
  const Observation failing = FirstFailure(*session, GetParam().topic);
  const DiagnosisOptions options{.run = {.arithmetic = session->claims().arithmetic},
                                 .without = GetParam().id};
  const Diagnosis diagnosis = Diagnose(*session, failing, TheSpec().cases.cases, options);
  EXPECT_EQ(diagnosis.named.size(), 0U) << DiagnosisText(diagnosis, {});
  EXPECT_EQ(diagnosis.bug_class, "");
  EXPECT_EQ(diagnosis.confidence(), "none");
}

// By numbers: a mask, a head map, a page, a score. By records: bytes of write_kv.
INSTANTIATE_TEST_SUITE_P(Shelf, Diagnoses,
                         testing::Values(Known{"window-one-long", "windows", "sliding-window"},
                                         Known{"causal-top-left", "masks", "causal-alignment"},
                                         Known{"head-interleaved", "heads", "head-mapping-dims"},
                                         Known{"value-page-stale", "paging", "block-table-slots"}),
                         [](const auto& info) {
                           std::string name(info.param.id);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// Two that a real system had: a view with the source's pitch, and a fallback to an eager call.
TEST(DiagnosesGraphs, NameTheMistakeOfAReplay) {
  for (const std::string id : {"graph-table-as-strided", "graph-eager-fallback"}) {
    const auto session = OpenMutant(id);
    const Observation failing = FirstFailure(*session, "graph");
    const DiagnosisOptions options{.run = {.arithmetic = session->claims().arithmetic}};
    const Diagnosis diagnosis = Diagnose(*session, failing, GraphCases(), options);
    EXPECT_EQ(Ids(diagnosis.named), std::vector<std::string>{id}) << DiagnosisText(diagnosis, {});
    EXPECT_EQ(diagnosis.bug_class, "graph-stale-metadata");
  }
}

TEST(Explain, FindsTheSmallestCaseOfAWindowThatIsOneTooLong) {
  const auto session = OpenMutant("window-one-long");
  Observation failing = FirstFailure(*session, "windows");
  const ExplainOptions options{.diagnosis = {.run = {.arithmetic = session->claims().arithmetic}}};
  const Explanation explained =
      Explain(*session, std::move(failing), TheSpec().cases.cases, options);
  const Problem& least = explained.smallest.problem;
  // One row of two keys that may see one.
  ASSERT_EQ(least.requests.size(), 1U);
  EXPECT_EQ(least.requests[0], (Request{.q_len = 1, .seq_len = 2}));
  EXPECT_EQ(least.window_left, 1);
  EXPECT_EQ(least.num_q_heads, 1);
  EXPECT_EQ(explained.smallest_record.verdict, Verdict::kFail);
  EXPECT_TRUE(Has(Needs(explained.smallest), "window_left 1"));
}

TEST(Minimise, EachStepIsValidAndAnotherCase) {
  for (const Case& value : TheSpec().cases.cases) {
    if (value.tier != Tier::kSmoke || value.kind == CaseKind::kInvalid) continue;
    for (const Case& simpler : SimplerCases(value)) {
      EXPECT_TRUE(Validate(simpler.problem).ok()) << value.id;
      EXPECT_NE(simpler.content_hash, value.content_hash) << value.id;
    }
  }
}

TEST(Minimise, KeepsWhatThePredicateNeedsAndStopsAtTheLimit) {
  const Result<Case> value =
      FindCase(TheSpec().cases, "alibi/windows/window=5,dtype=bfloat16,inputs=v-coded");
  ASSERT_TRUE(value.ok()) << value.status().message();
  const auto needs = [](const Case& c) {
    return c.problem.alibi && c.problem.requests.size() > 1 && c.problem.num_kv_heads > 1;
  };
  const Minimised least = Minimise(*value, needs, 1000);
  EXPECT_TRUE(needs(least.value));
  EXPECT_EQ(least.value.problem.requests.size(), 2U);
  EXPECT_EQ(least.value.problem.num_kv_heads, 2);
  EXPECT_EQ(least.value.problem.window_left, 0);
  EXPECT_LE(MaxSeqLen(least.value.problem), 1);
  EXPECT_EQ(Minimise(*value, needs, 3).tried, 3);
}

TEST(Match, ANaNInThePlaceOfANumberAgreesWithNoNumber) {
  const std::vector<Case>& cases = TheSpec().cases.cases;
  const auto chosen = std::find_if(cases.begin(), cases.end(), [](const Case& one) {
    return one.topic == "masks" && one.tier == Tier::kSmoke;
  });
  ASSERT_NE(chosen, cases.end());
  const auto session = OpenMutant("faithful");
  const RunOptions run{.arithmetic = session->claims().arithmetic};
  Result<Observation> seen = Observe(*session, *chosen, run);
  ASSERT_TRUE(seen.ok());
  ASSERT_TRUE(seen->numbers.has_value());
  EXPECT_FALSE(seen->wrong());
  EXPECT_FALSE(seen->wrong_numbers());
  Numbers broken = *seen->numbers;
  broken.got.setConstant(std::numeric_limits<double>::quiet_NaN());
  EXPECT_TRUE(std::isinf(broken.Ratio(0)));
  const auto lines = TellingLines(broken, 4, 0x1p20);
  EXPECT_FALSE(MatchOne(broken, *FindMutant("scale-three-percent"), lines).agrees);
}

}  // namespace
}  // namespace attest
