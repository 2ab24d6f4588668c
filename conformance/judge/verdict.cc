// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/verdict.h"

namespace attest {
namespace {

constexpr std::array<std::string_view, kAllVerdicts.size()> kNames = {
    "pass",        "fail",  "refused",    "crash",   "timeout",
    "device-lost", "error", "mistrusted", "missing", "waived"};

}  // namespace

std::string_view Name(Verdict verdict) { return kNames.at(static_cast<std::size_t>(verdict)); }

std::optional<Verdict> ParseVerdict(std::string_view name) {
  for (const Verdict verdict : kAllVerdicts) {
    if (Name(verdict) == name) return verdict;
  }
  return std::nullopt;
}

}  // namespace attest
