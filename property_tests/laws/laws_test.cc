// SPDX-License-Identifier: Apache-2.0
//
// What laws do with a backend in this process: bits that move, calls that do not answer, and laws
// that are wrong themselves.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <set>

#include "conformance/judge/fake_backend.h"
#include "conformance/judge/rearrange.h"
#include "property_tests/laws/agree.h"
#include "property_tests/laws/key_rows.h"
#include "property_tests/laws/run_law.h"

namespace attest {
namespace {

Sample PlainSample() {
  Sample sample;
  sample.problem = PlainProblem({{2, 9}, {7, 13}, {1, 6}});
  sample.seed = 2;  // by which laws choose request 2
  return sample;
}

LawOutcome Try(std::string_view law, const Sample& sample, Sin sin = {}) {
  FakeBackend backend({.forward = std::move(sin)});
  Subject subject(backend, backend.claims().arithmetic);
  return TryLaw(*FindLaw(law), subject, sample);
}

// Moves a number of request 2, or of the last one, by a unit in the last place where `when` holds.
Sin MovedWhere(std::function<bool(const FakeCall&)> when) {
  return [when = std::move(when)](const FakeCall& call) {
    const std::size_t last = std::min<std::size_t>(call.problem.requests.size() - 1, 2);
    if (when(call)) Nudge(call.image, "out", {FirstTokens(call.problem)[last], 3, 5}, 1);
  };
}

// A bit of the first element, which belongs to request 0.
bool FirstBit(const CallImage& image, const char* tensor, int bit) {
  std::int32_t bits = 0;
  std::memcpy(&bits, image.bytes.data() + image.Find(tensor)->offset, sizeof(bits));
  return ((bits >> bit) & 1) != 0;
}

struct Bitwise {
  const char* law;
  bool batch_invariant;
  std::function<bool(const FakeCall&)> when;
};

std::vector<Bitwise> BitwiseSins() {
  std::vector<Bitwise> sins;
  // One of 20 bits of another request's first number, or of the page it lies on, differs.
  for (int bit = 0; bit < 20; ++bit) {
    sins.push_back({"independent-requests", false,
                    [bit](const FakeCall& call) { return FirstBit(call.before, "query", bit); }});
  }
  sins.push_back({"independent-requests", true,
                  [](const FakeCall& call) { return call.problem.requests.size() == 1; }});
  sins.push_back(
      {"roomier-call", true, [](const FakeCall& call) { return call.abi.max_seq_len > 4000; }});
  sins.push_back({"physical-pages", true,
                  [](const FakeCall& call) { return FirstBit(call.before, "block_table", 0); }});
  sins.push_back({"physical-pages", true,
                  [](const FakeCall& call) { return FirstBit(call.before, "block_table", 1); }});
  return sins;
}

TEST(Bits, ThatMayNotMoveBreakTheirLaw) {
  std::set<std::string> broken;
  for (const Bitwise& sin : BitwiseSins()) {
    Sample sample = PlainSample();
    sample.problem.batch_invariant = sin.batch_invariant;
    EXPECT_EQ(Try(sin.law, sample).reason, "") << sin.law;
    const LawOutcome outcome = Try(sin.law, sample, MovedWhere(sin.when));
    if (outcome.kind == OutcomeKind::kHolds) continue;  // this bit is the same in both calls
    EXPECT_EQ(outcome.kind, OutcomeKind::kFails) << outcome.reason;
    EXPECT_NE(outcome.reason.find("not the same bits: request 2 row 0 head 3 dim 5"),
              std::string::npos)
        << outcome.reason;
    broken.insert(std::string(sin.law) + (sin.batch_invariant ? " invariant" : ""));
  }
  EXPECT_EQ(broken, (std::set<std::string>{"independent-requests", "independent-requests invariant",
                                           "physical-pages invariant", "roomier-call invariant"}));
}

TEST(Bits, ThatMayMoveDoNot) {
  for (const Bitwise& sin : BitwiseSins()) {
    if (!sin.batch_invariant) continue;
    EXPECT_EQ(Try(sin.law, PlainSample(), MovedWhere(sin.when)).reason, "") << sin.law;
  }
}

TEST(Bits, OfChunksMayNotMove) {
  for (const char* law : {"chunked-prefill", "decode-row"}) {
    // Bits that follow the number of new tokens of the request.
    const auto by_rows = [](const FakeCall& call) {
      for (std::int64_t token = 0; token < NumTokens(call.problem); ++token) {
        Nudge(call.image, "out", {token, 3, 5}, static_cast<int>(NumTokens(call.problem)));
      }
    };
    EXPECT_EQ(Try(law, PlainSample()).reason, "");
    const LawOutcome outcome = Try(law, PlainSample(), by_rows);
    EXPECT_EQ(outcome.kind, OutcomeKind::kFails);
    EXPECT_NE(outcome.reason.find("not the same bits"), std::string::npos) << outcome.reason;
  }
}

TEST(Bits, OfAnEarlierCallMayNotMove) {
  EXPECT_EQ(Try("no-memory", PlainSample()).reason, "");
  const LawOutcome outcome =
      Try("no-memory", PlainSample(), MovedWhere([](const FakeCall& call) {
            return call.previous != nullptr && call.abi.scale == PlainSample().problem.scale;
          }));
  EXPECT_EQ(outcome.kind, OutcomeKind::kFails);
  EXPECT_NE(outcome.reason.find("after another call: not the same bits"), std::string::npos)
      << outcome.reason;
}

TEST(Numbers, ANanIsEqualToNothing) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  const auto near = [](double got, double other, double allowed) {
    try {
      ExpectNear("how", {}, got, other, allowed);
      return true;
    } catch (const Ended& ended) {
      EXPECT_EQ(ended.outcome().kind, OutcomeKind::kFails);
      return false;
    }
  };
  EXPECT_TRUE(near(1.0, 1.5, 0.5));
  EXPECT_FALSE(near(1.0, 1.5, 0.25));
  EXPECT_TRUE(near(-inf, -inf, 0.0));
  EXPECT_FALSE(near(-inf, 0.0, 1.0));
  EXPECT_FALSE(near(nan, 1.0, inf));
  EXPECT_FALSE(near(nan, nan, inf));
  EXPECT_FALSE(near(1.0, 1.5, nan));
}

TEST(Numbers, OfEachLawMayBeNan) {
  const auto nan_everywhere = [](const FakeCall& call) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const PlacedTensor& out = *call.image.Find("out");
    std::memcpy(Writable(call.image, out, {NumTokens(call.problem) - 1, 0, 0}), &nan, sizeof(nan));
  };
  for (const char* law : {"oracle", "hull-of-values", "value-linearity", "unused-memory",
                          "score-shift", "grouped-heads", "physical-pages", "independent-requests",
                          "roomier-call", "causal-last-row", "chunked-prefill", "decode-row"}) {
    EXPECT_EQ(Try(law, PlainSample()).reason, "") << law;
    EXPECT_EQ(Try(law, PlainSample(), nan_everywhere).kind, OutcomeKind::kFails) << law;
  }
}

