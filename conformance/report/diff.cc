// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/diff.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <nlohmann/json.hpp>

namespace attest {
namespace {

bool Passed(Verdict verdict) { return verdict == Verdict::kPass || verdict == Verdict::kWaived; }

using ById = std::map<std::string, const Record*>;

ById Index(const std::vector<Record>& records) {
  ById by_id;
  for (const Record& record : records) by_id[record.case_id] = &record;
  return by_id;
}

ChangeKind KindOf(const Record& before, const Record& after) {
  if (Passed(before.verdict) && !Passed(after.verdict)) return ChangeKind::kRegression;
  if (!Passed(before.verdict) && Passed(after.verdict)) return ChangeKind::kImprovement;
  return ChangeKind::kOther;
}

CaseChange Changed(const Record& before, const Record& after) {
  return {.id = after.case_id,
          .kind = KindOf(before, after),
          .before = before.verdict,
          .after = after.verdict,
          .redefined = before.content_hash != after.content_hash,
          .clauses = after.clauses,
          .reason = after.reason,
          .repro = after.repro};
}

std::string LineOf(const CaseChange& change) {
  const auto word = [](Verdict verdict, bool absent) {
    return absent ? std::string_view("-") : Name(verdict);
  };
  std::string text = fmt::format("{}: {}: {} -> {} [{}]{}\n", Name(change.kind), change.id,
                                 word(change.before, change.kind == ChangeKind::kNew),
                                 word(change.after, change.kind == ChangeKind::kGone),
                                 fmt::join(change.clauses, ", "),
                                 change.redefined ? " (the case itself changed)" : "");
  if (change.kind == ChangeKind::kRegression && !change.repro.empty()) {
    text += fmt::format("  {}\n  {}\n", change.reason, change.repro);
  }
  return text;
}

}  // namespace

std::string_view Name(ChangeKind kind) {
  constexpr std::array<std::string_view, 5> kNames = {"regression", "improvement", "other", "gone",
                                                      "new"};
  return kNames[static_cast<std::size_t>(kind)];
}

Diff DiffRecords(const std::vector<Record>& before, const std::vector<Record>& after,
                 bool same_cases) {
  const ById old_records = Index(before);
  const ById new_records = Index(after);
  std::map<std::string, CaseChange> changes;
  Diff diff;
  for (const auto& [id, record] : old_records) {
    const auto found = new_records.find(id);
    if (found == new_records.end()) {
      const bool worse = same_cases && Passed(record->verdict);
      changes[id] = {.id = id,
                     .kind = worse ? ChangeKind::kRegression : ChangeKind::kGone,
                     .before = record->verdict,
                     .clauses = record->clauses};
    } else if (found->second->verdict != record->verdict) {
      changes[id] = Changed(*record, *found->second);
    } else {
      ++diff.unchanged;
    }
  }
  for (const auto& [id, record] : new_records) {
    if (old_records.contains(id)) continue;
    changes[id] = {.id = id,
                   .kind = ChangeKind::kNew,
                   .after = record->verdict,
                   .clauses = record->clauses,
                   .reason = record->reason,
                   .repro = record->repro};
  }
  for (auto& [id, change] : changes) {
    if (change.kind == ChangeKind::kRegression) {
      ++diff.regressed;
      for (const std::string& clause : change.clauses) ++diff.regressions[clause];
    }
    diff.changes.push_back(std::move(change));
  }
  return diff;
}

std::string DiffText(const Diff& diff) {
  std::string text;
  for (const CaseChange& change : diff.changes) text += LineOf(change);
  for (const auto& [clause, count] : diff.regressions) {
    text += fmt::format("clause {}: {} regression{}\n", clause, count, count == 1 ? "" : "s");
  }
  text += fmt::format(
      "{} changed, {} unchanged: {}\n", diff.changes.size(), diff.unchanged,
      diff.regressed == 0 ? "no regression" : fmt::format("{} regressed", diff.regressed));
  return text;
}

nlohmann::ordered_json ToJson(const Diff& diff) {
  nlohmann::ordered_json changes = nlohmann::ordered_json::array();
  for (const CaseChange& change : diff.changes) {
    changes.push_back({{"case", change.id},
                       {"kind", Name(change.kind)},
                       {"before", Name(change.before)},
                       {"after", Name(change.after)},
                       {"redefined", change.redefined},
                       {"clauses", change.clauses},
                       {"reason", change.reason},
                       {"repro", change.repro}});
  }
  return {{"regressed", diff.regressed},
          {"unchanged", diff.unchanged},
          {"regressions_by_clause", diff.regressions},
          {"changes", changes}};
}

}  // namespace attest
