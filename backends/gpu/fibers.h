// SPDX-License-Identifier: Apache-2.0
//
// The threads of a GPU as fibers of this process: kernels compiled by the C++ compiler run as they
// are, with barriers, shuffles and shared memory, and every check that a processor has (sanitizers,
// debuggers, coverage) sees them.
//
// A block runs on one thread of the processor; more processor threads run more blocks at a time.
// The shared memory of a block is an allocation of exactly the bytes that the launch names, filled
// with ones (NaN in every float format) before each block and poisoned past its end.
//
// Built with ThreadSanitizer, each fiber is a thread of its own that is ordered with the others by
// barriers and collectives alone, so a missing barrier is a data race with its two lines.
#ifndef ATTEST_BACKENDS_GPU_FIBERS_H_
#define ATTEST_BACKENDS_GPU_FIBERS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backends/gpu/launch.h"
#include "backends/gpu/runtime.h"

namespace attest::gpu {

// Where in the source a thread waits.
struct Site {
  const char* file = nullptr;
  int line = 0;
  bool operator==(const Site& other) const { return file == other.file && line == other.line; }
};

class BlockOfFibers;

// Runs launches, block by block.
class FiberGrid {
 public:
  FiberGrid(int threads, ThreadOrder order, std::uint32_t seed);
  ~FiberGrid();

  // Empty, or what a kernel did that no GPU defines, e.g. "barrier at flash_body.h:70 reached by 7
  // of 64 threads of block (0, 0, 0)". The launch ends there.
  std::string Run(const Launch& launch);

 private:
  const ThreadOrder order_;
  const std::uint32_t seed_;
  std::vector<std::unique_ptr<BlockOfFibers>> workers_;
};

// ---- For device.h: the calling thread of the running kernel.

Extent CurrentThread();
Extent CurrentBlock();
Extent CurrentGridSize();
void* CurrentSharedMemory();
void WaitForBlock(const Site& site);
// Gives `bytes` <= kSlotBytes to the other lanes of the warp and takes those of lane `lane ^ mask`.
void ExchangeWithLane(void* value, std::size_t bytes, int mask, const Site& site);
// Gives kSlotBytes to the other lanes of the warp; what the 32 lanes gave, in their order, until
// the next exchange but one.
inline constexpr std::size_t kSlotBytes = 48;
const void* ExchangeWithWarp(const void* value, const Site& site);

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_FIBERS_H_
