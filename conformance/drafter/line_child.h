// SPDX-License-Identifier: Apache-2.0
//
// A child process that answers one line to one line (spec/drafter/protocol.md).
#ifndef ATTEST_CONFORMANCE_DRAFTER_LINE_CHILD_H_
#define ATTEST_CONFORMANCE_DRAFTER_LINE_CHILD_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "conformance/run/child_spawn.h"
#include "spec/vocabulary/status.h"

namespace attest::drafter {

enum class LineEnd : std::uint8_t { kAnswered, kLate, kDied, kMalformed };

// What came back for one line. Unless answered, `message` says what happened, in words that do not
// change from run to run.
struct LineReply {
  LineEnd end = LineEnd::kAnswered;
  std::string line;
  std::string message;
};

// Runs a shell command with both ends of the conversation on its stdin and stdout. It and its whole
// process group are killed and reaped when this object goes.
class LineChild {
 public:
  static constexpr std::size_t kMaxLine = 1U << 20;

  // Environment error: there is no process or descriptor left.
  static Result<std::unique_ptr<LineChild>> Start(const std::string& command);
  ~LineChild();
  LineChild(const LineChild&) = delete;
  LineChild& operator=(const LineChild&) = delete;

  // Sends `line` and waits for exactly one. After any end but kAnswered this object is only good
  // for ErrorTail and destruction.
  LineReply Exchange(std::string_view line, double deadline_s);

  // Sends `line`, waits at most `seconds` for the child to end by itself.
  void SayLast(std::string_view line, double seconds);

  // The last 2 KiB of its stderr.
  std::string ErrorTail();

 private:
  explicit LineChild(SpawnedChild spawned) : child_(std::move(spawned)) {}

  bool Dead() const;
  std::string DescribeDeath() const;
  void Drain();
  void Receive();
  bool Send(std::string_view bytes, std::size_t& sent) const;
  // The end that what was received shows, if it shows one.
  bool Verdict(double seconds, double deadline_s, LineReply& reply);

  SpawnedChild child_;
  std::string received_;
  bool closed_ = false;
  std::string tail_;
};

}  // namespace attest::drafter

#endif  // ATTEST_CONFORMANCE_DRAFTER_LINE_CHILD_H_
