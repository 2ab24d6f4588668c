// SPDX-License-Identifier: Apache-2.0
//
// Experiments: cases that are run because the mistakes in question predict different things for
// them. What a backend does then leaves fewer mistakes standing.
#ifndef ATTEST_CONFORMANCE_DIAGNOSE_EXPERIMENTS_H_
#define ATTEST_CONFORMANCE_DIAGNOSE_EXPERIMENTS_H_

#include <vector>

#include "conformance/diagnose/diagnosis.h"

namespace attest {

// By the numbers of forward calls, which each mistake predicts in this process. Runs what tells
// two of `candidates` apart, then what shows the one that is left, and what must not.
// Adds to evidence and experiments.
std::vector<const Mutant*> TestByNumbers(Session& session, const Observation& failing,
                                         const std::vector<Case>& cases,
                                         const DiagnosisOptions& options,
                                         std::vector<const Mutant*> candidates,
                                         Diagnosis* diagnosis);

// By verdicts and reasons, where no number is wrong: bits, bytes, refusals, writes outside, calls
// that fail. Each mistake is run behind the ABI as the backend is.
std::vector<const Mutant*> TestByRecords(Session& session, const Observation& failing,
                                         const std::vector<Case>& cases,
                                         const DiagnosisOptions& options,
                                         const std::vector<const Mutant*>& candidates,
                                         Diagnosis* diagnosis);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_DIAGNOSE_EXPERIMENTS_H_
