// SPDX-License-Identifier: Apache-2.0
//
// The zoo of bad backends through RunCase: each inmate gets the verdict that its sin deserves, and
// the cases before and after it lose nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>

#include "conformance/run/run_case.h"
#include "spec/cases/case.h"

namespace attest {
namespace {

constexpr int kMarkedHeads = 7;  // where inmates sin
constexpr int kPlainHeads = 4;   // where they do not

Case SmallCase(int num_q_heads) {
  Case value;
  value.id = "zoo/causal/num_q_heads=" + std::to_string(num_q_heads);
  value.recipe = Recipe::kGeneric;
  value.problem = {.query_dtype = DType::kFloat32,
                   .cache_dtype = DType::kFloat32,
                   .output_dtype = DType::kFloat32,
                   .num_q_heads = num_q_heads,
                   .head_dim_qk = 8,
                   .head_dim_v = 8,
                   .block_size = 4,
                   .requests = {{.q_len = 2, .seq_len = 5}, {.q_len = 3, .seq_len = 9}}};
  value.content_hash = ContentHash(value);
  return value;
}

Case RefusalCase() {
  Case value = SmallCase(kPlainHeads);
  value.id = "zoo/refusal/softcap";
  value.kind = CaseKind::kRefusal;
  value.feature = ATTEST_CLAIM_SOFTCAP;
  value.problem.softcap = 30.0F;
  return value;
}

std::unique_ptr<Session> Open(const BackendSpec& spec) {
  Result<std::unique_ptr<Session>> session =
      Session::Open(spec, {.deadline_floor_s = 3.0, .memory_limit_bytes = 400ULL << 20});
  EXPECT_TRUE(session.ok()) << session.status().message();
  return session.ok() ? std::move(session).value() : nullptr;
}

BackendSpec Inmate(const std::string& selector) {
  return {.argument = "zoo:" + selector, .library = ATTEST_ZOO_LIBRARY, .selector = selector};
}

BackendSpec FakeWorker(const std::string& mode) {
  return {.argument = mode, .library = "none", .worker = {ATTEST_ZOO_WORKER, mode}};
}

Record RunOne(Session& session, const Case& value) {
  return RunCase(session, value, {.arithmetic = session.claims().arithmetic});
}

std::string TestName(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

struct Sentence {
  const char* inmate;
  Verdict verdict;
  const char* reason;  // stands somewhere in the record's reason
};

class ZooVerdict : public testing::TestWithParam<Sentence> {};

TEST_P(ZooVerdict, IsWhatTheSinDeservesAndNoNeighbourIsLost) {
  const auto& [inmate, verdict, reason] = GetParam();
  const std::unique_ptr<Session> session = Open(Inmate(inmate));
  ASSERT_NE(session, nullptr);
  std::map<Verdict, int> neighbours;
  ++neighbours[RunOne(*session, SmallCase(kPlainHeads)).verdict];
  const Record record = RunOne(*session, SmallCase(kMarkedHeads));
  EXPECT_EQ(Name(record.verdict), Name(verdict)) << record.reason;
  EXPECT_NE(record.reason.find(reason), std::string::npos) << record.reason;
  ++neighbours[RunOne(*session, SmallCase(kPlainHeads)).verdict];
  ++neighbours[RunOne(*session, SmallCase(kPlainHeads)).verdict];
  EXPECT_EQ(neighbours[Verdict::kPass], 3);
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, ZooVerdict,
    testing::Values(Sentence{"honest", Verdict::kPass, ""}, Sentence{"prints", Verdict::kPass, ""},
                    Sentence{"segfaults", Verdict::kCrash, "signal 11"},
                    Sentence{"aborts", Verdict::kCrash, "signal 6"},
                    Sentence{"exits", Verdict::kCrash, "exit code 0 inside forward"},
                    Sentence{"segfaults-in-supports", Verdict::kCrash, "signal 11"},
                    Sentence{"closes-the-socket", Verdict::kCrash, "inside forward"},
                    Sentence{"hangs", Verdict::kTimeout, "deadline"},
                    Sentence{"answers-late", Verdict::kTimeout, "deadline"},
                    Sentence{"forks-and-hangs", Verdict::kTimeout, "deadline"},
                    Sentence{"leaks", Verdict::kCrash, "memory"},
                    Sentence{"throws", Verdict::kError, "the zoo throws"},
                    Sentence{"throws-an-int", Verdict::kError, "threw across the ABI"},
                    Sentence{"throws-in-supports", Verdict::kError, "threw across the ABI"},
                    Sentence{"writes-past-output", Verdict::kFail, "out: byte 0 after it"},
                    Sentence{"modifies-inputs", Verdict::kFail, "changed input seq_lens[0]"},
                    Sentence{"leaves-unwritten", Verdict::kFail, "was never written"},
                    Sentence{"returns-nan", Verdict::kFail, "nan"},
                    Sentence{"refuses-after-yes", Verdict::kFail, "refused after a yes"},
                    Sentence{"refuses-and-writes", Verdict::kFail, "although it refused"},
                    Sentence{"internal-error", Verdict::kError, "kernel 3 did not launch"},
                    Sentence{"device-lost", Verdict::kDeviceLost, "fell off the bus"},
                    Sentence{"unknown-status", Verdict::kError, "unknown"},
                    Sentence{"unterminated-text", Verdict::kError, "xxx"},
                    Sentence{"writes-to-the-socket", Verdict::kError, ""}),
    [](const auto& info) { return TestName(info.param.inmate); });

TEST(ZooVerdict, YesToEverythingFailsTheRefusalCase) {
  const std::unique_ptr<Session> liar = Open(Inmate("yes-to-everything"));
  ASSERT_NE(liar, nullptr);
  const Record record = RunOne(*liar, RefusalCase());
  EXPECT_EQ(record.verdict, Verdict::kFail);
  EXPECT_NE(record.reason.find("supports answered"), std::string::npos) << record.reason;
  const std::unique_ptr<Session> honest = Open(Inmate("honest"));
  ASSERT_NE(honest, nullptr);
  EXPECT_EQ(RunOne(*honest, RefusalCase()).verdict, Verdict::kPass);
}

TEST(ZooVerdict, AFailureOfSynchronizeIsAnErrorAndNotAForbiddenWrite) {
  const std::unique_ptr<Session> session = Open(Inmate("fails-to-synchronize"));
  ASSERT_NE(session, nullptr);
  const Record record = RunOne(*session, SmallCase(kPlainHeads));
  EXPECT_EQ(Name(record.verdict), Name(Verdict::kError)) << record.reason;
  EXPECT_NE(record.reason.find("the queue reports an error"), std::string::npos) << record.reason;
}

class FakeWorkerVerdict : public testing::TestWithParam<Sentence> {};

TEST_P(FakeWorkerVerdict, IsWhatTheSinDeserves) {
  const auto& [mode, verdict, reason] = GetParam();
  const std::unique_ptr<Session> session = Open(FakeWorker(mode));
  ASSERT_NE(session, nullptr);
  const Record record = RunOne(*session, SmallCase(kPlainHeads));
  EXPECT_EQ(Name(record.verdict), Name(verdict)) << record.reason;
  EXPECT_NE(record.reason.find(reason), std::string::npos) << record.reason;
}

INSTANTIATE_TEST_SUITE_P(
    Zoo, FakeWorkerVerdict,
    testing::Values(Sentence{"half-message-then-hang", Verdict::kTimeout, "deadline"},
                    Sentence{"half-message-then-exit", Verdict::kCrash, "in the middle"},
                    Sentence{"garbage", Verdict::kError, "not JSON"},
                    Sentence{"wrong-seq", Verdict::kError, "another seq"},
                    Sentence{"huge-length", Verdict::kError, "announced"}),
    [](const auto& info) { return TestName(info.param.inmate); });

}  // namespace
}  // namespace attest
