// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/decode.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "conformance/probe/box.h"
#include "conformance/probe/mask_difference.h"
#include "conformance/probe/test_backend.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

struct Setting {
  const char* name;
  void (*change)(Problem& p);
};

void Quantise(Problem& p, DType cache, KvScaleKind kind) {
  p.cache_dtype = cache;
  p.kv_scale_kind = kind;
}

// Every way in which a value can lie in memory, and every mask that a tensor or a list describes.
constexpr Setting kSettings[] = {
    {"bfloat16", [](Problem&) {}},
    {"float16",
     [](Problem& p) { p.query_dtype = p.cache_dtype = p.output_dtype = DType::kFloat16; }},
    {"fp8_without_scales", [](Problem& p) { p.cache_dtype = DType::kFloat8E4M3FN; }},
    {"fp8_per_tensor",
     [](Problem& p) { Quantise(p, DType::kFloat8E4M3FN, KvScaleKind::kPerTensor); }},
    {"fp8_per_head", [](Problem& p) { Quantise(p, DType::kFloat8E4M3FN, KvScaleKind::kPerHead); }},
    {"fp8_per_token_head",
     [](Problem& p) { Quantise(p, DType::kFloat8E4M3FN, KvScaleKind::kPerTokenHead); }},
    {"int8_per_token_head",
     [](Problem& p) { Quantise(p, DType::kInt8, KvScaleKind::kPerTokenHead); }},
    {"hnd", [](Problem& p) { p.cache_layout = CacheLayout::kHnd; }},
    {"x_split", [](Problem& p) { p.cache_layout = CacheLayout::kXSplit; }},
    {"x_split_fp8_per_head",
     [](Problem& p) {
       p.cache_layout = CacheLayout::kXSplit;
       Quantise(p, DType::kFloat8E4M3FN, KvScaleKind::kPerHead);
     }},
    {"shared_latent",
     [](Problem& p) {
       p.cache_layout = CacheLayout::kSharedLatent;
       p.num_kv_heads = 1;
       p.head_dim_qk = 96;
     }},
    {"shared_latent_fp8_per_tensor",
     [](Problem& p) {
       p.cache_layout = CacheLayout::kSharedLatent;
       p.num_kv_heads = 1;
       p.head_dim_qk = 96;
       Quantise(p, DType::kFloat8E4M3FN, KvScaleKind::kPerTensor);
     }},
    {"encoder_only",
     [](Problem& p) {
       p.attention_type = AttentionType::kEncoderOnly;
       p.block_size = 0;
       p.causality = Causality::kNonCausal;
       p.requests = {{19, 19}, {7, 7}};
     }},
    {"window", [](Problem& p) { p.window_left = 9; }},
    {"tree_mask", [](Problem& p) { p.tree_mask = true; }},
    {"custom_mask", [](Problem& p) { p.custom_mask = MaskKind::kBoolean; }},
    {"custom_mask_of_all_heads",
     [](Problem& p) {
       p.custom_mask = MaskKind::kBoolean;
       p.custom_mask_broadcast.head = true;
     }},
    {"prefix_ranges",
     [](Problem& p) {
       p.prefix_ranges = {{0, 3, 20}, {1, 25, 29}};
     }},
};

class DecodeTest : public testing::TestWithParam<Setting> {
 protected:
  static Problem Make() {
    Problem p;
    p.num_q_heads = 4;
    p.num_kv_heads = 2;
    p.block_size = 8;
    p.requests = {{4, 37}, {3, 30}};
    GetParam().change(p);
    EXPECT_TRUE(Validate(p).ok()) << Validate(p).message();
    return p;
  }

  static Mask MaskOf(const Problem& p, const CallImage& image) {
    return Mask(p,
                {.tree_mask = image.View("tree_mask"), .custom_mask = image.View("custom_mask")});
  }

  // The last key that the row sees, and the hidden one beside the first, on either side: keys far
  // from all windows have no page of their own in a case.
  static std::set<std::int64_t> Flipped(const Problem& p, const Mask& mask, const ProbeRow& row) {
    const auto request = static_cast<std::size_t>(row.request);
    const auto sees = [&](std::int64_t key) {
      return mask.Visible(request, row.head, row.row, key);
    };
    const std::int64_t length = p.requests[request].seq_len;
    std::int64_t first = 0;
    while (first < length && !sees(first)) ++first;
    if (first == length) return {0};
    std::int64_t last = length - 1;
    while (!sees(last)) --last;
    std::int64_t hidden = first - 1;
    for (std::int64_t key = first; hidden < 0 && key < length; ++key) {
      if (!sees(key)) hidden = key;
    }
    return hidden < 0 ? std::set<std::int64_t>{last} : std::set<std::int64_t>{hidden, last};
  }
};

