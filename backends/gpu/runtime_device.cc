// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "backends/gpu/runtime.h"
#include "backends/gpu/vendor.h"

namespace attest::gpu {
namespace {

using Error = GPU_VENDOR(Error_t);
#if GPU_HIP
using Properties = hipDeviceProp_t;
#else
using Properties = cudaDeviceProp;
#endif

attest_status_t StatusOf(Error error) {
  switch (error) {
    case GPU_VENDOR(Success):
      return ATTEST_OK;
    case GPU_VENDOR(ErrorMemoryAllocation):
      return ATTEST_OUT_OF_MEMORY;
    case GPU_VENDOR(ErrorNoDevice):
    case GPU_VENDOR(ErrorInvalidDevice):
    case GPU_VENDOR(ErrorInsufficientDriver):
      return ATTEST_NO_DEVICE;
    case GPU_VENDOR(ErrorIllegalAddress):
    case GPU_VENDOR(ErrorLaunchFailure):
      return ATTEST_DEVICE_LOST;
    default:
      return ATTEST_INTERNAL;
  }
}

Answer Check(Error error, const char* what) {
  if (error == GPU_VENDOR(Success)) return {};
  (void)GPU_VENDOR(GetLastError)();  // else the next call reports it again
  return {StatusOf(error), std::string(what) + ": " + GPU_VENDOR(GetErrorString)(error)};
}

// Without a driver the call leaves the count as it was.
Answer CountDevices(int& count) {
  count = 0;
  return Check(GPU_VENDOR(GetDeviceCount)(&count), "no device");
}

Answer ReadFacts(int index, DeviceFacts& facts) {
  Properties properties;
  const Error error = GPU_VENDOR(GetDeviceProperties)(&properties, index);
  if (error != GPU_VENDOR(Success)) return Check(error, "device properties");
  facts.name = properties.name;
  facts.multiprocessors = properties.multiProcessorCount;
  facts.shared_bytes_per_block = properties.sharedMemPerBlock;
#if defined(__HIP_PLATFORM_AMD__)
  return {};
#else
  facts.architecture = properties.major * 10 + properties.minor;
  facts.matrix_unit = facts.architecture >= 80;
  // HIP 5.2 has neither a property for it nor an attribute that it hands on.
  int shared = 0;
  const cudaError_t failed =
      cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, index);
  if (failed != cudaSuccess) return {ATTEST_INTERNAL, "shared memory of the device"};
  facts.shared_bytes_per_block = static_cast<std::uint64_t>(shared);
  return {};
#endif
}

const void* KernelOf(const Launch& launch) { return reinterpret_cast<const void*>(launch.kernel); }

// Blocks get at most this much shared memory unless a kernel is told that it may have more.
constexpr std::size_t kOrdinarySharedBytes = 48 * 1024;

}  // namespace

struct Graph::Body {
  GPU_VENDOR(GraphExec_t) executable = nullptr;
};
Graph::Graph() = default;
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;
Graph::~Graph() {
  if (body && body->executable != nullptr) (void)GPU_VENDOR(GraphExecDestroy)(body->executable);
}

struct Stream::Body {
  GPU_VENDOR(Stream_t) stream = nullptr;
  DeviceFacts facts;
  std::int64_t allocations = 0;
};

Stream::Stream(std::unique_ptr<Body> body) : body_(std::move(body)) {}
Stream::~Stream() { (void)GPU_VENDOR(StreamDestroy)(body_->stream); }
const DeviceFacts& Stream::facts() const { return body_->facts; }
std::int64_t Stream::allocations() const { return body_->allocations; }

Answer Stream::Open(const DeviceOptions& options, std::unique_ptr<Stream>& stream) {
  int count = 0;
  if (Answer answer = CountDevices(count); !answer.ok()) {
    return {ATTEST_NO_DEVICE, answer.text};
  }
  if (options.index < 0 || options.index >= count) {
    return {ATTEST_NO_DEVICE,
            "no device " + std::to_string(options.index) + " of " + std::to_string(count)};
  }
  auto body = std::make_unique<Body>();
  if (Answer answer = Check(GPU_VENDOR(SetDevice)(options.index), "device"); !answer.ok()) {
    return {ATTEST_NO_DEVICE, answer.text};
  }
  if (Answer answer = ReadFacts(options.index, body->facts); !answer.ok()) return answer;
  Answer answer = Check(GPU_VENDOR(StreamCreate)(&body->stream), "stream");
  if (answer.ok()) stream = std::make_unique<Stream>(std::move(body));
  return answer;
}

Answer Stream::Allocate(std::uint64_t bytes, void*& pointer) {
  ++body_->allocations;
  // A pointer to nothing would be null, which means absent.
  return Check(GPU_VENDOR(Malloc)(&pointer, bytes == 0 ? 1 : bytes), "allocate");
}
Answer Stream::Release(void* pointer) { return Check(GPU_VENDOR(Free)(pointer), "release"); }

Answer Stream::CopyToDevice(void* device, const void* host, std::uint64_t bytes) {
  return Check(GPU_VENDOR(Memcpy)(device, host, bytes, GPU_VENDOR(MemcpyHostToDevice)), "copy");
}
Answer Stream::CopyToHost(void* host, const void* device, std::uint64_t bytes) {
  return Check(GPU_VENDOR(Memcpy)(host, device, bytes, GPU_VENDOR(MemcpyDeviceToHost)), "copy");
}

Answer Stream::Enqueue(const Launch& launch) {
  if (launch.grid.x == 0 || launch.grid.y == 0 || launch.grid.z == 0) return {};
  const void* const kernel = KernelOf(launch);
  if (launch.shared_bytes > kOrdinarySharedBytes) {
    Answer answer = Check(
        GPU_VENDOR(FuncSetAttribute)(kernel, GPU_VENDOR(FuncAttributeMaxDynamicSharedMemorySize),
                                     static_cast<int>(launch.shared_bytes)),
        "shared memory");
    if (!answer.ok()) return answer;
  }
  void* arguments[] = {const_cast<std::byte*>(launch.argument.data())};
  return Check(GPU_VENDOR(LaunchKernel)(kernel, dim3(launch.grid.x, launch.grid.y, launch.grid.z),
                                        dim3(launch.block.x, launch.block.y, launch.block.z),
                                        arguments, launch.shared_bytes, body_->stream),
               "launch");
}

Answer Stream::Synchronize() {
  return Check(GPU_VENDOR(StreamSynchronize)(body_->stream), "synchronize");
}

Answer Stream::BeginRecording() {
  return Check(
      GPU_VENDOR(StreamBeginCapture)(body_->stream, GPU_VENDOR(StreamCaptureModeThreadLocal)),
      "begin recording");
}

Answer Stream::EndRecording(Graph& graph) {
  GPU_VENDOR(Graph_t) recorded = nullptr;
  Answer answer = Check(GPU_VENDOR(StreamEndCapture)(body_->stream, &recorded), "end recording");
  if (!answer.ok()) return answer;
  graph = Graph();
  graph.body = std::make_unique<Graph::Body>();
#if GPU_HIP
  const Error error = hipGraphInstantiate(&graph.body->executable, recorded, nullptr, nullptr, 0);
#else
  const Error error = GPU_VENDOR(GraphInstantiate)(&graph.body->executable, recorded, 0);
#endif
  (void)GPU_VENDOR(GraphDestroy)(recorded);
  return Check(error, "graph");
}

Answer Stream::Replay(const Graph& graph) {
  return Check(GPU_VENDOR(GraphLaunch)(graph.body->executable, body_->stream), "replay");
}

}  // namespace attest::gpu
