// SPDX-License-Identifier: Apache-2.0
//
// What write_kv must leave behind, byte for byte.
#ifndef ATTEST_CONFORMANCE_JUDGE_EXPECT_WRITE_KV_H_
#define ATTEST_CONFORMANCE_JUDGE_EXPECT_WRITE_KV_H_

#include <string>

#include "conformance/run/inputs.h"
#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"

namespace attest {

// The image as it must be after a call on `before`, whose tensors are named as the members of
// attest_write_kv_args_t.
Result<CallImage> ExpectWriteKvImage(const Problem& problem, const CallImage& before);

// What is wrong with `got`, for a person: the first wrong byte, how many there are, and how many of
// them lie where nothing was named. Empty if nothing is.
std::string WrongWriteKv(const CallImage& before, const CallImage& wanted, const CallImage& got);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_EXPECT_WRITE_KV_H_
