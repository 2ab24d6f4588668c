// SPDX-License-Identifier: Apache-2.0
//
// TensorView: typed, strided, read-only sight of somebody else's host memory.
#ifndef ATTEST_SPEC_VOCABULARY_TENSOR_VIEW_H_
#define ATTEST_SPEC_VOCABULARY_TENSOR_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "spec/vocabulary/dtype.h"

namespace attest {

// Element [i0, i1, ...] is at data + SizeOf(dtype) * (i0*strides[0] + i1*strides[1] + ...).
// An absent optional tensor has data == nullptr.
struct TensorView {
  const std::byte* data = nullptr;
  DType dtype = DType::kNone;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  // in elements

  bool present() const { return data != nullptr; }

  const std::byte* At(std::initializer_list<std::int64_t> index) const {
    std::int64_t offset = 0;
    std::size_t axis = 0;
    for (const std::int64_t i : index) offset += i * strides[axis++];
    return data + offset * static_cast<std::int64_t>(SizeOf(dtype));
  }
};

// Row-major strides, in elements, of a dense tensor of this shape.
inline std::vector<std::int64_t> DenseStrides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t axis = shape.size(); axis-- > 1;) {
    strides[axis - 1] = strides[axis] * shape[axis];
  }
  return strides;
}

}  // namespace attest

#endif  // ATTEST_SPEC_VOCABULARY_TENSOR_VIEW_H_
