// SPDX-License-Identifier: Apache-2.0
//
// What the host side needs of a GPU, by neutral names: a device, its memory, a stream, launches and
// graphs. Implemented once for CUDA and HIP (runtime_device.cc) and once for threads that are
// fibers of this process (runtime_host.cc).
#ifndef ATTEST_BACKENDS_GPU_RUNTIME_H_
#define ATTEST_BACKENDS_GPU_RUNTIME_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backends/gpu/answer.h"
#include "backends/gpu/launch.h"

namespace attest::gpu {

// The order in which the host build runs the threads of a block, and its blocks. Devices have
// their own.
enum class ThreadOrder : std::uint8_t { kPlain, kReversed, kShuffled };

struct DeviceOptions {
  int index = 0;
  int threads = 0;  // of the processor, host build only; 0: one for each core
  ThreadOrder order = ThreadOrder::kPlain;
  std::uint32_t seed = 1;                // of the shuffled order
  std::size_t pretend_shared_bytes = 0;  // host build only; 0: what the build has
  bool emulate_matrix_unit = false;      // host build only
};

struct DeviceFacts {
  std::string name;
  int multiprocessors = 1;
  int architecture = 0;  // 90 for sm_90; 0 where nothing is asked of it
  std::size_t shared_bytes_per_block = 0;
  bool matrix_unit = false;  // as in matrix_unit.h
};

// A recorded sequence of launches. Move-only; owns the device's object.
class Graph {
 public:
  struct Body;
  Graph();
  ~Graph();
  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;

  std::unique_ptr<Body> body;
};

// One queue of one device. Nothing here throws but for want of host memory.
class Stream {
 public:
  struct Body;

  // ATTEST_NO_DEVICE when there is none by that index.
  static Answer Open(const DeviceOptions& options, std::unique_ptr<Stream>& stream);
  explicit Stream(std::unique_ptr<Body> body);
  ~Stream();

  const DeviceFacts& facts() const;

  // 256-byte aligned. Not while a graph is being recorded.
  Answer Allocate(std::uint64_t bytes, void*& pointer);
  // How often that was called.
  std::int64_t allocations() const;
  Answer Release(void* pointer);
  // Complete on return.
  Answer CopyToDevice(void* device, const void* host, std::uint64_t bytes);
  Answer CopyToHost(void* host, const void* device, std::uint64_t bytes);

  Answer Enqueue(const Launch& launch);
  Answer Synchronize();

  // What is enqueued between the two is recorded and not run.
  Answer BeginRecording();
  Answer EndRecording(Graph& graph);
  Answer Replay(const Graph& graph);

 private:
  std::unique_ptr<Body> body_;
};

// In order, up to the first that fails.
inline Answer EnqueueAll(Stream& stream, const std::vector<Launch>& launches) {
  for (const Launch& launch : launches) {
    if (Answer answer = stream.Enqueue(launch); !answer.ok()) return answer;
  }
  return {};
}

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_RUNTIME_H_
