// SPDX-License-Identifier: Apache-2.0
//
// Conversion between double and the storage formats, by bits. Integer arithmetic only, so that the
// answer does not depend on the host's rounding mode, flush-to-zero flag or compiler.
//
// The 8-bit formats: e5m2 has infinities and NaNs as IEEE formats do. e4m3fn has no infinity, its
// NaN is 0x7F and 0xFF. e4m3fnuz has neither infinity nor negative zero, its NaN is 0x80.
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

// `format` is one of the three 8-bit floating-point types.
double Float8ToDouble(DType format, std::uint8_t bits);
// Round to nearest, ties to even. Whatever is larger than the largest finite number, infinities
// too, becomes that number; NaN stays NaN.
std::uint8_t DoubleToFloat8(DType format, double value);
double LargestFinite(DType format);  // 448, 240, 57344

// One element at `address`, which need not be aligned: a floating-point type or int8. An integer is
// stored to nearest, ties to even, within -128..127. Other types load as NaN and store nothing.
double LoadElement(DType dtype, const std::byte* address);
void StoreElement(DType dtype, double value, std::byte* address);

// `count` neighbouring elements, as LoadElement gives them. False, and `to` means nothing, where
// the type is no 16- or 32-bit float or where an element is subnormal, infinite or NaN: those few
// lines are loaded element by element.
bool LoadNormals(DType dtype, const std::byte* from, std::size_t count, double* to);

// The value that storing `value` as `dtype` and loading it again yields.
double RoundTo(DType dtype, double value);

}  // namespace attest

#endif  // ATTEST_REFERENCE_FLOAT_FORMATS_H_
