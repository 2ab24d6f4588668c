// SPDX-License-Identifier: Apache-2.0
//
// Inputs of the features that decide masks, scores and what the bytes of a cache mean.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "conformance/run/inputs.h"
#include "reference/float_formats.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

using Row = std::vector<double>;

Case FeatureCase(Recipe recipe = Recipe::kVCoded, Poison poison = Poison::kLoud) {
  Case value;
  value.id = fmt::format("test/feature/{}/{}", Name(recipe), Name(poison));
  value.recipe = recipe;
  value.poison = poison;
  Problem& p = value.problem;
  p.num_q_heads = 6;
  p.num_kv_heads = 2;
  p.head_dim_qk = 32;
  p.head_dim_v = 16;
  p.block_size = 8;
  p.padding_tokens = 2;
  p.requests = {{1, 53}, {7, 29}, {3, 3}};
  return value;
}

CaseInputs Build(const Case& value, const InputVariant& variant = {}) {
  Result<CaseInputs> inputs = BuildInputs(value, 0, variant);
  EXPECT_TRUE(inputs.ok()) << inputs.status().message();
  return std::move(*inputs);
}

double Load(const TensorView& view, std::initializer_list<std::int64_t> index) {
  return LoadElement(view.dtype, view.At(index));
}

template <typename Integer>
Integer Read(const TensorView& view, std::initializer_list<std::int64_t> index) {
  Integer value = 0;
  std::memcpy(&value, view.At(index), sizeof(value));
  return value;
}

std::int64_t PageOf(const Case& value, const CaseInputs& inputs, std::int64_t r, std::int64_t key) {
  return Read<std::int32_t>(inputs.image.View("block_table"), {r, key / value.problem.block_size});
}

// What stands in the cache for a key, scale included.
Row CacheRow(const Case& value, const CaseInputs& inputs, const std::string& which, std::int64_t r,
             std::int64_t key, int head) {
  const TensorView cache = inputs.image.View(which + "_cache");
  const TensorView scales = inputs.image.View(which + "_scale");
  const std::int64_t page = PageOf(value, inputs, r, key);
  const std::int64_t slot = key % value.problem.block_size;
  const bool split = cache.shape.size() > 4 || which == "value";
  const int columns = which == "key" ? value.problem.head_dim_qk : value.problem.head_dim_v;
  Row row;
  for (std::int64_t d = 0; d < columns; ++d) {
    double stored = 0;
    if (value.problem.cache_layout != CacheLayout::kXSplit) {
      stored = Load(cache, {page, slot, head, d});
    } else if (split && which == "key") {
      const auto x = static_cast<std::int64_t>(16 / SizeOf(cache.dtype));
      stored = Load(cache, {page, head, d / x, slot, d % x});
    } else {
      stored = Load(cache, {page, head, d, slot});
    }
    row.push_back(stored * (scales.present() ? Load(scales, {page, slot, head}) : 1.0));
  }
  return row;
}

Row StepRow(const CaseInputs& inputs, const std::string& which, std::int64_t token, int head) {
  const TensorView view = inputs.image.View(which);
  Row row;
  for (std::int64_t d = 0; d < view.shape[2]; ++d) row.push_back(Load(view, {token, head, d}));
  return row;
}

MaskTensors MasksOf(const CaseInputs& inputs) {
  return {inputs.image.View("tree_mask"), inputs.image.View("custom_mask")};
}

// ---- Scores

TEST(InputFeatures, SlopesAreDistinctPowersAndTheirSixteenths) {
  Case value = FeatureCase();
  value.problem.num_q_heads = 128;
  value.problem.alibi = true;
  const CaseInputs inputs = Build(value);
  std::set<double> slopes;
  for (std::int64_t h = 0; h < 128; ++h) {
    slopes.insert(Load(inputs.image.View("alibi_slopes"), {h}));
  }
  EXPECT_EQ(slopes.size(), 128U);
  EXPECT_EQ(Load(inputs.image.View("alibi_slopes"), {0}), 0.5);
  EXPECT_EQ(Load(inputs.image.View("alibi_slopes"), {9}), 0.25 * (1 + 1.0 / 16));
}

