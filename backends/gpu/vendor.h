// SPDX-License-Identifier: Apache-2.0
//
// One spelling for the two vendors' runtime calls, whose names differ in a prefix.
#ifndef ATTEST_BACKENDS_GPU_VENDOR_H_
#define ATTEST_BACKENDS_GPU_VENDOR_H_

// HIP comes in two: for AMD devices, by hipcc, and for NVIDIA devices, by nvcc.
#if defined(__HIP_PLATFORM_NVIDIA__)
#include "backends/gpu/hip_on_cuda.h"
#define GPU_HIP 1
#define GPU_VENDOR(name) hip##name
#elif defined(__HIPCC__)
#include <hip/hip_runtime.h>
#define GPU_HIP 1
#define GPU_VENDOR(name) hip##name
#else
#include <cuda_runtime.h>
#define GPU_HIP 0
#define GPU_VENDOR(name) cuda##name
#endif

#endif  // ATTEST_BACKENDS_GPU_VENDOR_H_
