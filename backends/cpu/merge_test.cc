// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "backends/cpu/test_array.h"
#include "backends/cpu/test_call.h"

namespace attest::cpu {
namespace {

constexpr int kTokens = 3;
constexpr int kHeads = 2;
constexpr int kColumns = 5;
const std::vector<std::int64_t> kOutputShape = {kTokens + 1, kHeads, kColumns};  // one padding row
const std::vector<std::int64_t> kRowShape = {kTokens + 1, kHeads};
constexpr float kInfinity = std::numeric_limits<float>::infinity();

float LseAt(int part, int token, int head) {
  return static_cast<float>(part * 3 + token - head * 2) * 0.7F;
}
float NumberAt(int part, int token, int head, int column) {
  return static_cast<float>((part * 17 + token * 5 + head * 3 + column * 7) % 23 - 11) / 8.0F;
}

struct MergeCall {
  explicit MergeCall(int num_parts)
      : out(kTestFloat32, kOutputShape, 2), lse(kTestFloat32, kRowShape, 3) {
    for (int i = 0; i < num_parts; ++i) {
      TestArray& part = parts.emplace_back(kTestFloat32, kOutputShape, i);
      TestArray& part_lse = lses.emplace_back(kTestFloat32, kRowShape, i);
      for (int t = 0; t < kTokens; ++t) {
        for (int h = 0; h < kHeads; ++h) {
          part_lse.Set({t, h}, LseAt(i, t, h));
          for (int d = 0; d < kColumns; ++d) part.Set({t, h, d}, NumberAt(i, t, h, d));
        }
      }
    }
    problem.struct_size = sizeof(problem);
    problem.flags = ATTEST_FLAG_LSE;
    problem.query_dtype = problem.cache_dtype = problem.output_dtype = kTestFloat32;
    problem.num_q_heads = kHeads;
    problem.num_kv_heads = 1;
    problem.head_dim_qk = 8;
    problem.head_dim_v = kColumns;
    problem.scale = 1;
    problem.block_size = 16;
    problem.num_actual_tokens = kTokens;
  }

  attest_status_t Run(std::string* message = nullptr) {
    std::vector<attest_tensor_t> part_outs;
    std::vector<attest_tensor_t> part_lses;
    for (const TestArray& part : parts) part_outs.push_back(part.tensor());
    for (const TestArray& part : lses) part_lses.push_back(part.tensor());
    attest_merge_args_t args = {};
    args.struct_size = sizeof(args);
    args.num_parts = static_cast<std::int32_t>(parts.size());
    args.part_out = part_outs.data();
    args.part_lse = part_lses.data();
    args.out = out.tensor();
    args.lse = lse.tensor();
    patch(args);
    attest_error_t error = {};
    attest_backend_t& backend = TestCall::Backend();
    const attest_status_t status = backend.merge(backend.self, &problem, &args, &error);
    if (message != nullptr) *message = error.message;
    return status;
  }

  // Every row from the parts in `used`, in double.
  void ExpectMerged(const std::vector<int>& used) {
    for (int t = 0; t < kTokens; ++t) {
      for (int h = 0; h < kHeads; ++h) {
        double total = 0;
        for (const int i : used) total += std::exp(static_cast<double>(LseAt(i, t, h)));
        EXPECT_NEAR(lse.Get<float>({t, h}), std::log(total), 1e-6);
        for (int d = 0; d < kColumns; ++d) {
          double sum = 0;
          for (const int i : used) {
            sum += std::exp(static_cast<double>(LseAt(i, t, h))) * NumberAt(i, t, h, d);
          }
          EXPECT_NEAR(out.Get<float>({t, h, d}), sum / total, 1e-6);
        }
      }
    }
  }

