// SPDX-License-Identifier: Apache-2.0
#include "conformance/diagnose/diagnosis.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "conformance/diagnose/experiments.h"
#include "conformance/diagnose/match.h"
#include "conformance/judge/power.h"

namespace attest {
namespace {

constexpr std::size_t kMostOthers = 3;
constexpr double kNear = 0.5;  // a hypothesis that explains less is not worth a line

// The one class of all; empty where they disagree.
std::string ClassOf(const std::vector<Hypothesis>& named) {
  std::set<std::string_view> classes;
  for (const Hypothesis& one : named) classes.insert(one.mutant->bug_class);
  return classes.size() == 1 ? std::string(*classes.begin()) : std::string();
}

Hypothesis HypothesisOf(const Match& match) { return {match.mutant, match.explained, match.beta}; }

// Those that come near and are not named.
std::vector<Hypothesis> OthersOf(const std::vector<Match>& matches,
                                 const std::vector<Hypothesis>& named) {
  std::vector<Hypothesis> others;
  for (const Match& match : matches) {
    const bool known = std::any_of(named.begin(), named.end(), [&match](const Hypothesis& one) {
      return one.mutant == match.mutant;
    });
    if (known || others.size() == kMostOthers) continue;
    if (match.agrees || match.explained >= kNear) others.push_back(HypothesisOf(match));
  }
  return others;
}

std::vector<const Mutant*> Agreeing(const std::vector<Match>& matches) {
  std::vector<const Mutant*> agreeing;
  for (const Match& match : matches) {
    if (match.agrees) agreeing.push_back(match.mutant);
  }
  return agreeing;
}

// Right as a first call, wrong after others.
bool ShownByHistory(const Observation& failing) {
  return failing.value.kind == CaseKind::kAfterOthers &&
         failing.record.reason.rfind("after ", 0) == 0;
}

// Mistakes that break a clause of the case, or all others. Each takes a process of its own, so
// those that are not likely are left until none of the likely ones fits, and those that cannot be
// it are not asked at all.
std::vector<const Mutant*> Shelf(const Observation& failing, bool cited, std::string_view without) {
  const bool history = ShownByHistory(failing);
  std::vector<const Mutant*> chosen;
  for (const Mutant& mutant : Mutants()) {
    if (mutant.clause.empty() || mutant.id == without) continue;
    if (history && !mutant.hooks.remembers) continue;
    if (ClaimsToKill(failing.value, mutant) == cited) chosen.push_back(&mutant);
  }
  return chosen;
}

const MutantEntry* EntryOf(const std::vector<MutantEntry>& catalogue, std::string_view id) {
  const auto found = std::find_if(catalogue.begin(), catalogue.end(),
                                  [id](const MutantEntry& entry) { return entry.id == id; });
  return found == catalogue.end() ? nullptr : &*found;
}

std::string Describe(const Hypothesis& one, const std::vector<MutantEntry>& catalogue) {
  const MutantEntry* entry = EntryOf(catalogue, one.mutant->id);
  std::string text =
      fmt::format("{} ({}, {})", one.mutant->id, one.mutant->bug_class, one.mutant->clause);
  if (entry != nullptr && !entry->sentence.empty()) text += ": " + entry->sentence;
  if (entry != nullptr && !entry->reference.empty()) text += " Seen: " + entry->reference;
  return text;
}

nlohmann::ordered_json ToJson(const Hypothesis& one, const std::vector<MutantEntry>& catalogue) {
  const MutantEntry* entry = EntryOf(catalogue, one.mutant->id);
  return {{"id", one.mutant->id},
          {"class", one.mutant->bug_class},
          {"clause", one.mutant->clause},
          {"sentence", entry == nullptr ? "" : entry->sentence},
          {"reference", entry == nullptr ? "" : entry->reference},
          {"explained", one.explained},
          {"beta", one.beta}};
}

}  // namespace

std::string_view Diagnosis::confidence() const {
  if (named.empty()) return by_needs ? "likely" : "none";
  return experiments > 0 ? "exact" : "weak";
}

Diagnosis Diagnose(Session& session, const Observation& failing, const std::vector<Case>& cases,
                   const DiagnosisOptions& options) {
  Diagnosis diagnosis;
  std::vector<Match> matches;
  std::vector<const Mutant*> candidates;
  if (failing.wrong_numbers()) {
    matches = MatchShelf(*failing.numbers, {.without = options.without});
    candidates = Agreeing(matches);
    diagnosis.evidence.push_back(fmt::format("{} of {} known mistakes predict the numbers of {}",
                                             candidates.size(), matches.size(), failing.value.id));
    candidates = TestByNumbers(session, failing, cases, options, candidates, &diagnosis);
  } else {
    for (const bool cited : {true, false}) {
      if (!candidates.empty()) break;
      candidates = TestByRecords(session, failing, cases, options,
                                 Shelf(failing, cited, options.without), &diagnosis);
    }
  }
  for (const Mutant* mutant : candidates) {
    const auto match = std::find_if(matches.begin(), matches.end(),
                                    [mutant](const Match& m) { return m.mutant == mutant; });
    diagnosis.named.push_back(match == matches.end() ? Hypothesis{mutant, 1.0, 1.0}
                                                     : HypothesisOf(*match));
  }
  diagnosis.bug_class = ClassOf(diagnosis.named);
  diagnosis.others = OthersOf(matches, diagnosis.named);
  return diagnosis;
}

Diagnosis DiagnoseNumbers(const Numbers& numbers, std::string_view without) {
  const std::vector<Match> matches = MatchShelf(numbers, {.without = without});
  Diagnosis diagnosis;
  for (const Match& match : matches) {
    if (match.agrees) diagnosis.named.push_back(HypothesisOf(match));
  }
  diagnosis.evidence.push_back(fmt::format("{} of {} known mistakes predict every number",
                                           diagnosis.named.size(), matches.size()));
  diagnosis.bug_class = ClassOf(diagnosis.named);
  diagnosis.others = OthersOf(matches, diagnosis.named);
  return diagnosis;
}

std::string DiagnosisText(const Diagnosis& diagnosis, const std::vector<MutantEntry>& catalogue) {
  std::string text;
  if (diagnosis.named.empty()) {
    text = "no known mistake explains it";
    if (diagnosis.by_needs) {
      text += fmt::format("; what it needs points to {}", diagnosis.bug_class);
    }
    text += "\n";
  } else if (diagnosis.named.size() == 1) {
    text = fmt::format("behaves like {}\n", Describe(diagnosis.named[0], catalogue));
  } else {
    text = fmt::format("behaves like one of {} that nothing tells apart here{}\n",
                       diagnosis.named.size(),
                       diagnosis.bug_class.empty() ? "" : ", all of " + diagnosis.bug_class);
    for (const Hypothesis& one : diagnosis.named) {
      text += fmt::format("  {}\n", Describe(one, catalogue));
    }
  }
  if (!diagnosis.named.empty()) text += fmt::format("  confidence: {}\n", diagnosis.confidence());
  for (const std::string& line : diagnosis.evidence) text += fmt::format("  - {}\n", line);
  for (const Hypothesis& one : diagnosis.others) {
    text += fmt::format("  next best: {} ({}) explains {:.0f} % of the error, beta {:.2f}\n",
                        one.mutant->id, one.mutant->bug_class, 100.0 * one.explained, one.beta);
  }
  return text;
}

nlohmann::ordered_json ToJson(const Diagnosis& diagnosis,
                              const std::vector<MutantEntry>& catalogue) {
  nlohmann::ordered_json named = nlohmann::ordered_json::array();
  for (const Hypothesis& one : diagnosis.named) named.push_back(ToJson(one, catalogue));
  nlohmann::ordered_json others = nlohmann::ordered_json::array();
  for (const Hypothesis& one : diagnosis.others) others.push_back(ToJson(one, catalogue));
  return {{"class", diagnosis.bug_class},
          {"confidence", diagnosis.confidence()},
          {"named", named},
          {"next_best", others},
          {"experiments", diagnosis.experiments},
          {"evidence", diagnosis.evidence}};
}

}  // namespace attest
