// SPDX-License-Identifier: Apache-2.0
//
// Does one tensor have the dtype and shape that a problem asks for?
#ifndef ATTEST_REFERENCE_TENSOR_SHAPE_H_
#define ATTEST_REFERENCE_TENSOR_SHAPE_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"
#include "spec/vocabulary/tensor_view.h"

namespace attest {

using Shape = std::vector<std::int64_t>;

// In the place of a number of elements: that many or more.
constexpr std::int64_t AtLeast(std::int64_t count) { return -1 - count; }

// Bad input, naming the tensor, if it is absent, of another dtype or rank, or of a shape that does
// not fit.
Status CheckTensor(std::string_view name, const TensorView& tensor, DType dtype,
                   const Shape& shape);

// Shapes of the caches of a problem with paged keys, `pages` of them.
Shape KeyCacheShape(const Problem& problem, std::int64_t pages);
Shape ValueCacheShape(const Problem& problem, std::int64_t pages);

// Elements that lie together in the x-split layout: 16 bytes of them.
std::int64_t XOf(const Problem& problem);

}  // namespace attest

#endif  // ATTEST_REFERENCE_TENSOR_SHAPE_H_
