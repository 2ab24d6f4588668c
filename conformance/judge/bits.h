// SPDX-License-Identifier: Apache-2.0
//
// Which numbers of two answers differ in their bits. Never with a tolerance.
#ifndef ATTEST_CONFORMANCE_JUDGE_BITS_H_
#define ATTEST_CONFORMANCE_JUDGE_BITS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/run/inputs.h"

namespace attest {

// One row in two images.
struct RowPair {
  int request = 0;  // as the report calls it
  std::int64_t row = 0;
  std::int64_t token = 0;        // of the first image
  std::int64_t other_token = 0;  // of the second
};

// Pairs of all rows of all requests of `problem`, at the same tokens in both images.
std::vector<RowPair> AllRowPairs(const Problem& problem);

// Empty when out and lse of all rows are bit for bit the same; otherwise the first that is not, and
// how many: "request 1 row 3 head 2 dim 17: 0x3f80 (1) and then 0x3f81 (1.0078125); 12 of 384 out,
// 2 of 6 lse".
std::string MovedBits(const CallImage& first, const CallImage& second,
                      const std::vector<RowPair>& rows);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_JUDGE_BITS_H_
