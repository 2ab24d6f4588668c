// SPDX-License-Identifier: Apache-2.0
//
// A tensor that owns its memory, for tests of write_kv and merge. It does not move: the tensor
// points into it.
#ifndef ATTEST_BACKENDS_CPU_TEST_ARRAY_H_
#define ATTEST_BACKENDS_CPU_TEST_ARRAY_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <utility>
#include <vector>

#include "spec/abi/attest.h"

namespace attest::cpu {

class TestArray {
 public:
  // The last axis is contiguous, and each axis but the last is `gap` elements longer than what it
  // holds. Every byte is 0xa5.
  TestArray(attest_dtype_t dtype, std::vector<std::int64_t> shape, std::int64_t gap = 0)
      : shape_(std::move(shape)), strides_(shape_.size()) {
    std::int64_t count = 1;
    for (std::size_t axis = shape_.size(); axis-- > 0;) {
      strides_[axis] = count;
      count = count * shape_[axis] + gap;
    }
    bytes_.assign(static_cast<std::size_t>(count * dtype.bits / 8), std::byte{0xa5});
    tensor_ = {bytes_.data(),
               {ATTEST_DEVICE_CPU, 0},
               static_cast<std::int32_t>(shape_.size()),
               dtype,
               shape_.data(),
               strides_.data(),
               0};
  }
  TestArray(const TestArray&) = delete;
  TestArray& operator=(const TestArray&) = delete;

  const attest_tensor_t& tensor() const { return tensor_; }
  const std::vector<std::byte>& bytes() const { return bytes_; }
  std::vector<std::int64_t>& strides() { return strides_; }

  std::byte* At(std::initializer_list<std::int64_t> index) {
    std::int64_t offset = 0;
    std::size_t axis = 0;
    for (const std::int64_t i : index) offset += i * strides_[axis++];
    return bytes_.data() + offset * (tensor_.dtype.bits / 8);
  }
  template <typename Number>
  void Set(std::initializer_list<std::int64_t> index, Number number) {
    std::memcpy(At(index), &number, sizeof(number));
  }
  template <typename Number>
  Number Get(std::initializer_list<std::int64_t> index) {
    Number number{};
    std::memcpy(&number, At(index), sizeof(number));
    return number;
  }

 private:
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> strides_;
  std::vector<std::byte> bytes_;
  attest_tensor_t tensor_ = {};
};

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_TEST_ARRAY_H_
