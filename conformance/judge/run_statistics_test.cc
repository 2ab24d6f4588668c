// SPDX-License-Identifier: Apache-2.0
//
// A leak far below the deterministic bound, through RunCase: accused, repeated on fresh seeds,
// named.
#include <gtest/gtest.h>

#include <string>

#include "conformance/judge/fake_backend.h"
#include "conformance/run/run_case.h"
#include "reference/float_formats.h"
#include "reference/gather.h"

namespace attest {
namespace {

// The window of row 0 starts here, those of the other rows behind it. A key that no row sees would
// hold poison.
constexpr std::int64_t kLeaked = 9;

Case GenericCase(CaseKind kind) {
  Case value;
  value.id = "statistics/window/kind=" + std::string(Name(kind));
  value.kind = kind;
  value.recipe = Recipe::kGeneric;
  value.problem = {.query_dtype = DType::kFloat32,
                   .cache_dtype = DType::kFloat32,
                   .output_dtype = DType::kFloat32,
                   .num_q_heads = 2,
                   .num_kv_heads = 1,
                   .head_dim_qk = 64,
                   .head_dim_v = 64,
                   .window_left = 100,
                   .requests = {{.q_len = 4, .seq_len = 112}}};
  return value;
}

// Adds a part in a hundred thousand of the leaked key's value to the rows that do not see it, in
// the calls `when` says.
Sin Leak(std::function<bool(const FakeCall&)> when) {
  return [when = std::move(when)](const FakeCall& call) {
    if (!when(call)) return;
    const AttentionTensors tensors = TensorsOf(call.before);
    const KeysAndValues keys = GatherKeys(call.problem, tensors, 0, 0, {kLeaked, kLeaked + 1});
    const PlacedTensor& out = *call.image.Find("out");
    for (std::int64_t row = 1; row < 4; ++row) {
      for (std::int64_t head = 0; head < 2; ++head) {
        for (std::int64_t c = 0; c < 64; ++c) {
          std::byte* at = call.image.bytes.data() + out.offset +
                          4 * (row * out.strides[0] + head * out.strides[1] + c * out.strides[2]);
          StoreElement(DType::kFloat32, LoadElement(DType::kFloat32, at) + 1e-5 * keys.values(0, c),
                       at);
        }
      }
    }
  };
}

Record RunWith(CaseKind kind, Sin sin, bool statistics = true) {
  FakeBackend backend({.forward = std::move(sin)});
  return RunCase(backend, GenericCase(kind),
                 {.arithmetic = backend.claims().arithmetic, .statistics = statistics});
}

TEST(RunStatistics, TheFaithfulBackendPasses) {
  const Record record = RunWith(CaseKind::kForward, nullptr);
  EXPECT_EQ(Name(record.verdict), Name(Verdict::kPass)) << record.reason;
  EXPECT_EQ(record.note, "") << record.reason;
}

TEST(RunStatistics, ALeakThatTheBoundAdmitsFailsAndTheKeyIsNamed) {
  const Record record = RunWith(CaseKind::kForward, Leak([](const FakeCall&) { return true; }));
  EXPECT_EQ(Name(record.verdict), Name(Verdict::kFail)) << record.reason;
  EXPECT_EQ(record.rule, "statistics");
  EXPECT_LT(record.worst_ratio, 1.0) << "the bound alone would have failed it";
  ASSERT_FALSE(record.wrong_keys.empty());
  for (const WrongKey& key : record.wrong_keys) {
    EXPECT_EQ(key.key, kLeaked);
    EXPECT_TRUE(key.extra);
  }
  EXPECT_NE(record.reason.find("sees the masked key 9"), std::string::npos) << record.reason;
  EXPECT_NE(record.reason.find("repeated on 2 fresh seeds"), std::string::npos) << record.reason;
}

TEST(RunStatistics, WhatDoesNotRepeatIsASuspicion) {
  const Record record =
      RunWith(CaseKind::kForward, Leak([](const FakeCall& call) { return call.calls == 1; }));
  EXPECT_EQ(Name(record.verdict), Name(Verdict::kPass));
  EXPECT_EQ(record.note, "suspect");
  EXPECT_NE(record.reason.find("not repeated"), std::string::npos) << record.reason;
}

TEST(RunStatistics, IsAskedOfForwardCasesAndWhereItIsWanted) {
  const auto always = [](const FakeCall&) { return true; };
  for (const Record& record : {RunWith(CaseKind::kForward, Leak(always), false),
                               RunWith(CaseKind::kDeterminism, Leak(always))}) {
    EXPECT_EQ(Name(record.verdict), Name(Verdict::kPass)) << record.reason;
    EXPECT_EQ(record.note, "");
  }
}

}  // namespace
}  // namespace attest
