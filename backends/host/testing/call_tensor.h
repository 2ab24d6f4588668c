// SPDX-License-Identifier: Apache-2.0
//
// A tensor that owns its memory, for tests that call a family through the ABI. It does not move:
// the tensor points into it.
#ifndef ATTEST_BACKENDS_HOST_TESTING_CALL_TENSOR_H_
#define ATTEST_BACKENDS_HOST_TESTING_CALL_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include "spec/abi/attest.h"

namespace attest::gpu {

template <typename Number>
class CallTensor {
 public:
  // Elements of the last axis lie `step` apart. All hold `fill`.
  CallTensor(attest_dtype_t dtype, std::vector<std::int64_t> shape, std::int64_t step = 1,
             Number fill = {})
      : shape_(std::move(shape)), strides_(shape_.size()) {
    std::int64_t count = step;
    for (std::size_t axis = shape_.size(); axis-- > 0;) {
      strides_[axis] = count;
      count *= shape_[axis];
    }
    numbers_.assign(static_cast<std::size_t>(count), fill);
    tensor_ = {numbers_.data(),
               {ATTEST_DEVICE_CPU, 0},
               static_cast<std::int32_t>(shape_.size()),
               dtype,
               shape_.data(),
               strides_.data(),
               0};
  }
  CallTensor(const CallTensor&) = delete;
  CallTensor& operator=(const CallTensor&) = delete;

  const attest_tensor_t& tensor() const { return tensor_; }
  std::vector<Number>& numbers() { return numbers_; }
  std::vector<std::int64_t>& strides() { return strides_; }
  Number& At(std::initializer_list<std::int64_t> index) {
    std::int64_t offset = 0;
    std::size_t axis = 0;
    for (const std::int64_t i : index) offset += i * strides_[axis++];
    return numbers_[static_cast<std::size_t>(offset)];
  }

 private:
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> strides_;
  std::vector<Number> numbers_;
  attest_tensor_t tensor_ = {};
};

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_HOST_TESTING_CALL_TENSOR_H_
