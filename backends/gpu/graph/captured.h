// SPDX-License-Identifier: Apache-2.0
//
// A captured graph of a family: the launches of its largest step, recorded with every pointer,
// stride and scalar, and buffers of the graph's own for the metadata that changes from step to
// step. Kernels read lengths, pages and positions there, so nothing of a step is recorded.
#ifndef ATTEST_BACKENDS_GPU_GRAPH_CAPTURED_H_
#define ATTEST_BACKENDS_GPU_GRAPH_CAPTURED_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/gpu/answer.h"
#include "backends/gpu/family.h"
#include "backends/gpu/graph/metadata.h"
#include "backends/gpu/graph/mistake.h"
#include "backends/gpu/runtime.h"
#include "spec/abi/attest.h"

namespace attest::gpu::graph {

// Memory of a device; given back with its owner.
class DeviceMemory {
 public:
  explicit DeviceMemory(Stream& stream) : stream_(stream) {}
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;
  Answer Allocate(std::uint64_t bytes) { return stream_.Allocate(bytes, data_); }
  void* data() const { return data_; }

 private:
  Stream& stream_;
  void* data_ = nullptr;
};

class CapturedGraph {
 public:
  // Problem and arguments have passed the checks of a forward call. The stream outlives the graph.
  static Answer Capture(Stream& stream, const Family& family, Mistake mistake,
                        const attest_problem_t& maximum, const attest_forward_args_t& args,
                        std::unique_ptr<CapturedGraph>& graph);

  CapturedGraph(Stream& stream, const Family& family, Mistake mistake,
                const attest_problem_t& maximum);

  // ATTEST_INVALID_ARGUMENT: the step exceeds the maximum or is another problem, or a tensor lies
  // elsewhere than at the capture. Problem and arguments have passed their checks.
  Answer Update(const attest_problem_t& step, const attest_forward_args_t& args);
  Answer Replay();
  Answer Inspect(std::int32_t index, attest_persistent_view_t& view) const;

 private:
  struct Kept {
    void* data = nullptr;
    std::uint64_t byte_offset = 0;
    std::int32_t ndim = 0;
    std::vector<std::int64_t> strides;
  };
  // A dense buffer of one kind of metadata.
  struct Buffer {
    explicit Buffer(Stream& stream) : memory(stream) {}
    const char* name = nullptr;
    attest_dtype_t dtype = {};
    std::vector<std::int64_t> shape;
    std::vector<std::int64_t> strides;
    std::vector<std::int64_t> view_shape;    // of the step
    std::vector<std::int64_t> view_strides;  // the buffer's
    DeviceMemory memory;
  };

  void Keep(const attest_forward_args_t& args);
  Answer AddBuffer(const char* name, attest_dtype_t dtype, std::vector<std::int64_t> shape,
                   void*& data);
  Answer AddBuffers(const attest_forward_args_t& args);
  Answer Record(const attest_forward_args_t& args);
  Answer CheckStep(const attest_problem_t& step, const attest_forward_args_t& args) const;
  Answer Take(const attest_problem_t& step, const attest_forward_args_t& args);
  Answer FallBack(const attest_problem_t& step, const attest_forward_args_t& args);

  Stream& stream_;
  const Family& family_;
  const Mistake mistake_;
  attest_problem_t maximum_;
  attest_device_t device_ = {};
  std::vector<Kept> kept_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  MetadataParams metadata_;
  DeviceMemory workspace_;
  Graph graph_;
  bool empty_ = false;      // the largest step has no rows
  bool fell_back_ = false;  // by mistake
};

}  // namespace attest::gpu::graph

#endif  // ATTEST_BACKENDS_GPU_GRAPH_CAPTURED_H_
