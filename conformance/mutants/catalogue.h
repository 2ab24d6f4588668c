// SPDX-License-Identifier: Apache-2.0
//
// The shelf with its texts: those of a named deviation stand in the spec alone.
#ifndef ATTEST_CONFORMANCE_MUTANTS_CATALOGUE_H_
#define ATTEST_CONFORMANCE_MUTANTS_CATALOGUE_H_

#include <string>
#include <vector>

#include "conformance/mutants/mutant.h"
#include "spec/vocabulary/clause.h"

namespace attest {

struct MutantEntry {
  std::string id;
  std::string bug_class;
  std::string clause;
  std::string sentence;
  std::string reference;
  std::string bug;            // the entry of spec/bugs that it is; empty: none
  std::string no_arithmetic;  // why no row is wrong; mostly empty
  bool deviation = false;     // named by the spec
};

// Every mutant but "faithful", in the order of the shelf.
std::vector<MutantEntry> MutantCatalogue(const std::vector<Clause>& clauses);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_MUTANTS_CATALOGUE_H_