TEST(Laws, AWrongLawIsVoidAndBreaksNoBackend) {
  // Causal and non-causal attention do not agree in the first row.
  Law wrong = *FindLaw("causal-last-row");
  wrong.check = [](Subject& subject, const Sample& sample) {
    Problem other = sample.problem;
    other.causality = Causality::kNonCausal;
    const CaseInputs inputs = Subject::BuildFor(other, sample);
    const JudgedCall a = subject.Ask(sample.problem, Retitled(inputs, sample.problem), "causal");
    const JudgedCall b = subject.Ask(other, inputs, "non-causal");
    ExpectEqualRows("wrong", a, b, AllRowPairs(other));
  };
  FakeBackend backend;
  Subject subject(backend, backend.claims().arithmetic);
  const LawOutcome outcome = TryLaw(wrong, subject, PlainSample());
  EXPECT_EQ(outcome.kind, OutcomeKind::kVoid) << outcome.reason;
  EXPECT_NE(outcome.reason.find("the right values are"), std::string::npos) << outcome.reason;
}

TEST(Laws, HaveNamesAndSentencesOfTheirOwn) {
  std::set<std::string_view> names;
  std::set<std::string_view> sentences;
  for (const Law& law : Laws()) {
    EXPECT_TRUE(names.insert(law.name).second) << law.name;
    EXPECT_TRUE(sentences.insert(law.sentence).second) << law.name;
    EXPECT_EQ(law.sentence.back(), '.') << law.name;
    EXPECT_EQ(FindLaw(law.name)->sentence, law.sentence);
  }
  EXPECT_EQ(names.size(), 20U);
  EXPECT_EQ(FindLaw("gravity"), nullptr);
}

