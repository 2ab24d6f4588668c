// SPDX-License-Identifier: Apache-2.0
//
// write_kv, merge and cascade: the faithful backend passes, and each sin is found.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "conformance/judge/fake_backend.h"
#include "conformance/judge/rearrange.h"
#include "conformance/run/run_case.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

Case SmallCase(CaseKind kind) {
  Case value;
  value.id = "parts/causal/kind=" + std::string(Name(kind));
  value.kind = kind;
  value.recipe = Recipe::kGeneric;
  value.problem = PlainProblem({{.q_len = 5, .seq_len = 17}, {.q_len = 19, .seq_len = 31}});
  if (kind == CaseKind::kMerge) value.parts = 3;
  if (kind == CaseKind::kCascade) {
    value.problem.shared_prefix = 8;
    value.problem.sinks = true;
  }
  return value;
}

Record RunWith(const Case& value, Sins sins) {
  FakeBackend backend(std::move(sins));
  EXPECT_TRUE(ValidateKind(value).ok());
  return RunCase(backend, value, {.arithmetic = backend.claims().arithmetic});
}

double At(const CallImage& image, const char* name, std::initializer_list<std::int64_t> index) {
  const TensorView view = image.View(name);
  return LoadElement(view.dtype, view.At(index));
}

void Set(CallImage& image, const char* name, const std::vector<std::int64_t>& index, double value) {
  StoreElement(DType::kFloat32, value, Writable(image, *image.Find(name), index));
}

void ExpectFailure(const Record& record, const char* rule, const char* reason) {
  EXPECT_EQ(Name(record.verdict), Name(Verdict::kFail)) << record.reason;
  EXPECT_EQ(record.rule, rule) << record.reason;
  EXPECT_NE(record.reason.find(reason), std::string::npos) << record.reason;
}

std::int64_t SlotAt(const CallImage& image, std::int64_t token) {
  std::int64_t slot = 0;
  std::memcpy(&slot, image.View("slot_mapping").At({token}), sizeof(slot));
  return slot;
}

std::int64_t NumSlots(const CallImage& image) { return image.View("slot_mapping").shape[0]; }

// Writes the token's key into `slot`, as it should go nowhere.
void WriteKeyTo(const FakeCall& call, std::int64_t token, std::int64_t slot) {
  for (std::int64_t dim = 0; dim < call.problem.head_dim_qk; ++dim) {
    Set(call.image, "key_cache",
        {slot / call.problem.block_size, slot % call.problem.block_size, 0, dim},
        At(call.before, "key", {token, 0, dim}));
  }
}

TEST(JudgeWriteKv, PassesTheFaithful) {
  const Record record = RunWith(SmallCase(CaseKind::kWriteKv), {});
  EXPECT_EQ(Name(record.verdict), Name(Verdict::kPass)) << record.reason;
  EXPECT_EQ(record.rule, "bytes");
}

TEST(JudgeWriteKv, FindsOneSlotTooMany) {
  const Record record =
      RunWith(SmallCase(CaseKind::kWriteKv), {.write_kv = [](const FakeCall& call) {
                std::vector<std::int64_t> named;
                for (std::int64_t t = 0; t < NumSlots(call.before); ++t) {
                  named.push_back(SlotAt(call.before, t));
                }
                std::int64_t free = 0;
                while (std::count(named.begin(), named.end(), free) > 0) ++free;
                WriteKeyTo(call, 0, free);
              }});
  ExpectFailure(record, "bytes", "in no slot that slot_mapping names");
  EXPECT_NE(record.reason.find("key_cache["), std::string::npos) << record.reason;
}

TEST(JudgeWriteKv, FindsANegativeSlotThatWraps) {
  const Record record =
      RunWith(SmallCase(CaseKind::kWriteKv), {.write_kv = [](const FakeCall& call) {
                const std::int64_t slots = call.abi.num_blocks * call.problem.block_size;
                for (std::int64_t t = 0; t < NumSlots(call.before); ++t) {
                  const std::int64_t slot = SlotAt(call.before, t);
                  if (slot == -1) WriteKeyTo(call, t, slots + slot);
                }
              }});
  ExpectFailure(record, "bytes", "in no slot that slot_mapping names");
}

TEST(JudgeWriteKv, FindsASlotThatWasLeftOut) {
  const Record record =
      RunWith(SmallCase(CaseKind::kWriteKv),
              {.write_kv = [](const FakeCall& call) { call.image = call.before; }});
  ExpectFailure(record, "bytes", " 0 of them in no slot");
}

TEST(JudgeWriteKv, FindsAChangedInput) {
  const Record record =
      RunWith(SmallCase(CaseKind::kWriteKv), {.write_kv = [](const FakeCall& call) {
                Nudge(call.image, "key", {3, 1, 2}, 1);
              }});
  ExpectFailure(record, "bytes", "key[3, 1, 2]");
}

