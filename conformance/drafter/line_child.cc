// SPDX-License-Identifier: Apache-2.0
#include "conformance/drafter/line_child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>

namespace attest::drafter {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTickMs = 20;
constexpr std::size_t kTailBytes = 2048;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The socket arrives at fd 3; stderr stays the pipe that Spawn made.
std::string OnStdio(const std::string& command) { return "exec 0<&3 1>&3 3>&- 4>&-\n" + command; }

}  // namespace

Result<std::unique_ptr<LineChild>> LineChild::Start(const std::string& command) {
  const UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (null.get() < 0) return EnvironmentError("/dev/null: cannot be opened");
  Result<SpawnedChild> spawned = Spawn({"/bin/sh", "-c", OnStdio(command)}, null.get());
  if (!spawned.ok()) return spawned.status();
  return std::unique_ptr<LineChild>(new LineChild(std::move(*spawned)));
}

// The group before the leader is reaped: from then on its number may belong to somebody else.
LineChild::~LineChild() {
  kill(-child_.pid, SIGKILL);
  while (waitpid(child_.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool LineChild::Dead() const {
  siginfo_t info = {};
  return waitid(P_PID, static_cast<id_t>(child_.pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == child_.pid;
}

std::string LineChild::DescribeDeath() const {
  siginfo_t info = {};
  if (waitid(P_PID, static_cast<id_t>(child_.pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid != child_.pid) {
    return "closed its output";
  }
  return info.si_code == CLD_EXITED ? fmt::format("ended with exit code {}", info.si_status)
                                    : fmt::format("ended by signal {}", info.si_status);
}

void LineChild::Drain() {
  std::array<char, 1U << 12> piece;
  // Bounded, so that a child that prints without end cannot hold the parent here.
  for (int round = 0; round < 64; ++round) {
    const ssize_t got = read(child_.output.get(), piece.data(), piece.size());
    if (got <= 0) return;
    tail_.append(piece.data(), static_cast<std::size_t>(got));
    if (tail_.size() > kTailBytes) tail_.erase(0, tail_.size() - kTailBytes);
  }
}

void LineChild::Receive() {
  std::array<char, 1U << 14> piece;
  while (!closed_ && received_.size() <= kMaxLine + 1) {
    const ssize_t got = recv(child_.socket.get(), piece.data(), piece.size(), 0);
    if (got > 0) {
      received_.append(piece.data(), static_cast<std::size_t>(got));
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      closed_ = true;
    } else if (errno == EAGAIN) {
      return;
    }
  }
}

// False once nobody is there to read.
bool LineChild::Send(std::string_view bytes, std::size_t& sent) const {
  const ssize_t now =
      send(child_.socket.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
  if (now >= 0) sent += static_cast<std::size_t>(now);
  return now >= 0 || errno == EAGAIN || errno == EINTR;
}

bool LineChild::Verdict(double seconds, double deadline_s, LineReply& reply) {
  const bool dead = Dead();  // before the last read, so that the read sees all it ever said
  Receive();
  const std::size_t end = received_.find('\n');
  if (end != std::string::npos) {
    reply.line = received_.substr(0, end);
    if (end + 1 == received_.size()) return true;
    reply.end = LineEnd::kMalformed;
    reply.message = "said more than one line";
    return true;
  }
  if (received_.size() > kMaxLine) {
    reply.end = LineEnd::kMalformed;
    reply.message = fmt::format("a line of more than {} bytes", kMaxLine);
    return true;
  }
  if (dead || closed_) {
    for (const Clock::time_point start = Clock::now(); !Dead() && SecondsSince(start) < 1;) {
      poll(nullptr, 0, 1);
    }
    reply.end = LineEnd::kDied;
    reply.message = DescribeDeath();
    return true;
  }
  if (seconds <= deadline_s) return false;
  reply.end = LineEnd::kLate;
  reply.message = "no answer before its deadline";
  return true;
}

LineReply LineChild::Exchange(std::string_view line, double deadline_s) {
  const Clock::time_point start = Clock::now();
  const std::string bytes = std::string(line) + "\n";
  std::size_t sent = 0;
  LineReply reply;
  Receive();
  if (!received_.empty()) {
    return {.end = LineEnd::kMalformed, .line = {}, .message = "spoke without being asked"};
  }
  do {
    const bool sending = sent < bytes.size() && !closed_;
    const short events = sending ? POLLIN | POLLOUT : POLLIN;
    std::array<pollfd, 2> fds = {{{.fd = child_.socket.get(), .events = events, .revents = 0},
                                  {.fd = child_.output.get(), .events = POLLIN, .revents = 0}}};
    poll(fds.data(), fds.size(), kTickMs);
    Drain();
    if (sending && !Send(bytes, sent)) closed_ = true;
  } while (!Verdict(SecondsSince(start), deadline_s, reply));
  received_.clear();
  Drain();
  return reply;
}

void LineChild::SayLast(std::string_view line, double seconds) {
  const std::string bytes = std::string(line) + "\n";
  std::size_t sent = 0;
  (void)Send(bytes, sent);
  shutdown(child_.socket.get(), SHUT_WR);
  for (const Clock::time_point start = Clock::now(); !Dead() && SecondsSince(start) < seconds;) {
    Drain();
    poll(nullptr, 0, 1);
  }
}

std::string LineChild::ErrorTail() {
  Drain();
  return tail_;
}

}  // namespace attest::drafter
