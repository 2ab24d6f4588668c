// SPDX-License-Identifier: Apache-2.0
#include "conformance/testing/zoo/sins.h"

#include <sys/types.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>

#include "conformance/testing/zoo/honest.h"

namespace zoo {
namespace {

using Problem = attest_problem_t;
using Args = attest_forward_args_t;

[[noreturn]] void SleepForever() {
  for (;;) pause();
}

attest_status_t Segfaults(const Problem& /*p*/, const Args& /*a*/, attest_error_t* /*e*/) {
  Segfault();
  return ATTEST_OK;
}

attest_status_t Aborts(const Problem& /*p*/, const Args& /*a*/, attest_error_t* /*e*/) {
  std::abort();
}

attest_status_t Exits(const Problem& /*p*/, const Args& /*a*/, attest_error_t* /*e*/) {
  std::exit(0);
}

attest_status_t Hangs(const Problem& /*p*/, const Args& /*a*/, attest_error_t* /*e*/) {
  SleepForever();
}

attest_status_t AnswersLate(const Problem& p, const Args& a, attest_error_t* e) {
  sleep(30);
  return HonestForward(p, a, e);
}

void KeepMegabytes(size_t megabytes) {
  static std::vector<void*> kept;
  const size_t bytes = megabytes << 20;
  kept.push_back(std::malloc(bytes));
  if (kept.back() != nullptr) std::memset(kept.back(), 1, bytes);
}

attest_status_t Leaks(const Problem& /*p*/, const Args& /*a*/, attest_error_t* /*e*/) {
  for (;;) {
    KeepMegabytes(64);
    usleep(10'000);  // leaves a busy machine the time to look before its memory is gone
  }
}

attest_status_t LeaksAndAnswers(const Problem& p, const Args& a, attest_error_t* e) {
  KeepMegabytes(64);
  return HonestForward(p, a, e);
}

attest_status_t Throws(const Problem& /*p*/, const Args& /*a*/, attest_error_t* /*e*/) {
  throw std::runtime_error("the zoo throws");
}

attest_status_t ThrowsAnInt(const Problem& /*p*/, const Args& /*a*/, attest_error_t* /*e*/) {
  throw 42;
}

// ---- Wrong answers

attest_status_t WritesPastOutput(const Problem& p, const Args& a, attest_error_t* e) {
  const attest_status_t status = HonestForward(p, a, e);
  *At(a.out, a.out.shape[0] - 1, a.out.shape[1] - 1, a.out.shape[2]) = 1.0F;
  return status;
}

attest_status_t ModifiesInputs(const Problem& p, const Args& a, attest_error_t* e) {
  const attest_status_t status = HonestForward(p, a, e);
  static_cast<int32_t*>(a.seq_lens.data)[0] += 1;
  return status;
}

attest_status_t LeavesUnwritten(const Problem& p, const Args& a, attest_error_t* e) {
  float* const last = At(a.out, p.num_actual_tokens - 1, p.num_q_heads - 1, p.head_dim_v - 1);
  uint32_t before = 0;
  std::memcpy(&before, last, sizeof(before));  // as bits: it may be a NaN with a payload
  const attest_status_t status = HonestForward(p, a, e);
  std::memcpy(last, &before, sizeof(before));
  return status;
}

attest_status_t ReturnsNan(const Problem& p, const Args& a, attest_error_t* e) {
  const attest_status_t status = HonestForward(p, a, e);
  *At(a.out, 0, 0, 0) = std::numeric_limits<float>::quiet_NaN();
  return status;
}

attest_status_t RefusesAfterYes(const Problem& /*p*/, const Args& /*a*/, attest_error_t* e) {
  return Say(e, ATTEST_REFUSED, "on second thoughts, no");
}

attest_status_t RefusesAndWrites(const Problem& /*p*/, const Args& a, attest_error_t* e) {
  *At(a.out, 0, 0, 0) = 1.0F;
  return Say(e, ATTEST_REFUSED, "no, but the output is spoilt");
}

attest_status_t InternalError(const Problem& /*p*/, const Args& /*a*/, attest_error_t* e) {
  return Say(e, ATTEST_INTERNAL, "kernel 3 did not launch");
}

attest_status_t DeviceLost(const Problem& /*p*/, const Args& /*a*/, attest_error_t* e) {
  return Say(e, ATTEST_DEVICE_LOST, "the device fell off the bus");
}

attest_status_t UnknownStatus(const Problem& /*p*/, const Args& /*a*/, attest_error_t* /*e*/) {
  return 42;
}

attest_status_t UnterminatedText(const Problem& /*p*/, const Args& /*a*/, attest_error_t* e) {
  std::memset(e->message, 'x', sizeof(e->message));
  return ATTEST_INTERNAL;
}

attest_status_t TextThatIsNoUtf8(const Problem& /*p*/, const Args& /*a*/, attest_error_t* e) {
  return Say(e, ATTEST_INTERNAL, "line one\nline two \xFF\xFE");
}

// ---- Mischief around the call

attest_status_t ForksAndHangs(const Problem& /*p*/, const Args& /*a*/, attest_error_t* /*e*/) {
  const pid_t pid = fork();
  if (pid != 0) WriteZooFile(pid);
  SleepForever();
}

// The descendant holds the socket open: its closing does not tell that the child is dead.
attest_status_t ForksAndAborts(const Problem& /*p*/, const Args& /*a*/, attest_error_t* /*e*/) {
  const pid_t pid = fork();
  if (pid == 0) SleepForever();
  WriteZooFile(pid);
  std::abort();
}

// Answers well and dies when the test takes the file away.
attest_status_t DiesLater(const Problem& p, const Args& a, attest_error_t* e) {
  WriteZooFile(getpid());
  std::thread([] {
    while (ZooFileExists()) usleep(1'000);
    std::abort();
  }).detach();
  return HonestForward(p, a, e);
}

attest_status_t Prints(const Problem& p, const Args& a, attest_error_t* e) {
  for (int line = 0; line < 20'000; ++line) {
    std::printf("line %d on stdout, as libraries do\n", line);
    std::fprintf(stderr, "line %d on stderr, as libraries do\n", line);
  }
  return HonestForward(p, a, e);
}

attest_status_t PrintsAndAborts(const Problem& /*p*/, const Args& /*a*/, attest_error_t* /*e*/) {
  std::fprintf(stderr, "%s\nlast words\n", std::string(100'000, 'x').c_str());
  std::abort();
}

attest_status_t WritesToTheSocket(const Problem& p, const Args& a, attest_error_t* e) {
  (void)!write(3, "Hello, world\n", 13);
  return HonestForward(p, a, e);
}

attest_status_t ClosesTheSocket(const Problem& p, const Args& a, attest_error_t* e) {
  close(3);
  return HonestForward(p, a, e);
}

}  // namespace

const std::vector<ForwardSinner>& ForwardSinners() {
  static const std::vector<ForwardSinner> kSinners = {
      {"segfaults", Segfaults},
      {"aborts", Aborts},
      {"exits", Exits},
      {"hangs", Hangs},
      {"answers-late", AnswersLate},
      {"leaks", Leaks},
      {"leaks-and-answers", LeaksAndAnswers},
      {"throws", Throws},
      {"throws-an-int", ThrowsAnInt},
      {"writes-past-output", WritesPastOutput},
      {"modifies-inputs", ModifiesInputs},
      {"leaves-unwritten", LeavesUnwritten},
      {"returns-nan", ReturnsNan},
      {"refuses-after-yes", RefusesAfterYes},
      {"refuses-and-writes", RefusesAndWrites},
      {"internal-error", InternalError},
      {"device-lost", DeviceLost},
      {"unknown-status", UnknownStatus},
      {"unterminated-text", UnterminatedText},
      {"odd-text", TextThatIsNoUtf8},
      {"forks-and-hangs", ForksAndHangs},
      {"forks-and-aborts", ForksAndAborts},
      {"dies-later", DiesLater},
      {"prints", Prints},
      {"prints-and-aborts", PrintsAndAborts},
      {"writes-to-the-socket", WritesToTheSocket},
      {"closes-the-socket", ClosesTheSocket},
  };
  return kSinners;
}

void Segfault() {
  volatile uintptr_t address = 64;  // not null, which the compiler and UBSan would see
  *reinterpret_cast<volatile int*>(address) = 1;
}

void WriteZooFile(int pid) {
  const char* path = std::getenv("ATTEST_ZOO_FILE");
  if (path == nullptr) return;
  const std::string temporary = std::string(path) + ".new";
  std::FILE* file = std::fopen(temporary.c_str(), "w");
  if (file == nullptr) return;
  std::fprintf(file, "%d\n", pid);
  std::fclose(file);
  std::rename(temporary.c_str(), path);
}

bool ZooFileExists() {
  const char* path = std::getenv("ATTEST_ZOO_FILE");
  return path != nullptr && access(path, F_OK) == 0;
}

}  // namespace zoo
