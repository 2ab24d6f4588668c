// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/worker_graph.h"

#include <utility>

namespace attest {

CallMemory HeldGraph::MemoryOf() const {
  if (device_ == nullptr) return HostMemory(image_->base());
  return {image_->base(), static_cast<std::byte*>(device_), {}};
}

void HeldGraph::Forget(BackendTable& backend) {
  if (device_ != nullptr) (void)backend.Release(device_);
  device_ = nullptr;
  graph_ = nullptr;
  image_.reset();
}

// The image to the device, the call, all queued work, and the image back.
BackendAnswer HeldGraph::Around(BackendTable& backend, const std::function<BackendAnswer()>& call) {
  if (device_ != nullptr) {
    if (BackendAnswer copied = backend.CopyToDevice(device_, image_->base(), image_->bytes());
        !copied.ok()) {
      return copied;
    }
  }
  BackendAnswer answer = call();
  if (answer.threw || answer.status == ATTEST_DEVICE_LOST) return answer;
  BackendAnswer synchronized = backend.Synchronize();
  if (answer.ok()) answer = std::move(synchronized);
  if (device_ == nullptr || answer.threw || answer.status == ATTEST_DEVICE_LOST) return answer;
  BackendAnswer copied = backend.CopyToHost(image_->base(), device_, image_->bytes());
  return answer.ok() ? copied : answer;
}

CallOutcome HeldGraph::Capture(BackendTable& backend, const CallRequest& request, int image_fd) {
  image_ = std::make_unique<MappedImage>(image_fd, request.image_bytes);
  if (image_->base() == nullptr) {
    image_.reset();
    return {.mapped = false};
  }
  CallOutcome outcome;
  if (backend.on_device()) outcome.answer = backend.Allocate(request.image_bytes, device_);
  if (outcome.answer.ok()) {
    outcome.answer = Around(backend, [&] {
      const BoundForward bound(request.tensors, MemoryOf());
      return backend.GraphCapture(request.problem, bound.args(), graph_);
    });
  }
  if (!outcome.answer.ok()) Forget(backend);
  return outcome;
}

BackendAnswer HeldGraph::Update(BackendTable& backend, const CallRequest& request) {
  return Around(backend, [&] {
    const BoundForward bound(request.tensors, MemoryOf());
    return backend.GraphUpdate(graph_, request.problem, bound.args());
  });
}

BackendAnswer HeldGraph::Replay(BackendTable& backend) {
  return Around(backend, [&] { return backend.GraphReplay(graph_); });
}

BackendAnswer HeldGraph::Inspect(BackendTable& backend, std::int32_t index, SeenView& seen) {
  attest_persistent_view_t view = {};
  BackendAnswer answer = backend.GraphInspect(graph_, index, view);
  if (!answer.ok() || view.name == nullptr) return answer;
  Result<SeenTensor> of_view = SeenTensorOf(view.view, nullptr);
  Result<SeenTensor> of_buffer = SeenTensorOf(view.buffer, nullptr);
  if (!of_view.ok() || !of_buffer.ok()) return answer;
  seen = {.name = view.name,
          .view = std::move(*of_view),
          .buffer = std::move(*of_buffer),
          .buffer_bytes = view.buffer_bytes};
  return answer;
}

BackendAnswer HeldGraph::Destroy(BackendTable& backend) {
  BackendAnswer answer = backend.GraphDestroy(graph_);
  Forget(backend);
  return answer;
}

}  // namespace attest
