// SPDX-License-Identifier: Apache-2.0
//
// A small kernel that is right, and the mistakes that kernels are made with: each must be caught.
// Every thread adds up the numbers of its block by way of shared memory, tile after tile.
#ifndef ATTEST_BACKENDS_HOST_TESTING_PLANTED_H_
#define ATTEST_BACKENDS_HOST_TESTING_PLANTED_H_

#include <cstddef>
#include <vector>

#include "backends/gpu/device.h"

namespace attest::gpu {

enum class Mistake {
  kNone,
  kMissingBarrier,     // numbers are read before they are written
  kMissingTrailing,    // numbers are overwritten while they are read
  kDivergentBarrier,   // some threads skip it
  kSharedOutOfBounds,  // one float past the launch's shared memory
  kGlobalOutOfBounds,  // one float past the output
  kUninitialised,      // one number of shared memory is never written
};

inline constexpr int kPlantedThreads = 64;
inline constexpr int kPlantedTiles = 3;
inline constexpr int kPlantedBlocks = 2;

struct PlantedParams {
  const float* numbers;  // [blocks][tiles][threads]
  float* sums;           // [blocks][threads]
};

template <Mistake kMistake>
GPU_KERNEL(kPlantedThreads)
PlantedKernel(const PlantedParams p) {
  auto* const shared = static_cast<float*>(SharedMemory());
  const int thread = ThreadX();
  const int block = static_cast<int>(Block().x);
  float sum = 0.0F;
  for (int tile = 0; tile < kPlantedTiles; ++tile) {
    const float number = p.numbers[(block * kPlantedTiles + tile) * kPlantedThreads + thread];
    if (kMistake != Mistake::kUninitialised || thread != 5) shared[thread] = number;
    if (kMistake == Mistake::kSharedOutOfBounds && thread == 0) shared[kPlantedThreads] = 0.0F;
    if (kMistake == Mistake::kDivergentBarrier) {
      if (thread < 7) Barrier();
    } else if (kMistake != Mistake::kMissingBarrier) {
      Barrier();
    }
    for (int i = 0; i < kPlantedThreads; ++i) sum += shared[i];
    if (kMistake != Mistake::kMissingTrailing) Barrier();
  }
  const bool past = kMistake == Mistake::kGlobalOutOfBounds && block == kPlantedBlocks - 1;
  p.sums[block * kPlantedThreads + thread + (past ? 1 : 0)] = sum;
}

// Runs the kernel in `order`; returns what went wrong: a fault of the launch, or "wrong sums".
template <Mistake kMistake>
std::string RunPlanted(ThreadOrder order) {
  std::vector<float> numbers(kPlantedBlocks * kPlantedTiles * kPlantedThreads);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i % 97);
  std::vector<float> sums(kPlantedBlocks * kPlantedThreads, -1.0F);
  FiberGrid fibers(2, order, 7);
  std::string fault = fibers.Run(
      MakeLaunch(PlantedKernel<kMistake>, {kPlantedBlocks, 1, 1}, {kPlantedThreads, 1, 1},
                 sizeof(float) * kPlantedThreads, {numbers.data(), sums.data()}));
  if (!fault.empty()) return fault;
  const std::size_t share = kPlantedTiles * kPlantedThreads;
  for (std::size_t block = 0; block < kPlantedBlocks; ++block) {
    float right = 0.0F;
    for (std::size_t i = 0; i < share; ++i) right += numbers[block * share + i];
    for (std::size_t thread = 0; thread < kPlantedThreads; ++thread) {
      if (!(sums[block * kPlantedThreads + thread] == right)) return "wrong sums";
    }
  }
  return {};
}

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_HOST_TESTING_PLANTED_H_
