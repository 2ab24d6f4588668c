// SPDX-License-Identifier: Apache-2.0
//
// Power certificate: which mutants this input must expose, worked out before any backend runs. An
// input that can expose none proves nothing, and a pass on it is not believed.
//
// A mutant is exposed if, in some judged line, it is farther from the expectation than twice the
// allowed error, so that even a backend that errs by all that it may on top of the defect is seen;
// or if it leaves a number unwritten, not finite, or outside of the outputs
// (spec/clauses/numerics.md).
#ifndef ATTEST_CONFORMANCE_JUDGE_POWER_H_
#define ATTEST_CONFORMANCE_JUDGE_POWER_H_

#include <string>
#include <vector>

#include "conformance/run/inputs.h"
#include "reference/oracle.h"
#include "spec/cases/case.h"

namespace attest {

struct PowerOptions {
  bool all = false;        // every mutant of the cited clauses, not the first of each alone
  double budget = 0x1p22;  // multiply-adds that one mutant may cost
};

// Is a forward call compared with the oracle in this kind of case?
bool IsJudgedByValues(CaseKind kind);

// Ids of exposed mutants. First the one whose sin the kind asks about, if it asks about any: of
// kinds that are not judged by values it is the only one, and `inputs` and `expected` are not
// looked at. Then clause by clause in the order in which `value` cites them the first that is
// exposed of each. Where there is none, the first of a few general defects (zeros, an end key
// missing, ...). Empty: the input can expose nothing.
std::vector<std::string> ExposedMutants(const Case& value, const CaseInputs& inputs,
                                        const Expected& expected, const PowerOptions& options);

// The rows that a certificate alone would look at: few, and those at which mutants differ.
std::vector<QueryRow> PowerRows(const Problem& problem);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_POWER_H_
