// SPDX-License-Identifier: Apache-2.0
//
// Mutants of write_kv and merge, and those that only cut keys otherwise: each does what the
// faithful one does without its trigger, and something else with it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>

#include "conformance/mutants/attention.h"
#include "conformance/mutants/testing/small_tensors.h"

namespace attest {
namespace {

using testing::SmallTensors;

std::int64_t SlotOf(const char* mutant, const SlotAsked& asked) {
  return FindMutant(mutant)->hooks.slot(asked);
}

TEST(Slots, AreFoundOtherwiseOnlyWithTheTrigger) {
  const SlotAsked sixteen{.slot = 37, .before = 36, .num_slots = 160, .block_size = 16};
  const SlotAsked eight{.slot = 37, .before = 36, .num_slots = 160, .block_size = 8};
  const SlotAsked none{.slot = -1, .before = 4, .num_slots = 160, .block_size = 16};
  EXPECT_EQ(SlotOf("slots-of-pages-of-sixteen", sixteen), 37);
  EXPECT_EQ(SlotOf("slots-of-pages-of-sixteen", eight), 4 * 16 + 5);
  EXPECT_EQ(SlotOf("negative-slot-keeps-old", sixteen), 37);
  EXPECT_EQ(SlotOf("negative-slot-keeps-old", none), 5);
  EXPECT_EQ(SlotOf("negative-slot-is-zero", sixteen), 37);
  EXPECT_EQ(SlotOf("negative-slot-is-zero", none), 0);
}

// ---- write_kv of three tokens into pages of four slots

struct WriteCall {
  std::vector<std::int64_t> cache_shape;
  std::vector<std::int64_t> cache_strides;
  std::vector<float> cache;
  std::int64_t requests = 3;

  // The cache as `mutant` leaves it.
  std::vector<float> After(const char* mutant) {
    std::vector<float> key = {1, 2, 3, 4, 5, 6};
    std::vector<std::int64_t> slots = {4, 9, 14};
    std::vector<std::int64_t> slot_shape = {3};
    std::vector<std::int64_t> slot_strides = {1};
    std::vector<std::int64_t> key_shape = {3, 1, 2};
    std::vector<std::int64_t> key_strides = {2, 2, 1};
    attest_problem_t problem = {};
    problem.cache_dtype = {ATTEST_FLOAT, 32, 1};
    problem.num_kv_heads = 1;
    problem.head_dim_qk = problem.head_dim_v = 2;
    problem.block_size = 4;
    problem.num_blocks = cache_shape[0];
    problem.num_requests = requests;
    const auto tensor = [](auto& data, auto& shape, auto& strides, attest_dtype_t dtype) {
      return attest_tensor_t{
          data.data(),    {}, static_cast<std::int32_t>(shape.size()), dtype, shape.data(),
          strides.data(), 0};
    };
    std::vector<float> written = cache;
    std::vector<float> values = cache;
    attest_write_kv_args_t args = {};
    args.key = args.value = tensor(key, key_shape, key_strides, problem.cache_dtype);
    args.key_cache = tensor(written, cache_shape, cache_strides, problem.cache_dtype);
    args.value_cache = tensor(values, cache_shape, cache_strides, problem.cache_dtype);
    args.slot_mapping = tensor(slots, slot_shape, slot_strides, {ATTEST_INT, 64, 1});
    ScalarWriteKv(problem, args, FindMutant(mutant)->hooks);
    return written;
  }
};

WriteCall SmallWrite() {
  return {
      .cache_shape = {4, 4, 1, 2}, .cache_strides = {8, 2, 2, 1}, .cache = std::vector<float>(40)};
}

TEST(WriteKv, LosesTokensPastTheRequests) {
  WriteCall call = SmallWrite();
  EXPECT_EQ(call.After("slots-cut-to-requests"), call.After(""));
  call.requests = 2;
  EXPECT_NE(call.After("slots-cut-to-requests"), call.After(""));
}

TEST(WriteKv, WrapsPastTheLimit) {
  WriteCall call = SmallWrite();
  EXPECT_EQ(call.After("write-offset-wraps"), call.After(""));
  call.cache_strides[0] = 7000;
  call.cache.resize(7000 * 4);
  EXPECT_NE(call.After("write-offset-wraps"), call.After(""));
}

// ---- merge of two parts of two tokens and three heads

struct MergeCall {
  std::int64_t tokens = 2;
  std::int64_t heads = 3;
  std::int64_t columns = 4;
  std::int64_t gap = 0;

