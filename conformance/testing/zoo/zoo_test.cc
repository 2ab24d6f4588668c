// SPDX-License-Identifier: Apache-2.0
//
// Every inmate ends as it should, its sin costs the call in flight and nothing else, and what comes
// back is bytes that the child wrote and nothing of an earlier call.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "conformance/run/session.h"
#include "conformance/testing/zoo/zoo_call.h"

namespace attest {
namespace {

using zoo::ZooCall;

constexpr int kMarkedHeads = 7;  // where inmates sin
constexpr int kPlainHeads = 4;   // where they do not

constexpr std::uint64_t kMemoryLimit = 400ULL << 20;

// Only where a deadline is to be missed: a busy machine may take seconds for anything.
SessionOptions ShortOptions() {
  return {.deadline_floor_s = 3.0, .memory_limit_bytes = kMemoryLimit};
}
SessionOptions PatientOptions() {
  return {.deadline_floor_s = 60.0, .memory_limit_bytes = kMemoryLimit};
}

BackendSpec Inmate(const std::string& selector) {
  return {.argument = "zoo:" + selector,
          .library = ATTEST_ZOO_LIBRARY,
          .selector = selector,
          .options = {},
          .worker = {}};
}

BackendSpec FakeWorker(const std::string& mode) {
  return {.argument = mode,
          .library = "none",
          .selector = {},
          .options = {},
          .worker = {ATTEST_ZOO_WORKER, mode}};
}

std::unique_ptr<Session> Open(const BackendSpec& spec,
                              const SessionOptions& options = PatientOptions()) {
  Result<std::unique_ptr<Session>> session = Session::Open(spec, options);
  EXPECT_TRUE(session.ok()) << session.status().message();
  return session.ok() ? std::move(session).value() : nullptr;
}

CallResult Call(Session& session, const ZooCall& call, CallImage& image) {
  image = call.image;
  return session.Forward(call.problem, 1000, image);
}

// A call on which nobody sins is answered and right.
void ExpectRightAnswer(Session& session) {
  const ZooCall call = zoo::MakeCall(kPlainHeads);
  CallImage image;
  const CallResult result = Call(session, call, image);
  EXPECT_EQ(result.end, CallEnd::kAnswered) << result.message;
  EXPECT_EQ(result.status, ATTEST_OK) << result.message;
  EXPECT_EQ(zoo::WrongElements(call, image), 0);
  EXPECT_EQ(zoo::ChangedBytesOutsideOutputs(call, image), 0);
}

// ---- Calls without an answer

struct Ending {
  const char* inmate;
  CallEnd end;
  const char* message;
  friend void PrintTo(const Ending& ending, std::ostream* out) { *out << ending.inmate; }
};

std::string TestName(const testing::TestParamInfo<Ending>& info) {
  std::string name = info.param.inmate;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

class ZooSinner : public testing::TestWithParam<Ending> {};

TEST_P(ZooSinner, LosesItsOwnCallAndNoNeighbour) {
  const bool hangs = GetParam().end == CallEnd::kTimeout;
  const std::unique_ptr<Session> session =
      Open(Inmate(GetParam().inmate), hangs ? ShortOptions() : PatientOptions());
  ASSERT_NE(session, nullptr);
  const ZooCall marked = zoo::MakeCall(kMarkedHeads);
  ExpectRightAnswer(*session);
  const int rounds = GetParam().end == CallEnd::kTimeout ? 1 : 2;  // each waits for a deadline
  for (int round = 0; round < rounds; ++round) {
    EXPECT_EQ(session->Supports(marked.problem).status, ATTEST_OK);
    CallImage image;
    const CallResult result = Call(*session, marked, image);
    EXPECT_EQ(result.end, GetParam().end);
    EXPECT_EQ(result.message, GetParam().message);
    EXPECT_EQ(image.bytes, marked.image.bytes) << "a call without an answer changed the image";
    ExpectRightAnswer(*session);
  }
  EXPECT_EQ(session->children_started(), 1 + rounds);
  EXPECT_TRUE(session->incidents().empty());
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, ZooSinner,
    testing::Values(
        Ending{"segfaults", CallEnd::kCrash, "signal 11 (segmentation fault) inside forward"},
        Ending{"aborts", CallEnd::kCrash, "signal 6 (aborted) inside forward"},
        Ending{"exits", CallEnd::kCrash, "exit code 0 inside forward"},
        Ending{"hangs", CallEnd::kTimeout, "no answer to forward before its deadline"},
        Ending{"answers-late", CallEnd::kTimeout, "no answer to forward before its deadline"},
        Ending{"leaks", CallEnd::kMemory, "anonymous memory above 400 MiB inside forward"},
        Ending{"throws", CallEnd::kThrew, "the zoo throws"},
        Ending{"throws-an-int", CallEnd::kThrew, "an exception that is no std::exception"},
        Ending{"prints-and-aborts", CallEnd::kCrash, "signal 6 (aborted) inside forward"},
        Ending{"writes-to-the-socket", CallEnd::kProtocol,
               "announced an answer of 1819043144 bytes to forward, more than 16777216"},
        Ending{"closes-the-socket", CallEnd::kCrash, "exit code 1 inside forward"}),
    TestName);

// ---- Answers that are wrong

struct WrongAnswer {
  const char* inmate;
  int status;
  const char* message;
  int wrong_elements;  // of out and lse
  int changed_bytes;   // of everything else
  friend void PrintTo(const WrongAnswer& answer, std::ostream* out) { *out << answer.inmate; }
};

constexpr int kAllElements = 5 * kMarkedHeads * (8 + 1);

class ZooLiar : public testing::TestWithParam<WrongAnswer> {};

TEST_P(ZooLiar, IsSeenByWhatItLeftBehind) {
  const WrongAnswer& wanted = GetParam();
  const std::unique_ptr<Session> session = Open(Inmate(wanted.inmate));
  ASSERT_NE(session, nullptr);
  const ZooCall marked = zoo::MakeCall(kMarkedHeads);
  ExpectRightAnswer(*session);
  CallImage image;
  const CallResult result = Call(*session, marked, image);
  EXPECT_EQ(result.end, CallEnd::kAnswered);
  EXPECT_EQ(result.status, wanted.status);
  EXPECT_EQ(result.message, wanted.message);
  EXPECT_EQ(zoo::WrongElements(marked, image), wanted.wrong_elements);
  EXPECT_EQ(zoo::ChangedBytesOutsideOutputs(marked, image), wanted.changed_bytes);
  ExpectRightAnswer(*session);
  EXPECT_EQ(session->children_started(), wanted.status == ATTEST_DEVICE_LOST ? 2 : 1);
}

const std::string kThousandX(1024, 'x');

INSTANTIATE_TEST_SUITE_P(
    Zoo, ZooLiar,
    testing::Values(
        WrongAnswer{"honest", ATTEST_OK, "", 0, 0}, WrongAnswer{"on-a-device", ATTEST_OK, "", 0, 0},
        WrongAnswer{"prints", ATTEST_OK, "", 0, 0},
        WrongAnswer{"writes-past-output", ATTEST_OK, "", 0, 4},
        WrongAnswer{"modifies-inputs", ATTEST_OK, "", 0, 1},
        WrongAnswer{"leaves-unwritten", ATTEST_OK, "", 1, 0},
        WrongAnswer{"returns-nan", ATTEST_OK, "", 1, 0},
        WrongAnswer{"refuses-after-yes", ATTEST_REFUSED, "on second thoughts, no", kAllElements, 0},
        WrongAnswer{"internal-error", ATTEST_INTERNAL, "kernel 3 did not launch", kAllElements, 0},
        WrongAnswer{"device-lost", ATTEST_DEVICE_LOST, "the device fell off the bus", kAllElements,
                    0},
        WrongAnswer{"unknown-status", 42, "", kAllElements, 0},
        WrongAnswer{"unterminated-text", ATTEST_INTERNAL, kThousandX.c_str(), kAllElements, 0},
        WrongAnswer{"odd-text", ATTEST_INTERNAL, "line one line two \uFFFD\uFFFD", kAllElements,
                    0}),
    [](const auto& info) {
      std::string name = info.param.inmate;
      for (char& c : name) c = c == '-' ? '_' : c;
      return name;
    });

TEST(Zoo, ARefusalThatWroteIsSeen) {
  const std::unique_ptr<Session> session = Open(Inmate("refuses-and-writes"));
  ASSERT_NE(session, nullptr);
  const ZooCall marked = zoo::MakeCall(kMarkedHeads);
  CallImage image;
  EXPECT_EQ(Call(*session, marked, image).status, ATTEST_REFUSED);
  EXPECT_NE(image.bytes, marked.image.bytes);
}

TEST(Zoo, AFailureOfSynchronizeIsTheAnswerOfForward) {
  const std::unique_ptr<Session> session = Open(Inmate("fails-to-synchronize"));
  ASSERT_NE(session, nullptr);
  CallImage image;
  const CallResult result = Call(*session, zoo::MakeCall(kPlainHeads), image);
  EXPECT_EQ(result.status, ATTEST_INTERNAL);
  EXPECT_EQ(result.message, "the queue reports an error");
}

TEST(Zoo, YesToEverythingSaysYesToWhatTheHonestOneRefuses) {
  const std::unique_ptr<Session> honest = Open(Inmate("honest"));
  const std::unique_ptr<Session> liar = Open(Inmate("yes-to-everything"));
  ASSERT_TRUE(honest != nullptr && liar != nullptr);
  ZooCall call = zoo::MakeCall(kPlainHeads);
  call.problem.softcap = 30.0F;
  EXPECT_EQ(honest->Supports(call.problem).status, ATTEST_REFUSED);
  EXPECT_EQ(honest->Supports(call.problem).message, "no softcap");
  EXPECT_EQ(liar->Supports(call.problem).status, ATTEST_OK);
  CallImage image;
  EXPECT_EQ(Call(*liar, call, image).status, ATTEST_OK);
}

TEST(Zoo, ACrashInsideSupportsIsACrashOfThatCall) {
  const std::unique_ptr<Session> session = Open(Inmate("segfaults-in-supports"));
  ASSERT_NE(session, nullptr);
  const CallResult result = session->Supports(zoo::MakeCall(kMarkedHeads).problem);
  EXPECT_EQ(result.end, CallEnd::kCrash);
  EXPECT_EQ(result.message, "signal 11 (segmentation fault) inside supports");
  EXPECT_EQ(session->Supports(zoo::MakeCall(kPlainHeads).problem).status, ATTEST_OK);
}

TEST(Zoo, AnExceptionInsideSupportsIsNamed) {
  const std::unique_ptr<Session> session = Open(Inmate("throws-in-supports"));
  ASSERT_NE(session, nullptr);
  const CallResult result = session->Supports(zoo::MakeCall(kMarkedHeads).problem);
  EXPECT_EQ(result.end, CallEnd::kThrew);
  EXPECT_EQ(result.message, "the zoo throws when asked");
}

TEST(Zoo, ALeakOfOneCallAfterTheOtherIsAMemoryKillOfTheCallThatCrossesTheLimit) {
  const std::unique_ptr<Session> session = Open(Inmate("leaks-and-answers"));
  ASSERT_NE(session, nullptr);
  const ZooCall marked = zoo::MakeCall(kMarkedHeads);
  CallEnd end = CallEnd::kAnswered;
  int calls = 0;
  for (; calls < 8 && end == CallEnd::kAnswered; ++calls) {  // 8 * 64 MiB > 400 MiB
    CallImage image;
    end = Call(*session, marked, image).end;
  }
  EXPECT_EQ(end, CallEnd::kMemory);
  EXPECT_GT(calls, 4);
  ExpectRightAnswer(*session);
}

TEST(Zoo, LastWordsOfACrashAreKeptApartFromTheMessage) {
  const std::unique_ptr<Session> session = Open(Inmate("prints-and-aborts"));
  ASSERT_NE(session, nullptr);
  CallImage image;
  const CallResult result = Call(*session, zoo::MakeCall(kMarkedHeads), image);
  EXPECT_TRUE(result.output_tail.ends_with("x\nlast words\n")) << result.output_tail;
  EXPECT_EQ(result.output_tail.size(), 2048U);
}

// ---- Descendants and deaths between calls; by a file the inmate says who to look for

class ZooFile {
 public:
  explicit ZooFile(const std::string& name) : path_(testing::TempDir() + "attest_zoo_" + name) {
    std::filesystem::remove(path_);
    setenv("ATTEST_ZOO_FILE", path_.c_str(), 1);
  }
  ~ZooFile() {
    Remove();
    unsetenv("ATTEST_ZOO_FILE");
  }
  ZooFile(const ZooFile&) = delete;
  ZooFile& operator=(const ZooFile&) = delete;

  void Remove() const { std::filesystem::remove(path_); }
  pid_t ReadPid() const {
    pid_t pid = 0;
    std::ifstream(path_) >> pid;
    return pid;
  }

 private:
  std::string path_;
};

// Gone, or a zombie that nobody of ours has to reap. Waits for it: a killed process takes a moment.
bool EndsAtLast(pid_t pid) {
  for (int i = 0; i < 10'000; ++i) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string number;
    std::string name;
    std::string state;
    if (!(stat >> number >> name >> state) || state == "Z" || state == "X") return true;
    usleep(1'000);
  }
  return false;
}

TEST(Zoo, AHangThatForkedLeavesNoDescendantBehind) {
  const ZooFile file("forks_and_hangs");
  const std::unique_ptr<Session> session = Open(Inmate("forks-and-hangs"), ShortOptions());
  ASSERT_NE(session, nullptr);
  CallImage image;
  EXPECT_EQ(Call(*session, zoo::MakeCall(kMarkedHeads), image).end, CallEnd::kTimeout);
  ASSERT_GT(file.ReadPid(), 0);
  EXPECT_TRUE(EndsAtLast(file.ReadPid()));
  ExpectRightAnswer(*session);
}

TEST(Zoo, ACrashWhoseDescendantHoldsTheSocketIsSeenAndTheDescendantKilled) {
  const ZooFile file("forks_and_aborts");
  const std::unique_ptr<Session> session = Open(Inmate("forks-and-aborts"));
  ASSERT_NE(session, nullptr);
  CallImage image;
  const CallResult result = Call(*session, zoo::MakeCall(kMarkedHeads), image);
  EXPECT_EQ(result.end, CallEnd::kCrash);
  EXPECT_EQ(result.message, "signal 6 (aborted) inside forward");
  ASSERT_GT(file.ReadPid(), 0);
  EXPECT_TRUE(EndsAtLast(file.ReadPid()));
  ExpectRightAnswer(*session);
}

TEST(Zoo, ADeathBetweenCallsCostsNoCallAndIsRemembered) {
  const ZooFile file("dies_later");
  const std::unique_ptr<Session> session = Open(Inmate("dies-later"));
  ASSERT_NE(session, nullptr);
  CallImage image;
  EXPECT_EQ(Call(*session, zoo::MakeCall(kMarkedHeads), image).end, CallEnd::kAnswered);
  const pid_t child = file.ReadPid();
  file.Remove();
  ASSERT_TRUE(EndsAtLast(child));
  ExpectRightAnswer(*session);
  EXPECT_EQ(session->children_started(), 2);
  EXPECT_EQ(session->incidents(), std::vector<std::string>{"signal 6 (aborted) between calls"});
}

TEST(Zoo, ABackendThatOpensOnlyOnceCannotBeStartedAgain) {
  const ZooFile file("opens_once");
  const std::unique_ptr<Session> session = Open(Inmate("opens-once"));
  ASSERT_NE(session, nullptr);
  CallImage image;
  EXPECT_EQ(Call(*session, zoo::MakeCall(kMarkedHeads), image).end, CallEnd::kCrash);
  const CallResult result = Call(*session, zoo::MakeCall(kPlainHeads), image);
  EXPECT_EQ(result.end, CallEnd::kProtocol);  // its own fault and not the machine's
  EXPECT_EQ(result.message, "the backend does not open again: only once");
}

// Runs `drive` in a process of its own, kills that one as soon as somebody has written the file,
// and says whether the pid in it ends.
template <typename Drive>
bool DiesWithTheParent(const ZooFile& file, const Drive& drive) {
  const pid_t parent = fork();
  if (parent == 0) {
    drive();
    _exit(0);
  }
  for (int i = 0; i < 10'000 && file.ReadPid() == 0; ++i) usleep(1'000);
  kill(parent, SIGKILL);
  waitpid(parent, nullptr, 0);
  return file.ReadPid() > 0 && EndsAtLast(file.ReadPid());
}

TEST(Zoo, AnyWorkerDiesWithItsParent) {
  const ZooFile file("never_says_hello");
  EXPECT_TRUE(DiesWithTheParent(
      file, [] { (void)Session::Open(FakeWorker("never-says-hello"), PatientOptions()); }));
}

TEST(Zoo, WhatAWorkerForkedDiesWithTheParentToo) {
  const ZooFile file("forks_and_hangs");
  EXPECT_TRUE(DiesWithTheParent(file, [] {
    const std::unique_ptr<Session> session = Open(Inmate("forks-and-hangs"), PatientOptions());
    CallImage image;
    if (session != nullptr) (void)Call(*session, zoo::MakeCall(kMarkedHeads), image);
  }));
}

// ---- Backends that do not open

struct Door {
  const char* inmate;
  StatusCode code;
  const char* message;
  friend void PrintTo(const Door& door, std::ostream* out) { *out << door.inmate; }
};

class ZooDoor : public testing::TestWithParam<Door> {};

TEST_P(ZooDoor, IsShutWithOneClearLine) {
  const Result<std::unique_ptr<Session>> session =
      Session::Open(Inmate(GetParam().inmate), PatientOptions());
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.status().code(), GetParam().code);
  EXPECT_EQ(session.status().message(),
            std::string("backend 'zoo:") + GetParam().inmate + "': " + GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, ZooDoor,
    testing::Values(
        Door{"newer-abi", StatusCode::kBadInput, "speaks ABI 1.0, attest speaks ABI 0.1"},
        Door{"older-abi", StatusCode::kBadInput,
             "speaks another ABI, attest speaks ABI 0.1: this library speaks 0.0 only"},
        Door{"missing-member", StatusCode::kBadInput,
             "the table lacks the mandatory member supports"},
        Door{"small-table", StatusCode::kBadInput, "the table's struct_size is 40, not 56 to 152"},
        Door{"large-table", StatusCode::kBadInput, "the table's struct_size is 160, not 56 to 152"},
        Door{"half-a-memory", StatusCode::kBadInput,
             "allocate, release, copy_to_device and copy_to_host come together or not at all"},
        Door{"claims-unknown-enum", StatusCode::kBadInput, "claims.graph_level: unknown value 99"},
        Door{"claims-unknown-feature", StatusCode::kBadInput,
             "claims.features: unknown bits 0x8000000000000000"},
        Door{"claims-null-array", StatusCode::kBadInput,
             "claims.query_dtypes: 1 entries at address 0x0"},
        Door{"claims-nothing-readable", StatusCode::kBadInput, "no claims today"},
        Door{"segfaults-in-claims", StatusCode::kBadInput,
             "signal 11 (segmentation fault) inside hello"},
        Door{"segfaults-in-open", StatusCode::kBadInput,
             "signal 11 (segmentation fault) inside hello"},
        Door{"throws-in-open", StatusCode::kBadInput,
             "threw while it was opened: the zoo throws at the door"},
        Door{"unknown-status-in-open", StatusCode::kBadInput,
             "attest_backend_open returned 42, which is no attest_status_t"},
        Door{"no-device", StatusCode::kEnvironment, "device 3 is not there"},
        Door{"unicorn", StatusCode::kBadInput, "the zoo has no inmate 'unicorn'"}),
    [](const auto& info) {
      std::string name = info.param.inmate;
      for (char& c : name) c = c == '-' ? '_' : c;
      return name;
    });

// ---- Children that break the protocol

class ZooWorker : public testing::TestWithParam<Ending> {};

TEST_P(ZooWorker, LosesItsOwnCallAndTheNextOneIsAnswered) {
  const bool hangs = GetParam().end == CallEnd::kTimeout;
  const std::unique_ptr<Session> session =
      Open(FakeWorker(GetParam().inmate), hangs ? ShortOptions() : PatientOptions());
  ASSERT_NE(session, nullptr);
  const ZooCall call = zoo::MakeCall(kPlainHeads);
  const int rounds = GetParam().end == CallEnd::kTimeout ? 1 : 2;  // each waits for a deadline
  for (int round = 0; round < rounds; ++round) {
    CallImage image;
    const CallResult result = Call(*session, call, image);
    EXPECT_EQ(result.end, GetParam().end);
    EXPECT_EQ(result.message, GetParam().message);
    const CallResult next = session->Supports(call.problem);
    EXPECT_EQ(next.end, CallEnd::kAnswered) << next.message;
    EXPECT_EQ(next.status, ATTEST_OK);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, ZooWorker,
    testing::Values(
        Ending{"honest", CallEnd::kAnswered, ""},
        Ending{"answer-then-exit", CallEnd::kAnswered, ""},
        Ending{"half-message-then-hang", CallEnd::kTimeout,
               "no answer to forward before its deadline"},
        Ending{"half-message-then-exit", CallEnd::kCrash,
               "exit code 0 inside forward, in the middle of its answer"},
        Ending{"hangs-up-and-lives", CallEnd::kProtocol, "closed the connection inside forward"},
        Ending{"two-answers", CallEnd::kProtocol, "said more than one answer to forward"},
        Ending{"wrong-seq", CallEnd::kProtocol, "answered forward with another seq"},
        Ending{"no-seq", CallEnd::kProtocol, "answered forward with another seq"},
        Ending{"no-status", CallEnd::kProtocol, "answered forward with status ''"},
        Ending{"status-is-a-number", CallEnd::kProtocol, "answered forward with status ''"},
        Ending{"unknown-status-word", CallEnd::kProtocol,
               "answered forward with status 'splendid'"},
        Ending{"garbage", CallEnd::kProtocol, "answered forward with a message that is not JSON"},
        Ending{"not-json", CallEnd::kProtocol, "answered forward with a message that is not JSON"},
        Ending{"not-utf8", CallEnd::kProtocol, "answered forward with a message that is not JSON"},
        Ending{"empty-message", CallEnd::kProtocol,
               "answered forward with a message that is not JSON"},
        Ending{"not-an-object", CallEnd::kProtocol,
               "answered forward with a message that is not a JSON object"},
        Ending{"nested-deep", CallEnd::kProtocol,
               "answered forward with a message nested too deep"},
        Ending{"huge-length", CallEnd::kProtocol,
               "announced an answer of 2147483647 bytes to forward, more than 16777216"}),
    TestName);

// Its spare answers may come before, after or between; whenever they do, nobody else takes one.
TEST(ZooWorker, AnswersWithoutEndAreNeverTakenForAnAnswerToAnotherCall) {
  const std::unique_ptr<Session> session = Open(FakeWorker("answers-without-end"));
  ASSERT_NE(session, nullptr);
  const ZooCall call = zoo::MakeCall(kPlainHeads);
  for (int round = 0; round < 20; ++round) {
    CallImage image;
    const CallResult result = Call(*session, call, image);
    if (result.end != CallEnd::kAnswered) {
      EXPECT_EQ(result.end, CallEnd::kProtocol);
      EXPECT_EQ(result.message, "said more than one answer to forward");
    }
    const CallResult next = session->Supports(call.problem);
    EXPECT_EQ(next.end, CallEnd::kAnswered) << next.message;
  }
}

class ZooWorkerDoor : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(ZooWorkerDoor, IsShutWithOneClearLine) {
  const auto& [mode, message] = GetParam();
  const bool hangs = std::string(mode) == "never-says-hello";
  const Result<std::unique_ptr<Session>> session =
      Session::Open(FakeWorker(mode), hangs ? ShortOptions() : PatientOptions());
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.status().code(), StatusCode::kBadInput);
  EXPECT_EQ(session.status().message(), std::string("backend '") + mode + "': " + message);
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, ZooWorkerDoor,
    testing::Values(std::pair{"never-says-hello", "no answer to hello before its deadline"},
                    std::pair{"dies-in-hello", "exit code 3 inside hello"},
                    std::pair{"no-claims", "claims: not an object"},
                    std::pair{"claims-too-little", "claims: \"head_dims\" is missing"},
                    std::pair{"claims-wrong-type", "claims.features: not a list"}));

TEST(ZooWorker, AProgramThatIsNotThereIsAnEnvironmentError) {
  BackendSpec spec = FakeWorker("honest");
  spec.worker[0] = "/nowhere/worker";
  const Result<std::unique_ptr<Session>> session = Session::Open(spec, PatientOptions());
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.status().code(), StatusCode::kEnvironment);
  EXPECT_EQ(session.status().message(),
            "backend 'honest': /nowhere/worker: No such file or directory");
}

}  // namespace
}  // namespace attest
