// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/worker_forward.h"

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

// Everything that attest_forward_args_t points to.
struct Arguments {
  std::vector<WireTensor> tensors;
  std::vector<std::int32_t> query_start_loc;
  std::vector<std::int32_t> seq_lens;
  attest_forward_args_t abi = {};
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

void Bind(const ForwardRequest& request, const std::byte* image, std::byte* base,
          attest_device_t device, Arguments& arguments) {
  arguments.tensors = request.tensors;
  arguments.query_start_loc = HostCopy(request.tensors, "query_start_loc", image);
  arguments.seq_lens = HostCopy(request.tensors, "seq_lens", image);
  arguments.abi.struct_size = sizeof(arguments.abi);
  arguments.abi.query_start_loc_cpu = arguments.query_start_loc.data();
  arguments.abi.seq_lens_cpu = arguments.seq_lens.data();
  for (WireTensor& tensor : arguments.tensors) {
    for (const ForwardTensor& member : ForwardTensors()) {
      if (member.name != tensor.name) continue;
      arguments.abi.*member.member = {.data = base + tensor.offset,
                                      .device = device,
                                      .ndim = static_cast<std::int32_t>(tensor.shape.size()),
                                      .dtype = ToAbi(tensor.dtype),
                                      .shape = tensor.shape.data(),
                                      .strides = tensor.strides.data(),
                                      .byte_offset = 0};
    }
  }
}

// The outcome of forward, or of synchronize where forward was fine. Work that is queued behind a
// refusal must be over before anybody looks at the image, hence synchronize after every answer but
// a lost device.
BackendAnswer ForwardAndSynchronize(BackendTable& backend, const attest_problem_t& problem,
                                    const attest_forward_args_t& args) {
  BackendAnswer forward = backend.Forward(problem, args);
  if (forward.threw || forward.status == ATTEST_DEVICE_LOST) return forward;
  BackendAnswer synchronize = backend.Synchronize();
  return forward.ok() ? synchronize : forward;
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

BackendAnswer OnHost(BackendTable& backend, const ForwardRequest& request, std::byte* image) {
  Arguments arguments;
  Bind(request, image, image, {.device_type = ATTEST_DEVICE_CPU, .device_id = 0}, arguments);
  return ForwardAndSynchronize(backend, request.problem, arguments.abi);
}

BackendAnswer OnDevice(BackendTable& backend, const ForwardRequest& request, std::byte* image,
                       DeviceImage& device) {
  const std::uint64_t bytes = request.image_bytes;
  if (BackendAnswer answer = Reserve(backend, bytes, device); !answer.ok()) return answer;
  if (BackendAnswer answer = backend.CopyToDevice(device.base, image, bytes); !answer.ok()) {
    return answer;
  }
  Arguments arguments;
  Bind(request, image, static_cast<std::byte*>(device.base), {}, arguments);
  BackendAnswer outcome = ForwardAndSynchronize(backend, request.problem, arguments.abi);
  if (outcome.threw || outcome.status == ATTEST_DEVICE_LOST) return outcome;
  const BackendAnswer copied = backend.CopyToHost(image, device.base, bytes);
  return outcome.ok() ? copied : outcome;
}

}  // namespace

ForwardOutcome RunForward(BackendTable& backend, const ForwardRequest& request, int image_fd,
                          DeviceImage& device) {
  const MappedImage image(image_fd, request.image_bytes);
  if (image.base() == nullptr) return {.mapped = false, .answer = {}};
  return {.mapped = true,
          .answer = backend.on_device() ? OnDevice(backend, request, image.base(), device)
                                        : OnHost(backend, request, image.base())};
}

}  // namespace attest