TEST(InputFeatures, PrefixRangesAndCausalityAreThoseOfTheProblem) {
  Case value = FeatureCase();
  value.problem.causality = Causality::kPerRequest;
  value.problem.request_causal = {true, false, true};
  value.problem.prefix_ranges = {{1, 2, 5}, {0, 7, 300}};
  const CaseInputs inputs = Build(value);
  const TensorView ranges = inputs.image.View("prefix_ranges");
  EXPECT_EQ(ranges.shape, (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(Read<std::int64_t>(ranges, {1, 1}), 7);
  EXPECT_EQ(Read<std::int64_t>(ranges, {1, 2}), 300);
  const TensorView causal = inputs.image.View("request_causal");
  EXPECT_EQ(Read<std::uint8_t>(causal, {1}), 0);
  EXPECT_EQ(Read<std::uint8_t>(causal, {2}), 1);
}

// ---- Masks

Case TreeCase() {
  Case value = FeatureCase();
  value.problem.tree_mask = true;
  value.problem.max_query_len_slack = 3;
  value.problem.requests = {{12, 40}, {1, 9}, {12, 12}};
  return value;
}

TEST(InputFeatures, TreesMarkAncestorsAndSelf) {
  const CaseInputs inputs = Build(TreeCase());
  const TensorView tree = inputs.image.View("tree_mask");
  EXPECT_EQ(tree.shape, (std::vector<std::int64_t>{27, 15}));
  const auto sees = [&tree](std::int64_t i, std::int64_t j) {
    return Read<std::uint8_t>(tree, {i, j}) != 0;
  };
  std::set<int> depths;
  bool siblings = false;
  for (std::int64_t i = 0; i < 12; ++i) {
    EXPECT_TRUE(sees(i, i));
    int depth = 0;
    for (std::int64_t j = 0; j < 12; ++j) {
      if (j > i) {
        EXPECT_FALSE(sees(i, j)) << i << " sees " << j;
      }
      if (!sees(i, j)) {
        siblings = siblings || j < i;
        continue;
      }
      ++depth;
      // What an ancestor sees, its descendant sees.
      for (std::int64_t k = 0; k < j; ++k) {
        EXPECT_EQ(sees(j, k), sees(i, k)) << i << " " << j << " " << k;
      }
    }
    depths.insert(depth);
  }
  EXPECT_TRUE(siblings);
  EXPECT_GE(depths.size(), 3U);
  bool other_tree = false;
  for (std::int64_t i = 0; i < 12; ++i) {
    for (std::int64_t j = 0; j < 12; ++j) other_tree = other_tree || sees(i, j) != sees(i + 13, j);
  }
  EXPECT_TRUE(other_tree) << "two requests have the same tree";
}

TEST(InputFeatures, LargeTreesAreListedInAnyOrder) {
  Case value = TreeCase();
  value.problem.requests = {{20, 40}};
  const CaseInputs inputs = Build(value);
  const TensorView tree = inputs.image.View("tree_mask");
  const auto sees = [&tree](std::int64_t i, std::int64_t j) {
    return Read<std::uint8_t>(tree, {i, j}) != 0;
  };
  int later = 0;
  for (std::int64_t i = 0; i < 20; ++i) {
    EXPECT_TRUE(sees(i, i));
    for (std::int64_t j = 0; j < 20; ++j) {
      later += sees(i, j) && j > i ? 1 : 0;
      if (!sees(i, j)) continue;
      EXPECT_FALSE(i != j && sees(j, i)) << i << " and " << j << " see one another";
      for (std::int64_t k = 0; k < 20; ++k) {
        EXPECT_TRUE(!sees(j, k) || sees(i, k)) << i << " " << j << " " << k;
      }
    }
  }
  EXPECT_GT(later, 0);
}

TEST(InputFeatures, ColumnsBehindATreeHoldGarbage) {
  const CaseInputs inputs = Build(TreeCase());
  const TensorView tree = inputs.image.View("tree_mask");
  std::set<int> seen;
  for (std::int64_t j = 1; j < 15; ++j) seen.insert(Read<std::uint8_t>(tree, {12, j}));
  EXPECT_EQ(seen, (std::set<int>{0, 1}));
}

Case MaskedCase(MaskKind kind, MaskBroadcast broadcast = {}, Poison poison = Poison::kLoud) {
  Case value = FeatureCase(Recipe::kGeneric, poison);
  value.problem.custom_mask = kind;
  value.problem.custom_mask_broadcast = broadcast;
  value.problem.max_seq_len_slack = 5;
  value.problem.max_query_len_slack = 2;
  value.problem.causality = Causality::kNonCausal;
  value.problem.requests = {{5, 53}, {37, 37}, {3, 29}};
  return value;
}

TEST(InputFeatures, BooleanMasksShowSevenOfTenKeysAndSomeEmptyRows) {
  const Case value = MaskedCase(MaskKind::kBoolean);
  const CaseInputs inputs = Build(value);
  const Mask mask(value.problem, MasksOf(inputs));
  int visible = 0;
  int total = 0;
  int empty = 0;
  std::set<std::vector<bool>> rows;
  for (int head = 0; head < 6; ++head) {
    for (std::int64_t row = 0; row < 37; ++row) {
      std::vector<bool> seen;
      for (std::int64_t key = 0; key < 37; ++key) seen.push_back(mask.Visible(1, head, row, key));
      const auto count = static_cast<int>(std::count(seen.begin(), seen.end(), true));
      empty += count == 0 ? 1 : 0;
      visible += count;
      total += 37;
      rows.insert(seen);
    }
  }
  EXPECT_NEAR(visible, 0.7 * total, 0.1 * total);
  EXPECT_GT(empty, 0);
  EXPECT_LT(empty, 40);
  EXPECT_EQ(static_cast<int>(rows.size()), 6 * 37 - empty + 1) << "rows or heads look alike";
}

TEST(InputFeatures, AdditiveMasksHoldFiniteBiasesAndMinusInfinity) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    Case value = MaskedCase(MaskKind::kAdditive);
    value.problem.additive_mask_dtype = dtype;
    const CaseInputs inputs = Build(value);
    const TensorView view = inputs.image.View("custom_mask");
    EXPECT_EQ(view.dtype, dtype);
    std::set<double> biases;
    int removed = 0;
    for (std::int64_t key = 0; key < 53; ++key) {
      for (std::int64_t row = 0; row < 5; ++row) {
        const double bias = Load(view, {0, 4, row, key});
        if (std::isinf(bias)) {
          EXPECT_LT(bias, 0);
          ++removed;
          continue;
        }
        EXPECT_GE(bias, -4.0);
        EXPECT_LT(bias, 4.0);
        biases.insert(bias);
      }
    }
    EXPECT_GT(removed, 5);
    EXPECT_GT(biases.size(), 30U);
  }
}

