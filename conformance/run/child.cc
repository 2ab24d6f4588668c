// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/child.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <utility>

#include "conformance/run/child_spawn.h"
#include "conformance/run/protocol.h"

namespace attest {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTickMs = 20;  // how often death, memory and deadline are looked at
constexpr std::size_t kTailBytes = 2048;
constexpr double kGoneGraceS = 3.0;  // between closing the socket and being dead

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string SignalText(int number) {
  const char* name = sigdescr_np(number);
  std::string text = name == nullptr ? "unknown" : name;
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
  return fmt::format("signal {} ({})", number, text);
}

void AppendToTail(std::string& tail, std::string_view more) {
  tail += more;
  if (tail.size() > kTailBytes) tail.erase(0, tail.size() - kTailBytes);
}

}  // namespace

Result<std::unique_ptr<Child>> Child::Start(const std::vector<std::string>& argv, int image_fd) {
  Result<SpawnedChild> spawned = Spawn(argv, image_fd);
  if (!spawned.ok()) return spawned.status();
  return std::unique_ptr<Child>(
      new Child(spawned->pid, spawned->socket.Release(), spawned->output.Release()));
}

Child::~Child() {
  Kill();
  close(socket_fd_);
  if (output_fd_ >= 0) close(output_fd_);
}

// The group before the leader is reaped: from then on its number may belong to somebody else.
void Child::Kill() {
  if (pid_ <= 0) return;
  kill(-pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

bool Child::Dead() const {
  siginfo_t info = {};
  return waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid_;
}

std::string Child::DescribeDeath() const {
  siginfo_t info = {};
  waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
  return info.si_code == CLD_EXITED ? fmt::format("exit code {}", info.si_status)
                                    : SignalText(info.si_status);
}

void Child::WaitForExit(double seconds) {
  const Clock::time_point start = Clock::now();
  while (pid_ > 0 && !Dead() && SecondsSince(start) < seconds) {
    DrainOutput();
    poll(nullptr, 0, 1);
  }
}

// RssAnon and not the whole resident set: the image is shared memory and not the backend's.
std::uint64_t Child::AnonymousBytes() const {
  std::ifstream status(fmt::format("/proc/{}/status", pid_));
  std::string line;
  while (std::getline(status, line)) {
    constexpr std::string_view kName = "RssAnon:";
    if (line.starts_with(kName))
      return std::strtoull(line.c_str() + kName.size(), nullptr, 10) << 10;
  }
  return 0;
}

// False once nobody is there to read.
bool Child::SendSome(std::string_view frame, std::size_t& sent) const {
  const ssize_t now = send(socket_fd_, frame.data() + sent, frame.size() - sent, MSG_NOSIGNAL);
  if (now >= 0) sent += static_cast<std::size_t>(now);
  return now >= 0 || errno == EAGAIN || errno == EINTR;
}

// Reads what is there, but never more than one longest frame and a bit: a child that talks without
// end is a protocol error and no reason to run out of memory.
void Child::ReceiveAll() {
  std::array<char, 1U << 16> piece;
  while (!closed_ && received_.size() <= kFrameHeaderBytes + kMaxMessageBytes) {
    const ssize_t got = recv(socket_fd_, piece.data(), piece.size(), 0);
    if (got > 0) {
      received_.append(piece.data(), static_cast<std::size_t>(got));
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      unread_ = unread_ || (got < 0 && errno == ECONNRESET);
      closed_ = true;
    } else if (errno == EAGAIN) {
      return;
    }
  }
}

void Child::DrainOutput() {
  std::array<char, 1U << 14> piece;
  // Bounded, so that a child that prints without end cannot hold the parent here.
  for (int round = 0; round < 64 && output_fd_ >= 0; ++round) {
    const ssize_t got = read(output_fd_, piece.data(), piece.size());
    if (got > 0) {
      AppendToTail(tail_, {piece.data(), static_cast<std::size_t>(got)});
    } else if (got == 0) {
      close(std::exchange(output_fd_, -1));
    } else if (errno != EINTR) {
      return;
    }
  }
}

std::string Child::OutputTail() {
  DrainOutput();
  return tail_;
}

bool Child::Complete(std::string_view doing, Reply& reply) const {
  const std::optional<std::uint32_t> length = FrameLength(received_);
  if (!length) return false;
  if (*length > kMaxMessageBytes) {
    reply.end = CallEnd::kProtocol;
    reply.message = fmt::format("announced an answer of {} bytes to {}, more than {}", *length,
                                doing, kMaxMessageBytes);
    return true;
  }
  const std::size_t whole = kFrameHeaderBytes + *length;
  if (received_.size() < whole) return false;
  reply.end = CallEnd::kAnswered;
  if (received_.size() > whole) {
    reply.end = CallEnd::kProtocol;
    reply.message = fmt::format("said more than one answer to {}", doing);
  }
  reply.body = received_.substr(kFrameHeaderBytes, *length);
  return true;
}

// The socket is closed or the child is dead, and no whole answer is there.
Reply Child::Gone(std::string_view doing) {
  WaitForExit(kGoneGraceS);
  if (!Dead()) {
    return {.end = CallEnd::kProtocol,
            .body = {},
            .message = fmt::format("closed the connection inside {}", doing)};
  }
  if (unread_ && talked_ && received_.empty()) {
    return {.end = CallEnd::kCrash,
            .body = {},
            .message = DescribeDeath() + " between calls",
            .unread = true};
  }
  return {.end = CallEnd::kCrash,
          .body = {},
          .message = fmt::format("{} inside {}{}", DescribeDeath(), doing,
                                 received_.empty() ? "" : ", in the middle of its answer")};
}

// What can be said of the exchange now; nullopt: nothing yet.
std::optional<Reply> Child::Verdict(std::string_view doing, const CallLimits& limits,
                                    double seconds) {
  const bool dead = Dead();  // before the last read, so that the read sees all it ever said
  ReceiveAll();
  if (AnonymousBytes() > limits.memory_bytes) {
    return Reply{.end = CallEnd::kMemory,
                 .body = {},
                 .message = fmt::format("anonymous memory above {} MiB inside {}",
                                        limits.memory_bytes >> 20, doing)};
  }
  Reply reply;
  if (Complete(doing, reply)) return reply;
  if (dead || closed_) return Gone(doing);
  if (seconds <= limits.deadline_s) return std::nullopt;
  return Reply{.end = CallEnd::kTimeout,
               .body = {},
               .message = fmt::format("no answer to {} before its deadline", doing)};
}

Reply Child::Exchange(std::string_view body, std::string_view doing, const CallLimits& limits) {
  const Clock::time_point start = Clock::now();
  const std::string frame = Frame(body);
  std::size_t sent = 0;
  received_.clear();
  std::optional<Reply> reply;
  while (!reply) {
    const bool sending = sent < frame.size() && !closed_;
    const short events = sending ? POLLIN | POLLOUT : POLLIN;
    std::array<pollfd, 2> fds = {{{.fd = socket_fd_, .events = events, .revents = 0},
                                  {.fd = output_fd_, .events = POLLIN, .revents = 0}}};
    poll(fds.data(), fds.size(), kTickMs);
    DrainOutput();
    if (sending && !SendSome(frame, sent)) closed_ = unread_ = true;
    reply = Verdict(doing, limits, SecondsSince(start));
  }
  received_.clear();
  talked_ = true;
  reply->seconds = SecondsSince(start);
  if (reply->end != CallEnd::kAnswered) {
    Kill();
    DrainOutput();
  }
  return *std::move(reply);
}

std::string Child::BrokenWhileIdle() {
  ReceiveAll();
  if (!received_.empty()) return "spoke between calls";
  if (closed_) WaitForExit(kGoneGraceS);
  if (Dead()) return DescribeDeath() + " between calls";
  return closed_ ? "closed the connection between calls" : "";
}

}  // namespace attest
