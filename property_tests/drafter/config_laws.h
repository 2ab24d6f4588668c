// SPDX-License-Identifier: Apache-2.0
//
// What holds of every configuration and of every draft step. The numbers are those of the clauses
// of spec/clauses/drafter.md.
#ifndef ATTEST_PROPERTY_TESTS_DRAFTER_CONFIG_LAWS_H_
#define ATTEST_PROPERTY_TESTS_DRAFTER_CONFIG_LAWS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/drafter/config_mutants.h"
#include "reference/drafter/proposer.h"
#include "reference/drafter/resolve.h"

namespace attest::drafter {

// Random bits, fast: a million configurations take seconds.
class FastRandom {
 public:
  explicit FastRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next();
  std::int64_t Below(std::int64_t count) {
    return static_cast<std::int64_t>(Next() % static_cast<std::uint64_t>(count));
  }
  bool OneIn(std::int64_t count) { return Below(count) == 0; }

 private:
  std::uint64_t state_;
};

struct ConfigSample {
  TargetConfig target;
  DraftConfig draft;
  ResolveOptions options;
};
ConfigSample DrawConfig(const Tables& tables, FastRandom& random);

// Who is held against the laws: the model, or a mutant of it.
struct LawSubject {
  const Tables& tables;
  const ConfigMutant* mutant = nullptr;

  Resolution Resolve(ConfigSample sample) const;
  DraftInputs Prepare(DraftBatch batch, Runner runner) const;
};

struct ConfigLaw {
  int clause = 0;  // DRAFT-nn
  std::string_view sentence;
  // "" if it holds, else what is wrong. `base` is the subject's resolution of `sample`.
  std::string (*broken)(const LawSubject& subject, const ConfigSample& sample,
                        const Resolution& base);
};
const std::vector<ConfigLaw>& ConfigLaws();

struct BatchSample {
  DraftBatch batch;  // valid for `runner`
  Runner runner = Runner::kR1;
};
BatchSample DrawBatch(FastRandom& random);

struct BatchLaw {
  int clause = 0;
  std::string_view sentence;
  std::string (*broken)(const LawSubject& subject, const BatchSample& sample,
                        const DraftInputs& base);
};
const std::vector<BatchLaw>& BatchLaws();

// A clause of 1 to 50 that no law here is about, and why.
struct ClauseWithoutLaw {
  int clause = 0;
  std::string_view reason;
};
const std::vector<ClauseWithoutLaw>& ClausesWithoutLaw();

}  // namespace attest::drafter

#endif  // ATTEST_PROPERTY_TESTS_DRAFTER_CONFIG_LAWS_H_
