// SPDX-License-Identifier: Apache-2.0
//
// Single elements of the tensors of a call, as double.
#ifndef ATTEST_CONFORMANCE_TESTING_PLANTED_ELEMENTS_H_
#define ATTEST_CONFORMANCE_TESTING_PLANTED_ELEMENTS_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "spec/abi/attest.h"

namespace attest {

enum class ElementType : std::uint8_t { kUnknown, kFloat32, kFloat16, kBFloat16 };
ElementType ElementTypeOf(attest_dtype_t dtype);

// Address of element `index`; missing trailing indices are 0.
std::byte* AddressOf(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index);

double LoadAs(ElementType type, const std::byte* address);
// Rounds to nearest, ties to even.
void StoreAs(ElementType type, double value, std::byte* address);

// The nearest bfloat16.
double RoundToBFloat16(double value);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_TESTING_PLANTED_ELEMENTS_H_
