// SPDX-License-Identifier: Apache-2.0
//
// The kill matrix: which case fails which mutant. A case claims the mutants of the clauses that it
// cites, and owes the proof that it fails at least one of them; a mutant owes its death to a case
// that cites its clause.
//
// Most of it is decided in this process: inputs, expectation and bound of a case are worked out
// once, and every claimed mutant that is still alive is tried against them (judge/power.h). Then
// each death is confirmed once behind the ABI, with the library `mutant` and the door that every
// backend goes through. Mutants that are wrong without a wrong number are looked for there alone.
#ifndef ATTEST_CONFORMANCE_KILL_MATRIX_H_
#define ATTEST_CONFORMANCE_KILL_MATRIX_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/mutants/mutant.h"
#include "conformance/run/session.h"
#include "spec/cases/case.h"

namespace attest {

struct KillOptions {
  Tier tier = Tier::kCi;  // and every smaller one
  int jobs = 1;
  std::string mutant;  // this one alone; empty: all
  // Lines done and in all; called now and then, from any thread.
  std::function<void(std::string_view phase, std::size_t done, std::size_t all)> progress;
};

struct MutantKill {
  const Mutant* mutant = nullptr;
  std::vector<const Case*> killed_by;  // the first is the one that was confirmed
  bool confirmed = false;              // behind the ABI
  std::string doubt;  // a death in this process that the ABI did not confirm; mostly empty

  bool killed() const { return confirmed; }
};

struct KillMatrix {
  Tier tier = Tier::kCi;
  std::size_t cases = 0;
  std::size_t pairs = 0;            // of a case and a mutant that it claims
  std::size_t tried = 0;            // of them, in this process
  std::vector<MutantKill> kills;    // one a mutant, in the order of the shelf
  std::vector<std::string> idle;    // cases that fail no mutant that they claim
  std::vector<std::string> broken;  // "id: why" of cases without an expectation
  std::vector<std::string> unfair;  // cases that fail the faithful attention
};

// Bad input: no such mutant. Environment: the library of the mutants cannot be opened.
Result<KillMatrix> BuildKillMatrix(const CaseSet& set, const KillOptions& options);

// ---- Parts, for BuildKillMatrix

// Fills everything but `confirmed`. `all_lines`: looks at every line of the judged rows, at greater
// cost, for mutants that few lines do not show.
void KillInProcess(const std::vector<const Case*>& cases, const KillOptions& options,
                   bool all_lines, KillMatrix& matrix);

// Confirms what KillInProcess found, and looks for the rest. False: a session could not be opened.
Status ConfirmKills(const std::vector<const Case*>& cases, const KillOptions& options,
                    KillMatrix& matrix);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_KILL_MATRIX_H_