// ---- Runs

// A law whose every trial ends the same way.
LawRun RunWith(void (*check)(Subject&, const Sample&), int cases = 10) {
  const Law law{.name = "test", .sentence = "A test.", .check = check};
  FakeBackend backend;
  Subject subject(backend, backend.claims().arithmetic);
  return RunLaw(law, subject, {.cases = cases});
}

TEST(Runs, CountCasesAndClasses) {
  const LawRun run = RunWith([](Subject&, const Sample&) {}, 50);
  EXPECT_EQ(Name(run.verdict), "holds");
  EXPECT_EQ(run.cases, 50);
  EXPECT_GT(run.coverage.at("causal"), 5);
  EXPECT_LT(run.coverage.at("causal"), 50);
}

TEST(Runs, EndWhereTooManySamplesSayNothing) {
  const LawRun run = RunWith([](Subject&, const Sample&) { EndAsForeign("no reason"); });
  EXPECT_EQ(Name(run.verdict), "too-few");
  EXPECT_EQ(run.cases, 0);
  EXPECT_NE(run.reason.find("samples thrown away"), std::string::npos) << run.reason;
}

TEST(Runs, EndVoidWithAFaultOfOurs) {
  const LawRun run = RunWith([](Subject&, const Sample&) { EndAsVoid("our fault"); });
  EXPECT_EQ(Name(run.verdict), "void");
  EXPECT_NE(run.reason.find("our fault (decoder"), std::string::npos) << run.reason;
  EXPECT_FALSE(run.failure.has_value());
}

TEST(Runs, EndAtOnceWhereNoChildStarts) {
  FakeBackend backend;
  backend.can_start = false;
  Subject subject(backend, backend.claims().arithmetic);
  EXPECT_EQ(Name(RunLaw(*FindLaw("oracle"), subject, {.cases = 5}).verdict), "environment");
}

TEST(Runs, StopWhenTheyAreTold) {
  FakeBackend backend;
  Subject subject(backend, backend.claims().arithmetic);
  const LawRun run = RunLaw(*FindLaw("oracle"), subject, {.cases = 5, .stop = [] { return true; }});
  EXPECT_EQ(Name(run.verdict), "stopped");
}

TEST(Runs, ShrinkWhatBreaksALaw) {
  const LawRun run = RunWith([](Subject&, const Sample& sample) {
    if (NumTokens(sample.problem) >= 2) EndAsBroken("two tokens");
  });
  ASSERT_EQ(Name(run.verdict), "fails");
  ASSERT_TRUE(run.failure.has_value());
  EXPECT_EQ(NumTokens(run.failure->shrunk.problem), 2) << Describe(run.failure->shrunk);
  EXPECT_EQ(run.failure->reason, "two tokens");
  EXPECT_FALSE(run.failure->needs_history);
  EXPECT_GT(run.failure->steps, 0);
  EXPECT_LE(run.failure->tries, LawPlan{}.shrink_tries);
}

