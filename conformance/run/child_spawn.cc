// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/child_spawn.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

namespace attest {
namespace {

Status SpawnError(std::string_view what, int error) {
  return EnvironmentError(fmt::format("{}: {}", what, strerror(error)));
}

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> MakePipe() {
  std::array<int, 2> fds = {-1, -1};
  if (pipe2(fds.data(), O_CLOEXEC) != 0) return SpawnError("pipe", errno);
  return Pipe{.read = UniqueFd(fds[0]), .write = UniqueFd(fds[1])};
}

// Where the child finds what was prepared for it. All plain values: between fork and exec nothing
// may allocate or lock, since other threads of the parent may hold any lock.
struct ChildSetup {
  char* const* argv;
  char* const* environment;
  pid_t parent;
  int socket;
  int image;
  int output;
  int null;
  int failure;  // an errno is written here when exec fails
};

[[noreturn]] void BecomeTheProgram(const ChildSetup& setup) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != setup.parent) _exit(127);  // it died before the line above
  const rlimit no_core = {.rlim_cur = 0, .rlim_max = 0};
  setrlimit(RLIMIT_CORE, &no_core);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  std::signal(SIGPIPE, SIG_DFL);

  // Up and out of the way first: the sources may themselves be 0 to 4.
  constexpr int kAbove = 10;
  const std::array<std::pair<int, int>, 5> moves = {{{fcntl(setup.null, F_DUPFD, kAbove), 0},
                                                     {fcntl(setup.output, F_DUPFD, kAbove), 1},
                                                     {fcntl(setup.output, F_DUPFD, kAbove), 2},
                                                     {fcntl(setup.socket, F_DUPFD, kAbove), 3},
                                                     {fcntl(setup.image, F_DUPFD, kAbove), 4}}};
  const int failure = fcntl(setup.failure, F_DUPFD_CLOEXEC, kAbove);
  bool moved = failure >= 0;
  for (const auto& [from, to] : moves) moved = moved && from >= 0 && dup2(from, to) == to;
  // The copies above and whatever else the parent has open; the failure pipe closes itself.
  if (moved) {
    close_range(5, static_cast<unsigned>(failure) - 1U, 0);
    close_range(static_cast<unsigned>(failure) + 1U, ~0U, 0);
    execvpe(setup.argv[0], setup.argv, setup.environment);
  }
  const int error = errno;
  (void)!write(failure, &error, sizeof(error));
  _exit(127);
}

// Sanitizers of an instrumented child turn a segmentation fault into an exit code. It must die of
// the signal here as in a release build; what they find themselves is an abort.
std::vector<std::string> ChildEnvironment() {
  constexpr std::string_view kName = "ASAN_OPTIONS=";
  std::string sanitizer;
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::string_view(*entry).starts_with(kName)) {
      sanitizer = std::string(*entry).substr(kName.size()) + ":";
    } else {
      entries.emplace_back(*entry);
    }
  }
  entries.push_back(std::string(kName) + sanitizer +
                    "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:handle_abort=0:"
                    "abort_on_error=1:disable_coredump=0");
  return entries;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// The errno that the child sent before it gave up; 0 when exec closed the pipe.
int AwaitExec(int fd) {
  int error = 0;
  ssize_t got = 0;
  do {
    got = read(fd, &error, sizeof(error));
  } while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(sizeof(error)) ? error : 0;
}

}  // namespace

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

UniqueFd::~UniqueFd() {
  if (fd_ >= 0) close(fd_);
}

int UniqueFd::Release() { return std::exchange(fd_, -1); }

Result<SpawnedChild> Spawn(const std::vector<std::string>& argv, int image_fd) {
  std::array<int, 2> sockets = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return SpawnError("socketpair", errno);
  }
  UniqueFd ours(sockets[0]);
  const UniqueFd theirs(sockets[1]);
  Result<Pipe> output = MakePipe();
  if (!output.ok()) return output.status();
  Result<Pipe> failure = MakePipe();
  if (!failure.ok()) return failure.status();
  const UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (null.get() < 0) return SpawnError("/dev/null", errno);
  for (const int fd : {ours.get(), output->read.get()}) {
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) return SpawnError("fcntl", errno);
  }

  std::vector<std::string> arguments = argv;
  std::vector<std::string> environment = ChildEnvironment();
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);
  const ChildSetup setup = {.argv = argument_pointers.data(),
                            .environment = environment_pointers.data(),
                            .parent = getpid(),
                            .socket = theirs.get(),
                            .image = image_fd,
                            .output = output->write.get(),
                            .null = null.get(),
                            .failure = failure->write.get()};
  const pid_t pid = fork();
  if (pid < 0) return SpawnError("fork", errno);
  if (pid == 0) BecomeTheProgram(setup);
  failure->write = UniqueFd();
  if (const int error = AwaitExec(failure->read.get()); error != 0) {
    waitpid(pid, nullptr, 0);
    return SpawnError(argv[0], error);
  }
  return SpawnedChild{.pid = pid, .socket = std::move(ours), .output = std::move(output->read)};
}

}  // namespace attest
