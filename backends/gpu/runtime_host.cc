// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/gpu/fibers.h"
#include "backends/gpu/runtime.h"
#include "backends/gpu/sanitizers.h"

namespace attest::gpu {
namespace {

constexpr std::size_t kAlignment = 256;
// What gfx90a has; every kernel must fit the smallest device that it is built for.
constexpr std::size_t kSharedBytes = 64 * 1024;
// So few that the batches of small tests both fill the device and leave it empty.
constexpr int kMultiprocessors = 8;
constexpr int kMostThreads = 1024;

int ThreadsOf(const DeviceOptions& options) {
  if (options.threads > 0) return options.threads;
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMostThreads);
}

}  // namespace

struct Graph::Body {
  std::vector<Launch> launches;
};
Graph::Graph() = default;
Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;

struct Stream::Body {
  explicit Body(const DeviceOptions& options)
      : fibers(ThreadsOf(options), options.order, options.seed) {
    facts.name = "fibers of the host processor";
    facts.multiprocessors = kMultiprocessors;
    facts.shared_bytes_per_block =
        options.pretend_shared_bytes > 0 ? options.pretend_shared_bytes : kSharedBytes;
    facts.matrix_unit = options.emulate_matrix_unit;
  }

  DeviceFacts facts;
  FiberGrid fibers;
  std::map<void*, std::size_t> rooms;  // bytes behind each pointer that Allocate returned
  std::unique_ptr<std::vector<Launch>> recording;
  std::int64_t allocations = 0;
};

Stream::Stream(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Stream::~Stream() {
  for (const auto& [pointer, room] : body_->rooms) {
    UnpoisonMemory(pointer, room);
    std::free(pointer);
  }
}
const DeviceFacts& Stream::facts() const { return body_->facts; }
std::int64_t Stream::allocations() const { return body_->allocations; }

Answer Stream::Open(const DeviceOptions& options, std::unique_ptr<Stream>& stream) {
  if (options.index != 0) {
    return {ATTEST_NO_DEVICE, "no device " + std::to_string(options.index) + " of 1"};
  }
  stream = std::make_unique<Stream>(std::make_unique<Body>(options));
  return {};
}

Answer Stream::Allocate(std::uint64_t bytes, void*& pointer) {
  ++body_->allocations;
  if (body_->recording) return {ATTEST_INTERNAL, "allocate: a graph is being recorded"};
  const std::size_t room = (bytes + kAlignment) / kAlignment * kAlignment;
  pointer = std::aligned_alloc(kAlignment, room);
  if (pointer == nullptr) {
    return {ATTEST_OUT_OF_MEMORY, "allocate: " + std::to_string(bytes) + " bytes"};
  }
  PoisonMemory(static_cast<std::byte*>(pointer) + bytes, room - bytes);
  body_->rooms[pointer] = room;
  return {};
}

Answer Stream::Release(void* pointer) {
  const auto found = body_->rooms.find(pointer);
  if (pointer == nullptr) return {};
  if (found == body_->rooms.end()) {
    return {ATTEST_INVALID_ARGUMENT, "release: not a pointer that allocate returned"};
  }
  UnpoisonMemory(pointer, found->second);
  std::free(pointer);
  body_->rooms.erase(found);
  return {};
}

Answer Stream::CopyToDevice(void* device, const void* host, std::uint64_t bytes) {
  if (bytes > 0) std::memcpy(device, host, bytes);
  return {};
}
Answer Stream::CopyToHost(void* host, const void* device, std::uint64_t bytes) {
  if (bytes > 0) std::memcpy(host, device, bytes);
  return {};
}

Answer Stream::Enqueue(const Launch& launch) {
  if (body_->recording) {
    body_->recording->push_back(launch);
    return {};
  }
  if (launch.shared_bytes > body_->facts.shared_bytes_per_block) {
    return {ATTEST_INTERNAL, "launch: " + std::to_string(launch.shared_bytes) +
                                 " bytes of shared memory, the device has " +
                                 std::to_string(body_->facts.shared_bytes_per_block)};
  }
  std::string fault = body_->fibers.Run(launch);
  if (fault.empty()) return {};
  return {ATTEST_INTERNAL, std::move(fault)};
}

Answer Stream::Synchronize() { return {}; }

Answer Stream::BeginRecording() {
  body_->recording = std::make_unique<std::vector<Launch>>();
  return {};
}

Answer Stream::EndRecording(Graph& graph) {
  if (!body_->recording) return {ATTEST_INTERNAL, "end recording: none was begun"};
  graph.body = std::make_unique<Graph::Body>();
  graph.body->launches = std::move(*body_->recording);
  body_->recording.reset();
  return {};
}

Answer Stream::Replay(const Graph& graph) { return EnqueueAll(*this, graph.body->launches); }

}  // namespace attest::gpu
