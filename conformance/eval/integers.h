// SPDX-License-Identifier: Apache-2.0
//
// Arrays of whole numbers, whatever their width in the file.
#ifndef ATTEST_CONFORMANCE_EVAL_INTEGERS_H_
#define ATTEST_CONFORMANCE_EVAL_INTEGERS_H_

#include <cstdint>
#include <vector>

#include "conformance/eval/npy.h"
#include "spec/vocabulary/status.h"

namespace attest {

// All elements in C order. Bad input: another rank; a type that is neither an integer of 1, 2, 4 or
// 8 bytes nor bool.
Result<std::vector<std::int64_t>> ReadIntegers(const NpyArray& array, std::size_t rank);

// Offset in elements of element number `n` in C order.
std::int64_t OffsetOf(const std::vector<std::int64_t>& shape,
                      const std::vector<std::int64_t>& strides, std::int64_t n);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_EVAL_INTEGERS_H_
