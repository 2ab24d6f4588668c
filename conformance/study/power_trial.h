// SPDX-License-Identifier: Apache-2.0
//
// One trial of the power study: 8 rows at the end of a context, 2 KV heads of 4 query heads each.
#ifndef ATTEST_CONFORMANCE_STUDY_POWER_TRIAL_H_
#define ATTEST_CONFORMANCE_STUDY_POWER_TRIAL_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "conformance/study/power.h"
#include "conformance/study/power_kernel.h"

namespace attest {

struct TrialKey {
  std::int64_t length = 0;
  Feature feature = Feature::kPlain;
  std::uint64_t seed = 0;
};

// On normal inputs: does each rule object to each mistake?
using RuleVerdicts = std::array<bool, kPowerRules.size()>;
Result<std::vector<RuleVerdicts>> RunFieldTrial(const TrialKey& key,
                                                const std::vector<Mistake>& mistakes);

// On designed inputs: what objects first to each mistake; empty: nothing. A control meets all of
// them.
Result<std::vector<std::string>> RunDesignedTrial(const TrialKey& key,
                                                  const std::vector<Mistake>& mistakes);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_STUDY_POWER_TRIAL_H_
