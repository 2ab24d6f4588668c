// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/call_memory.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <utility>

#include "spec/vocabulary/dtype.h"

namespace attest {
namespace {

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

}  // namespace

MappedImage::MappedImage(int fd, std::uint64_t bytes) : bytes_(bytes) {
  struct stat status = {};
  if (bytes == 0 || fstat(fd, &status) != 0) return;
  if (static_cast<std::uint64_t>(status.st_size) < bytes) return;
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (base != MAP_FAILED) base_ = static_cast<std::byte*>(base);
}

MappedImage::~MappedImage() {
  if (base_ != nullptr) munmap(base_, bytes_);
}

attest_tensor_t Bound(WireTensor& tensor, const CallMemory& memory) {
  return {.data = memory.base + tensor.offset,
          .device = memory.device,
          .ndim = static_cast<std::int32_t>(tensor.shape.size()),
          .dtype = ToAbi(tensor.dtype),
          .shape = tensor.shape.data(),
          .strides = tensor.strides.data(),
          .byte_offset = 0};
}

BoundForward::BoundForward(std::vector<WireTensor> tensors, const CallMemory& memory)
    : tensors_(std::move(tensors)),
      starts_(HostCopy(tensors_, "query_start_loc", memory.host)),
      lengths_(HostCopy(tensors_, "seq_lens", memory.host)),
      args_(BindMembers(ForwardTensors(), tensors_, memory)) {
  args_.query_start_loc_cpu = starts_.data();
  args_.seq_lens_cpu = lengths_.data();
}

}  // namespace attest
