// SPDX-License-Identifier: Apache-2.0
#include "property_tests/laws/run_law.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "conformance/run/inputs_random.h"
#include "property_tests/generators/classes.h"

namespace attest {
namespace {

using Drawn = rc::Shrinkable<std::optional<Sample>>;

// Why the claims leave the law nothing to be tried on; empty if they leave something.
std::string WhyNotClaimed(const Law& law, const Claims& claims) {
  if (law.beyond_claims) return {};
  const std::uint64_t missing = law.needs & ~claims.features;
  if (missing != 0) return "does not claim " + DescribeFeatures(missing);
  return WhyNothingToDraw(claims);
}

void Count(const Sample& sample, LawRun& run) {
  ++run.cases;
  for (const SampleClass& one : SampleClasses()) {
    if (one.holds(sample)) ++run.coverage[std::string(one.name)];
  }
}

// Tries samples of one law, each in a fresh process if it must be.
class Trials {
 public:
  Trials(const Law& law, Subject& subject, bool afresh)
      : law_(law), subject_(subject), afresh_(afresh) {}

  LawOutcome Try(const Sample& sample) {
    if (afresh_) subject_.session().StartAfresh();
    return TryLaw(law_, subject_, sample);
  }

 private:
  const Law& law_;
  Subject& subject_;
  bool afresh_;
};

// Follows the first shrink that breaks the law, again and again.
void Shrink(Trials trials, Drawn drawn, const LawPlan& plan, LawFailure& failure) {
  for (bool moved = true; moved;) {
    moved = false;
    auto shrinks = drawn.shrinks();
    for (auto next = shrinks.next(); next; next = shrinks.next()) {
      if (failure.tries >= plan.shrink_tries || (plan.stop && plan.stop())) return;
      ++failure.tries;
      const Sample smaller = *next->value();
      const LawOutcome outcome = trials.Try(smaller);
      if (outcome.kind != OutcomeKind::kFails) continue;
      ++failure.steps;
      failure.shrunk = smaller;
      failure.reason = outcome.reason;
      drawn = *next;
      moved = true;
      break;
    }
  }
}

LawFailure ShrinkDrawn(const Law& law, Subject& subject, const Drawn& drawn, const LawPlan& plan) {
  const Sample first = *drawn.value();
  LawFailure failure{.first = first, .shrunk = first};
  Trials afresh(law, subject, true);
  const LawOutcome again = afresh.Try(first);
  failure.reason = again.reason;
  failure.needs_history = again.kind != OutcomeKind::kFails;
  if (failure.needs_history) return failure;
  // Starting a process for every try is slow; whether one was needed is seen at the end.
  Shrink(Trials(law, subject, false), drawn, plan, failure);
  if (afresh.Try(failure.shrunk).kind == OutcomeKind::kFails) return failure;
  failure = {.first = first, .shrunk = first, .reason = again.reason};
  Shrink(afresh, drawn, plan, failure);
  return failure;
}

LawVerdict VerdictOf(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::kFails:
      return LawVerdict::kFails;
    case OutcomeKind::kVoid:
      return LawVerdict::kVoid;
    case OutcomeKind::kEnvironment:
      return LawVerdict::kEnvironment;
    case OutcomeKind::kHolds:
    case OutcomeKind::kDoesNotApply:
      break;
  }
  return LawVerdict::kHolds;
}

}  // namespace

std::string_view Name(LawVerdict verdict) {
  constexpr std::array<std::string_view, 7> kNames = {
      "holds", "fails", "not-claimed", "too-few", "void", "environment", "stopped"};
  return kNames.at(static_cast<std::size_t>(verdict));
}

LawFailure ShrinkFailure(const Law& law, Subject& subject, const Sample& first,
                         const LawPlan& plan) {
  return ShrinkDrawn(law, subject, ShrinkableOf(AimOf(law, subject.claims()), first), plan);
}

LawRun RunLaw(const Law& law, Subject& subject, const LawPlan& plan) {
  LawRun run;
  run.reason = WhyNotClaimed(law, subject.claims());
  if (!run.reason.empty()) {
    run.verdict = LawVerdict::kNotClaimed;
    return run;
  }
  const rc::Gen<std::optional<Sample>> generator = Samples(AimOf(law, subject.claims()));
  rc::Random random(StreamKey(law.name, plan.seed, "samples"));
  const auto discard = [&](const std::string& why) {
    ++run.discards;
    if (run.discards <= kMostDiscards * std::max(run.cases, 20)) return false;
    run.verdict = LawVerdict::kTooFew;
    run.reason = fmt::format("{} of {} samples thrown away, the last one: {}", run.discards,
                             run.discards + run.cases, why);
    return true;
  };
  while (run.cases < plan.cases) {
    if (plan.stop && plan.stop()) {
      run.verdict = LawVerdict::kStopped;
      return run;
    }
    // From small to large, so that what breaks on anything breaks on something small.
    const Drawn drawn =
        generator(random.split(), plan.largest * run.cases / std::max(plan.cases, 1));
    const std::optional<Sample> sample = drawn.value();
    if (!sample) {
      if (discard("outside of the claims or of the law's domain")) return run;
      continue;
    }
    const LawOutcome outcome = TryLaw(law, subject, *sample);
    if (outcome.kind == OutcomeKind::kDoesNotApply) {
      if (discard(outcome.reason)) return run;
      continue;
    }
    Count(*sample, run);
    if (outcome.kind == OutcomeKind::kHolds) continue;
    run.verdict = VerdictOf(outcome.kind);
    run.reason = fmt::format("{} ({})", outcome.reason, Describe(*sample));
    if (outcome.kind == OutcomeKind::kFails) {
      run.failure = ShrinkDrawn(law, subject, drawn, plan);
    }
    return run;
  }
  return run;
}

}  // namespace attest
