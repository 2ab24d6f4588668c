// SPDX-License-Identifier: Apache-2.0
//
// Do the tensors of a call fit the problem and one another?
#ifndef ATTEST_BACKENDS_CPU_ARGUMENT_CHECK_H_
#define ATTEST_BACKENDS_CPU_ARGUMENT_CHECK_H_

#include "backends/cpu/answer.h"
#include "spec/abi/attest.h"

namespace attest::cpu {

// `problem` has passed CheckProblem. Reads tensor headers, query_start_loc, seq_lens,
// prefix_ranges and the first ceil(seq_len / block_size) entries of each row of the block table.
Answer CheckArguments(const attest_problem_t& problem, const attest_forward_args_t& args);

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_ARGUMENT_CHECK_H_
