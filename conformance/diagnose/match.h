// SPDX-License-Identifier: Apache-2.0
//
// Does a mutant explain what was observed? It does if it predicts every number that is looked at,
// right ones and wrong ones, within the error that a right kernel would be allowed, doubled, and 2
// % of the defect: a mutant that drops one key of ten also moves the bound a little.
#ifndef ATTEST_CONFORMANCE_DIAGNOSE_MATCH_H_
#define ATTEST_CONFORMANCE_DIAGNOSE_MATCH_H_

#include <string_view>
#include <vector>

#include "conformance/diagnose/numbers.h"
#include "conformance/mutants/mutant.h"

namespace attest {

struct Match {
  const Mutant* mutant = nullptr;
  bool agrees = false;
  // Of the squared error, each element in units of its allowed one, the part that goes away when
  // the mutant's is taken off; at most 1, below 0 where it makes things worse. 0 where an error is
  // not finite.
  double explained = 0;
  // How much of the mutant's error is in the observed one (least squares); 1 for the mutant itself.
  double beta = 0;
};

// Lines of `numbers` that tell most: the worst ones, and right ones spread over all, within
// `budget` multiply-adds of one scalar attention.
std::vector<Eigen::Index> TellingLines(const Numbers& numbers, std::size_t wanted, double budget);

Match MatchOne(const Numbers& numbers, const Mutant& mutant,
               const std::vector<Eigen::Index>& lines);

struct MatchOptions {
  std::string_view
      without;             // id that is not on the shelf, to see what is said of an unknown defect
  double budget = 0x1p21;  // multiply-adds of one mutant
};

// Every mutant of the shelf that can be computed in this process: those that agree first, then by
// the part explained.
std::vector<Match> MatchShelf(const Numbers& numbers, const MatchOptions& options);

// What `mutant` computes in `lines`. `got` of `numbers` is not looked at.
struct Prediction {
  MutantAnswer answer;
  bool wrong = false;  // out of reach of every right answer in some line
};
Prediction Predict(const Numbers& numbers, const Mutant& mutant,
                   const std::vector<Eigen::Index>& lines);

// Are the two, for the same lines, so far apart that one observation cannot agree with both?
bool Differ(const Numbers& numbers, const std::vector<Eigen::Index>& lines, const Prediction& a,
            const Prediction& b);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_DIAGNOSE_MATCH_H_