TEST(InputFeatures, BroadcastAxesAreStoredOnce) {
  for (int bits = 0; bits < 16; ++bits) {
    const MaskBroadcast flat = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
    const Case value = MaskedCase(MaskKind::kAdditive, flat);
    const CaseInputs inputs = Build(value);
    const TensorView view = inputs.image.View("custom_mask");
    EXPECT_EQ(view.shape, (std::vector<std::int64_t>{3, 6, 39, 58}));
    EXPECT_EQ(view.strides[0] == 0, flat.request);
    EXPECT_EQ(view.strides[1] == 0, flat.head);
    EXPECT_EQ(view.strides[2] == 0, flat.row);
    EXPECT_EQ(view.strides[3] == 0, flat.key);
  }
}

TEST(InputFeatures, RowsAndKeysPastARequestHoldPoisonInItsMask) {
  const CaseInputs nan = Build(MaskedCase(MaskKind::kAdditive, {}, Poison::kNan));
  const TensorView view = nan.image.View("custom_mask");
  EXPECT_TRUE(std::isnan(Load(view, {2, 0, 3, 0}))) << "row 3 of a request with three";
  EXPECT_TRUE(std::isnan(Load(view, {2, 5, 0, 29}))) << "key 29 of a request with 29";
  EXPECT_FALSE(std::isnan(Load(view, {2, 5, 2, 28})));
  // One plane for all requests: only what is past the longest.
  const CaseInputs shared = Build(MaskedCase(MaskKind::kAdditive, {.request = true}, Poison::kNan));
  const TensorView plane = shared.image.View("custom_mask");
  EXPECT_FALSE(std::isnan(Load(plane, {2, 5, 36, 52})));
  EXPECT_TRUE(std::isnan(Load(plane, {2, 5, 37, 0})));
  EXPECT_TRUE(std::isnan(Load(plane, {2, 5, 0, 53})));
}

