// SPDX-License-Identifier: Apache-2.0
//
// Writing a step's keys and values into the cache.
#ifndef ATTEST_BACKENDS_CPU_WRITE_KV_H_
#define ATTEST_BACKENDS_CPU_WRITE_KV_H_

#include "backends/cpu/answer.h"
#include "spec/abi/attest.h"

namespace attest::cpu {

// `problem` has passed CheckProblem. Reads tensor headers and slot_mapping.
Answer CheckWriteKv(const attest_problem_t& problem, const attest_write_kv_args_t& args);

// Writes token i to slot slot_mapping[i] for each entry >= 0, and nothing else; where an entry
// comes twice, the later token stays. Scales per token and head are written beside, the others are
// read. A shared latent is written once, from `key`. The arguments have passed CheckWriteKv.
void WriteKv(const attest_problem_t& problem, const attest_write_kv_args_t& args);

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_WRITE_KV_H_
