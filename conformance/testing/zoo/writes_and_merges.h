// SPDX-License-Identifier: Apache-2.0
//
// What the inmate "writes-and-merges" offers besides forward: both calls on float32 tensors, done
// right. On problems with the marked number of heads it refuses and says what reached it.
#ifndef ATTEST_CONFORMANCE_TESTING_ZOO_WRITES_AND_MERGES_H_
#define ATTEST_CONFORMANCE_TESTING_ZOO_WRITES_AND_MERGES_H_

#include "spec/abi/attest.h"

namespace zoo {

attest_status_t HonestWriteKv(const attest_problem_t& problem, const attest_write_kv_args_t& args);
attest_status_t HonestMerge(const attest_problem_t& problem, const attest_merge_args_t& args);

}  // namespace zoo

#endif  // ATTEST_CONFORMANCE_TESTING_ZOO_WRITES_AND_MERGES_H_