TEST(InputFeatures, KeysThatNoRowAndHeadSeesAreDead) {
  Case value = MaskedCase(MaskKind::kBoolean, {.head = true}, Poison::kNan);
  value.problem.requests = {{1, 53}, {2, 29}};
  const CaseInputs inputs = Build(value);
  const Mask mask(value.problem, MasksOf(inputs));
  int dead = 0;
  for (std::int64_t r = 0; r < 2; ++r) {
    const Request& request = value.problem.requests[static_cast<std::size_t>(r)];
    for (std::int64_t key = 0; key < request.seq_len; ++key) {
      bool seen = false;
      for (std::int64_t row = 0; row < request.q_len; ++row) {
        seen = seen || mask.Visible(static_cast<std::size_t>(r), 0, row, key);
      }
      if (PageOf(value, inputs, r, key) == 0) {
        EXPECT_FALSE(seen);
        continue;
      }
      EXPECT_EQ(std::isnan(CacheRow(value, inputs, "key", r, key, 1)[0]), !seen) << r << " " << key;
      dead += seen ? 0 : 1;
    }
  }
  EXPECT_GT(dead, 5);
}

TEST(InputFeatures, PackedKeysThatNoRowSeesAreDead) {
  Case value = MaskedCase(MaskKind::kBoolean, {.row = true}, Poison::kNan);
  value.problem.custom_mask_broadcast.head = true;
  value.problem.attention_type = AttentionType::kEncoderOnly;
  value.problem.block_size = 0;
  value.problem.requests = {{23, 23}};
  const CaseInputs inputs = Build(value);
  const Mask mask(value.problem, MasksOf(inputs));
  for (std::int64_t key = 0; key < 23; ++key) {
    EXPECT_EQ(std::isnan(StepRow(inputs, "value", key, 1)[0]), !mask.Visible(0, 0, 0, key));
  }
}

// ---- Quantised caches

struct Quantised {
  DType dtype;
  KvScaleKind kind;
};
const std::vector<Quantised>& QuantisedKinds() {
  static const std::vector<Quantised> kKinds = {{DType::kFloat8E4M3FN, KvScaleKind::kNone},
                                                {DType::kFloat8E4M3FN, KvScaleKind::kPerTensor},
                                                {DType::kFloat8E4M3FNUZ, KvScaleKind::kPerHead},
                                                {DType::kFloat8E5M2, KvScaleKind::kPerHead},
                                                {DType::kFloat8E4M3FN, KvScaleKind::kPerTokenHead},
                                                {DType::kInt8, KvScaleKind::kPerTokenHead}};
  return kKinds;
}

Case QuantisedCase(const Quantised& quantised, Recipe recipe, Poison poison = Poison::kLoud) {
  Case value = FeatureCase(recipe, poison);
  value.problem.cache_dtype = quantised.dtype;
  value.problem.kv_scale_kind = quantised.kind;
  return value;
}

TEST(InputFeatures, CodesAreExactInEveryQuantisedCache) {
  for (const Quantised& quantised : QuantisedKinds()) {
    const Case coded = QuantisedCase(quantised, Recipe::kVCoded);
    const CaseInputs codes = Build(coded);
    const Case one_hot = QuantisedCase(quantised, Recipe::kKCoded);
    const CaseInputs hots = Build(one_hot);
    const Case positive = QuantisedCase(quantised, Recipe::kPositive);
    const CaseInputs positives = Build(positive);
    for (std::int64_t key = 0; key < 53; ++key) {
      for (int head = 0; head < 2; ++head) {
        for (const double x : CacheRow(coded, codes, "value", 0, key, head)) {
          ASSERT_EQ(std::abs(x), 1.0) << Name(quantised.dtype) << " " << Name(quantised.kind);
        }
        const Row hot = CacheRow(one_hot, hots, "key", 0, key, head);
        EXPECT_EQ(std::count(hot.begin(), hot.end(), 0.0), 31);
        EXPECT_EQ(std::count(hot.begin(), hot.end(), 1.0), 1) << Name(quantised.dtype);
        EXPECT_EQ(CacheRow(positive, positives, "key", 0, key, head)[0], 16.0)
            << Name(quantised.dtype);
      }
    }
    for (const double x : CacheRow(coded, codes, "value", 2, 3, 1)) {
      if (quantised.kind != KvScaleKind::kPerTokenHead) {
        EXPECT_TRUE(std::abs(x) == 5.0 || std::abs(x) == 7.0) << x;
      }
    }
  }
}

