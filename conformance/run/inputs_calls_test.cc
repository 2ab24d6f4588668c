// SPDX-License-Identifier: Apache-2.0
//
// Inputs of write_kv and merge.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "conformance/run/inputs_merge.h"
#include "conformance/run/inputs_write_kv.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

struct Quantised {
  DType query;
  DType cache;
  KvScaleKind kind;
};

Case WriteCase(const Quantised& quantised) {
  Case value;
  value.id = "test/write";
  Problem& p = value.problem;
  p.query_dtype = quantised.query;
  p.cache_dtype = quantised.cache;
  p.kv_scale_kind = quantised.kind;
  p.num_q_heads = 6;
  p.num_kv_heads = 2;
  p.head_dim_qk = 32;
  p.head_dim_v = 16;
  p.block_size = 8;
  p.padding_tokens = 3;
  p.requests = {{40, 53}, {29, 29}, {3, 3}, {5, 2}};
  return value;
}

CaseInputs Built(Result<CaseInputs> inputs) {
  EXPECT_TRUE(inputs.ok()) << inputs.status().message();
  return std::move(*inputs);
}

double Load(const TensorView& view, std::initializer_list<std::int64_t> index) {
  return LoadElement(view.dtype, view.At(index));
}

std::vector<std::int64_t> Slots(const CaseInputs& inputs) {
  const TensorView view = inputs.image.View("slot_mapping");
  std::vector<std::int64_t> slots(static_cast<std::size_t>(view.shape[0]));
  std::memcpy(slots.data(), view.data, slots.size() * sizeof(std::int64_t));
  return slots;
}

TEST(WriteKvInputs, AFifthOfTheSlotsIsNegativeAndNoneStandsTwice) {
  const Case value = WriteCase({DType::kBFloat16, DType::kBFloat16, KvScaleKind::kNone});
  const CaseInputs inputs = Built(BuildWriteKvInputs(value, 0));
  EXPECT_EQ(inputs.image.View("key").shape[0], 80);
  EXPECT_EQ(inputs.image.View("query").present(), false);
  std::set<std::int64_t> used;
  std::set<std::int64_t> negative;
  int unwritten = 0;
  for (const std::int64_t slot : Slots(inputs)) {
    if (slot < 0) {
      ++unwritten;
      negative.insert(slot);
      continue;
    }
    EXPECT_TRUE(used.insert(slot).second) << slot;
    EXPECT_LT(slot, inputs.abi.num_blocks * 8);
    EXPECT_GE(slot, 8) << "page 0";
  }
  EXPECT_EQ(Slots(inputs).size(), 77U);
  EXPECT_GT(unwritten, 8);
  EXPECT_LT(unwritten, 30);
  EXPECT_EQ(negative.count(-7), 1U);
  EXPECT_EQ(negative.count(-1), 1U);
}

TEST(WriteKvInputs, OnlyCachesAndComputedScalesAreOutputs) {
  for (const KvScaleKind kind : {KvScaleKind::kPerHead, KvScaleKind::kPerTokenHead}) {
    const CaseInputs inputs =
        Built(BuildWriteKvInputs(WriteCase({DType::kBFloat16, DType::kFloat8E4M3FN, kind}), 0));
    for (const PlacedTensor& tensor : inputs.image.tensors) {
      const bool cache = tensor.name.ends_with("_cache");
      const bool scale = tensor.name.ends_with("_scale") && kind == KvScaleKind::kPerTokenHead;
      EXPECT_EQ(tensor.output, cache || scale) << tensor.name;
    }
    EXPECT_EQ(std::isnan(Load(inputs.image.View("key_scale"), {1, 0, 0})),
              kind == KvScaleKind::kPerTokenHead);
  }
}

