// SPDX-License-Identifier: Apache-2.0
//
// One child process and the socket to it. Knows frames, deadlines and memory; knows nothing of
// attention.
#ifndef ATTEST_CONFORMANCE_RUN_CHILD_H_
#define ATTEST_CONFORMANCE_RUN_CHILD_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conformance/run/session_result.h"
#include "spec/vocabulary/status.h"

namespace attest {

struct CallLimits {
  double deadline_s = 0;
  std::uint64_t memory_bytes = 0;
};

// What came back for one request. `body` is the JSON text of the first frame, if one came whole.
// Unless answered, `message` says what happened, in words that do not change from run to run.
struct Reply {
  CallEnd end = CallEnd::kAnswered;
  std::string body;
  std::string message;
  double seconds = 0;
  bool unread = false;  // died before it had read the request, after an earlier exchange
};

// The child leads a process group of its own, has the socket at fd 3 and `image_fd` at fd 4, reads
// /dev/null, writes stdout and stderr into a pipe, dumps no core and dies with the thread that
// started it. It and its whole group are killed and reaped when this object goes.
class Child {
 public:
  // Environment error: the program cannot be executed, or there is no process or descriptor left.
  static Result<std::unique_ptr<Child>> Start(const std::vector<std::string>& argv, int image_fd);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Sends `body` and waits for one frame. `doing` stands in messages ("forward"). After any end but
  // kAnswered this object is only good for OutputTail and destruction.
  Reply Exchange(std::string_view body, std::string_view doing, const CallLimits& limits);

  // Nothing may happen between two exchanges. Empty: nothing did. Else what: the child died, closed
  // its socket, or said something unasked.
  std::string BrokenWhileIdle();

  // Waits at most `seconds` for the child to end by itself.
  void WaitForExit(double seconds);

  // The last 2 KiB of what the child wrote to stdout and stderr.
  std::string OutputTail();

 private:
  Child(pid_t pid, int socket_fd, int output_fd)
      : pid_(pid), socket_fd_(socket_fd), output_fd_(output_fd) {}

  bool Dead() const;
  std::string DescribeDeath() const;
  void Kill();
  std::uint64_t AnonymousBytes() const;
  bool SendSome(std::string_view frame, std::size_t& sent) const;
  void ReceiveAll();
  void DrainOutput();
  // The end that `received_` shows, if it shows one.
  bool Complete(std::string_view doing, Reply& reply) const;
  Reply Gone(std::string_view doing);
  std::optional<Reply> Verdict(std::string_view doing, const CallLimits& limits, double seconds);

  pid_t pid_;
  int socket_fd_;
  int output_fd_;
  std::string received_;
  bool closed_ = false;  // the child's end of the socket
  bool unread_ = false;  // it was closed with bytes of ours in it
  bool talked_ = false;  // an exchange has been answered
  std::string tail_;
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_CHILD_H_
