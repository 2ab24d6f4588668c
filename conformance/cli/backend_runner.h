// SPDX-License-Identifier: Apache-2.0
//
// One backend, several jobs: each job's thread has a session of its own.
#ifndef ATTEST_CONFORMANCE_CLI_BACKEND_RUNNER_H_
#define ATTEST_CONFORMANCE_CLI_BACKEND_RUNNER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "conformance/report/report.h"
#include "conformance/run/run_case.h"
#include "conformance/run/session.h"

namespace attest {

// Opens the backend once, reads its claims, and closes it.
Result<Claims> ReadClaims(const BackendSpec& spec, const SessionOptions& options);

// The class to judge by: the claimed one, or the class `name` if it is nowhere wider. Bad input: an
// unknown class, or one that would loosen the claim. An empty name is the claim itself.
Result<Arithmetic> TightenArithmetic(const Claims& claims, const std::string& name);

// Identity of suite and backend for reports; digests of the program's and the library's files.
Result<RunInfo> DescribeRun(const BackendSpec& spec, const std::string& case_set_digest);

class BackendRunner {
 public:
  // Sessions get one thread each where there are several jobs.
  BackendRunner(BackendSpec spec, SessionOptions session, RunInfo info, Claims claims, int jobs);

  // Runs one case in the session of `job`, which is opened by the first call and must always be
  // called from the same thread. Environment: no session could be opened, or the backend claims
  // something else than before.
  //
  // Environment, too: a child could not be started during the case.
  Result<Record> Run(int job, const Case& value);

  // What befell all sessions between calls, summed up. Once all jobs have ended.
  std::vector<std::string> Incidents() const;

 private:
  Status Open(int job);

  BackendSpec spec_;
  SessionOptions session_options_;
  RunInfo info_;
  Claims claims_;
  RunOptions run_options_;
  std::vector<std::unique_ptr<Session>> sessions_;  // one a job
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_BACKEND_RUNNER_H_
