// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_FLASH_FLASH_CONFIG_H_
#define ATTEST_BACKENDS_GPU_FLASH_FLASH_CONFIG_H_

namespace attest::gpu::flash {

// Splits of one request: 16 fill a large device from a single decode row, and merging stays cheap.
inline constexpr int kMostSplits = 16;
// Below this many keys a split costs more than it saves.
inline constexpr int kLeastSplitKeys = 128;

}  // namespace attest::gpu::flash

#endif  // ATTEST_BACKENDS_GPU_FLASH_FLASH_CONFIG_H_
