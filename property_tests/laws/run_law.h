// SPDX-License-Identifier: Apache-2.0
//
// Trying one law on many samples, and shrinking the one that breaks it.
#ifndef ATTEST_PROPERTY_TESTS_LAWS_RUN_LAW_H_
#define ATTEST_PROPERTY_TESTS_LAWS_RUN_LAW_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "property_tests/laws/subject.h"

namespace attest {

struct LawPlan {
  int cases = 100;  // in which the law must hold
  std::uint64_t seed = 0;
  int largest = 100;  // size of the last sample, 0..100; the first has size 0
  int shrink_tries = 4000;
  // Asked before each case and each shrink; true ends the run there.
  std::function<bool()> stop;
};

enum class LawVerdict : std::uint8_t {
  kHolds,
  kFails,
  kNotClaimed,   // nothing of what the law is about is claimed; `reason` says what
  kTooFew,       // more samples were thrown away than kMostDiscards allows: the run says nothing
  kVoid,         // a fault of ours
  kEnvironment,  // no child could be started
  kStopped,
};
std::string_view Name(LawVerdict verdict);  // "holds" "fails" "not-claimed" "too-few" ...

// Samples thrown away for each that was tried. Generators are built so that a few are.
inline constexpr int kMostDiscards = 3;

// A sample that breaks a law, and the smallest one that shrinking found.
struct LawFailure {
  Sample first;
  Sample shrunk;
  std::string reason;  // of the shrunk one
  int tries = 0;       // samples tried while shrinking
  int steps = 0;       // of them, smaller ones that break the law as well
  // The sample breaks the law in a process that has answered other calls, and not in a fresh one:
  // the backend remembers what it should not. Only the whole run shows it, and nothing is shrunk.
  bool needs_history = false;
};

struct LawRun {
  LawVerdict verdict = LawVerdict::kHolds;
  std::string reason;
  int cases = 0;     // samples tried
  int discards = 0;  // samples that were drawn and said nothing about the law
  std::map<std::string, int, std::less<>> coverage;  // of the samples tried, by SampleClasses
  std::optional<LawFailure> failure;
};

// The same law, claims, plan and backend give the same run. The seed of a law follows from its
// name, so that it is the same alone and among others.
LawRun RunLaw(const Law& law, Subject& subject, const LawPlan& plan);

// The smallest sample that breaks the law in a fresh process and that single steps lead to. `first`
// broke it.
LawFailure ShrinkFailure(const Law& law, Subject& subject, const Sample& first,
                         const LawPlan& plan);

}  // namespace attest

#endif  // ATTEST_PROPERTY_TESTS_LAWS_RUN_LAW_H_
