// SPDX-License-Identifier: Apache-2.0
//
// Diagnosis: which known mistake behaves like what was observed. A wrong name is worse than none,
// so a mistake is named only if it predicts every number of the failing case and of the cases that
// were run to put it to the test, right numbers as well as wrong ones.
#ifndef ATTEST_CONFORMANCE_DIAGNOSE_DIAGNOSIS_H_
#define ATTEST_CONFORMANCE_DIAGNOSE_DIAGNOSIS_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/diagnose/observation.h"
#include "conformance/mutants/catalogue.h"
#include "conformance/mutants/mutant.h"
#include "spec/cases/case.h"

namespace attest {

// One mistake beside the failing case.
struct Hypothesis {
  const Mutant* mutant = nullptr;
  double explained = 0;  // part of the squared error that it takes away; see Match
  double beta = 0;       // how much of it is there: 1 is all of it
};

struct Diagnosis {
  // Of the failure; empty where nothing is named, or where those that are named disagree.
  std::string bug_class;
  // Mistakes that predict all that was seen; no case that was tried tells them apart. Mostly one.
  std::vector<Hypothesis> named;
  bool by_needs = false;           // nothing is named; bug_class is that of what the failure needs
  std::vector<Hypothesis> others;  // at most 3 that come near, best first
  std::vector<std::string> evidence;  // one line each, in the order in which it was found
  int experiments = 0;                // cases that were run to decide

  // "exact": what is named was put to the test and held; "weak": nothing was there to test it with;
  // "likely": nothing is named, and only the class is given; "none".
  std::string_view confidence() const;
};

struct DiagnosisOptions {
  RunOptions run;
  std::string_view without;  // id that is kept off the shelf
  int most_experiments = 12;
  int most_questions = 120;  // cases that are looked at for an experiment
};

// Runs more cases of `cases` in `session`, those that tell the mistakes apart. `failing` failed.
Diagnosis Diagnose(Session& session, const Observation& failing, const std::vector<Case>& cases,
                   const DiagnosisOptions& options);

// Of numbers alone, where there is no backend to ask.
Diagnosis DiagnoseNumbers(const Numbers& numbers, std::string_view without = {});

// "behaves like window-one-long (sliding-window, MASK-10): ..." and what speaks for it; the texts
// are those of `catalogue`.
std::string DiagnosisText(const Diagnosis& diagnosis, const std::vector<MutantEntry>& catalogue);
nlohmann::ordered_json ToJson(const Diagnosis& diagnosis,
                              const std::vector<MutantEntry>& catalogue);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_DIAGNOSE_DIAGNOSIS_H_
