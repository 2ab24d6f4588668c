// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_MERGE_MERGE_CONFIG_H_
#define ATTEST_BACKENDS_GPU_MERGE_MERGE_CONFIG_H_

namespace attest::gpu::merge {

inline constexpr int kThreads = 64;  // of a row and head, each a column and every 64th after it

}  // namespace attest::gpu::merge

#endif  // ATTEST_BACKENDS_GPU_MERGE_MERGE_CONFIG_H_
