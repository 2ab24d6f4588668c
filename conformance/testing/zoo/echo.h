// SPDX-License-Identifier: Apache-2.0
//
// The inmate that computes nothing and says exactly what reached it, member by member, written
// without any table or name of the code that brought it there.
#ifndef ATTEST_CONFORMANCE_TESTING_ZOO_ECHO_H_
#define ATTEST_CONFORMANCE_TESTING_ZOO_ECHO_H_

#include <string>

#include "spec/abi/attest.h"

namespace zoo {

// "struct_size=152 attention_type=0 ... query_dtype=4.16.1 ... scale=0x1p-3 ...".
std::string Describe(const attest_problem_t& problem);

// "query 5,7,16/112,16,1 2.32@65 ... cpu 0,5 9": shape/strides code.bits@first byte of each tensor
// that is there, then query_start_loc_cpu and seq_lens_cpu.
std::string Describe(const attest_problem_t& problem, const attest_forward_args_t& args);

}  // namespace zoo

#endif  // ATTEST_CONFORMANCE_TESTING_ZOO_ECHO_H_