TEST(InputFeatures, LongFloat16CodesStayExactWithAndWithoutScales) {
  for (const Quantised& quantised : QuantisedKinds()) {
    Case value = QuantisedCase(quantised, Recipe::kVCoded);
    value.problem.output_dtype = DType::kFloat16;
    value.problem.requests = {{1, 2100}};
    const CaseInputs inputs = Build(value);
    EXPECT_EQ(inputs.code_unit, quantised.kind == KvScaleKind::kNone ? 32.0 : 1024.0);
    for (std::int64_t key = 2000; key < 2100; ++key) {
      ASSERT_EQ(std::abs(CacheRow(value, inputs, "value", 0, key, 1)[3]), inputs.code_unit);
    }
  }
}

TEST(InputFeatures, ScalesDifferByTensorHeadAndToken) {
  for (const Recipe recipe : {Recipe::kVCoded, Recipe::kGeneric}) {
    for (const Quantised& quantised : QuantisedKinds()) {
      if (quantised.kind == KvScaleKind::kNone) continue;
      const Case value = QuantisedCase(quantised, recipe);
      const CaseInputs inputs = Build(value);
      const TensorView keys = inputs.image.View("key_scale");
      const TensorView values = inputs.image.View("value_scale");
      std::set<double> drawn;
      for (std::int64_t key = 0; key < 53; ++key) {
        const std::int64_t page = PageOf(value, inputs, 0, key);
        for (int head = 0; head < 2; ++head) {
          const double k = Load(keys, {page, key % 8, head});
          EXPECT_NE(k, Load(values, {page, key % 8, head}));
          EXPECT_NE(k, 1.0);
          EXPECT_NE(Load(values, {page, key % 8, head}), 1.0);
          drawn.insert(k);
        }
        EXPECT_EQ(Load(keys, {page, key % 8, 0}) == Load(keys, {page, key % 8, 1}),
                  quantised.kind == KvScaleKind::kPerTensor);
      }
      switch (quantised.kind) {
        case KvScaleKind::kPerTensor:
          EXPECT_EQ(drawn.size(), 1U);
          EXPECT_EQ(keys.strides, (std::vector<std::int64_t>{0, 0, 0}));
          break;
        case KvScaleKind::kPerHead:
          EXPECT_EQ(drawn.size(), 2U);
          EXPECT_EQ(keys.strides, (std::vector<std::int64_t>{0, 0, 1}));
          break;
        default:
          EXPECT_GT(drawn.size(), 2U);
          EXPECT_EQ(keys.strides, (std::vector<std::int64_t>{16, 2, 1}));
      }
    }
  }
}

TEST(InputFeatures, TheRawStepQuantisesToTheCacheAndDiffersFromIt) {
  for (const Quantised& quantised : QuantisedKinds()) {
    const Case value = QuantisedCase(quantised, Recipe::kGeneric);
    const CaseInputs inputs = Build(value);
    for (const std::string which : {"key", "value"}) {
      const TensorView scales = inputs.image.View(which + "_scale");
      for (std::int64_t row = 0; row < 7; ++row) {
        const std::int64_t key = 22 + row;
        const Row raw = StepRow(inputs, which, 1 + row, 1);
        const Row cached = CacheRow(value, inputs, which, 1, key, 1);
        const double scale =
            scales.present() ? Load(scales, {PageOf(value, inputs, 1, key), key % 8, 1}) : 1.0;
        double worst = 0;
        for (std::size_t d = 0; d < raw.size(); ++d) {
          EXPECT_EQ(RoundTo(quantised.dtype, raw[d] / scale) * scale, cached[d])
              << Name(quantised.dtype) << " " << which << " " << d;
          worst = std::max(worst, std::abs(raw[d] - cached[d]));
        }
        EXPECT_GT(worst, 0.01) << Name(quantised.dtype) << " " << which;
      }
    }
  }
}

