// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "conformance/run/child_spawn.h"

namespace attest {
namespace {

namespace fs = std::filesystem;

int WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t now = write(fd, bytes.data(), bytes.size());
    if (now < 0 && errno == EINTR) continue;
    if (now < 0) return errno;
    bytes.remove_prefix(static_cast<std::size_t>(now));
  }
  return 0;
}

// A rename is on the disk when its directory is. Some file systems cannot sync one; the rename is
// atomic there all the same.
void SyncDirectory(const std::string& path) {
  const UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) fsync(directory.get());
}

}  // namespace

Status FileError(const std::string& what, int error) {
  const std::string text = what + ": " + strerror(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return EnvironmentError(text);
    default:
      return BadInput(text);
  }
}

Result<std::string> ReadFile(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return FileError(path, errno);
  std::string bytes;
  std::array<char, 1U << 16> piece;
  while (true) {
    const ssize_t got = read(file.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(path, errno);
    if (got == 0) return bytes;
    bytes.append(piece.data(), static_cast<std::size_t>(got));
  }
}

Status WriteFileAtomically(const std::string& path, std::string_view bytes) {
  std::string temporary = path + ".XXXXXX";
  UniqueFd file(mkostemp(temporary.data(), O_CLOEXEC));
  if (file.get() < 0) return FileError(path, errno);
  int error = WriteAll(file.get(), bytes);
  if (error == 0 && fchmod(file.get(), 0644) != 0) error = errno;
  if (error == 0 && fsync(file.get()) != 0) error = errno;
  if (error == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) {
    unlink(temporary.c_str());
    return FileError(path, error);
  }
  const std::string directory = fs::path(path).parent_path().string();
  SyncDirectory(directory.empty() ? "." : directory);
  return {};
}

Status EnsureDirectory(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return FileError(path, error.value());
  if (!fs::is_directory(path, error)) return FileError(path, ENOTDIR);
  if (access(path.c_str(), W_OK | X_OK) != 0) return FileError(path, errno);
  return {};
}

}  // namespace attest
