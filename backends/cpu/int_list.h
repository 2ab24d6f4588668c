// SPDX-License-Identifier: Apache-2.0
//
// Sight of one row of an int32 tensor.
#ifndef ATTEST_BACKENDS_CPU_INT_LIST_H_
#define ATTEST_BACKENDS_CPU_INT_LIST_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "spec/abi/attest.h"

namespace attest::cpu {

class IntList {
 public:
  // Row `row` of a tensor with two axes; the whole of a tensor with one.
  explicit IntList(const attest_tensor_t& tensor, std::int64_t row = 0)
      : data_(static_cast<const std::byte*>(tensor.data) + tensor.byte_offset),
        stride_(tensor.strides[tensor.ndim - 1] * 4) {
    if (tensor.ndim == 2) data_ += row * tensor.strides[0] * 4;
  }

  std::int64_t operator[](std::int64_t index) const {
    std::int32_t value = 0;
    std::memcpy(&value, data_ + index * stride_, sizeof(value));
    return value;
  }

 private:
  const std::byte* data_;
  std::int64_t stride_;
};

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_INT_LIST_H_
