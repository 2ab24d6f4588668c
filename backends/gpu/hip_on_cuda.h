// SPDX-License-Identifier: Apache-2.0
//
// HIP's runtime header for NVIDIA devices (5.2, Debian 12) wraps much of CUDA that CUDA 13 took
// away or gave other parameters. The kernels here use none of that, so each such call becomes one
// that says "not supported", while the header is read and no longer.
#ifndef ATTEST_BACKENDS_GPU_HIP_ON_CUDA_H_
#define ATTEST_BACKENDS_GPU_HIP_ON_CUDA_H_

#include <cuda.h>
#include <cuda_runtime.h>

#if CUDART_VERSION >= 13000

namespace attest::gpu {

template <typename... Arguments>
cudaError_t GoneRuntimeCall(Arguments&&... /*arguments*/) {
  return cudaErrorNotSupported;
}
template <typename... Arguments>
CUresult GoneDriverCall(Arguments&&... /*arguments*/) {
  return CUDA_ERROR_NOT_SUPPORTED;
}

// What the header still copies out of a device's properties; 0 says "not known".
struct OldDeviceProperties : cudaDeviceProp {
  int clockRate = 0;
  int memoryClockRate = 0;
  int computeMode = 0;
  int cooperativeMultiDeviceLaunch = 0;
  int kernelExecTimeoutEnabled = 0;
};

}  // namespace attest::gpu

template <typename Element, int dimensions, cudaTextureReadMode mode>
struct texture {};

#undef cuCtxCreate
#define cuCtxCreate attest::gpu::GoneDriverCall
#define cudaBindTexture attest::gpu::GoneRuntimeCall
#define cudaBindTexture2D attest::gpu::GoneRuntimeCall
#define cudaBindTextureToArray attest::gpu::GoneRuntimeCall
#define cudaDevAttrCooperativeMultiDeviceLaunch cudaDevAttrMax
#define cudaDeviceProp attest::gpu::OldDeviceProperties
#define cudaGetTextureAlignmentOffset attest::gpu::GoneRuntimeCall
#define cudaGraphAddDependencies attest::gpu::GoneRuntimeCall
#define cudaGraphGetEdges attest::gpu::GoneRuntimeCall
#define cudaGraphNodeGetDependencies attest::gpu::GoneRuntimeCall
#define cudaGraphNodeGetDependentNodes attest::gpu::GoneRuntimeCall
#define cudaGraphRemoveDependencies attest::gpu::GoneRuntimeCall
#define cudaLaunchCooperativeKernelMultiDevice attest::gpu::GoneRuntimeCall
#define cudaMemAdvise attest::gpu::GoneRuntimeCall
#define cudaMemPrefetchAsync attest::gpu::GoneRuntimeCall
#define cudaStreamGetCaptureInfo_v2 attest::gpu::GoneRuntimeCall
#define cudaStreamUpdateCaptureDependencies attest::gpu::GoneRuntimeCall
#define cudaUnbindTexture attest::gpu::GoneRuntimeCall

#include <hip/hip_runtime.h>

#undef cuCtxCreate
#undef cudaBindTexture
#undef cudaBindTexture2D
#undef cudaBindTextureToArray
#undef cudaDevAttrCooperativeMultiDeviceLaunch
#undef cudaDeviceProp
#undef cudaGetTextureAlignmentOffset
#undef cudaGraphAddDependencies
#undef cudaGraphGetEdges
#undef cudaGraphNodeGetDependencies
#undef cudaGraphNodeGetDependentNodes
#undef cudaGraphRemoveDependencies
#undef cudaLaunchCooperativeKernelMultiDevice
#undef cudaMemAdvise
#undef cudaMemPrefetchAsync
#undef cudaStreamGetCaptureInfo_v2
#undef cudaStreamUpdateCaptureDependencies
#undef cudaUnbindTexture

#else
#include <hip/hip_runtime.h>
#endif

#endif  // ATTEST_BACKENDS_GPU_HIP_ON_CUDA_H_
