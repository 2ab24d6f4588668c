// SPDX-License-Identifier: Apache-2.0
//
// A small call for the zoo: causal decoding of two requests, whose right answer is known by hand.
#ifndef ATTEST_CONFORMANCE_TESTING_ZOO_ZOO_CALL_H_
#define ATTEST_CONFORMANCE_TESTING_ZOO_ZOO_CALL_H_

#include "conformance/run/inputs.h"

namespace zoo {

struct ZooCall {
  attest_problem_t problem = {};
  attest::CallImage image;  // 64 bytes of 0xA5 before, between and after all tensors
};

// Two requests, q_len 2 and 3, seq_len 4 and 6, one KV head, head_dim 8, pages of 4 tokens, LSE.
// Queries and keys are 0, so that a row that sees n keys has LSE log(n) and the mean of their
// values, which in all columns are 1, 2, 3, ... by logical key.
ZooCall MakeCall(int num_q_heads);

// How many elements of out and lse differ by more than 1e-6 from that; 0 is right.
int WrongElements(const ZooCall& call, const attest::CallImage& image);

// How many bytes outside the elements of out and lse differ.
int ChangedBytesOutsideOutputs(const ZooCall& call, const attest::CallImage& image);

// One element of out as it was before the call.
inline constexpr float kUnwritten = -12345.0F;

}  // namespace zoo

#endif  // ATTEST_CONFORMANCE_TESTING_ZOO_ZOO_CALL_H_
