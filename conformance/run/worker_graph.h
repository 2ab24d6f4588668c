// SPDX-License-Identifier: Apache-2.0
//
// The one graph that a worker holds. From capture to destroy the image stays mapped where it is,
// and a backend with memory of its own keeps one copy of it at one address.
#ifndef ATTEST_CONFORMANCE_RUN_WORKER_GRAPH_H_
#define ATTEST_CONFORMANCE_RUN_WORKER_GRAPH_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "conformance/run/backend_table.h"
#include "conformance/run/call_memory.h"
#include "conformance/run/protocol_graph.h"
#include "conformance/run/worker_call.h"

namespace attest {

class HeldGraph {
 public:
  bool held() const { return image_ != nullptr; }
  std::uint64_t image_bytes() const { return image_ == nullptr ? 0 : image_->bytes(); }

  // Not while a graph is held. After any answer but ATTEST_OK none is.
  CallOutcome Capture(BackendTable& backend, const CallRequest& request, int image_fd);

  // Only while a graph is held. What the calls write is in the image afterwards.
  BackendAnswer Update(BackendTable& backend, const CallRequest& request);
  BackendAnswer Replay(BackendTable& backend);
  // `seen` is filled on ATTEST_OK. A view that nobody can read (no shape, no strides) is ATTEST_OK
  // with an empty name.
  BackendAnswer Inspect(BackendTable& backend, std::int32_t index, SeenView& seen);
  // Whatever the answer, no graph is held afterwards.
  BackendAnswer Destroy(BackendTable& backend);

 private:
  BackendAnswer Around(BackendTable& backend, const std::function<BackendAnswer()>& call);
  CallMemory MemoryOf() const;
  void Forget(BackendTable& backend);

  std::unique_ptr<MappedImage> image_;
  void* device_ = nullptr;  // of a backend with memory of its own
  attest_graph_t* graph_ = nullptr;
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_WORKER_GRAPH_H_
