// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_FLEX_FLEX_CONFIG_H_
#define ATTEST_BACKENDS_GPU_FLEX_FLEX_CONFIG_H_

namespace attest::gpu::flex {

inline constexpr int kBuildThreads = 32;  // of the kernels that build the block mask

}  // namespace attest::gpu::flex

#endif  // ATTEST_BACKENDS_GPU_FLEX_FLEX_CONFIG_H_
