// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_DEVICE_CHECK_H_
#define ATTEST_BACKENDS_GPU_DEVICE_CHECK_H_

#include "backends/gpu/answer.h"
#include "backends/gpu/family.h"

namespace attest::gpu {

// ATTEST_NO_DEVICE, with both numbers, when the device is below what the family's kernels need.
Answer CheckDevice(const Family& family, const DeviceFacts& device);

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_DEVICE_CHECK_H_
