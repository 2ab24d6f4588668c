// SPDX-License-Identifier: Apache-2.0
//
// Element types. Names say exactly which format is meant: "float8" alone is not a type.
#ifndef ATTEST_SPEC_VOCABULARY_DTYPE_H_
#define ATTEST_SPEC_VOCABULARY_DTYPE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "spec/abi/attest.h"

namespace attest {

enum class DType : std::uint8_t {
  kNone,
  kFloat32,
  kFloat16,
  kBFloat16,
  kFloat8E4M3FN,
  kFloat8E4M3FNUZ,
  kFloat8E5M2,
  kInt8,
  kBool,
  kInt32,
  kInt64,
};

// "float32", "float16", "bfloat16", "float8_e4m3fn", ...; "none" for kNone.
std::string_view Name(DType dtype);
std::optional<DType> ParseDType(std::string_view name);

// Bytes of one element; 0 for kNone.
std::size_t SizeOf(DType dtype);

attest_dtype_t ToAbi(DType dtype);
// kNone for a type that attest has no name for.
DType FromAbi(attest_dtype_t dtype);

// A binary floating-point format by its numbers.
struct FloatFormat {
  double unit_roundoff;  // of round to nearest: 2^-(mantissa_bits + 1)
  int mantissa_bits;     // stored
  int min_exponent;      // of the smallest normal number
};

// IEEE 754 binary32, binary16; bfloat16 (8 significant bits, exponents of binary32); OCP float8.
// nullopt for types that are no floating-point format.
std::optional<FloatFormat> FormatOf(DType dtype);

}  // namespace attest

#endif  // ATTEST_SPEC_VOCABULARY_DTYPE_H_