  std::deque<TestArray> parts;
  std::deque<TestArray> lses;
  TestArray out;
  TestArray lse;
  attest_problem_t problem = {};
  std::function<void(attest_merge_args_t&)> patch = [](attest_merge_args_t&) {};
};

TEST(Merge, WeighsEachPartByItsLse) {
  for (const int parts : {1, 2, 5}) {
    MergeCall call(parts);
    ASSERT_EQ(call.Run(), ATTEST_OK);
    std::vector<int> used;
    for (int i = 0; i < parts; ++i) used.push_back(i);
    call.ExpectMerged(used);
    EXPECT_EQ(call.out.Get<std::uint32_t>({kTokens, 0, 0}), 0xa5a5a5a5U);  // the padding row
    EXPECT_EQ(call.lse.Get<std::uint32_t>({kTokens, 0}), 0xa5a5a5a5U);
  }
}

TEST(Merge, AnEmptyPartHasNoWeightWhateverItsBytes) {
  for (const int empty : {0, 1, 2}) {
    MergeCall call(3);
    std::vector<int> used = {0, 1, 2};
    used.erase(used.begin() + empty);
    for (int t = 0; t < kTokens; ++t) {
      for (int h = 0; h < kHeads; ++h) {
        call.lses[static_cast<std::size_t>(empty)].Set({t, h}, -kInfinity);
        for (int d = 0; d < kColumns; ++d) {
          call.parts[static_cast<std::size_t>(empty)].Set({t, h, d}, d == 0 ? kInfinity : NAN);
        }
      }
    }
    ASSERT_EQ(call.Run(), ATTEST_OK);
    call.ExpectMerged(used);
  }
}

TEST(Merge, EmptyPartsAloneGiveZeroAndMinusInfinity) {
  for (const int parts : {1, 2, 3}) {
    MergeCall call(parts);
    for (int i = 0; i < parts; ++i) {
      call.lses[static_cast<std::size_t>(i)].Set({1, 1}, -kInfinity);
      call.parts[static_cast<std::size_t>(i)].Set({1, 1, 0}, NAN);
    }
    ASSERT_EQ(call.Run(), ATTEST_OK);
    for (int d = 0; d < kColumns; ++d) EXPECT_EQ(call.out.Get<std::uint32_t>({1, 1, d}), 0U);
    EXPECT_EQ(call.lse.Get<float>({1, 1}), -kInfinity);
    EXPECT_NE(call.lse.Get<float>({1, 0}), -kInfinity);
  }
}

TEST(Merge, LsesFarFromZeroStayFinite) {
  for (const float far : {1e5F, -1e5F}) {
    MergeCall call(2);
    call.lses[0].Set({0, 0}, far);
    call.lses[1].Set({0, 0}, far);
    ASSERT_EQ(call.Run(), ATTEST_OK);
    EXPECT_EQ(call.lse.Get<float>({0, 0}), far + std::log(2.0F));
    EXPECT_EQ(call.out.Get<float>({0, 0, 0}), (NumberAt(0, 0, 0, 0) + NumberAt(1, 0, 0, 0)) / 2);
  }
}

TEST(Merge, PartsAndOutputMayHaveAnyOutputType) {
  MergeCall call(2);
  TestArray part(kTestBFloat16, kOutputShape);
  TestArray out(kTestFloat16, kOutputShape, 1);
  for (int d = 0; d < kColumns; ++d) part.Set<std::uint16_t>({0, 0, d}, 0x4000);  // 2
  for (int d = 0; d < kColumns; ++d) call.parts[1].Set({0, 0, d}, 4.0F);
  call.lses[0].Set({0, 0}, 0.0F);
  call.lses[1].Set({0, 0}, 0.0F);
  call.problem.output_dtype = kTestFloat16;
  std::vector<attest_tensor_t> outs;
  call.patch = [&](attest_merge_args_t& args) {
    outs = {part.tensor(), args.part_out[1]};
    args.part_out = outs.data();
    args.out = out.tensor();
  };
  ASSERT_EQ(call.Run(), ATTEST_OK);
  for (int d = 0; d < kColumns; ++d) EXPECT_EQ(out.Get<std::uint16_t>({0, 0, d}), 0x4200);  // 3
}

TEST(Merge, WhatContradictsIsNamedBeforeAnythingIsWritten) {
  struct Case {
    const char* field;
    std::function<void(attest_merge_args_t&)> apply;
  };
  static std::int64_t few[] = {kTokens - 1, kHeads, kColumns};
  std::vector<attest_tensor_t> changed;
  const Case cases[] = {
      {"struct_size", [](attest_merge_args_t& a) { a.struct_size = 4; }},
      {"num_parts", [](attest_merge_args_t& a) { a.num_parts = 0; }},
      {"part_out", [](attest_merge_args_t& a) { a.part_out = nullptr; }},
      {"part_lse", [](attest_merge_args_t& a) { a.part_lse = nullptr; }},
      {"out.shape[0]", [](attest_merge_args_t& a) { a.out.shape = few; }},
      {"out.dtype", [](attest_merge_args_t& a) { a.out.dtype = kTestBFloat16; }},
      {"lse.ndim", [](attest_merge_args_t& a) { a.lse = {}; }},
      {"part_out[1].dtype",
       [&](attest_merge_args_t& a) {
         changed.assign(a.part_out, a.part_out + 2);
         changed[1].dtype = kTestInt8;
         a.part_out = changed.data();
       }},
      {"part_lse[1].ndim",
       [&](attest_merge_args_t& a) {
         changed.assign(a.part_lse, a.part_lse + 2);
         changed[1] = {};
         a.part_lse = changed.data();
       }},
  };
  for (const Case& c : cases) {
    MergeCall call(2);
    call.patch = c.apply;
    std::string message;
    EXPECT_EQ(call.Run(&message), ATTEST_INVALID_ARGUMENT) << c.field;
    EXPECT_NE(message.find(c.field), std::string::npos) << c.field << ": " << message;
    for (const TestArray* array : {&call.out, &call.lse}) {
      for (const std::byte byte : array->bytes()) ASSERT_EQ(byte, std::byte{0xa5}) << c.field;
    }
  }
}

}  // namespace
}  // namespace attest::cpu
