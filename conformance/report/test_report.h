// SPDX-License-Identifier: Apache-2.0
//
// A small run that never happened, for tests of the writers: one of each thing that a report shows.
#ifndef ATTEST_CONFORMANCE_REPORT_TEST_REPORT_H_
#define ATTEST_CONFORMANCE_REPORT_TEST_REPORT_H_

#include <string>
#include <vector>

#include "conformance/report/report.h"

namespace attest {

// Owns what a Report only points at.
struct TestRun {
  CaseSet set;
  std::vector<Clause> clauses;
  Claims claims;
  RunInfo info;
  std::vector<AcceptEntry> accepted;
  std::vector<Record> records;         // before waivers, in case order
  std::vector<std::string> incidents;  // each as it came

  // Accounts, waivers and summary of these records. The TestRun must outlive it.
  Report MakeReport() const;
};

// Passes, wrong masks, a NaN, a crash, a refusal, a missing record, a waiver, an exclusion, cases
// outside the claims.
TestRun MixedRun();

// The same cases, all expected ones passed.
TestRun GoodRun();

// A passing record of `value`.
Record PassOf(const Case& value);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_TEST_REPORT_H_
