// SPDX-License-Identifier: Apache-2.0
//
// Attention written a second time, as plainly as possible: long double, one loop for each sum,
// masks as ifs, decoding by ldexp. It shares no code with the oracle, so that a mistake has to be
// made twice to stay unseen. Slow; for tests.
#ifndef ATTEST_REFERENCE_SECOND_WRITING_H_
#define ATTEST_REFERENCE_SECOND_WRITING_H_

#include <vector>

#include "reference/attention_tensors.h"
#include "spec/vocabulary/problem.h"

namespace attest {

// Line n*num_q_heads + h belongs to rows[n] and query head h.
struct SecondWriting {
  std::vector<long double> out;         // [lines, head_dim_v]
  std::vector<long double> lse;         // [lines]; -inf for a line that sees nothing
  std::vector<long double> mean_abs;    // [lines, head_dim_v]: sum of weight * |value|
  std::vector<long double> weight_sum;  // [lines]: sum of exp(score - max), sink included
};

// Same meaning as ComputeExpected, for tensors that it accepts; nothing is checked here.
SecondWriting ComputeSecondWriting(const Problem& problem, const AttentionTensors& tensors,
                                   const std::vector<QueryRow>& rows);

}  // namespace attest

#endif  // ATTEST_REFERENCE_SECOND_WRITING_H_
