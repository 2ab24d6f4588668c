// SPDX-License-Identifier: Apache-2.0
//
// What the kill matrix says of the suite.
#ifndef ATTEST_CONFORMANCE_KILL_REPORT_H_
#define ATTEST_CONFORMANCE_KILL_REPORT_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/kill/matrix.h"
#include "conformance/mutants/catalogue.h"
#include "spec/vocabulary/clause.h"

namespace attest {

// The smallest tier whose cases have to kill this mutant: smoke, but for those listed in tiers.cc.
Tier TierThatKills(std::string_view mutant);

// What a diagnosis made of the mutant; filled by who has one.
struct Diagnosed {
  std::string bug_class;
  std::string id;
};

struct KillRow {
  MutantEntry mutant;
  std::vector<std::string> killed_by;
  std::optional<Tier> tier;  // of the first of them
  Tier due = Tier::kSmoke;   // TierThatKills
  std::string doubt;
  std::optional<Diagnosed> diagnosed;
};

struct KillReport {
  Tier tier = Tier::kCi;
  std::size_t cases = 0;
  std::size_t pairs = 0;
  std::size_t tried = 0;
  double seconds = 0;
  std::vector<KillRow> rows;
  // What is wrong with the suite, each a line: survivors that are due in this tier, cases that kill
  // nothing that they claim, judged clauses without a killed mutant, cases that fail the faithful
  // attention.
  std::vector<std::string> faults;
};

// `one`: the matrix is of one mutant, so it says nothing of cases and clauses.
KillReport ReportOf(const KillMatrix& matrix, const std::vector<Clause>& clauses,
                    const CaseSet& cases, bool one);

// A table of classes, then survivors and faults.
std::string Describe(const KillReport& report);
// {"tier", "cases", ..., "mutants": [{"id", "class", "clause", "bug", "killed_by", "tier",
// "diagnosed"}, ...], "faults"}
std::string ToJsonText(const KillReport& report);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_KILL_REPORT_H_
