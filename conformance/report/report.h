// SPDX-License-Identifier: Apache-2.0
//
// Report: all that is known after a run, as one value. Every writer of this folder is a function of
// it.
#ifndef ATTEST_CONFORMANCE_REPORT_REPORT_H_
#define ATTEST_CONFORMANCE_REPORT_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/report/accept.h"
#include "conformance/report/selection.h"
#include "conformance/report/summary.h"
#include "conformance/run/record.h"
#include "spec/vocabulary/arithmetic.h"
#include "spec/vocabulary/claims.h"
#include "spec/vocabulary/clause.h"

namespace attest {

struct HostInfo {
  std::string system;     // "Linux 6.1.0 x86_64"
  std::string processor;  // model name
  int cores = 0;
  bool operator==(const HostInfo&) const = default;
};
// Of this machine.
HostInfo ThisHost();

// "2026-01-31T12:00:00Z": now, or SOURCE_DATE_EPOCH where that variable holds seconds.
std::string DateNow();

// "0.1.0" and "0.1".
std::string SuiteVersion();
std::string AbiVersion();

// Whose problems were the cases (`attest certify --drafter`); empty: the suite's own cases.
struct DrafterOfRun {
  std::string file;    // as it was given
  std::string config;  // what stood in it: JSON, one line
  bool operator==(const DrafterOfRun&) const = default;
};

// What was run. Two runs may be merged or compared when all but `hosts`, `date` and the shard are
// equal.
struct RunInfo {
  std::string suite_version;
  std::string executable_sha256;  // of the attest program
  std::string case_set_digest;
  std::string abi_version;
  std::string backend;  // the argument, as it stands in repro commands
  std::string backend_sha256;
  std::string selector;
  DrafterOfRun drafter;
  Selection selection;
  std::uint64_t seed = 0;
  Arithmetic arithmetic;        // the class that judged: the claimed one, or a tighter one
  std::vector<HostInfo> hosts;  // one; several after a merge
  std::string date;
  bool operator==(const RunInfo&) const = default;
};

// What the diagnosis says of one failure; several lines.
struct CaseDiagnosis {
  std::string case_id;
  std::string text;
};

struct Report {
  RunInfo info;
  Claims claims;
  std::vector<AcceptEntry> accepted;
  std::vector<Record> records;           // in case order, waivers applied
  std::vector<CaseDiagnosis> diagnoses;  // of the first failures
  // What befell the backend's processes while no call was in flight, so that it cost no case; each
  // text once, with its count: SumUpIncidents.
  std::vector<std::string> incidents;
  Summary summary;
  const std::vector<Clause>* clauses = nullptr;  // may be absent
};

// Sorted, each once: "signal 11 (segmentation fault) between calls, 3 times".
std::vector<std::string> SumUpIncidents(const std::vector<std::string>& incidents);

// What is said of this case; empty for nothing.
std::string DiagnosisOf(const Report& report, const std::string& case_id);

// The clause with this id; nullptr if the report does not know it.
const Clause* FindClause(const Report& report, const std::string& id);

// Neither passed nor waived, in case order, with the case; the case is nullptr where nobody expects
// the record. Missing cases have a record of their own here, with the command that runs them.
struct Failure {
  const Case* value = nullptr;
  Record record;
};
std::vector<Failure> FailuresOf(const Report& report);

// "attest replay 'ID' --seed N --backend ARG [--arithmetic CLASS]"
std::string ReproCommand(const RunInfo& info, const Claims& claims, const std::string& case_id);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_REPORT_H_
