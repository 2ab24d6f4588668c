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

#include <functional>
#include <string>
#include <vector>

#include "conformance/mutants/mutant.h"
#include "conformance/run/inputs.h"
#include "reference/oracle.h"
#include "spec/cases/case.h"

namespace attest {

struct PowerOptions {
  bool all = false;        // every mutant of the cited clauses, not the first of each alone
  double budget = 0x1p22;  // multiply-adds that one mutant may cost
  // Nothing was called before, but what the kind of the case itself calls. Without it a mutant of a
  // stale state remembers an earlier ordinary call.
  bool fresh = false;
};

// Ids of exposed mutants: clause by clause, in the order in which `value` cites them, the first
// that few lines show of each; where there is none, that more lines show; where there is none, the
// first of a few general defects (zeros, an end key missing, a slot too far, ...). Empty: the input
// can expose nothing.
//
//   refusal, invalid   the mutant that computes what it has to decline: any input exposes it, and
//                      `inputs` and `expected` are not looked at
//   determinism, ...   first the mutant of order that the kind asks about; where cutting the keys
//                      otherwise moves no bit of this input, nothing at all
//   write_kv           by the bytes left behind; `expected` is not looked at
//   merge              by `expected` of ExpectMerge
std::vector<std::string> ExposedMutants(const Case& value, const CaseInputs& inputs,
                                        const Expected& expected, const PowerOptions& options);

// Is a mutant exposed, seen from about so many lines? What the case and its inputs say of it is
// worked out once. All three outlive the trial.
using Trial = std::function<bool(const Mutant& mutant, std::size_t lines)>;
Trial TrialOf(const Case& value, const CaseInputs& inputs, const Expected& expected,
              const PowerOptions& options);

// Does `value` cite the clause that `mutant` breaks?
bool ClaimsToKill(const Case& value, const Mutant& mutant);

// Is `got` out of reach of every admissible answer? Beside an allowed error there is none for a NaN
// or an infinity that is not wanted.
bool OutOfReach(double got, double want, double allowed);

// The rows that a certificate alone would look at: few, and those at which mutants differ.
std::vector<QueryRow> PowerRows(const Problem& problem);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_POWER_H_
