// SPDX-License-Identifier: Apache-2.0
//
// Mistakes that real systems made, kept in the product as negative controls: a suite that passes
// them on this device sees nothing.
#ifndef ATTEST_BACKENDS_GPU_GRAPH_MISTAKE_H_
#define ATTEST_BACKENDS_GPU_GRAPH_MISTAKE_H_

#include <cstdint>

namespace attest::gpu::graph {

enum class Mistake : std::uint8_t {
  kNone,
  // The rows of the step's block table are copied as far apart as they are wide, which the
  // recorded launch does not know (vllm-project/vllm#40842).
  kTableAsStrided,
  // A step whose table is narrower than the captured one is computed by `update`, eagerly, and its
  // replay does nothing: the try block around the copy of the same pull request.
  kEagerFallback
};

}  // namespace attest::gpu::graph

#endif  // ATTEST_BACKENDS_GPU_GRAPH_MISTAKE_H_
