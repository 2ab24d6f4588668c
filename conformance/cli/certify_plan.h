// SPDX-License-Identifier: Apache-2.0
//
// What a certify run will do, decided before anything runs: bad usage ends here.
#ifndef ATTEST_CONFORMANCE_CLI_CERTIFY_PLAN_H_
#define ATTEST_CONFORMANCE_CLI_CERTIFY_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/report/accounting.h"
#include "conformance/report/report.h"
#include "conformance/run/journal.h"
#include "conformance/run/session.h"
#include "spec/cases/spec.h"

namespace attest {

struct CertifyFlags {
  std::string backend;
  std::vector<std::string> profiles;
  std::string tier = "ci";
  std::uint64_t seed = 0;
  int jobs = 0;  // 0: as many as there are cores
  std::string filter;
  std::string drafter;  // config.json: its problems instead of the suite's cases
  std::string shard = "1/1";
  std::string resume;
  std::string accept;
  std::string out;
  std::string arithmetic;
  double deadline_floor_s = 20.0;
  int diagnosed = 3;  // failures, of different clauses
  bool json = false;
};

struct CertifyPlan {
  Spec spec;
  BackendSpec backend;
  SessionOptions session;
  Claims claims;
  RunInfo info;
  std::vector<AcceptEntry> accepted;
  std::vector<CaseAccount> accounts;
  int jobs = 1;
  std::string directory;  // empty: nothing is written
  bool resuming = false;
};

// Reads the spec and the accept file, checks the output directory, and asks the backend for its
// claims. Nothing is run, and nothing is written but an empty directory.
Result<CertifyPlan> MakePlan(const CertifyFlags& flags);

// Everything on which a record depends, so that a run goes on with the options it began with.
JournalHeader HeaderOf(const CertifyPlan& plan);

// The command line that goes on with an interrupted run.
std::string ResumeCommand(const CertifyFlags& flags, const CertifyPlan& plan);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_CERTIFY_PLAN_H_
