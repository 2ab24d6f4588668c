// SPDX-License-Identifier: Apache-2.0
//
// How one call into a child ended.
#ifndef ATTEST_CONFORMANCE_RUN_SESSION_RESULT_H_
#define ATTEST_CONFORMANCE_RUN_SESSION_RESULT_H_

#include <cstdint>
#include <string>

namespace attest {

enum class CallEnd : std::uint8_t {
  kAnswered,    // `status` and `message` are the backend's
  kCrash,       // died: `message` says how ("signal 11 (segmentation fault) inside forward", "exit
                // code 0 inside forward")
  kMemory,      // killed: above memory_limit_bytes
  kTimeout,     // killed: past the deadline
  kProtocol,    // answered something that is no answer, or does not open again as it did; killed
  kThrew,       // an exception crossed the ABI; `message` is its what(); killed
  kCannotStart  // no child, memory or device could be had: an environment fault, exit code 3
};

// `status` and `message` are the same at every run of a deterministic backend and may stand in a
// record; `output_tail` and `seconds` are for people.
struct CallResult {
  CallEnd end = CallEnd::kAnswered;
  int status = 0;  // attest_status_t, or the number that the backend returned instead of one
  std::string message;
  double seconds = 0;
  std::string output_tail;  // unless answered: the end of what the child wrote to stdout and stderr
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_SESSION_RESULT_H_
