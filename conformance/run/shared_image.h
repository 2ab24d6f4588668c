// SPDX-License-Identifier: Apache-2.0
//
// The memory in which tensors cross the process boundary.
#ifndef ATTEST_CONFORMANCE_RUN_SHARED_IMAGE_H_
#define ATTEST_CONFORMANCE_RUN_SHARED_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "spec/vocabulary/status.h"

namespace attest {

// A memfd that grows and never shrinks. The parent reads and writes it and does not map it, so that
// nothing a child does to it can fault the parent.
class SharedImage {
 public:
  static Result<std::unique_ptr<SharedImage>> Create();
  ~SharedImage();
  SharedImage(const SharedImage&) = delete;
  SharedImage& operator=(const SharedImage&) = delete;

  int fd() const { return fd_; }

  // Environment error: no memory.
  Status Write(std::span<const std::byte> bytes);
  // Fills `bytes` from the start of the image.
  Status Read(std::span<std::byte> bytes) const;

 private:
  explicit SharedImage(int fd) : fd_(fd) {}
  int fd_;
  std::uint64_t size_ = 0;
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_SHARED_IMAGE_H_
