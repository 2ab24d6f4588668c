// SPDX-License-Identifier: Apache-2.0
#include "conformance/kill/matrix.h"

#include <fmt/format.h>

#include <algorithm>

#include "conformance/judge/power.h"

namespace attest {
namespace {

// Small ones first, so that most mutants are dead before the large ones are looked at.
std::vector<const Case*> CasesOf(const CaseSet& set, Tier tier) {
  std::vector<const Case*> cases;
  for (const Case& value : set.cases) {
    if (value.tier <= tier) cases.push_back(&value);
  }
  std::stable_sort(cases.begin(), cases.end(), [](const Case* a, const Case* b) {
    if (a->tier != b->tier) return a->tier < b->tier;
    return MultiplyAdds(a->problem) < MultiplyAdds(b->problem);
  });
  return cases;
}

std::vector<MutantKill> KillsOf(std::string_view only) {
  std::vector<MutantKill> kills;
  for (const Mutant& mutant : Mutants()) {
    if (mutant.clause.empty() || (!only.empty() && mutant.id != only)) continue;
    kills.push_back({.mutant = &mutant});
  }
  return kills;
}

std::size_t PairsOf(const std::vector<const Case*>& cases, const std::vector<MutantKill>& kills) {
  std::size_t pairs = 0;
  for (const Case* value : cases) {
    for (const MutantKill& kill : kills) pairs += ClaimsToKill(*value, *kill.mutant) ? 1 : 0;
  }
  return pairs;
}

}  // namespace

Result<KillMatrix> BuildKillMatrix(const CaseSet& set, const KillOptions& options) {
  if (!options.mutant.empty() && FindMutant(options.mutant) == nullptr) {
    return BadInput(
        fmt::format("no mutant \"{}\"; 'attest list mutants' names them", options.mutant));
  }
  std::vector<const Case*> cases = CasesOf(set, options.tier);
  KillMatrix matrix{.tier = options.tier, .kills = KillsOf(options.mutant)};
  if (!options.mutant.empty()) {  // the other cases have nothing to say
    std::erase_if(cases, [&](const Case* value) {
      return matrix.kills.empty() || !ClaimsToKill(*value, *matrix.kills.front().mutant);
    });
  }
  matrix.cases = cases.size();
  matrix.pairs = PairsOf(cases, matrix.kills);
  KillInProcess(cases, options, false, matrix);
  KillInProcess(cases, options, true, matrix);
  if (Status status = ConfirmKills(cases, options, matrix); !status.ok()) return status;
  return matrix;
}

}  // namespace attest
