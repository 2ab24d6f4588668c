// SPDX-License-Identifier: Apache-2.0
#include "coverage/clause_matrix.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "spec/drafter/embedded.h"

namespace attest {
namespace {

bool Cites(const Case& value, const std::string& clause) {
  return std::find(value.clauses.begin(), value.clauses.end(), clause) != value.clauses.end();
}

// How many cases of spec/drafter cite each clause.
std::map<std::string, int> ConfigurationCases() {
  std::map<std::string, int> counts;
  for (const EmbeddedFile& file : DrafterFiles()) {
    if (!file.path.ends_with("/cases.json") && !file.path.ends_with("/batches.json")) continue;
    const auto json = nlohmann::ordered_json::parse(file.text, nullptr, false);
    for (const auto& value : json.value("cases", nlohmann::ordered_json::array())) {
      for (const auto& clause : value.at("clauses")) ++counts[clause.get<std::string>()];
    }
  }
  return counts;
}

}  // namespace

std::vector<ClauseRow> ClauseMatrix(const Spec& spec, const std::vector<Record>& records) {
  std::set<std::string> ran;
  std::set<std::string> passed;
  for (const Record& record : records) {
    ran.insert(record.case_id);
    if (record.verdict == Verdict::kPass) passed.insert(record.case_id);
  }
  const std::map<std::string, int> configurations = ConfigurationCases();
  std::vector<ClauseRow> rows;
  for (const Clause& clause : spec.clauses) {
    ClauseRow row{.clause = &clause};
    if (const auto count = configurations.find(clause.id); count != configurations.end()) {
      row.cases = count->second;
    }
    for (const Case& value : spec.cases.cases) {
      if (!Cites(value, clause.id)) continue;
      ++row.cases;
      if (passed.count(value.id) > 0) {
        row.passed.push_back(value.id);
      } else if (ran.count(value.id) > 0) {
        row.others.push_back(value.id);
      }
    }
    row.waived =
        std::any_of(spec.waivers.begin(), spec.waivers.end(),
                    [&clause](const ClauseWaiver& waiver) { return waiver.clause == clause.id; });
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<std::string> Uncovered(const std::vector<ClauseRow>& rows) {
  std::vector<std::string> ids;
  for (const ClauseRow& row : rows) {
    if (!row.clause->must || row.clause->reserved || row.waived || !row.passed.empty()) continue;
    if (row.clause->configuration && row.cases > 0) continue;
    ids.push_back(row.clause->id);
  }
  return ids;
}

std::string MatrixText(const std::vector<ClauseRow>& rows) {
  std::string text = fmt::format("{:<10} {:<7} {:<28} {:>6} {:>7}\n", "clause", "level", "profiles",
                                 "cases", "passed");
  for (const ClauseRow& row : rows) {
    const std::string level = row.clause->reserved        ? "later"
                              : row.clause->configuration ? "config"
                              : row.clause->must          ? "MUST"
                                                          : "SHOULD";
    text += fmt::format("{:<10} {:<7} {:<28} {:>6} {:>7}\n", row.clause->id, level,
                        fmt::format("{}", fmt::join(row.clause->profiles, ",")), row.cases,
                        row.passed.size());
  }
  return text;
}

std::string MatrixCsv(const std::vector<ClauseRow>& rows) {
  std::string text = "clause,case\n";
  for (const ClauseRow& row : rows) {
    for (const std::string& id : row.passed) text += fmt::format("{},\"{}\"\n", row.clause->id, id);
  }
  return text;
}

}  // namespace attest
