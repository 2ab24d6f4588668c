// SPDX-License-Identifier: Apache-2.0
//
// Mutants that tier smoke has no case for: at most 150 small cases cannot hold every trigger.
#include <algorithm>
#include <array>

#include "conformance/kill/report.h"

namespace attest {
namespace {

constexpr std::array<std::string_view, 1> kCi = {""};
constexpr std::array<std::string_view, 1> kFull = {""};

}  // namespace

Tier TierThatKills(std::string_view mutant) {
  if (std::find(kFull.begin(), kFull.end(), mutant) != kFull.end()) return Tier::kFull;
  return std::find(kCi.begin(), kCi.end(), mutant) != kCi.end() ? Tier::kCi : Tier::kSmoke;
}

}  // namespace attest
