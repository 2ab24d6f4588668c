// SPDX-License-Identifier: Apache-2.0
//
// Rows of numbers between their storage type and float32.
#ifndef ATTEST_BACKENDS_CPU_CONVERT_H_
#define ATTEST_BACKENDS_CPU_CONVERT_H_

#include <cstddef>
#include <cstdint>

#include "backends/cpu/element_type.h"

namespace attest::cpu {

// Element i of a row lies at data + i * stride elements. Conversion to float32 is exact.
void LoadRow(ElementType type, const std::byte* data, std::int64_t stride, int count, float* to);

// Stores from[i] * factor, rounded to nearest, ties to even; overflow gives infinity. `type` is
// none of the 8-bit types, whose numbers quantize.h makes.
void StoreRow(ElementType type, const float* from, float factor, int count, std::byte* data,
              std::int64_t stride);

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_CONVERT_H_
