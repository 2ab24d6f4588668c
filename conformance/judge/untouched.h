// SPDX-License-Identifier: Apache-2.0
//
// Proof that a call changed its outputs and nothing else.
#ifndef ATTEST_CONFORMANCE_JUDGE_UNTOUCHED_H_
#define ATTEST_CONFORMANCE_JUDGE_UNTOUCHED_H_

#include <cstdint>
#include <string>

#include "conformance/run/inputs.h"

namespace attest {

// Which elements a call may change: rows below `written_rows` of out and lse (num_actual_tokens
// after a call that succeeded, 0 after a refusal). Empty when nothing else changed; otherwise what
// did, for a person: "wrote past the end of out: byte 12 after it", "changed input key_cache[3, 0,
// 1, 5]", "wrote out[9, 0, 0], a padding row".
std::string FirstForbiddenChange(const CallImage& before, const CallImage& after,
                                 std::int64_t written_rows);

// What lies at a byte of the image: "key_cache[3, 0, 1, 5]", "byte 12 after out", "a gap between
// elements of lse".
std::string PlaceOf(const CallImage& image, std::uint64_t position);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_UNTOUCHED_H_
