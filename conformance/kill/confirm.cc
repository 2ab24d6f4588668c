// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>

#include "conformance/judge/power.h"
#include "conformance/kill/matrix.h"
#include "conformance/run/in_parallel.h"
#include "conformance/run/run_case.h"

namespace attest {
namespace {

constexpr std::size_t kMostCases = 120;  // that are run for one mutant, small ones first

Result<std::unique_ptr<Session>> OpenMutant(std::string_view id) {
  const Result<BackendSpec> spec = ResolveBackend("mutant:" + std::string(id));
  if (!spec.ok()) return spec.status();
  return Session::Open(*spec, {});
}

// A case fails a mutant that is wrong, or that refuses what it claims.
bool Kills(Session& session, const Case& value, std::string& answer) {
  if (!ExpectationOf(session.claims(), value).expected) return false;
  session.StartAfresh();
  const Record record = RunCase(session, value, {.arithmetic = session.claims().arithmetic});
  answer = fmt::format("{}: {} {}", value.id, Name(record.verdict), record.reason);
  return record.verdict == Verdict::kFail || record.verdict == Verdict::kRefused;
}

// The first of `candidates` that fails the mutant goes to the front of killed_by.
bool ConfirmOne(Session& session, const std::vector<const Case*>& candidates, MutantKill& kill) {
  for (const Case* value : candidates) {
    std::string answer;
    if (!Kills(session, *value, answer)) {
      if (kill.doubt.empty() && !kill.killed_by.empty()) kill.doubt = answer;
      continue;
    }
    std::erase(kill.killed_by, value);
    kill.killed_by.insert(kill.killed_by.begin(), value);
    kill.confirmed = true;
    kill.doubt.clear();
    return true;
  }
  return false;
}

std::vector<const Case*> ClaimingCases(const std::vector<const Case*>& cases,
                                       const Mutant& mutant) {
  std::vector<const Case*> claiming;
  for (const Case* value : cases) {
    if (claiming.size() < kMostCases && ClaimsToKill(*value, mutant)) claiming.push_back(value);
  }
  return claiming;
}

Status Confirm(const std::vector<const Case*>& cases, MutantKill& kill) {
  Result<std::unique_ptr<Session>> session = OpenMutant(kill.mutant->id);
  if (!session.ok()) return session.status();
  if (ConfirmOne(**session, std::vector<const Case*>(kill.killed_by), kill)) return {};
  // Nothing in this process: what numbers do not tell is looked for here.
  kill.killed_by.clear();
  ConfirmOne(**session, ClaimingCases(cases, *kill.mutant), kill);
  return {};
}

}  // namespace

Status ConfirmKills(const std::vector<const Case*>& cases, const KillOptions& options,
                    KillMatrix& matrix) {
  std::mutex mutex;
  Status failed;
  std::size_t done = 0;
  InParallel(matrix.kills.size(), options.jobs, [&](std::size_t n) {
    const Status status = Confirm(cases, matrix.kills[n]);
    const std::lock_guard lock(mutex);
    if (!status.ok() && failed.ok()) failed = status;
    ++done;
    if (options.progress) options.progress("mutants behind the ABI", done, matrix.kills.size());
  });
  return failed;
}

}  // namespace attest
