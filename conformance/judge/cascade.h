// SPDX-License-Identifier: Apache-2.0
//
// A problem cut at its shared prefix: two calls on the same memory, whose merge is the whole.
#ifndef ATTEST_CONFORMANCE_JUDGE_CASCADE_H_
#define ATTEST_CONFORMANCE_JUDGE_CASCADE_H_

#include <string>

#include "conformance/judge/rearrange.h"
#include "conformance/run/inputs.h"
#include "reference/oracle.h"

namespace attest {

struct CascadePart {
  std::string name;  // "prefix part", "suffix part"
  Problem problem;
  CaseInputs inputs;
};

// What PrefixPart asks.
Problem PrefixProblem(const Problem& problem);

// Keys [0, shared_prefix) of `inputs`, which all rows see: a non-causal decoder of that length,
// without sinks.
CascadePart PrefixPart(const CaseInputs& inputs, const Problem& problem);

// The other keys: the block table begins shared_prefix / block_size columns later. Sinks count
// here.
CascadePart SuffixPart(const CaseInputs& inputs, const Problem& problem);

// Replaces the bounds of `whole` by what an admissible merge of admissible parts may be off by.
// Part i is off by b_i in out and e_i in lse, so its weight w_i moves by at most d = w_1 w_2
// (exp(e_1 + e_2) - 1), and
//   out   sum (w_i + d) b_i + d |o_1 - o_2| + the bound of the merge itself
//   lse   max e_i + the bound of the merge itself
// `merged` is the merge of the parts that the backend gave.
void WidenByParts(const Expected& prefix, const Expected& suffix, const Expected& merged,
                  Expected& whole);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_CASCADE_H_