// With a power of two as scale, x / scale is exact, and so is the place of x between two numbers.
TEST(WriteKvInputs, NumbersAreOfTheFormatOrHalfwayOrFarTooLarge) {
  for (const DType cache : {DType::kFloat8E4M3FN, DType::kFloat8E4M3FNUZ, DType::kFloat8E5M2}) {
    for (const DType query : {DType::kBFloat16, DType::kFloat16, DType::kFloat32}) {
      const Case value = WriteCase({query, cache, KvScaleKind::kPerHead});
      const CaseInputs inputs = Built(BuildWriteKvInputs(value, 0));
      int exact = 0;
      int halfway = 0;
      int large = 0;
      for (std::int64_t token = 0; token < 77; ++token) {
        for (std::int64_t d = 0; d < 32; ++d) {
          const double scale = Load(inputs.image.View("key_scale"), {0, 0, 1});
          const double x = Load(inputs.image.View("key"), {token, 1, d}) / scale;
          ASSERT_TRUE(std::isfinite(x));
          const double stored = RoundTo(cache, x);
          const double other = RoundTo(cache, 2 * x - stored);
          exact += stored == x ? 1 : 0;
          large += std::abs(stored) < std::abs(x) * 0.6 && std::abs(x) > 200 ? 1 : 0;
          halfway += stored != x && stored + other == 2 * x ? 1 : 0;
        }
      }
      EXPECT_EQ(exact + halfway + large, 77 * 32) << Name(cache) << " " << Name(query);
      EXPECT_GT(halfway, 100) << Name(cache);
      EXPECT_TRUE(large > 20 || (cache == DType::kFloat8E5M2 && query == DType::kFloat16));
    }
  }
  EXPECT_NE(
      Load(Built(BuildWriteKvInputs(
                     WriteCase({DType::kBFloat16, DType::kFloat8E5M2, KvScaleKind::kPerHead}), 0))
               .image.View("value_scale"),
           {0, 0, 0}),
      1.0);
}

TEST(WriteKvInputs, RowsWithAScaleOfTheirOwnHaveAPowerOfTwo) {
  for (const auto& [cache, largest] : {std::pair{DType::kInt8, 127.0},
                                       {DType::kFloat8E4M3FN, 448.0},
                                       {DType::kFloat8E4M3FNUZ, 240.0},
                                       {DType::kFloat8E5M2, 57344.0}}) {
    for (const DType query : {DType::kBFloat16, DType::kFloat16}) {
      const Case value = WriteCase({query, cache, KvScaleKind::kPerTokenHead});
      const CaseInputs inputs = Built(BuildWriteKvInputs(value, 0));
      int zero = 0;
      int halfway = 0;
      std::set<double> scales;
      for (std::int64_t token = 0; token < 77; ++token) {
        double top = 0;
        for (std::int64_t d = 0; d < 16; ++d) {
          top = std::max(top, std::abs(Load(inputs.image.View("value"), {token, 1, d})));
        }
        zero += top == 0 ? 1 : 0;
        if (top == 0) continue;
        int exponent = 0;
        EXPECT_EQ(std::frexp(top / largest, &exponent), 0.5) << Name(cache) << " " << top;
        scales.insert(top / largest);
        for (std::int64_t d = 0; d < 16; ++d) {
          const double x = Load(inputs.image.View("value"), {token, 1, d}) * largest / top;
          const double stored = RoundTo(cache, x);
          if (stored == x) continue;
          ++halfway;
          EXPECT_EQ(stored + RoundTo(cache, 2 * x - stored), 2 * x);
        }
      }
      EXPECT_GT(zero, 0);
      EXPECT_LT(zero, 15);
      EXPECT_GT(halfway, 40);
      EXPECT_GE(scales.size(), 4U);
    }
  }
}

TEST(WriteKvInputs, WiderStepsHaveTies) {
  const Case value = WriteCase({DType::kFloat32, DType::kBFloat16, KvScaleKind::kNone});
  const CaseInputs inputs = Built(BuildWriteKvInputs(value, 0));
  int halfway = 0;
  for (std::int64_t token = 0; token < 77; ++token) {
    for (std::int64_t d = 0; d < 32; ++d) {
      const double x = Load(inputs.image.View("key"), {token, 0, d});
      const double stored = RoundTo(DType::kBFloat16, x);
      if (stored == x) continue;
      ++halfway;
      EXPECT_EQ(stored + RoundTo(DType::kBFloat16, 2 * x - stored), 2 * x);
    }
  }
  EXPECT_GT(halfway, 150);
}

