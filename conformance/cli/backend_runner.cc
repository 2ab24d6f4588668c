// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/backend_runner.h"

#include <fmt/format.h>

#include <utility>

#include "spec/vocabulary/digest.h"

namespace attest {

Result<Claims> ReadClaims(const BackendSpec& spec, const SessionOptions& options) {
  Result<std::unique_ptr<Session>> session = Session::Open(spec, options);
  if (!session.ok()) return session.status();
  return (*session)->claims();
}

Result<Arithmetic> TightenArithmetic(const Claims& claims, const std::string& name) {
  if (name.empty()) return claims.arithmetic;
  const std::optional<Arithmetic> wanted = ArithmeticByName(name);
  if (!wanted) {
    return BadInput(fmt::format("--arithmetic '{}': strict, default or lenient", name));
  }
  if (!AtLeastAsTight(*wanted, claims.arithmetic)) {
    return BadInput(
        fmt::format("--arithmetic {}: may only tighten the claim, and the backend claims {}", name,
                    claims.arithmetic.name));
  }
  return *wanted;
}

Result<RunInfo> DescribeRun(const BackendSpec& spec, const std::string& case_set_digest) {
  const Result<std::string> program = Sha256HexOfFile("/proc/self/exe");
  if (!program.ok()) return EnvironmentError(program.status().message());
  const Result<std::string> library = Sha256HexOfFile(spec.library);
  if (!library.ok()) return library.status();
  RunInfo info;
  info.suite_version = SuiteVersion();
  info.executable_sha256 = *program;
  info.case_set_digest = case_set_digest;
  info.abi_version = AbiVersion();
  info.backend = spec.argument;
  info.backend_sha256 = *library;
  info.selector = spec.selector;
  info.hosts = {ThisHost()};
  info.date = DateNow();
  return info;
}

BackendRunner::BackendRunner(BackendSpec spec, SessionOptions session, RunInfo info, Claims claims,
                             int jobs)
    : spec_(std::move(spec)),
      session_options_(session),
      info_(std::move(info)),
      claims_(std::move(claims)),
      sessions_(jobs) {
  if (jobs > 1) session_options_.threads = 1;
  run_options_.seed = info_.seed;
  run_options_.arithmetic = info_.arithmetic;
}

Status BackendRunner::Open(int job) {
  Result<std::unique_ptr<Session>> session = Session::Open(spec_, session_options_);
  if (!session.ok()) return EnvironmentError(session.status().message());
  if ((*session)->claims() != claims_) {
    return EnvironmentError(
        fmt::format("{}: claims something else each time it is opened", spec_.argument));
  }
  sessions_[job] = std::move(*session);
  return {};
}

Result<Record> BackendRunner::Run(int job, const Case& value) {
  if (sessions_[job] == nullptr) {
    if (Status status = Open(job); !status.ok()) return status;
  }
  Record record = RunCase(*sessions_[job], value, run_options_);
  if (record.rule == kEnvironmentRule) {
    return EnvironmentError(fmt::format("{}: {}", value.id, record.reason));
  }
  record.repro = ReproCommand(info_, claims_, value.id);
  return record;
}

std::vector<std::string> BackendRunner::Incidents() const {
  std::vector<std::string> all;
  for (const std::unique_ptr<Session>& session : sessions_) {
    if (session == nullptr) continue;
    const std::vector<std::string> incidents = session->incidents();
    all.insert(all.end(), incidents.begin(), incidents.end());
  }
  return SumUpIncidents(all);
}

}  // namespace attest