TEST_P(DecodeTest, WrongKeysAreNamed) {
  Case value;
  value.id = "decode";
  value.recipe = Recipe::kVCoded;
  for (const bool lse : {true, false}) {
    value.problem = Make();
    value.problem.lse = lse;
    const Problem& p = value.problem;
    Result<CaseInputs> inputs = BuildInputs(value, 0);
    ASSERT_TRUE(inputs.ok()) << inputs.status().message();
    const Mask mask = MaskOf(p, inputs->image);
    TestBackend backend{.problem = p};
    backend.sees = [&](int request, std::int64_t row, int head, std::int64_t key) {
      return mask.Visible(static_cast<std::size_t>(request), head, row, key) !=
             Flipped(p, mask, {request, row, head}).contains(key);
    };
    CallImage image = inputs->image;
    backend(inputs->abi, 0, image);
    const Answers answers(std::move(image));
    std::vector<std::int64_t> starts = {0, p.requests[0].q_len};
    for (const ProbeRow& row : AllProbeRows(p)) {
      const std::int64_t token = starts[static_cast<std::size_t>(row.request)] + row.row;
      std::vector<double> out;
      for (int dim = 0; dim < p.head_dim_v; ++dim) {
        out.push_back(answers.Out(token, row.head, dim));
      }
      const std::set<std::int64_t> flipped = Flipped(p, mask, row);
      const std::vector<WrongKey> named = DecodeRow(p, *inputs, {row.request, row.row}, row.head,
                                                    out, answers.Lse(token, row.head));
      std::set<std::int64_t> keys;
      for (const WrongKey& wrong : named) {
        keys.insert(wrong.key);
        EXPECT_EQ(wrong.extra, !mask.Visible(static_cast<std::size_t>(row.request), row.head,
                                             row.row, wrong.key));
      }
      EXPECT_EQ(keys, flipped) << fmt::format("request {}, row {}, head {}, lse {}", row.request,
                                              row.row, row.head, lse);
    }
  }
}

// Keys 0 and 8 stand in one page, that of nobody: either name could be wrong.
TEST(DecodeRowTest, AKeyWithoutAPageOfItsOwnIsNotNamed) {
  Case value;
  value.id = "decode";
  value.recipe = Recipe::kVCoded;
  value.problem.block_size = 8;
  value.problem.window_left = 9;
  value.problem.requests = {{1, 37}};
  Result<CaseInputs> inputs = BuildInputs(value, 0);
  ASSERT_TRUE(inputs.ok()) << inputs.status().message();
  for (const std::int64_t extra : {0, 27}) {
    TestBackend backend{.problem = value.problem};
    backend.sees = [&](int, std::int64_t row, int, std::int64_t key) {
      return key == extra || Visible(value.problem, 0, row, key);
    };
    CallImage image = inputs->image;
    backend(inputs->abi, 0, image);
    const Answers answers(std::move(image));
    std::vector<double> out;
    for (int dim = 0; dim < value.problem.head_dim_v; ++dim) out.push_back(answers.Out(0, 0, dim));
    const std::vector<WrongKey> named =
        DecodeRow(value.problem, *inputs, {0, 0}, 0, out, answers.Lse(0, 0));
    EXPECT_EQ(named.size(), extra == 0 ? 0U : 1U);
  }
}

// One call of the box holds a right mask against the spec, and shows and names a wrong one.
TEST_P(DecodeTest, TheBoxNamesThemInOneCall) {
  for (const bool wrong : {false, true}) {
    TestBackend backend{.problem = Make()};
    const Problem& p = backend.problem;
    const Result<Box> plain = Box::Make(p, backend);  // the mask looks into its tensors
    ASSERT_TRUE(plain.ok()) << plain.status().message();
    const Mask mask = MaskOf(p, plain->pristine());
    backend.sees = [&](int request, std::int64_t row, int head, std::int64_t key) {
      return mask.Visible(static_cast<std::size_t>(request), head, row, key) !=
             (wrong && Flipped(p, mask, {request, row, head}).contains(key));
    };
    Result<Box> box = Box::Make(p, backend);
    ASSERT_TRUE(box.ok()) << box.status().message();
    const Result<MaskReading> reading = VerifyMask(*box);
    ASSERT_TRUE(reading.ok()) << reading.status().message();
    EXPECT_EQ(reading->calls, 1);
    for (const RowReading& row : reading->rows) {
      const std::string where = fmt::format("{} request {}, row {}, head {}: {}", wrong,
                                            row.row.request, row.row.row, row.row.head, row.why);
      ASSERT_TRUE(row.conclusive) << where;
      const RowDifference difference = DifferenceOf(*box, row);
      std::set<std::int64_t> keys;
      for (const auto& runs : {difference.extra, difference.missed}) {
        for (const KeyRange& run : runs) {
          for (std::int64_t key = run.first; key < run.last; ++key) keys.insert(key);
        }
      }
      EXPECT_EQ(keys, wrong ? Flipped(p, mask, row.row) : std::set<std::int64_t>()) << where;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, DecodeTest, testing::ValuesIn(kSettings),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace attest