TEST(InputFeatures, DeadEightBitSlotsHoldWhatTheFormatHas) {
  for (const Quantised& quantised : QuantisedKinds()) {
    for (const Poison poison : {Poison::kNan, Poison::kInf}) {
      const Case value = QuantisedCase(quantised, Recipe::kGeneric, poison);
      const CaseInputs inputs = Build(value);
      const std::int64_t page = PageOf(value, inputs, 2, 2);
      const TensorView cache = inputs.image.View("value_cache");
      for (std::int64_t d = 0; d < 16; ++d) {
        const double x = Load(cache, {page, 3, 1, d});
        const bool float8 = quantised.dtype != DType::kInt8;
        const bool infinity = quantised.dtype == DType::kFloat8E5M2;
        EXPECT_EQ(std::isnan(x), float8 && poison == Poison::kNan) << Name(quantised.dtype);
        EXPECT_EQ(std::isinf(x), infinity && poison == Poison::kInf) << Name(quantised.dtype);
        EXPECT_FALSE(std::abs(x) < 120.0);
      }
      if (quantised.kind != KvScaleKind::kPerTokenHead) continue;
      const double scale = Load(inputs.image.View("value_scale"), {page, 3, 1});
      EXPECT_EQ(std::isnan(scale), poison == Poison::kNan);
      EXPECT_EQ(std::isinf(scale), poison == Poison::kInf);
      EXPECT_TRUE(std::isfinite(Load(inputs.image.View("value_scale"), {page, 2, 1})));
    }
  }
}

// ---- Layouts

TEST(InputFeatures, TheXSplitCacheHoldsTheSameNumbers) {
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16, DType::kFloat8E4M3FN}) {
    Case value = FeatureCase(Recipe::kGeneric);
    value.problem.cache_dtype = dtype;
    const CaseInputs dense = Build(value);
    Case other = value;
    other.problem.cache_layout = CacheLayout::kXSplit;
    const CaseInputs split = Build(other);
    EXPECT_EQ(split.image.View("key_cache").shape[4],
              static_cast<std::int64_t>(16 / SizeOf(dtype)));
    for (std::int64_t key = 0; key < 53; ++key) {
      for (const char* which : {"key", "value"}) {
        ASSERT_EQ(CacheRow(value, dense, which, 0, key, 1),
                  CacheRow(other, split, which, 0, key, 1));
      }
    }
  }
}

TEST(InputFeatures, ALatentsValueIsTheBeginningOfItsKey) {
  for (const DType dtype : {DType::kBFloat16, DType::kFloat8E4M3FN}) {
    for (const Recipe recipe : {Recipe::kVCoded, Recipe::kKCoded, Recipe::kGeneric}) {
      Case value = FeatureCase(recipe);
      value.problem.cache_layout = CacheLayout::kSharedLatent;
      value.problem.cache_dtype = dtype;
      if (dtype != DType::kBFloat16) value.problem.kv_scale_kind = KvScaleKind::kPerTensor;
      const CaseInputs inputs = Build(value);
      EXPECT_EQ(inputs.image.View("key_cache").data, inputs.image.View("value_cache").data);
      Row key = CacheRow(value, inputs, "key", 1, 25, 1);
      const Row latent = CacheRow(value, inputs, "value", 1, 25, 1);
      key.resize(16);
      EXPECT_EQ(key, latent);
      Row raw_key = StepRow(inputs, "key", 4, 1);
      raw_key.resize(16);
      EXPECT_EQ(raw_key, StepRow(inputs, "value", 4, 1));
      if (recipe != Recipe::kVCoded) continue;
      for (const double x : latent) EXPECT_EQ(std::abs(x), 1.0);
      for (const double x : StepRow(inputs, "query", 4, 1)) EXPECT_EQ(x, 0.0);
    }
  }
}

