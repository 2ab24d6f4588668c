// SPDX-License-Identifier: Apache-2.0
#include "conformance/mutants/catalogue.h"

#include <string_view>

namespace attest {
namespace {

constexpr std::string_view kSeen = " Seen: ";

// "what it computes. Seen: a public place." in two parts.
void TakeTexts(const std::vector<Clause>& clauses, MutantEntry& entry) {
  for (const Clause& clause : clauses) {
    for (const Deviation& deviation : clause.deviations) {
      if (deviation.name != entry.id) continue;
      const std::size_t seen = deviation.sentence.rfind(kSeen);
      entry.sentence = deviation.sentence.substr(0, seen);
      if (seen != std::string::npos)
        entry.reference = deviation.sentence.substr(seen + kSeen.size());
      entry.deviation = true;
      return;
    }
  }
}

}  // namespace

std::vector<MutantEntry> MutantCatalogue(const std::vector<Clause>& clauses) {
  std::vector<MutantEntry> entries;
  for (const Mutant& mutant : Mutants()) {
    if (mutant.clause.empty()) continue;
    MutantEntry entry{.id = std::string(mutant.id),
                      .bug_class = std::string(mutant.bug_class),
                      .clause = std::string(mutant.clause),
                      .sentence = std::string(mutant.sentence),
                      .reference = std::string(mutant.reference),
                      .bug = std::string(mutant.bug),
                      .no_arithmetic = std::string(mutant.hooks.no_arithmetic)};
    if (mutant.is_deviation()) TakeTexts(clauses, entry);
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace attest
