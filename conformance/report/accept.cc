// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/accept.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "conformance/report/selection.h"
#include "spec/vocabulary/json_object.h"
#include "spec/vocabulary/json_text.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

bool IsDate(const std::string& text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  const auto digits = [&](std::size_t from, std::size_t count) {
    return std::all_of(text.begin() + from, text.begin() + from + count,
                       [](char c) { return c >= '0' && c <= '9'; });
  };
  if (!digits(0, 4) || !digits(5, 2) || !digits(8, 2)) return false;
  const int month = std::stoi(text.substr(5, 2));
  const int day = std::stoi(text.substr(8, 2));
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

Result<AcceptEntry> ReadEntry(const Json& json, const std::string& path) {
  JsonObject object(json, path);
  AcceptEntry entry{.cases = object.Has("case") ? object.String("case") : "",
                    .deviation = object.Has("deviation") ? object.String("deviation") : "",
                    .reason = object.String("reason"),
                    .link = object.String("link"),
                    .expires = object.String("expires")};
  if (Status status = object.Done(); !status.ok()) return status;
  if (entry.cases.empty() == entry.deviation.empty()) {
    return BadInput(path + ": an entry names either a case or a deviation");
  }
  if (entry.reason.empty()) object.Fail("reason", "empty");
  if (entry.link.empty()) object.Fail("link", "empty");
  if (!IsDate(entry.expires)) {
    object.Fail("expires", fmt::format("'{}' is no date YYYY-MM-DD", entry.expires));
  }
  if (Status status = object.Done(); !status.ok()) return status;
  return entry;
}

std::string Title(const AcceptEntry& entry) {
  return entry.cases.empty() ? fmt::format("deviation '{}'", entry.deviation)
                             : fmt::format("case '{}'", entry.cases);
}

// The clause that owns a deviation; nullptr if none does.
const Clause* OwnerOf(const std::vector<Clause>& clauses, const std::string& deviation) {
  for (const Clause& clause : clauses) {
    for (const Deviation& candidate : clause.deviations) {
      if (candidate.name == deviation) return &clause;
    }
  }
  return nullptr;
}

bool Matches(const AcceptEntry& entry, const Clause* owner, const Case& value) {
  if (!entry.cases.empty()) return GlobMatch(entry.cases, value.id);
  return owner != nullptr &&
         std::find(value.clauses.begin(), value.clauses.end(), owner->id) != value.clauses.end();
}

bool MayWaive(const AcceptEntry& entry, Verdict verdict) {
  switch (verdict) {
    case Verdict::kFail:
    case Verdict::kWaived:
      return true;
    case Verdict::kRefused:
    case Verdict::kCrash:
    case Verdict::kTimeout:
    case Verdict::kError:
      return !entry.cases.empty();
    default:  // a lost device, a fault of ours and an absent record are no property of the backend
      return false;
  }
}

struct Use {
  int matched = 0;
  int waived = 0;
  std::string passed;  // one case that passed all the same
};

Use ApplyEntry(const AcceptEntry& entry, const std::vector<CaseAccount>& accounts,
               const Clause* owner, const std::map<std::string, Record*>& by_id) {
  Use use;
  for (const CaseAccount& account : accounts) {
    if (account.standing != Standing::kExpected || !Matches(entry, owner, *account.value)) continue;
    const auto found = by_id.find(account.value->id);
    if (found == by_id.end()) continue;
    ++use.matched;
    Record& record = *found->second;
    if (record.verdict == Verdict::kPass) use.passed = record.case_id;
    if (!MayWaive(entry, record.verdict)) continue;
    ++use.waived;
    if (record.verdict == Verdict::kWaived) continue;
    record.waiver = fmt::format("{} ({}; was: {}; until {})", entry.reason, entry.link,
                                Name(record.verdict), entry.expires);
    record.verdict = Verdict::kWaived;
  }
  return use;
}

std::string Complaint(const AcceptEntry& entry, const Use& use, bool partial) {
  const std::string title = Title(entry);
  if (use.matched == 0) {
    return partial ? "" : fmt::format("--accept {}: unused, no expected case matches", title);
  }
  if (!entry.cases.empty() && !use.passed.empty()) {
    return fmt::format("--accept {}: {} passes; remove or narrow the entry", title, use.passed);
  }
  if (use.waived == 0 && !(partial && entry.cases.empty())) {
    return fmt::format("--accept {}: unused, nothing that it matches gave a wrong answer", title);
  }
  return {};
}

}  // namespace

Result<std::vector<AcceptEntry>> ParseAccept(std::string_view file, const std::string& text) {
  const Result<Json> json = ParseJson(file, text);
  if (!json.ok()) return json.status();
  JsonObject object(*json, "");
  const Json* list = object.Required("accept");
  if (list != nullptr && !list->is_array()) object.Fail("accept", "not a list");
  if (Status status = object.Done(); !status.ok()) return WithPlace(file, text, status);
  std::vector<AcceptEntry> entries;
  for (std::size_t i = 0; i < list->size(); ++i) {
    Result<AcceptEntry> entry = ReadEntry((*list)[i], fmt::format("accept[{}]", i));
    if (!entry.ok()) return WithPlace(file, text, entry.status());
    entries.push_back(std::move(*entry));
  }
  return entries;
}

Json ToJson(const AcceptEntry& entry) {
  Json json;
  if (!entry.cases.empty()) json["case"] = entry.cases;
  if (!entry.deviation.empty()) json["deviation"] = entry.deviation;
  json["reason"] = entry.reason;
  json["link"] = entry.link;
  json["expires"] = entry.expires;
  return json;
}

Result<AcceptEntry> AcceptEntryFromJson(const Json& json, const std::string& path) {
  return ReadEntry(json, path);
}

Status CheckDeviations(const std::vector<AcceptEntry>& entries,
                       const std::vector<Clause>& clauses) {
  for (const AcceptEntry& entry : entries) {
    if (entry.deviation.empty() || OwnerOf(clauses, entry.deviation) != nullptr) continue;
    return BadInput(
        fmt::format("--accept: no clause names a deviation '{}'; see 'attest list deviations'",
                    entry.deviation));
  }
  return {};
}

std::vector<std::string> ApplyAccept(const std::vector<AcceptEntry>& entries,
                                     const std::vector<CaseAccount>& accounts,
                                     const std::vector<Clause>& clauses, std::string_view today,
                                     bool partial, std::vector<Record>& records) {
  std::map<std::string, Record*> by_id;
  for (Record& record : records) by_id[record.case_id] = &record;
  std::vector<std::string> problems;
  for (const AcceptEntry& entry : entries) {
    if (entry.expires < today) {
      problems.push_back(fmt::format("--accept {}: expired on {}", Title(entry), entry.expires));
      continue;
    }
    const Use use = ApplyEntry(entry, accounts, OwnerOf(clauses, entry.deviation), by_id);
    if (std::string line = Complaint(entry, use, partial); !line.empty()) problems.push_back(line);
  }
  return problems;
}

}  // namespace attest
