// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_PREFIX_PREFIX_CONFIG_H_
#define ATTEST_BACKENDS_GPU_PREFIX_PREFIX_CONFIG_H_

namespace attest::gpu::prefix {

inline constexpr int kDecodeThreads = 64;
inline constexpr int kDecodeKeys = 64;  // keys of a pass, one a thread
// A thread of the decode kernel sums columns thread, thread + kDecodeThreads, ...
inline constexpr int kDecodeColumns = 4;  // 256 / kDecodeThreads

}  // namespace attest::gpu::prefix

#endif  // ATTEST_BACKENDS_GPU_PREFIX_PREFIX_CONFIG_H_
