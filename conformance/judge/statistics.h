// SPDX-License-Identifier: Apache-2.0
//
// Statistics: what random inputs say about an output that is within its deterministic bound. A key
// too many among 10,000 drowns in the worst case of rounding, but roundings of independent numbers
// average out and a wrong key does not. Three instruments read the residual, output minus exact
// output: a probabilistic bound of each element, a scan along every key, and a filter for a named
// mutant. They accuse; an accusation counts when fresh seeds repeat it. Derivation and error model:
// spec/clauses/numerics.md ("Statistics").
#ifndef ATTEST_CONFORMANCE_JUDGE_STATISTICS_H_
#define ATTEST_CONFORMANCE_JUDGE_STATISTICS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "conformance/run/record.h"
#include "reference/oracle.h"
#include "spec/vocabulary/arithmetic.h"
#include "spec/vocabulary/problem.h"

namespace attest {

// A named way to be wrong and what it does to the output.
struct PredictedDelta {
  std::string mutant;
  RowMajorMatrix delta;  // mutant minus exact output, lines as in Expected::out
};

// One call on a generic input: query, keys and values drawn independently, values symmetric about
// 0. The caller vouches for the recipe; each line is checked as well. All members outlive the call.
struct StatisticsInput {
  const Problem& problem;
  const AttentionTensors& tensors;
  const Expected& expected;
  const RowMajorMatrix& got;  // lines as in expected.out; finite
  const Arithmetic& arithmetic;
  std::vector<PredictedDelta> mutants;
  int max_lines = 512;  // lines looked at; evenly spaced
};

struct BoundExcess {
  Element worst;           // bound: the probabilistic one
  double ratio = 0.0;      // error over it
  std::int64_t lines = 0;  // with an element outside
};

// A key whose value stands in the residual.
struct KeyFinding {
  WrongKey key;             // extra: an invisible key is seen, or a visible one counts too much
  bool visible = false;     // by the spec
  double deviations = 0.0;  // how far out, in standard deviations; over 7
};

struct FilterFinding {
  std::string mutant;
  double beta = 0.0;      // size of the mutant's delta in the residual: 1 is the mutant itself
  double strength = 0.0;  // statistic over threshold; over 1
};

struct Accusation {
  std::int64_t lines = 0;    // that are certified generic and were looked at; 0: nothing was judged
  std::string not_generic;   // of the first line that was not: why
  double worst_ratio = 0.0;  // error over min of both bounds, all lines
  std::vector<BoundExcess> excess;     // none or one
  std::vector<KeyFinding> keys;        // strongest first, at most 64
  std::vector<FilterFinding> filters;  // strongest first

  bool made() const { return !excess.empty() || !keys.empty() || !filters.empty(); }
};

Accusation Accuse(const StatisticsInput& input);

// "key spectrum: request 0 row 3 head 1 does not see key 77 (9.1 sigma), and 5 more; ..."; empty
// where nothing is accused.
std::string Describe(const Accusation& accusation);

// Does this input let the filter see `delta`? The other half of a power certificate: the statistic
// that the mutant itself would give, over twice the threshold; over 1 it is seen for certain.
double FilterPower(const StatisticsInput& input, const PredictedDelta& delta);

// Settles a record that passed by its bound. Without an accusation nothing changes. Else `again` is
// called with fresh seeds until two of three agree: two more accusations fail the record (rule
// "statistics"), fewer leave a pass with the note "suspect" and the accusation as its reason.
void Settle(Record& record, const Accusation& first,
            const std::function<Accusation(std::uint64_t fresh_seed)>& again);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_STATISTICS_H_