  std::vector<float> After(const char* mutant) const {
    std::vector<std::int64_t> shape = {tokens, heads, columns};
    std::vector<std::int64_t> strides = {heads * columns + gap, columns, 1};
    std::vector<std::int64_t> lse_shape = {tokens, heads};
    std::vector<std::int64_t> lse_strides = {heads, 1};
    const auto size = static_cast<std::size_t>(tokens * strides[0]);
    std::vector<float> parts[2] = {std::vector<float>(size), std::vector<float>(size)};
    std::vector<float> lses[2];
    for (std::size_t n = 0; n < 2; ++n) {
      for (std::size_t i = 0; i < size; ++i) parts[n][i] = static_cast<float>(i * (n + 1));
      for (std::int64_t i = 0; i < tokens * heads; ++i) {
        lses[n].push_back(0.25F * static_cast<float>(i) * static_cast<float>(n));
      }
    }
    const attest_dtype_t type = {ATTEST_FLOAT, 32, 1};
    attest_tensor_t part_out[2] = {};
    attest_tensor_t part_lse[2] = {};
    for (int n = 0; n < 2; ++n) {
      part_out[n] = {parts[n].data(), {}, 3, type, shape.data(), strides.data(), 0};
      part_lse[n] = {lses[n].data(), {}, 2, type, lse_shape.data(), lse_strides.data(), 0};
    }
    std::vector<float> out(size);
    attest_merge_args_t args = {};
    args.num_parts = 2;
    args.part_out = part_out;
    args.part_lse = part_lse;
    args.out = {out.data(), {}, 3, type, shape.data(), strides.data(), 0};
    ScalarMerge(args, FindMutant(mutant)->hooks);
    return out;
  }
};

TEST(Merge, SpillsColumnsOfSizesThatAreNoPowerOfTwo) {
  EXPECT_EQ(MergeCall{}.After("merge-columns-spill"), MergeCall{}.After(""));
  const MergeCall three{.columns = 3};
  EXPECT_NE(three.After("merge-columns-spill"), three.After(""));
}

TEST(Merge, MisreadsRowsWithGaps) {
  EXPECT_EQ(MergeCall{}.After("merge-reads-packed-columns"), MergeCall{}.After(""));
  const MergeCall gaps{.gap = 2};
  EXPECT_NE(gaps.After("merge-reads-packed-columns"), gaps.After(""));
}

TEST(Merge, TransposesTheLse) {
  const MergeCall one{.tokens = 1};
  EXPECT_EQ(one.After("merge-lse-transposed"), one.After(""));
  EXPECT_NE(MergeCall{}.After("merge-lse-transposed"), MergeCall{}.After(""));
}

// ---- Cuts of the keys, which move bits and no more

std::int64_t CutOf(const char* mutant, const std::vector<Request>& requests) {
  Problem problem;
  problem.query_dtype = problem.cache_dtype = problem.output_dtype = DType::kFloat32;
  problem.head_dim_qk = problem.head_dim_v = 8;
  problem.block_size = 4;
  problem.requests = requests;
  const SmallTensors small(problem, {});
  static std::int64_t cut = -1;
  Mutant spy = *FindMutant(mutant);
  static void (*softmax)(const Call&, const Row&, const Terms&, SoftmaxRules&) = nullptr;
  softmax = spy.hooks.softmax;
  spy.hooks.softmax = [](const Call& call, const Row& row, const Terms& terms,
                         SoftmaxRules& rules) {
    softmax(call, row, terms, rules);
    cut = rules.split;
  };
  RunMutant(problem, small.tensors(), {}, spy, {{0, 0, 0}});
  return cut;
}

TEST(Cuts, FollowTheBatch) {
  const std::vector<Request> alone = {{1, 40}};
  EXPECT_NE(CutOf("splits-follow-total-pages", alone),
            CutOf("splits-follow-total-pages", {{1, 40}, {1, 30}}));
  EXPECT_EQ(CutOf("splits-follow-total-pages", alone),
            CutOf("splits-follow-total-pages", {{1, 40}, {1, 1}}));
  EXPECT_EQ(CutOf("splits-only-in-pure-decode", alone),
            CutOf("splits-only-in-pure-decode", {{1, 40}, {1, 30}}));
  EXPECT_NE(CutOf("splits-only-in-pure-decode", alone),
            CutOf("splits-only-in-pure-decode", {{1, 40}, {3, 30}}));
  EXPECT_NE(CutOf("splits-follow-total-keys", alone),
            CutOf("splits-follow-total-keys", {{1, 40}, {1, 30}}));
}

}  // namespace
}  // namespace attest
