// SPDX-License-Identifier: Apache-2.0
//
// The language that kernels are written in: the same words for nvcc, hipcc and the C++ compiler,
// for which each thread is a fiber (fibers.h).
#ifndef ATTEST_BACKENDS_GPU_DEVICE_H_
#define ATTEST_BACKENDS_GPU_DEVICE_H_

#if defined(__CUDACC__) || defined(__HIPCC__)
#define GPU_ON_DEVICE 1
#include "backends/gpu/vendor.h"
// One block is enough on a multiprocessor: without the 1 nvcc keeps to 128 registers and spills.
#define GPU_KERNEL(threads) __global__ void __launch_bounds__(threads, 1)
#define GPU_FUNCTION __device__ inline
#define GPU_OUTLINE __device__ __noinline__ inline  // called in many places of one kernel
#define GPU_UNROLL _Pragma("unroll")                // arrays indexed in the loop stay in registers
#define GPU_BOTH __host__ __device__ inline
#else
#define GPU_ON_DEVICE 0
#include "backends/gpu/fibers.h"
#define GPU_KERNEL(threads) void
#define GPU_FUNCTION inline
#define GPU_OUTLINE inline
#define GPU_UNROLL
#define GPU_BOTH inline
#endif

#include <cmath>
#include <cstdint>

#include "backends/gpu/launch.h"

namespace attest::gpu {

struct FloatPair {
  float a;
  float b;
};

#if GPU_ON_DEVICE

__device__ inline int ThreadX() { return static_cast<int>(threadIdx.x); }
__device__ inline Extent Block() { return {blockIdx.x, blockIdx.y, blockIdx.z}; }
__device__ inline Extent GridSize() { return {gridDim.x, gridDim.y, gridDim.z}; }
__device__ inline void Barrier() { __syncthreads(); }

extern __shared__ __align__(16) unsigned char gpu_shared_memory[];
__device__ inline void* SharedMemory() { return gpu_shared_memory; }

// The value of the lane whose number differs in the bits of `mask`; warps are taken as 32 lanes.
__device__ inline float ShuffleXor(float value, int mask) {
#if defined(__HIP_PLATFORM_AMD__)
  return __shfl_xor(value, mask, 32);
#else
  return __shfl_xor_sync(0xffffffffU, value, mask);
#endif
}
__device__ inline FloatPair ShuffleXor(FloatPair pair, int mask) {
  return {ShuffleXor(pair.a, mask), ShuffleXor(pair.b, mask)};
}
__device__ inline int AtomicMax(int* to, int value) { return atomicMax(to, value); }

#else

inline int ThreadX() { return static_cast<int>(CurrentThread().x); }
inline Extent Block() { return CurrentBlock(); }
inline Extent GridSize() { return CurrentGridSize(); }
inline void Barrier(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  WaitForBlock({file, line});
}
inline void* SharedMemory() { return CurrentSharedMemory(); }
template <typename Value>
Value ShuffleXor(Value value, int mask, const char* file = __builtin_FILE(),
                 int line = __builtin_LINE()) {
  ExchangeWithLane(&value, sizeof(value), mask, {file, line});
  return value;
}
inline int AtomicMax(int* to, int value) {
  int before = __atomic_load_n(to, __ATOMIC_RELAXED);
  while (before < value && !__atomic_compare_exchange_n(to, &before, value, false, __ATOMIC_RELAXED,
                                                        __ATOMIC_RELAXED)) {
  }
  return before;
}

#endif

// e^x by way of 2^x, which is what devices have.
GPU_FUNCTION float Exp(float x) { return exp2f(x * 1.44269504F); }

GPU_FUNCTION int Min(int a, int b) { return a < b ? a : b; }
GPU_FUNCTION int Max(int a, int b) { return a > b ? a : b; }
GPU_FUNCTION std::int64_t Min(std::int64_t a, std::int64_t b) { return a < b ? a : b; }
GPU_FUNCTION std::int64_t Max(std::int64_t a, std::int64_t b) { return a > b ? a : b; }
GPU_FUNCTION float MaxOf(float a, float b) { return a > b ? a : b; }
GPU_FUNCTION float MinusInfinity() { return -INFINITY; }

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_DEVICE_H_
