// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/inputs_arena.h"

#include <gtest/gtest.h>

#include <cstring>

namespace attest {
namespace {

Case WalkCase() {
  Case value;
  value.id = "graph/arena/steps=two";
  value.recipe = Recipe::kGeneric;
  Problem& p = value.problem;
  p.num_q_heads = 4;
  p.num_kv_heads = 2;
  p.head_dim_qk = p.head_dim_v = 16;
  p.block_size = 4;
  p.block_table_extra = 3;
  p.requests = {{3, 21}, {2, 9}, {1, 14}};
  return value;
}

Expected OracleOf(const Problem& problem, const CallImage& image) {
  Result<Expected> expected = ComputeExpected(problem, TensorsOf(image), AllRows(problem),
                                              DefaultArithmetic(), {.bound = false});
  EXPECT_TRUE(expected.ok()) << expected.status().message();
  return expected.ok() ? std::move(*expected) : Expected{};
}

TEST(Arena, HoldsTheSameCallAsAnImageOfItsOwn) {
  for (const CacheLayout layout :
       {CacheLayout::kNhd, CacheLayout::kHnd, CacheLayout::kPackedKv, CacheLayout::kKvFirst,
        CacheLayout::kPaddedPages, CacheLayout::kXSplit}) {
    for (const TokenLayout tokens :
         {TokenLayout::kDense, TokenLayout::kQkvFused, TokenLayout::kPaddedRows}) {
      Case value = WalkCase();
      value.problem.cache_layout = layout;
      value.problem.token_layout = tokens;
      Result<Arena> arena = Arena::Build(value, 3);
      ASSERT_TRUE(arena.ok()) << arena.status().message();
      Problem step = value.problem;
      step.requests = {{1, 17}, {4, 20}};
      step.block_table_extra = 1;
      const Result<StepInputs> put = arena->Put(step, 5);
      ASSERT_TRUE(put.ok()) << put.status().message();
      Case alone = value;
      alone.problem = step;
      const Result<CaseInputs> own = BuildInputs(alone, 5, {.page_seed = 5});
      ASSERT_TRUE(own.ok());
      EXPECT_TRUE(
          OracleOf(step, put->inputs.image).out.isApprox(OracleOf(step, own->image).out, 0.0))
          << Name(layout) << " " << Name(tokens);
    }
  }
}

TEST(Arena, KeepsAddressesAndStridesButThoseOfTheTable) {
  const Case value = WalkCase();
  Result<Arena> arena = Arena::Build(value, 0);
  ASSERT_TRUE(arena.ok());
  const CallImage& maximum = arena->maximum().image;
  EXPECT_EQ(maximum.Find("query")->shape[0], 6);
  Problem step = value.problem;
  step.requests = {{2, 7}};
  step.block_table_extra = 0;
  step.padding_tokens = 3;
  const Result<StepInputs> put = arena->Put(step, 1);
  ASSERT_TRUE(put.ok()) << put.status().message();
  EXPECT_EQ(put->inputs.image.bytes.size(), maximum.bytes.size());
  for (const PlacedTensor& tensor : put->inputs.image.tensors) {
    const PlacedTensor& then = *maximum.Find(tensor.name);
    EXPECT_EQ(tensor.offset, then.offset) << tensor.name;
    if (tensor.name == "block_table") {
      EXPECT_EQ(tensor.strides, (std::vector<std::int64_t>{2, 1}));
      EXPECT_NE(tensor.strides, then.strides);
    } else {
      EXPECT_EQ(tensor.strides, then.strides) << tensor.name;
    }
  }
  EXPECT_EQ(put->inputs.image.Find("out")->shape[0], 5);
  EXPECT_EQ(put->inputs.image.Find("key_cache")->shape, maximum.Find("key_cache")->shape);
  EXPECT_EQ(put->inputs.abi.num_blocks, arena->maximum().abi.num_blocks);
  EXPECT_EQ(put->inputs.abi.block_table_width, 2);
}

TEST(Arena, LeavesWhatAnEarlierStepWroteBehindTheNext) {
  const Case value = WalkCase();
  Result<Arena> arena = Arena::Build(value, 0);
  ASSERT_TRUE(arena.ok());
  ASSERT_TRUE(arena->Put(value.problem, 1).ok());
  Problem step = value.problem;
  step.requests = {{1, 5}};
  const Result<StepInputs> put = arena->Put(step, 2);
  ASSERT_TRUE(put.ok());
  const PlacedTensor& lengths = *put->inputs.image.Find("seq_lens");
  std::int32_t stale[3] = {};
  std::memcpy(stale, put->inputs.image.bytes.data() + lengths.offset, sizeof(stale));
  EXPECT_EQ(stale[0], 5);
  EXPECT_EQ(stale[1], 9);
  EXPECT_EQ(stale[2], 14);
}

TEST(Arena, PoisonsEveryByteOfTheOutputs) {
  Result<Arena> arena = Arena::Build(WalkCase(), 0);
  ASSERT_TRUE(arena.ok());
  CallImage image = arena->maximum().image;
  const CallImage before = image;
  const PlacedTensor& out = *image.Find("out");
  image.bytes[out.offset] = std::byte{1};
  image.bytes[out.offset + static_cast<std::uint64_t>(6 * 4 * 16) * 2] =
      std::byte{1};  // a spare row
  arena->Poison(image);
  EXPECT_EQ(image.bytes, before.bytes);
}

TEST(Arena, SaysWhatDoesNotFit) {
  const Case value = WalkCase();
  Result<Arena> arena = Arena::Build(value, 0);
  ASSERT_TRUE(arena.ok());
  Problem step = value.problem;
  step.requests = {{9, 21}, {9, 21}};
  const Result<StepInputs> put = arena->Put(step, 1);
  ASSERT_FALSE(put.ok());
  EXPECT_EQ(put.status().message(), "query: larger than that of the maximum");
}

}  // namespace
}  // namespace attest