TEST(InputFeatures, AliasedPagesAreNamedTwiceAndHoldTheSameRows) {
  Case value = FeatureCase(Recipe::kGeneric);
  value.problem.page_aliasing = true;
  const CaseInputs inputs = Build(value);
  const auto page = [&](std::int64_t r, std::int64_t logical) {
    return PageOf(value, inputs, r, logical * 8);
  };
  // 53 keys: six whole pages and a part. 29 keys: three whole pages. 3 keys: none.
  EXPECT_EQ(page(0, 5), page(0, 4));
  EXPECT_EQ(page(0, 2), page(0, 0));
  EXPECT_NE(page(0, 3), page(0, 1));
  EXPECT_EQ(page(1, 2), page(1, 1));
  EXPECT_NE(page(1, 1), page(1, 0));
  // The step's rows agree with the page that both positions name.
  const Row cached = CacheRow(value, inputs, "key", 1, 23, 1);
  EXPECT_EQ(StepRow(inputs, "key", 2, 1), cached);
  EXPECT_EQ(cached, CacheRow(value, inputs, "key", 1, 15, 1));
}

TEST(InputFeatures, ManagerPagesAreAlignedGroupsAndTheFirstIsDead) {
  Case value = FeatureCase(Recipe::kGeneric, Poison::kNan);
  value.problem.hybrid_split = 4;
  value.problem.window_left = 9;  // the first pages of request 0 are dead
  const CaseInputs inputs = Build(value);
  EXPECT_EQ(inputs.abi.num_blocks % 4, 0);
  std::set<std::int64_t> groups;
  for (std::int64_t r = 0; r < 2; ++r) {
    for (std::int64_t logical = 0; logical * 8 < value.problem.requests[r].seq_len; ++logical) {
      const std::int64_t page = PageOf(value, inputs, r, logical * 8);
      EXPECT_EQ(page % 4, logical % 4);
      groups.insert(page / 4);
    }
  }
  EXPECT_EQ(groups.count(0), 1U) << "a manager page without a live key is page 0";
  for (std::int64_t page = 0; page < 4; ++page) {
    EXPECT_TRUE(std::isnan(Load(inputs.image.View("key_cache"), {page, 0, 0, 0})));
  }
  for (std::int64_t key = 44; key < 53; ++key) {
    EXPECT_TRUE(std::isfinite(CacheRow(value, inputs, "key", 0, key, 0)[0]));
  }
}

TEST(InputFeatures, EveryBlockSizeIsBuilt) {
  for (const int size : {1, 3, 7, 16, 100, 256, 512}) {
    Case value = FeatureCase(Recipe::kGeneric);
    value.problem.block_size = size;
    const CaseInputs inputs = Build(value);
    EXPECT_EQ(StepRow(inputs, "key", 0, 1), CacheRow(value, inputs, "key", 0, 52, 1));
  }
}

// ---- Variants

// All rows of one request: query, key, value and what of the mask belongs to it.
std::map<std::string, Row> RowsOf(const Case& value, const CaseInputs& inputs, std::int64_t r) {
  std::map<std::string, Row> rows;
  std::int64_t token = 0;
  for (std::int64_t before = 0; before < r; ++before) {
    token += value.problem.requests[static_cast<std::size_t>(before)].q_len;
  }
  const Request& request = value.problem.requests[static_cast<std::size_t>(r)];
  for (std::int64_t row = 0; row < request.q_len; ++row) {
    const std::int64_t p = request.seq_len - request.q_len + row;
    rows[fmt::format("query {}", p)] = StepRow(inputs, "query", token + row, 5);
    for (std::int64_t key = 0; key < request.seq_len; ++key) {
      if (!inputs.image.View("custom_mask").present()) continue;
      rows[fmt::format("mask {} {}", p, key)] = {
          Load(inputs.image.View("custom_mask"), {r, 5, row, key})};
    }
  }
  for (std::int64_t key = 0; key < request.seq_len; ++key) {
    rows[fmt::format("key {}", key)] = CacheRow(value, inputs, "key", r, key, 1);
    rows[fmt::format("value {}", key)] = CacheRow(value, inputs, "value", r, key, 1);
  }
  return rows;
}

