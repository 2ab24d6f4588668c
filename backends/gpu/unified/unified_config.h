// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_UNIFIED_UNIFIED_CONFIG_H_
#define ATTEST_BACKENDS_GPU_UNIFIED_UNIFIED_CONFIG_H_

namespace attest::gpu::unified {

// Segments of the 3-D form, whatever the length: their number is part of a recorded launch.
inline constexpr int kSegments = 8;
// The 3-D form is for decode batches of few rows; from this many blocks on the device is full
// anyhow.
inline constexpr int kFewBlocksPerMultiprocessor = 4;

}  // namespace attest::gpu::unified

#endif  // ATTEST_BACKENDS_GPU_UNIFIED_UNIFIED_CONFIG_H_