TEST(WriteKvInputs, ALatentsValuesAreTheBeginningOfItsKeys) {
  Case value = WriteCase({DType::kBFloat16, DType::kFloat8E4M3FN, KvScaleKind::kPerTensor});
  value.problem.cache_layout = CacheLayout::kSharedLatent;
  const CaseInputs inputs = Built(BuildWriteKvInputs(value, 0));
  for (std::int64_t d = 0; d < 16; ++d) {
    EXPECT_EQ(Load(inputs.image.View("key"), {5, 1, d}),
              Load(inputs.image.View("value"), {5, 1, d}));
  }
  EXPECT_EQ(Load(inputs.image.View("key_scale"), {0, 0, 0}),
            Load(inputs.image.View("value_scale"), {0, 0, 0}));
}

TEST(WriteKvInputs, AnEncoderHasNoCacheToWrite) {
  Case value = WriteCase({DType::kBFloat16, DType::kBFloat16, KvScaleKind::kNone});
  value.problem.attention_type = AttentionType::kEncoderDecoder;
  EXPECT_NE(BuildWriteKvInputs(value, 0).status().message().find("no decoder"), std::string::npos);
}

// ---- Merge

Case MergeCase() {
  Case value;
  value.id = "test/merge";
  value.poison = Poison::kInf;
  value.problem.num_q_heads = 6;
  value.problem.head_dim_v = 16;
  value.problem.padding_tokens = 2;
  value.problem.requests = {{40, 53}, {9, 9}};
  return value;
}

TEST(MergeInputs, PartsSpreadAndSomeAreEmpty) {
  const CaseInputs inputs = Built(BuildMergeInputs(MergeCase(), 3, 0));
  int empty_parts = 0;
  int empty_rows = 0;
  int ghosts = 0;
  double widest = 0;
  for (std::int64_t token = 0; token < 49; ++token) {
    for (std::int64_t head = 0; head < 6; ++head) {
      double lowest = INFINITY;
      double highest = -INFINITY;
      int empty = 0;
      for (int part = 0; part < 3; ++part) {
        const double lse = Load(inputs.image.View(fmt::format("part_lse_{}", part)), {token, head});
        const double out =
            Load(inputs.image.View(fmt::format("part_out_{}", part)), {token, head, 7});
        if (std::isinf(lse)) {
          EXPECT_LT(lse, 0);
          EXPECT_TRUE(std::isnan(out) || std::abs(out) > 1000) << out;
          ghosts += std::isnan(out) ? 1 : 0;
          ++empty;
          continue;
        }
        EXPECT_LT(std::abs(out), 4);
        EXPECT_LE(std::abs(lse), 25);
        lowest = std::min(lowest, lse);
        highest = std::max(highest, lse);
      }
      empty_parts += empty;
      empty_rows += empty == 3 ? 1 : 0;
      if (empty < 2) widest = std::max(widest, highest - lowest);
    }
  }
  EXPECT_GT(widest, 6);
  EXPECT_GT(empty_rows, 10);
  EXPECT_LT(empty_rows, 90);
  EXPECT_GT(empty_parts, 3 * empty_rows + 50);
  EXPECT_GT(ghosts, 20);
}

TEST(MergeInputs, OutputsWereNeverWrittenAndPaddingHoldsPoison) {
  const CaseInputs inputs = Built(BuildMergeInputs(MergeCase(), 2, 0));
  const std::vector<std::byte> never = NeverWritten(DType::kBFloat16);
  EXPECT_EQ(std::memcmp(inputs.image.View("out").At({3, 2, 1}), never.data(), never.size()), 0);
  EXPECT_TRUE(std::isinf(Load(inputs.image.View("part_out_1"), {50, 2, 1})));
  EXPECT_TRUE(inputs.image.Find("lse")->output);
  EXPECT_FALSE(inputs.image.Find("part_lse_1")->output);
  EXPECT_EQ(inputs.image.Find("part_out_2"), nullptr);
  EXPECT_FALSE(BuildMergeInputs(MergeCase(), 0, 0).ok());
}

}  // namespace
}  // namespace attest
