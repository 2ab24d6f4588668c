// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_CPU_TENSOR_ADDRESS_H_
#define ATTEST_BACKENDS_CPU_TENSOR_ADDRESS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "spec/abi/attest.h"

namespace attest::cpu {

// The element [index..., 0, ...].
inline std::byte* AddressOf(const attest_tensor_t& tensor,
                            std::initializer_list<std::int64_t> index) {
  std::int64_t offset = 0;
  const std::int64_t* stride = tensor.strides;
  for (const std::int64_t i : index) offset += i * *stride++;
  return static_cast<std::byte*>(tensor.data) + tensor.byte_offset +
         offset * (tensor.dtype.bits / 8);
}

// The element there, whose type is `Number`.
template <typename Number>
Number ElementAt(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index) {
  Number number{};
  std::memcpy(&number, AddressOf(tensor, index), sizeof(number));
  return number;
}

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_TENSOR_ADDRESS_H_
