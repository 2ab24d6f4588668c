// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/shared_image.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace attest {
namespace {

Status ImageError(const char* what) {
  return EnvironmentError(fmt::format("shared memory for tensors: {}: {}", what, strerror(errno)));
}

}  // namespace

Result<std::unique_ptr<SharedImage>> SharedImage::Create() {
  const int fd = memfd_create("attest-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return ImageError("memfd_create");
  std::unique_ptr<SharedImage> image(new SharedImage(fd));
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0) return ImageError("F_SEAL_SHRINK");
  return image;
}

SharedImage::~SharedImage() { close(fd_); }

Status SharedImage::Write(std::span<const std::byte> bytes) {
  if (bytes.size() > size_) {
    // fallocate, not ftruncate: pages that cannot be had are an error here and a SIGBUS in the
    // child.
    if (fallocate(fd_, 0, 0, static_cast<off_t>(bytes.size())) != 0) return ImageError("fallocate");
    size_ = bytes.size();
  }
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t now =
        pwrite(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (now < 0 && errno == EINTR) continue;
    if (now <= 0) return ImageError("pwrite");
    done += static_cast<std::size_t>(now);
  }
  return {};
}

Status SharedImage::Read(std::span<std::byte> bytes) const {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t now =
        pread(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (now < 0 && errno == EINTR) continue;
    if (now <= 0) return ImageError("pread");
    done += static_cast<std::size_t>(now);
  }
  return {};
}

}  // namespace attest
