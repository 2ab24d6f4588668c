// SPDX-License-Identifier: Apache-2.0
//
// Ctrl-C, once: the run finishes the cases in flight and says how to go on. Twice: it ends at once.
#ifndef ATTEST_CONFORMANCE_CLI_INTERRUPT_H_
#define ATTEST_CONFORMANCE_CLI_INTERRUPT_H_

#include <atomic>

namespace attest {

// While it lives, the first SIGINT or SIGTERM only sets the flag. One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  const std::atomic<bool>& flag() const;
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_INTERRUPT_H_
