// SPDX-License-Identifier: Apache-2.0
#include "conformance/kill/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

std::vector<KillRow> RowsOf(const KillMatrix& matrix, const std::vector<Clause>& clauses) {
  std::map<std::string, MutantEntry, std::less<>> entries;
  for (MutantEntry& entry : MutantCatalogue(clauses)) entries[entry.id] = entry;
  std::vector<KillRow> rows;
  for (const MutantKill& kill : matrix.kills) {
    KillRow row{.mutant = entries.at(std::string(kill.mutant->id)),
                .due = TierThatKills(kill.mutant->id),
                .doubt = kill.doubt};
    for (const Case* value : kill.killed_by) row.killed_by.push_back(value->id);
    if (kill.killed()) row.tier = kill.killed_by.front()->tier;
    rows.push_back(std::move(row));
  }
  return rows;
}

bool IsDue(const KillRow& row, Tier tier) { return row.due <= tier; }

void AddSurvivors(const KillReport& report, std::vector<std::string>& faults) {
  for (const KillRow& row : report.rows) {
    if (row.tier || !IsDue(row, report.tier)) continue;
    faults.push_back(fmt::format("survivor: {} ({}): {}{}", row.mutant.id, row.mutant.clause,
                                 row.mutant.sentence,
                                 row.doubt.empty() ? "" : "; the ABI said " + row.doubt));
  }
}

// A clause is alive if one of its mutants was killed, or is due in a larger tier.
void AddBareClauses(const KillReport& report, const std::vector<Clause>& clauses,
                    const CaseSet& cases, std::vector<std::string>& faults) {
  std::set<std::string> judged;
  for (const Case& value : cases.cases) judged.insert(value.clauses.begin(), value.clauses.end());
  std::set<std::string> proven;
  for (const KillRow& row : report.rows) {
    if (row.tier || !IsDue(row, report.tier)) proven.insert(row.mutant.clause);
  }
  for (const Clause& clause : clauses) {
    if (!clause.must || clause.reserved || judged.count(clause.id) == 0) continue;
    if (proven.count(clause.id) == 0) {
      faults.push_back("no mutant of this clause was killed: " + clause.id);
    }
  }
}

Json RowJson(const KillRow& row) {
  Json json = {{"id", row.mutant.id},
               {"class", row.mutant.bug_class},
               {"clause", row.mutant.clause},
               {"bug", row.mutant.bug.empty() ? Json(nullptr) : Json(row.mutant.bug)},
               {"killed_by", row.killed_by},
               {"tier", row.tier ? Json(Name(*row.tier)) : Json(nullptr)},
               {"diagnosed", nullptr}};
  if (row.diagnosed) {
    json["diagnosed"] = {{"class", row.diagnosed->bug_class}, {"id", row.diagnosed->id}};
  }
  return json;
}

struct Count {
  int mutants = 0;
  int bugs = 0;
  int killed = 0;
  int in_smoke = 0;

  void Add(const KillRow& row) {
    ++mutants;
    bugs += row.mutant.bug.empty() ? 0 : 1;
    killed += row.tier ? 1 : 0;
    in_smoke += row.tier == Tier::kSmoke ? 1 : 0;
  }
  std::string Line(std::string_view name) const {
    return fmt::format("{:<24} {:>7} {:>6} {:>7} {:>9}\n", name, mutants, bugs, killed, in_smoke);
  }
};

}  // namespace

KillReport ReportOf(const KillMatrix& matrix, const std::vector<Clause>& clauses,
                    const CaseSet& cases, bool one) {
  KillReport report{.tier = matrix.tier,
                    .cases = matrix.cases,
                    .pairs = matrix.pairs,
                    .tried = matrix.tried,
                    .rows = RowsOf(matrix, clauses)};
  AddSurvivors(report, report.faults);
  if (one) return report;
  for (const std::string& id : matrix.idle) {
    report.faults.push_back("kills nothing that it claims: " + id);
  }
  AddBareClauses(report, clauses, cases, report.faults);
  for (const std::string& id : matrix.unfair) {
    report.faults.push_back("fails the faithful attention: " + id);
  }
  for (const std::string& line : matrix.broken) report.faults.push_back("no expectation: " + line);
  return report;
}

std::string Describe(const KillReport& report) {
  std::map<std::string, Count> classes;
  Count all;
  for (const KillRow& row : report.rows) {
    classes[row.mutant.bug_class].Add(row);
    all.Add(row);
  }
  std::string text = fmt::format("{:<24} {:>7} {:>6} {:>7} {:>9}\n", "class", "mutants", "bugs",
                                 "killed", "in smoke");
  for (const auto& [name, count] : classes) text += count.Line(name);
  text += all.Line("all");
  text += fmt::format("\ntier {}: {} cases, {} claimed pairs, {} tried, {:.0f} s\n",
                      Name(report.tier), report.cases, report.pairs, report.tried, report.seconds);
  for (const KillRow& row : report.rows) {
    if (row.tier) continue;
    text += fmt::format("alive: {} ({}), due in tier {}\n", row.mutant.id, row.mutant.clause,
                        Name(row.due));
  }
  for (const std::string& fault : report.faults) text += fault + "\n";
  return text;
}

std::string ToJsonText(const KillReport& report) {
  Json json = {{"tier", Name(report.tier)}, {"cases", report.cases},     {"pairs", report.pairs},
               {"tried", report.tried},     {"seconds", report.seconds}, {"mutants", Json::array()},
               {"faults", report.faults}};
  for (const KillRow& row : report.rows) json["mutants"].push_back(RowJson(row));
  return json.dump(1) + "\n";
}

}  // namespace attest
