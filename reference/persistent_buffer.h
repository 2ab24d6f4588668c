// SPDX-License-Identifier: Apache-2.0
//
// The rules of copy_to_persistent: how the numbers of a step come into a buffer that captured
// kernels go on reading.
#ifndef ATTEST_REFERENCE_PERSISTENT_BUFFER_H_
#define ATTEST_REFERENCE_PERSISTENT_BUFFER_H_

#include <cstddef>

#include "spec/vocabulary/status.h"
#include "spec/vocabulary/tensor_view.h"

namespace attest {

// Copies `source` into the leading corner of `buffer`, and gives the view that a graph reads: data
// pointer and strides are the buffer's whatever the shape, the shape is the source's. No other byte
// changes. `image` is where element [0, 0, ...] of the buffer stands in memory that may be written:
// the buffer's own, or a copy of it. The source may overlap it: it is read before anything is
// written.
//
// Bad input, and nothing written: another dtype, another rank, a source that is larger along some
// axis, a buffer two elements of which share an address. This is stricter than vLLM's
// flex_attention (vllm-project/vllm#40842), which slices the buffer and copies: a slice past the
// end is cut in silence, a size-1 axis and a lower rank broadcast, another dtype is converted.
Result<TensorView> CopyToPersistent(const TensorView& buffer, const TensorView& source,
                                    std::byte* image);

}  // namespace attest

#endif  // ATTEST_REFERENCE_PERSISTENT_BUFFER_H_
