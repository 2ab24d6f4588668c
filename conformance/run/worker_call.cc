// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/worker_call.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "conformance/run/call_memory.h"
#include "spec/vocabulary/dtype.h"

namespace attest {
namespace {

BackendAnswer Forward(BackendTable& backend, const attest_problem_t& problem,
                      std::vector<WireTensor> tensors, const CallMemory& memory) {
  const BoundForward bound(std::move(tensors), memory);
  return backend.Forward(problem, bound.args());
}

BackendAnswer WriteKv(BackendTable& backend, const attest_problem_t& problem,
                      std::vector<WireTensor> tensors, const CallMemory& memory) {
  return backend.WriteKv(problem, BindMembers(WriteKvTensors(), tensors, memory));
}

BackendAnswer Merge(BackendTable& backend, const attest_problem_t& problem,
                    std::vector<WireTensor> tensors, const CallMemory& memory) {
  attest_merge_args_t args = BindMembers(MergeTensors(), tensors, memory);
  std::vector<attest_tensor_t> outs(tensors.size());
  std::vector<attest_tensor_t> lses(tensors.size());
  for (WireTensor& tensor : tensors) {
    if (const auto part = PartOf(tensor.name, "part_out")) {
      outs[static_cast<std::size_t>(*part)] = Bound(tensor, memory);
      ++args.num_parts;
    } else if (const auto lse = PartOf(tensor.name, "part_lse")) {
      lses[static_cast<std::size_t>(*lse)] = Bound(tensor, memory);
    }
  }
  args.part_out = outs.data();
  args.part_lse = lses.data();
  return backend.Merge(problem, args);
}

// The view may point anywhere; its shape and strides have as many elements as the source.
BackendAnswer CopyToPersistent(BackendTable& backend, std::vector<WireTensor> tensors,
                               const CallMemory& memory, std::optional<SeenTensor>& seen) {
  attest_tensor_t buffer = {};
  attest_tensor_t source = {};
  for (WireTensor& tensor : tensors) {
    (tensor.name == "buffer" ? buffer : source) = Bound(tensor, memory);
  }
  std::vector<std::int64_t> shape(static_cast<std::size_t>(source.ndim) + 1, -1);
  std::vector<std::int64_t> strides(shape.size(), -1);
  attest_tensor_t view = {};
  view.ndim = source.ndim;
  view.shape = shape.data();
  view.strides = strides.data();
  BackendAnswer answer = backend.CopyToPersistent(buffer, source, view);
  if (!answer.ok()) return answer;
  view.ndim = std::clamp(view.ndim, 0, static_cast<std::int32_t>(shape.size()));
  const Result<SeenTensor> described = SeenTensorOf(view, memory.base);
  if (described.ok()) seen = *described;
  return answer;
}

BackendAnswer Dispatch(BackendTable& backend, const CallRequest& request, const CallMemory& memory,
                       std::optional<SeenTensor>& view) {
  switch (request.kind) {
    case CallKind::kForward:
      return Forward(backend, request.problem, request.tensors, memory);
    case CallKind::kWriteKv:
      return WriteKv(backend, request.problem, request.tensors, memory);
    case CallKind::kMerge:
      return Merge(backend, request.problem, request.tensors, memory);
    case CallKind::kCopyToPersistent:
      return CopyToPersistent(backend, request.tensors, memory, view);
  }
  return {};
}

// The outcome of the call, or of synchronize where the call was fine. Work that is queued behind a
// refusal must be over before anybody looks at the image, hence synchronize after every answer but
// a lost device.
BackendAnswer CallAndSynchronize(BackendTable& backend, const CallRequest& request,
                                 const CallMemory& memory, std::optional<SeenTensor>& view) {
  BackendAnswer call = Dispatch(backend, request, memory, view);
  if (call.threw || call.status == ATTEST_DEVICE_LOST) return call;
  BackendAnswer synchronize = backend.Synchronize();
  return call.ok() ? synchronize : call;
}

BackendAnswer Reserve(BackendTable& backend, std::uint64_t bytes, DeviceImage& device) {
  if (device.bytes >= bytes) return {};
  if (device.base != nullptr) {
    if (BackendAnswer answer = backend.Release(device.base); !answer.ok()) return answer;
  }
  device = {};
  BackendAnswer answer = backend.Allocate(bytes, device.base);
  if (answer.ok()) device.bytes = bytes;
  return answer;
}

BackendAnswer OnHost(BackendTable& backend, const CallRequest& request, std::byte* image,
                     std::optional<SeenTensor>& view) {
  return CallAndSynchronize(backend, request, HostMemory(image), view);
}

BackendAnswer OnDevice(BackendTable& backend, const CallRequest& request, std::byte* image,
                       DeviceImage& device, std::optional<SeenTensor>& view) {
  const std::uint64_t bytes = request.image_bytes;
  if (BackendAnswer answer = Reserve(backend, bytes, device); !answer.ok()) return answer;
  if (BackendAnswer answer = backend.CopyToDevice(device.base, image, bytes); !answer.ok()) {
    return answer;
  }
  BackendAnswer outcome =
      CallAndSynchronize(backend, request, {image, static_cast<std::byte*>(device.base), {}}, view);
  if (outcome.threw || outcome.status == ATTEST_DEVICE_LOST) return outcome;
  const BackendAnswer copied = backend.CopyToHost(image, device.base, bytes);
  return outcome.ok() ? copied : outcome;
}

}  // namespace

CallOutcome RunCall(BackendTable& backend, const CallRequest& request, int image_fd,
                    DeviceImage& device) {
  const MappedImage image(image_fd, request.image_bytes);
  if (image.base() == nullptr) return {.mapped = false};
  CallOutcome outcome;
  outcome.answer = backend.on_device()
                       ? OnDevice(backend, request, image.base(), device, outcome.view)
                       : OnHost(backend, request, image.base(), outcome.view);
  return outcome;
}

}  // namespace attest
