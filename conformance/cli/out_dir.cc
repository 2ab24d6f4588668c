// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/out_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace attest {
namespace {

namespace fs = std::filesystem;

// Permissions say too little (a read-only mount, root), so a file is created and removed.
Status CheckWritable(const fs::path& directory) {
  const std::string probe = (directory / ".attest-probe").string();
  const int file = open(probe.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) {
    return BadInput(fmt::format("{}: cannot be written: {}", directory.string(), strerror(errno)));
  }
  close(file);
  unlink(probe.c_str());
  return {};
}

}  // namespace

Status PrepareOutDir(const std::string& path, const std::string& hint) {
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_directory(path, error)) {
    return BadInput(fmt::format("{}: not a directory", path));
  }
  fs::create_directories(path, error);
  if (error) return BadInput(fmt::format("{}: cannot be created: {}", path, error.message()));
  const bool empty = fs::is_empty(path, error);
  if (error) return BadInput(fmt::format("{}: {}", path, error.message()));
  if (!empty) return BadInput(fmt::format("{}: exists and is not empty; {}", path, hint));
  return CheckWritable(path);
}

}  // namespace attest
