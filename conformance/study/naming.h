// SPDX-License-Identifier: Apache-2.0
//
// Does the diagnosis name the right mistake? Every mutant of the shelf is run as a backend, on the
// first case of its clause that fails, and the diagnosis is held against what it is. Without the
// mutant itself on the shelf it shows what is said of a mistake that nobody has listed: the class
// of a near relative is right, any other name is wrong.
#ifndef ATTEST_CONFORMANCE_STUDY_NAMING_H_
#define ATTEST_CONFORMANCE_STUDY_NAMING_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "conformance/bench/host.h"
#include "conformance/mutants/mutant.h"
#include "spec/cases/case.h"
#include "spec/vocabulary/status.h"

namespace attest {

struct NamingOptions {
  bool unlisted = false;             // each mutant is kept off the shelf while it is diagnosed
  std::vector<std::string> mutants;  // empty: all
  int jobs = 1;
};

struct Naming {
  std::string id;
  std::string bug_class;
  std::string case_id;             // that it fails; empty: none of its clause was found
  std::string named_class;         // empty: none
  std::vector<std::string> named;  // more than one: nothing tells them apart
  int experiments = 0;

  bool class_right() const { return named_class == bug_class; }
  bool class_wrong() const { return !named_class.empty() && !class_right(); }
  bool id_right() const;
};

// Diagnoses `mutant` on the first of `suspects` that it fails in a fresh process; `cases` are all
// that there are for experiments.
Naming NameMutant(const Mutant& mutant, const std::vector<const Case*>& suspects,
                  const std::vector<Case>& cases, bool unlisted);

struct NamingReport {
  Host host;
  NamingOptions options;
  double seconds = 0;
  std::vector<Naming> mutants;  // in the order of the shelf

  std::size_t failing() const;  // mutants that fail a case
  std::size_t class_right() const;
  std::size_t class_wrong() const;
  std::size_t id_right() const;
  // What is promised: the class of 85 of 100 and the mutant of 60 are right, of 3 the class is
  // wrong. Of unlisted mistakes only the last. Empty: kept.
  std::vector<std::string> Faults() const;
};

Result<NamingReport> StudyNaming(const NamingOptions& options,
                                 const std::function<void(std::size_t, std::size_t)>& progress);

std::string Describe(const NamingReport& report);
std::string ToMarkdown(const NamingReport& report);
std::string ToJsonText(const NamingReport& report);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_STUDY_NAMING_H_