std::vector<Case> VariantCases() {
  std::vector<Case> cases;
  for (const Recipe recipe : {Recipe::kVCoded, Recipe::kKCoded, Recipe::kGeneric, Recipe::kPeaked,
                              Recipe::kPositive, Recipe::kStepped, Recipe::kCancelling}) {
    cases.push_back(FeatureCase(recipe));
    cases.back().problem.requests = {{2, 53}, {9, 29}, {3, 31}};
  }
  cases.push_back(cases[2]);
  cases.back().problem.cache_dtype = DType::kFloat8E4M3FN;
  cases.back().problem.kv_scale_kind = KvScaleKind::kPerTokenHead;
  cases.push_back(cases[3]);
  cases.back().problem.shared_prefix = 16;
  cases.push_back(cases[2]);
  cases.back().problem.custom_mask = MaskKind::kAdditive;
  for (Case& value : cases) value.problem.causality = Causality::kNonCausal;
  return cases;
}

TEST(InputVariants, ARequestTakenOutOrMovedKeepsItsRows) {
  for (const Case& value : VariantCases()) {
    const auto whole = RowsOf(value, Build(value), 1);
    const std::vector<Text> texts = TextsOf(value.problem);
    Case alone = value;
    alone.problem.requests = {value.problem.requests[1]};
    alone.problem.shared_prefix = 0;
    const InputVariant taken = {.texts = {texts[1]}, .shared_text = value.problem.shared_prefix};
    EXPECT_EQ(RowsOf(alone, Build(alone, taken), 0), whole) << value.id;
    Case moved = value;
    std::swap(moved.problem.requests[1], moved.problem.requests[2]);
    EXPECT_EQ(RowsOf(moved, Build(moved, {.texts = {texts[0], texts[2], texts[1]}}), 2), whole)
        << value.id;
    EXPECT_NE(RowsOf(moved, Build(moved), 2), whole) << value.id;
  }
}

TEST(InputVariants, ChunksOfAPrefillReadTheSameText) {
  for (const Case& value : VariantCases()) {
    const auto whole = RowsOf(value, Build(value), 1);
    Case chunk = value;
    chunk.problem.requests = {{3, 25}};  // not the first rows that the whole call has
    chunk.problem.shared_prefix = 0;
    const InputVariant variant = {.texts = {TextsOf(value.problem)[1]},
                                  .shared_text = value.problem.shared_prefix};
    const auto rows = RowsOf(chunk, Build(chunk, variant), 0);
    EXPECT_GT(rows.size(), 50U);
    for (const auto& [name, row] : rows) EXPECT_EQ(row, whole.at(name)) << value.id << " " << name;
  }
}

TEST(InputVariants, AnotherPageSeedMovesThePagesAndNothingElse) {
  const Case value = FeatureCase(Recipe::kGeneric);
  const CaseInputs today = Build(value);
  const CaseInputs moved = Build(value, {.page_seed = 3});
  EXPECT_NE(PageOf(value, today, 0, 8), PageOf(value, moved, 0, 8));
  for (std::int64_t r = 0; r < 3; ++r) {
    EXPECT_EQ(RowsOf(value, today, r), RowsOf(value, moved, r));
  }
}

TEST(InputVariants, OtherNeighboursLeaveOneRequestAlone) {
  for (const Case& value : VariantCases()) {
    const CaseInputs today = Build(value);
    const CaseInputs other = Build(value, OtherNeighbours(value.problem, 1));
    EXPECT_EQ(RowsOf(value, today, 1), RowsOf(value, other, 1)) << value.id;
    EXPECT_NE(RowsOf(value, today, 0), RowsOf(value, other, 0)) << value.id;
    EXPECT_NE(RowsOf(value, today, 2), RowsOf(value, other, 2)) << value.id;
    EXPECT_EQ(today.image.bytes.size(), other.image.bytes.size());
  }
}

TEST(InputVariants, TextsThatDoNotFitAreSaid) {
  const Case value = FeatureCase();
  EXPECT_NE(BuildInputs(value, 0, {.texts = {{0, 60}}}).status().message().find("texts: 1 for 3"),
            std::string::npos);
  EXPECT_NE(BuildInputs(value, 0, {.texts = {{0, 60}, {1, 28}, {2, 3}}})
                .status()
                .message()
                .find("texts[1].length: 28"),
            std::string::npos);
}

}  // namespace
}  // namespace attest
