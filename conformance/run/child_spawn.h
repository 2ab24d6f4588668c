// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_CONFORMANCE_RUN_CHILD_SPAWN_H_
#define ATTEST_CONFORMANCE_RUN_CHILD_SPAWN_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "spec/vocabulary/status.h"

namespace attest {

// A file descriptor with an owner.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd();

  int get() const { return fd_; }
  int Release();

 private:
  int fd_ = -1;
};

struct SpawnedChild {
  pid_t pid = -1;
  UniqueFd socket;  // ours, non-blocking
  UniqueFd output;  // read end of the child's stdout and stderr, non-blocking
};

// Forks and executes argv[0] as class Child promises. Returns after the program has started;
// environment error with the reason when it cannot.
Result<SpawnedChild> Spawn(const std::vector<std::string>& argv, int image_fd);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_CHILD_SPAWN_H_
