// SPDX-License-Identifier: Apache-2.0
//
// Single elements of the tensors of a call, as double. Written apart from reference/, so that the
// scalar attention is no echo of the oracle.
#ifndef ATTEST_CONFORMANCE_MUTANTS_ELEMENTS_H_
#define ATTEST_CONFORMANCE_MUTANTS_ELEMENTS_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "spec/abi/attest.h"

namespace attest {

// Storage formats that a call may use.
enum class Format : std::uint8_t {
  kUnknown,
  kFloat32,
  kFloat16,
  kBFloat16,
  kFloat8E4M3FN,
  kFloat8E4M3FNUZ,
  kFloat8E5M2,
  kInt8,
};
Format FormatOfAbi(attest_dtype_t dtype);

// Bytes of one element; 0 for kUnknown.
std::int64_t BytesOf(Format format);

double Decode(Format format, const std::byte* address);
// Round to nearest, ties to even; past the largest number: infinity, or the largest number where
// the format has no infinity.
void Encode(Format format, double value, std::byte* address);
// What storing `value` and loading it again yields.
double Through(Format format, double value);

// In elements from data + byte_offset; missing trailing indices are 0.
std::int64_t OffsetOf(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index);
std::byte* AtOffset(const attest_tensor_t& tensor, std::int64_t offset);
std::byte* AddressOf(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index);

// Of the last element; -1 where there is none.
std::int64_t LastOffset(const attest_tensor_t& tensor);
// Does `offset` lie between the first and the last element of the tensor?
bool InSpan(const attest_tensor_t& tensor, std::int64_t offset);

template <typename T>
T LoadAt(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index) {
  T value;
  __builtin_memcpy(&value, AddressOf(tensor, index), sizeof(value));
  return value;
}

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_MUTANTS_ELEMENTS_H_
