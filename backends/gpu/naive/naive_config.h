// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_NAIVE_NAIVE_CONFIG_H_
#define ATTEST_BACKENDS_GPU_NAIVE_NAIVE_CONFIG_H_

namespace attest::gpu::naive {

inline constexpr int kThreads = 32;
inline constexpr int kMaxHeadDim = 256;  // columns of a thread's sum

}  // namespace attest::gpu::naive

#endif  // ATTEST_BACKENDS_GPU_NAIVE_NAIVE_CONFIG_H_
