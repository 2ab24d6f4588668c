// SPDX-License-Identifier: Apache-2.0
//
// Which clause was exercised by which case, counted over the records of real runs: a case that
// exists but never ran covers nothing.
#ifndef ATTEST_COVERAGE_CLAUSE_MATRIX_H_
#define ATTEST_COVERAGE_CLAUSE_MATRIX_H_

#include <map>
#include <string>
#include <vector>

#include "conformance/run/record.h"
#include "spec/cases/spec.h"

namespace attest {

struct ClauseRow {
  const Clause* clause = nullptr;
  int cases = 0;                    // of the spec, that cite it; configurations count too
  std::vector<std::string> passed;  // ids of cases with a passing record, in case order
  std::vector<std::string> others;  // ids of cases whose records all say something else
  bool waived = false;
};

// One row a clause, in the order of the spec. Records of the same case from several runs are
// joined: one pass is enough to show that the case can be run and judged.
std::vector<ClauseRow> ClauseMatrix(const Spec& spec, const std::vector<Record>& records);

// Ids of MUST clauses that are neither reserved nor waived and that no passing record cites. Runs
// of backends cannot cite a clause of configurations: it counts as uncovered where it has no case.
std::vector<std::string> Uncovered(const std::vector<ClauseRow>& rows);

// A table for people: id, level, profiles, cases, passed.
std::string MatrixText(const std::vector<ClauseRow>& rows);
// "clause,case" lines under a header, one for each passing pair.
std::string MatrixCsv(const std::vector<ClauseRow>& rows);

}  // namespace attest

#endif  // ATTEST_COVERAGE_CLAUSE_MATRIX_H_
