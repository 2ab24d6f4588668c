// SPDX-License-Identifier: Apache-2.0
//
// Conversion between double and the storage formats, by bits. Integer arithmetic only, so that the
// answer does not depend on the host's rounding mode, flush-to-zero flag or compiler.
#ifndef ATTEST_REFERENCE_FLOAT_FORMATS_H_
#define ATTEST_REFERENCE_FLOAT_FORMATS_H_

#include <cstddef>
#include <cstdint>

#include "spec/vocabulary/dtype.h"

namespace attest {

double Float16ToDouble(std::uint16_t bits);
double BFloat16ToDouble(std::uint16_t bits);

// Round to nearest, ties to even; overflow gives infinity; NaN gives a quiet NaN.
std::uint16_t DoubleToFloat16(double value);
std::uint16_t DoubleToBFloat16(double value);
std::uint32_t DoubleToFloat32Bits(double value);

// One element of `dtype` (float32, float16, bfloat16) at `address`, which need not be aligned.
double LoadElement(DType dtype, const std::byte* address);
void StoreElement(DType dtype, double value, std::byte* address);

// The value that storing `value` as `dtype` and loading it again yields.
double RoundTo(DType dtype, double value);

}  // namespace attest

#endif  // ATTEST_REFERENCE_FLOAT_FORMATS_H_
