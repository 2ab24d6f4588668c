// SPDX-License-Identifier: Apache-2.0
//
// One spelling for the two vendors' runtime calls, whose names differ in a prefix.
#ifndef ATTEST_BACKENDS_GPU_VENDOR_H_
#define ATTEST_BACKENDS_GPU_VENDOR_H_

#if defined(__HIPCC__) || defined(__HIP_PLATFORM_NVIDIA__)
#include <hip/hip_runtime.h>
#define GPU_VENDOR(name) hip##name
#define GPU_LIBRARY_NAME "hip"
#else
#include <cuda_runtime.h>
#define GPU_VENDOR(name) cuda##name
#define GPU_LIBRARY_NAME "cuda"
#endif

#endif  // ATTEST_BACKENDS_GPU_VENDOR_H_
