// SPDX-License-Identifier: Apache-2.0
//
// A backend that keeps something of the call before it fails, and the record says which call that
// was; one that keeps nothing passes.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "conformance/judge/fake_backend.h"
#include "conformance/judge/preludes.h"
#include "conformance/judge/rearrange.h"
#include "conformance/run/run_case.h"

namespace attest {
namespace {

Case SmallCase() {
  Case value;
  value.id = "after/causal/q=2";
  value.kind = CaseKind::kAfterOthers;
  value.recipe = Recipe::kGeneric;
  value.clauses = {"MASK-01", "KV-01"};
  value.problem = PlainProblem(
      {{.q_len = 2, .seq_len = 9}, {.q_len = 7, .seq_len = 13}, {.q_len = 1, .seq_len = 6}});
  return value;
}

Record RunWith(Sin sin) {
  FakeBackend backend({.forward = std::move(sin)});
  return RunCase(backend, SmallCase(), {.arithmetic = backend.claims().arithmetic});
}

TEST(AfterOthers, PassesWhoKeepsNothing) {
  const Record record = RunWith([](const FakeCall&) {});
  EXPECT_EQ(Name(record.verdict), Name(Verdict::kPass)) << record.reason;
}

TEST(AfterOthers, FailsWhoIsWrongInTheSecondCallOfAProcess) {
  const Record record = RunWith([](const FakeCall& call) {
    if (call.process > 0 && call.calls > 1) {
      Nudge(call.image, "out", {0, 3, 5}, 1 << 20);
    }
  });
  EXPECT_EQ(Name(record.verdict), Name(Verdict::kFail));
  EXPECT_EQ(record.reason.find("after a call of the same lengths: "), 0U) << record.reason;
}

// The scale of the first call of a process is kept: one prelude alone shows it.
TEST(AfterOthers, NamesTheCallThatWasKept) {
  float kept = 0;
  const Record record = RunWith([&kept](const FakeCall& call) {
    if (call.calls == 1) kept = call.abi.scale;
    if (call.abi.scale != kept) Nudge(call.image, "out", {0, 3, 5}, 1 << 20);
  });
  EXPECT_EQ(Name(record.verdict), Name(Verdict::kFail));
  EXPECT_EQ(record.reason.find("after a call with another scale: "), 0U) << record.reason;
}

TEST(Preludes, AreValidProblemsThatDiffer) {
  const Case value = SmallCase();
  const std::vector<Prelude> preludes = PreludesOf(value);
  std::set<std::string> names;
  EXPECT_GE(preludes.size(), 8U);
  for (const Prelude& prelude : preludes) {
    EXPECT_TRUE(names.insert(prelude.how).second) << prelude.how;
    EXPECT_TRUE(Validate(prelude.value.problem).ok()) << prelude.how;
    EXPECT_TRUE(BuildPrelude(prelude, 0).ok()) << prelude.how;
    const bool same = prelude.value.problem == value.problem;
    EXPECT_EQ(same, prelude.how == "a call of the same lengths") << prelude.how;
  }
}

TEST(Preludes, LeaveAMemoryEach) {
  const Case value = SmallCase();
  const Result<CaseInputs> inputs = BuildInputs(value, 0);
  ASSERT_TRUE(inputs.ok());
  const std::vector<Memory> memories = MemoriesOf(value, *inputs);
  EXPECT_EQ(memories.size(), PreludesOf(value).size());
  for (const Memory& memory : memories) EXPECT_TRUE(memory.last.has_value());
  Case forward = value;
  forward.kind = CaseKind::kForward;
  EXPECT_TRUE(MemoriesOf(forward, *inputs).empty());
}

}  // namespace
}  // namespace attest