TEST(JudgeMerge, PassesTheFaithfulForOneToFiveParts) {
  for (int parts = 1; parts <= kMaxMergeParts; ++parts) {
    Case value = SmallCase(CaseKind::kMerge);
    value.parts = parts;
    const Record record = RunWith(value, {});
    EXPECT_EQ(Name(record.verdict), Name(Verdict::kPass)) << parts << ": " << record.reason;
  }
}

// Merges by weights base^lse.
void MergeWithBase(const FakeCall& call, double base, double sink) {
  for (std::int64_t token = 0; token < NumTokens(call.problem); ++token) {
    for (std::int64_t head = 0; head < call.problem.num_q_heads; ++head) {
      std::vector<double> lse;
      for (int i = 0; call.before.Find("part_lse_" + std::to_string(i)) != nullptr; ++i) {
        lse.push_back(At(call.before, ("part_lse_" + std::to_string(i)).c_str(), {token, head}));
      }
      const double top = *std::max_element(lse.begin(), lse.end());
      if (std::isinf(top)) continue;
      double sum = sink * std::pow(base, -top);
      for (const double x : lse) sum += std::pow(base, x - top);
      for (std::int64_t dim = 0; dim < call.problem.head_dim_v; ++dim) {
        double out = 0;
        for (std::size_t i = 0; i < lse.size(); ++i) {
          if (std::isinf(lse[i])) continue;
          out += std::pow(base, lse[i] - top) / sum *
                 At(call.before, ("part_out_" + std::to_string(i)).c_str(), {token, head, dim});
        }
        Set(call.image, "out", {token, head, dim}, out);
      }
      Set(call.image, "lse", {token, head}, top + std::log(sum) / std::log(base));
    }
  }
}

TEST(JudgeMerge, FindsBaseTwo) {
  const Record record =
      RunWith(SmallCase(CaseKind::kMerge),
              {.merge = [](const FakeCall& call) { MergeWithBase(call, 2.0, 0.0); }});
  ExpectFailure(record, "bound", "wrong");
}

TEST(JudgeMerge, AcceptsAnotherWriting) {
  const Record record =
      RunWith(SmallCase(CaseKind::kMerge),
              {.merge = [](const FakeCall& call) { MergeWithBase(call, std::exp(1.0), 0.0); }});
  EXPECT_EQ(Name(record.verdict), Name(Verdict::kPass)) << record.reason;
}

TEST(JudgeMerge, FindsNaNOfEmptyParts) {
  int empties = 0;
  const Record record = RunWith(
      SmallCase(CaseKind::kMerge), {.merge = [&empties](const FakeCall& call) {
        for (std::int64_t token = 0; token < NumTokens(call.problem); ++token) {
          for (std::int64_t head = 0; head < call.problem.num_q_heads; ++head) {
            if (!std::isinf(At(call.image, "lse", {token, head}))) continue;
            ++empties;
            for (std::int64_t dim = 0; dim < call.problem.head_dim_v; ++dim) {
              Set(call.image, "out", {token, head, dim}, std::numeric_limits<double>::quiet_NaN());
            }
          }
        }
      }});
  EXPECT_GT(empties, 0) << "no row of the inputs has only empty parts";
  ExpectFailure(record, "bound", "is nan");
}

TEST(JudgeCascade, PassesTheFaithful) {
  for (const bool sinks : {false, true}) {
    Case value = SmallCase(CaseKind::kCascade);
    value.problem.sinks = sinks;
    // A prefix that is shorter than the longest chunk, and a suffix that is the chunk alone.
    for (const std::int64_t prefix : {4, 8, 12}) {
      value.problem.shared_prefix = prefix;
      const Record record = RunWith(value, {});
      EXPECT_EQ(Name(record.verdict), Name(Verdict::kPass)) << prefix << ": " << record.reason;
    }
  }
}

TEST(JudgeCascade, FindsASinkThatCountsTwice) {
  // The merge adds the sink's weight of the call before once more.
  const Record record =
      RunWith(SmallCase(CaseKind::kCascade), {.merge = [](const FakeCall& call) {
                MergeWithBase(call, std::exp(1.0), std::exp(At(*call.previous, "sinks", {0})));
              }});
  ExpectFailure(record, "bound", "96 of 96 (row, head) wrong");
}

TEST(JudgeCascade, NamesThePartThatIsWrong) {
  const Record record =
      RunWith(SmallCase(CaseKind::kCascade), {.forward = [](const FakeCall& call) {
                if (!call.problem.sinks) return;
                Nudge(call.image, "out", {2, 1, 3}, 1 << 22);
              }});
  ExpectFailure(record, "bound", "suffix part: request 0 row 2 head 1 dim 3");
}

}  // namespace
}  // namespace attest
