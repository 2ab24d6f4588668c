// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/interrupt.h"

#include <csignal>

namespace attest {
namespace {

// A signal handler has no other way to tell anybody.
std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void OnSignal(int) { interrupted = true; }

void Install(void (*handler)(int), int flags) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  interrupted = false;
  // Reset after the first: the second one kills. Restart, so that reads in flight go on.
  Install(OnSignal, static_cast<int>(SA_RESETHAND | SA_RESTART));
}

InterruptGuard::~InterruptGuard() { Install(SIG_DFL, 0); }

const std::atomic<bool>& InterruptGuard::flag() const { return interrupted; }

}  // namespace attest
