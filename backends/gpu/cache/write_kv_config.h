// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_CACHE_WRITE_KV_CONFIG_H_
#define ATTEST_BACKENDS_GPU_CACHE_WRITE_KV_CONFIG_H_

namespace attest::gpu::cache {

inline constexpr int kLanes = 32;     // of a warp, which writes one row
inline constexpr int kThreads = 128;  // rows of four KV heads

}  // namespace attest::gpu::cache

#endif  // ATTEST_BACKENDS_GPU_CACHE_WRITE_KV_CONFIG_H_
