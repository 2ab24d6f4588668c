// SPDX-License-Identifier: Apache-2.0
//
// Merging partial attention states of the same rows by their LSE.
#ifndef ATTEST_BACKENDS_CPU_MERGE_H_
#define ATTEST_BACKENDS_CPU_MERGE_H_

#include "backends/cpu/answer.h"
#include "spec/abi/attest.h"

namespace attest::cpu {

// `problem` has passed CheckProblem. Reads tensor headers alone. The outputs of the parts may have
// any type that an output may have, each its own.
Answer CheckMerge(const attest_problem_t& problem, const attest_merge_args_t& args);

// Rows [0, num_actual_tokens): out = sum of e^lse_i * out_i / sum of e^lse_i, and lse its natural
// logarithm. The output of a part with LSE -inf is not read. `out` may be the output of a part. The
// arguments have passed CheckMerge.
void Merge(const attest_problem_t& problem, const attest_merge_args_t& args);

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_MERGE_H_