TEST(Runs, SayWhereOnlyTheHistoryBreaksALaw) {
  const Law law{
      .name = "test", .sentence = "A test.", .check = [](Subject& subject, const Sample&) {
        // The second call of a process is wrong.
        const JudgedCall answer =
            subject.Ask(PlainSample().problem, Subject::Build(PlainSample()), "call");
        const Number number = NumberAt(answer, 0, 0, 0);
        ExpectNear("call", {}, number.got, number.want, number.bound);
      }};
  FakeBackend backend({.forward = [](const FakeCall& call) {
    if (call.calls > 1) Nudge(call.image, "out", {0, 0, 0}, 1 << 20);
  }});
  Subject subject(backend, backend.claims().arithmetic);
  const LawRun run = RunLaw(law, subject, {.cases = 5});
  ASSERT_TRUE(run.failure.has_value());
  EXPECT_EQ(run.cases, 2);
  EXPECT_TRUE(run.failure->needs_history);
  EXPECT_EQ(run.failure->shrunk, run.failure->first);
}

TEST(Runs, NameWhatIsNotClaimed) {
  class Modest final : public Session {
   public:
    const Claims& claims() const override { return claims_; }
    const BackendSpec& spec() const override { return spec_; }
    CallResult Supports(const attest_problem_t&) override { return {}; }
    CallResult Forward(const attest_problem_t&, double, CallImage&) override { return {}; }

   private:
    Claims claims_;
    BackendSpec spec_;
  } backend;
  Subject subject(backend, {});
  const LawRun windows = RunLaw(*FindLaw("symmetric-window"), subject, {});
  EXPECT_EQ(Name(windows.verdict), "not-claimed");
  EXPECT_EQ(windows.reason, "does not claim window-symmetric, window-asymmetric, lse");
  EXPECT_EQ(RunLaw(*FindLaw("oracle"), subject, {}).reason, "claims no attention type");
}

// ---- Keys by their place

TEST(KeyRowsTest, WritesEveryCopyOfAKey) {
  Sample sample = PlainSample();
  CaseInputs inputs = Subject::Build(sample);
  KeyRows keys(sample.problem, inputs.image);
  const KeyPlace last{0, 8, 1};  // a new token of request 0: in the cache and in the step
  keys.SetKey(last, 3, 7.0);
  keys.SetValue(last, 2, -5.0);
  EXPECT_EQ(keys.Key(last, 3), 7.0);
  EXPECT_EQ(keys.Value(last, 2), -5.0);
  float step = 0;
  std::memcpy(&step, inputs.image.View("key").At({1, 1, 3}), sizeof(step));
  EXPECT_EQ(step, 7.0F);
  std::memcpy(&step, inputs.image.View("value").At({1, 1, 2}), sizeof(step));
  EXPECT_EQ(step, -5.0F);
}

TEST(KeyRowsTest, CarriesAKeyInEveryLayout) {
  for (const CacheLayout layout :
       {CacheLayout::kNhd, CacheLayout::kHnd, CacheLayout::kPackedKv, CacheLayout::kKvFirst,
        CacheLayout::kPaddedPages, CacheLayout::kXSplit, CacheLayout::kSharedLatent}) {
    Sample sample = PlainSample();
    sample.problem.cache_layout = layout;
    CaseInputs inputs = Subject::Build(sample);
    KeyRows keys(sample.problem, inputs.image);
    const double there = keys.Key({1, 2, 0}, 5);
    EXPECT_NE(there, keys.Key({1, 4, 0}, 5)) << Name(layout);
    keys.Write({1, 4, 0}, keys.Read({1, 2, 0}));
    EXPECT_EQ(keys.Key({1, 4, 0}, 5), there) << Name(layout);
    EXPECT_EQ(keys.Value({1, 4, 0}, 5), keys.Value({1, 2, 0}, 5)) << Name(layout);
  }
}

TEST(KeyRowsTest, CountsTheScaleOfAQuantisedCache) {
  Sample sample = PlainSample();
  sample.problem.cache_dtype = DType::kInt8;
  sample.problem.kv_scale_kind = KvScaleKind::kPerTokenHead;
  CaseInputs inputs = Subject::Build(sample);
  KeyRows keys(sample.problem, inputs.image);
  const KeyPlace place{1, 3, 1};
  const double scale = keys.KeyScale(place);
  EXPECT_NE(scale, 1.0);
  keys.SetKey(place, 0, 5 * scale);
  EXPECT_EQ(keys.Key(place, 0), 5 * scale);
}

}  // namespace
}  // namespace attest
