// SPDX-License-Identifier: Apache-2.0
#include "conformance/report/report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/utsname.h>

#include <charconv>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <string_view>
#include <thread>

namespace attest {
namespace {

std::string ProcessorModel() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

// For a POSIX shell.
std::string Quote(const std::string& word) {
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

bool IsPlain(const std::string& word) {
  return !word.empty() && word.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "_-./:=,@%+") == std::string::npos;
}

}  // namespace

HostInfo ThisHost() {
  HostInfo host{.processor = ProcessorModel(),
                .cores = static_cast<int>(std::thread::hardware_concurrency())};
  utsname name{};
  if (uname(&name) == 0) {
    host.system = fmt::format("{} {} {}", name.sysname, name.release, name.machine);
  }
  return host;
}

std::string DateNow() {
  std::time_t seconds = std::time(nullptr);
  if (const char* fixed = std::getenv("SOURCE_DATE_EPOCH"); fixed != nullptr) {
    const std::string_view text = fixed;
    std::from_chars(text.data(), text.data() + text.size(), seconds);
  }
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(seconds));
}

std::string SuiteVersion() { return ATTEST_SUITE_VERSION; }

std::string AbiVersion() {
  return fmt::format("{}.{}", ATTEST_ABI_VERSION_MAJOR, ATTEST_ABI_VERSION_MINOR);
}

std::vector<std::string> SumUpIncidents(const std::vector<std::string>& incidents) {
  std::map<std::string, int> counts;
  for (const std::string& incident : incidents) ++counts[incident];
  std::vector<std::string> lines;
  for (const auto& [incident, count] : counts) {
    lines.push_back(count == 1 ? incident : fmt::format("{}, {} times", incident, count));
  }
  return lines;
}

std::string DiagnosisOf(const Report& report, const std::string& case_id) {
  for (const CaseDiagnosis& one : report.diagnoses) {
    if (one.case_id == case_id) return one.text;
  }
  return {};
}

const Clause* FindClause(const Report& report, const std::string& id) {
  if (report.clauses == nullptr) return nullptr;
  for (const Clause& clause : *report.clauses) {
    if (clause.id == id) return &clause;
  }
  return nullptr;
}

std::vector<Failure> FailuresOf(const Report& report) {
  std::map<std::string_view, const Record*> by_id;
  for (const Record& record : report.records) by_id[record.case_id] = &record;
  std::vector<Failure> failures;
  for (const CaseAccount& account : report.summary.accounts) {
    if (account.standing != Standing::kExpected) continue;
    const auto found = by_id.find(account.value->id);
    if (found == by_id.end()) {
      failures.push_back({account.value,
                          {.case_id = account.value->id,
                           .seed = report.info.seed,
                           .reason = "expected, but there is no record",
                           .clauses = account.value->clauses,
                           .profiles = account.value->profiles,
                           .repro = ReproCommand(report.info, report.claims, account.value->id)}});
    } else if (found->second->verdict != Verdict::kPass &&
               found->second->verdict != Verdict::kWaived) {
      failures.push_back({account.value, *found->second});
    }
  }
  return failures;
}

std::string ReproCommand(const RunInfo& info, const Claims& claims, const std::string& case_id) {
  std::string command =
      fmt::format("attest replay {} --seed {} --backend {}", Quote(case_id), info.seed,
                  IsPlain(info.backend) ? info.backend : Quote(info.backend));
  if (!info.drafter.file.empty()) command += " --drafter " + Quote(info.drafter.file);
  if (info.arithmetic != claims.arithmetic) command += " --arithmetic " + info.arithmetic.name;
  return command;
}

}  // namespace attest
