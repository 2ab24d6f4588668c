// SPDX-License-Identifier: Apache-2.0
//
// Tensors of the shared image as arguments of the C ABI.
#ifndef ATTEST_CONFORMANCE_RUN_CALL_MEMORY_H_
#define ATTEST_CONFORMANCE_RUN_CALL_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "conformance/run/protocol_tensors.h"
#include "spec/abi/attest.h"

namespace attest {

// The first `bytes` of the image, mapped. A call has a mapping of its own: a backend that goes on
// using a pointer after its call has returned dies of it instead of writing into the next call. A
// graph has one as long as it lives.
class MappedImage {
 public:
  MappedImage(int fd, std::uint64_t bytes);
  ~MappedImage();
  MappedImage(const MappedImage&) = delete;
  MappedImage& operator=(const MappedImage&) = delete;

  std::byte* base() const { return base_; }  // nullptr: the image holds less
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::byte* base_ = nullptr;
  std::uint64_t bytes_ = 0;
};

// Where the backend finds the image.
struct CallMemory {
  const std::byte* host;
  std::byte* base;
  attest_device_t device;
};
inline CallMemory HostMemory(std::byte* image) {
  return {image, image, {.device_type = ATTEST_DEVICE_CPU, .device_id = 0}};
}

// Points into `tensor`, which outlives the call.
attest_tensor_t Bound(WireTensor& tensor, const CallMemory& memory);

template <typename Args>
Args BindMembers(const std::vector<ArgsTensor<Args>>& members, std::vector<WireTensor>& tensors,
                 const CallMemory& memory) {
  Args args = {};
  args.struct_size = sizeof(args);
  for (WireTensor& tensor : tensors) {
    for (const ArgsTensor<Args>& member : members) {
      if (member.name == tensor.name) args.*member.member = Bound(tensor, memory);
    }
  }
  return args;
}

// The arguments of forward, with host copies of starts and lengths of its own, so that a backend
// that scribbles on them spoils no tensor.
class BoundForward {
 public:
  BoundForward(std::vector<WireTensor> tensors, const CallMemory& memory);
  BoundForward(const BoundForward&) = delete;
  BoundForward& operator=(const BoundForward&) = delete;

  const attest_forward_args_t& args() const { return args_; }

 private:
  std::vector<WireTensor> tensors_;
  std::vector<std::int32_t> starts_;
  std::vector<std::int32_t> lengths_;
  attest_forward_args_t args_;
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_CALL_MEMORY_H_
