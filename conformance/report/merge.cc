// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/merge.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace attest {
namespace {

constexpr std::size_t kNamed = 5;

std::string SomeOf(const std::vector<std::string>& ids) {
  const std::size_t shown = std::min(ids.size(), kNamed);
  std::string text = fmt::format("{}", fmt::join(ids.begin(), ids.begin() + shown, ", "));
  if (shown < ids.size()) text += fmt::format(" and {} more", ids.size() - shown);
  return text;
}

// The first thing in which two parts differ and must not; empty if there is none.
std::string DifferenceOf(const Certificate& a, const Certificate& b) {
  const RunInfo& x = a.info;
  const RunInfo& y = b.info;
  const auto differ = [](std::string_view what, const auto& left, const auto& right) {
    return fmt::format("{}: {} and {}", what, left, right);
  };
  if (x.suite_version != y.suite_version) {
    return differ("suite version", x.suite_version, y.suite_version);
  }
  if (x.case_set_digest != y.case_set_digest) {
    return differ("case set", x.case_set_digest, y.case_set_digest);
  }
  if (x.executable_sha256 != y.executable_sha256) {
    return differ("attest program", x.executable_sha256, y.executable_sha256);
  }
  if (x.backend_sha256 != y.backend_sha256) {
    return differ("backend library", x.backend_sha256, y.backend_sha256);
  }
  if (x.backend != y.backend) return differ("--backend", x.backend, y.backend);
  if (x.selector != y.selector) return differ("selector", x.selector, y.selector);
  if (x.seed != y.seed) return differ("seed", x.seed, y.seed);
  if (x.selection.tier != y.selection.tier) {
    return differ("tier", Name(x.selection.tier), Name(y.selection.tier));
  }
  if (x.selection.filter != y.selection.filter) {
    return differ("filter", x.selection.filter, y.selection.filter);
  }
  if (x.selection.profiles != y.selection.profiles) return "requested profiles";
  if (x.selection.shard.count != y.selection.shard.count) {
    return differ("number of shards", x.selection.shard.count, y.selection.shard.count);
  }
  if (x.arithmetic != y.arithmetic) return "arithmetic class";
  if (a.claims != b.claims) return "claims";
  if (a.accepted != b.accepted) return "waivers";
  return {};
}

Status CheckOneRun(const std::vector<RunDirectory>& parts) {
  for (const RunDirectory& part : parts) {
    const std::string difference = DifferenceOf(parts.front().certificate, part.certificate);
    if (difference.empty()) continue;
    return BadInput(fmt::format("{} and {} are no parts of one run: {}", parts.front().path,
                                part.path, difference));
  }
  return {};
}

Status CheckNoOverlap(const std::vector<RunDirectory>& parts) {
  std::map<std::string, const RunDirectory*> owner;
  for (const RunDirectory& part : parts) {
    std::vector<std::string> twice;
    const RunDirectory* other = nullptr;
    for (const Record& record : part.records) {
      const auto [found, fresh] = owner.emplace(record.case_id, &part);
      if (fresh) continue;
      twice.push_back(record.case_id);
      other = found->second;
    }
    if (!twice.empty()) {
      return BadInput(fmt::format("{} and {} overlap: {}", other->path, part.path, SomeOf(twice)));
    }
  }
  return {};
}

// A case that its own shard did not record is missing there too and stays missing; a gap is a shard
// that nobody gave.
Status CheckNoGap(const std::vector<RunDirectory>& parts, const Spec& spec) {
  const Certificate& first = parts.front().certificate;
  std::vector<int> times(first.info.selection.shard.count, 0);
  for (const RunDirectory& part : parts) ++times[part.certificate.info.selection.shard.index - 1];
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (times[i] == 1) continue;
    Selection shard = first.info.selection;
    shard.shard.index = static_cast<int>(i) + 1;
    std::vector<std::string> ids;
    for (const CaseAccount& account : AccountFor(SelectCases(spec.cases, shard), first.claims)) {
      if (account.standing == Standing::kExpected) ids.push_back(account.value->id);
    }
    return BadInput(fmt::format("shard {}/{} is given {}: {}", i + 1, times.size(),
                                times[i] == 0 ? "nowhere" : "more than once", SomeOf(ids)));
  }
  return {};
}

// All records, in case order.
std::vector<Record> Collect(const std::vector<RunDirectory>& parts,
                            const std::vector<CaseAccount>& accounts) {
  std::map<std::string, const Record*> by_id;
  for (const RunDirectory& part : parts) {
    for (const Record& record : part.records) by_id.emplace(record.case_id, &record);
  }
  std::vector<Record> records;
  for (const CaseAccount& account : accounts) {
    const auto found = by_id.find(account.value->id);
    if (found == by_id.end()) continue;
    records.push_back(*found->second);
    by_id.erase(found);
  }
  // Nobody expects these; the summary will say so.
  for (const auto& [id, record] : by_id) records.push_back(*record);
  return records;
}

void AddHosts(const std::vector<RunDirectory>& parts, RunInfo& info) {
  for (const RunDirectory& part : parts) {
    for (const HostInfo& host : part.certificate.info.hosts) {
      if (std::find(info.hosts.begin(), info.hosts.end(), host) == info.hosts.end()) {
        info.hosts.push_back(host);
      }
    }
  }
}

}  // namespace

Result<MergedRuns> MergeRuns(const std::vector<RunDirectory>& parts, const Spec& spec) {
  if (parts.empty()) return BadInput("nothing to merge");
  const Certificate& first = parts.front().certificate;
  if (first.info.case_set_digest != spec.cases.digest) {
    return BadInput(fmt::format("{}: made by a suite with case set {}; this one has {}",
                                parts.front().path, first.info.case_set_digest, spec.cases.digest));
  }
  for (const Status& status :
       {CheckOneRun(parts), CheckNoOverlap(parts), CheckNoGap(parts, spec)}) {
    if (!status.ok()) return status;
  }
  MergedRuns merged;
  Report& report = merged.report;
  report.info = first.info;
  report.info.selection.shard = {};
  AddHosts(parts, report.info);
  for (const RunDirectory& part : parts) {  // ISO dates sort as text
    report.info.date = std::max(report.info.date, part.certificate.info.date);
    for (const std::string& fault : part.certificate.faults)
      merged.evidence.faults.push_back(fault);
    for (const std::string& incident : part.certificate.incidents)
      report.incidents.push_back(incident);
  }
  report.incidents = SumUpIncidents(report.incidents);
  report.claims = first.claims;
  report.accepted = first.accepted;
  report.clauses = &spec.clauses;
  std::vector<CaseAccount> accounts =
      AccountFor(SelectCases(spec.cases, report.info.selection), report.claims);
  report.records = Collect(parts, accounts);
  merged.evidence.clauses = &spec.clauses;
  merged.evidence.of_drafter = !report.info.drafter.file.empty();
  merged.evidence.accept_problems = ApplyAccept(report.accepted, accounts, spec.clauses,
                                                std::string_view(report.info.date).substr(0, 10),
                                                report.info.selection.partial(), report.records);
  report.summary =
      Summarise(report.info.selection, std::move(accounts), report.records, merged.evidence);
  return merged;
}

}  // namespace attest
