// SPDX-License-Identifier: Apache-2.0
//
// 8-bit cache elements: what each bit pattern stands for, and the pattern for a number.
#ifndef ATTEST_BACKENDS_CPU_QUANTIZE_H_
#define ATTEST_BACKENDS_CPU_QUANTIZE_H_

#include <cstdint>

#include "backends/cpu/element_type.h"

namespace attest::cpu {

// The 256 numbers of a type with IsByte(type), by bit pattern.
const float* NumbersOf(ElementType type);

// The largest finite number: 448, 240, 57344; 127 for int8, whose -128 is never written.
float LargestOf(ElementType type);

// Rounded to nearest, ties to even; what is too large, infinity included, becomes the largest
// finite number of its sign. NaN stays NaN; in int8 it becomes 0.
std::uint8_t Quantized(ElementType type, float value);

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_QUANTIZE_H_
