// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/worker_call.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "spec/vocabulary/dtype.h"

namespace attest {
namespace {

// Mapped anew for each call: a backend that goes on using a pointer after its call has returned
// dies of it instead of writing into the next call.
class MappedImage {
 public:
  MappedImage(int fd, std::uint64_t bytes) : bytes_(bytes) {
    struct stat status = {};
    if (bytes == 0 || fstat(fd, &status) != 0) return;
    if (static_cast<std::uint64_t>(status.st_size) < bytes) return;
    void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (base != MAP_FAILED) base_ = static_cast<std::byte*>(base);
  }
  ~MappedImage() {
    if (base_ != nullptr) munmap(base_, bytes_);
  }
  MappedImage(const MappedImage&) = delete;
  MappedImage& operator=(const MappedImage&) = delete;

  std::byte* base() const { return base_; }

 private:
  std::byte* base_ = nullptr;
  std::uint64_t bytes_ = 0;
};

// Where the backend finds the image.
struct Memory {
  const std::byte* host;
  std::byte* base;
  attest_device_t device;
};

// Copies of its own, so that a backend that scribbles on them spoils no tensor.
std::vector<std::int32_t> HostCopy(const std::vector<WireTensor>& tensors, std::string_view name,
                                   const std::byte* image) {
  std::vector<std::int32_t> copy;
  for (const WireTensor& tensor : tensors) {
    if (tensor.name != name || tensor.dtype != DType::kInt32 || tensor.shape.size() != 1) continue;
    for (std::int64_t i = 0; i < tensor.shape[0]; ++i) {
      std::int32_t value = 0;
      const auto index = static_cast<std::uint64_t>(i * tensor.strides[0]);
      std::memcpy(&value, image + tensor.offset + sizeof(value) * index, sizeof(value));
      copy.push_back(value);
    }
  }
  return copy;
}

// Points into `tensor`, which outlives the call.
attest_tensor_t Bound(WireTensor& tensor, const Memory& memory) {
  return {.data = memory.base + tensor.offset,
          .device = memory.device,
          .ndim = static_cast<std::int32_t>(tensor.shape.size()),
          .dtype = ToAbi(tensor.dtype),
          .shape = tensor.shape.data(),
          .strides = tensor.strides.data(),
          .byte_offset = 0};
}

template <typename Args>
Args BindMembers(const std::vector<ArgsTensor<Args>>& members, std::vector<WireTensor>& tensors,
                 const Memory& memory) {
  Args args = {};
  args.struct_size = sizeof(args);
  for (WireTensor& tensor : tensors) {
    for (const ArgsTensor<Args>& member : members) {
      if (member.name == tensor.name) args.*member.member = Bound(tensor, memory);
    }
  }
  return args;
}

BackendAnswer Forward(BackendTable& backend, const attest_problem_t& problem,
                      std::vector<WireTensor> tensors, const Memory& memory) {
  const std::vector<std::int32_t> starts = HostCopy(tensors, "query_start_loc", memory.host);
  const std::vector<std::int32_t> lengths = HostCopy(tensors, "seq_lens", memory.host);
  attest_forward_args_t args = BindMembers(ForwardTensors(), tensors, memory);
  args.query_start_loc_cpu = starts.data();
  args.seq_lens_cpu = lengths.data();
  return backend.Forward(problem, args);
}

BackendAnswer WriteKv(BackendTable& backend, const attest_problem_t& problem,
                      std::vector<WireTensor> tensors, const Memory& memory) {
  return backend.WriteKv(problem, BindMembers(WriteKvTensors(), tensors, memory));
}

BackendAnswer Merge(BackendTable& backend, const attest_problem_t& problem,
                    std::vector<WireTensor> tensors, const Memory& memory) {
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

BackendAnswer Dispatch(BackendTable& backend, const CallRequest& request, const Memory& memory) {
  switch (request.kind) {
    case CallKind::kForward:
      return Forward(backend, request.problem, request.tensors, memory);
    case CallKind::kWriteKv:
      return WriteKv(backend, request.problem, request.tensors, memory);
    case CallKind::kMerge:
      return Merge(backend, request.problem, request.tensors, memory);
  }
  return {};
}

// The outcome of the call, or of synchronize where the call was fine. Work that is queued behind a
// refusal must be over before anybody looks at the image, hence synchronize after every answer but
// a lost device.
BackendAnswer CallAndSynchronize(BackendTable& backend, const CallRequest& request,
                                 const Memory& memory) {
  BackendAnswer call = Dispatch(backend, request, memory);
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

BackendAnswer OnHost(BackendTable& backend, const CallRequest& request, std::byte* image) {
  return CallAndSynchronize(backend, request,
                            {image, image, {.device_type = ATTEST_DEVICE_CPU, .device_id = 0}});
}

BackendAnswer OnDevice(BackendTable& backend, const CallRequest& request, std::byte* image,
                       DeviceImage& device) {
  const std::uint64_t bytes = request.image_bytes;
  if (BackendAnswer answer = Reserve(backend, bytes, device); !answer.ok()) return answer;
  if (BackendAnswer answer = backend.CopyToDevice(device.base, image, bytes); !answer.ok()) {
    return answer;
  }
  BackendAnswer outcome =
      CallAndSynchronize(backend, request, {image, static_cast<std::byte*>(device.base), {}});
  if (outcome.threw || outcome.status == ATTEST_DEVICE_LOST) return outcome;
  const BackendAnswer copied = backend.CopyToHost(image, device.base, bytes);
  return outcome.ok() ? copied : outcome;
}

}  // namespace

CallOutcome RunCall(BackendTable& backend, const CallRequest& request, int image_fd,
                    DeviceImage& device) {
  const MappedImage image(image_fd, request.image_bytes);
  if (image.base() == nullptr) return {.mapped = false, .answer = {}};
  return {.mapped = true,
          .answer = backend.on_device() ? OnDevice(backend, request, image.base(), device)
                                        : OnHost(backend, request, image.base())};
}

}  // namespace attest
