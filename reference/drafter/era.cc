// SPDX-License-Identifier: Apache-2.0
#include "reference/drafter/era.h"

namespace attest::drafter {
namespace {

constexpr std::array<std::string_view, kAllEras.size()> kEraNames = {
    "E0", "E0b", "E0c", "E1", "E1b", "E2", "E3", "E4", "E5"};

}  // namespace

std::string_view NameOf(Era era) { return kEraNames[static_cast<std::size_t>(era)]; }

std::string_view NameOf(Runner runner) { return runner == Runner::kR1 ? "R1" : "R2"; }

std::optional<Era> ParseEra(std::string_view name) {
  for (const Era era : kAllEras) {
    if (NameOf(era) == name) return era;
  }
  return std::nullopt;
}

std::optional<Runner> ParseRunner(std::string_view name) {
  for (const Runner runner : kAllRunners) {
    if (NameOf(runner) == name) return runner;
  }
  return std::nullopt;
}

}  // namespace attest::drafter
