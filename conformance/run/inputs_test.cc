// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/inputs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "conformance/run/inputs_masks.h"
#include "conformance/run/inputs_pages.h"
#include "conformance/run/inputs_place.h"
#include "reference/float_formats.h"
#include "spec/vocabulary/digest.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

Case SmallCase(Recipe recipe = Recipe::kVCoded, Poison poison = Poison::kLoud) {
  Case value;
  value.id = fmt::format("test/{}/{}", Name(recipe), Name(poison));
  value.recipe = recipe;
  value.poison = poison;
  Problem& p = value.problem;
  p.num_q_heads = 6;
  p.num_kv_heads = 2;
  p.head_dim_qk = 24;
  p.head_dim_v = 32;
  p.block_size = 8;
  p.window_left = 21;
  p.padding_tokens = 2;
  p.block_table_extra = 3;
  p.requests = {
      {.q_len = 1, .seq_len = 53}, {.q_len = 7, .seq_len = 29}, {.q_len = 3, .seq_len = 3}};
  return value;
}

CaseInputs Build(const Case& value, std::uint64_t seed = 0) {
  Result<CaseInputs> inputs = BuildInputs(value, seed);
  EXPECT_TRUE(inputs.ok()) << inputs.status().message();
  return std::move(*inputs);
}

PagePlan Plan(const Case& value) {
  const Result<Texts> texts = Texts::Of(value.problem, {});
  const DrawnMasks masks = DrawMasks(value, 0, *texts);
  return PlanPages({value, 0, 0, *texts, masks.Tensors()});
}

std::string Digest(const CaseInputs& inputs) {
  return Sha256Hex(
      {reinterpret_cast<const char*>(inputs.image.bytes.data()), inputs.image.bytes.size()});
}

double Load(const TensorView& view, std::initializer_list<std::int64_t> index) {
  return LoadElement(view.dtype, view.At(index));
}

std::int32_t Int32(const TensorView& view, std::initializer_list<std::int64_t> index) {
  std::int32_t value = 0;
  std::memcpy(&value, view.At(index), sizeof(value));
  return value;
}

// Key `key` of request `r` as a kernel finds it: through the block table.
struct Slot {
  std::int64_t page = 0;
  std::int64_t slot = 0;
};
Slot FindSlot(const Case& value, const CaseInputs& inputs, std::int64_t r, std::int64_t key) {
  const std::int64_t size = value.problem.block_size;
  return {Int32(inputs.image.View("block_table"), {r, key / size}), key % size};
}

std::vector<double> CacheRow(const Case& value, const CaseInputs& inputs, const char* tensor,
                             std::int64_t r, std::int64_t key, int head) {
  const TensorView view = inputs.image.View(tensor);
  const Slot at = FindSlot(value, inputs, r, key);
  std::vector<double> row;
  for (std::int64_t d = 0; d < view.shape.back(); ++d) {
    row.push_back(Load(view, {at.page, at.slot, head, d}));
  }
  return row;
}

std::vector<Case> Variety() {
  std::vector<Case> cases;
  for (const Recipe recipe : {Recipe::kVCoded, Recipe::kKCoded, Recipe::kGeneric, Recipe::kPeaked,
                              Recipe::kPositive, Recipe::kStepped, Recipe::kCancelling}) {
    for (const Poison poison : {Poison::kLoud, Poison::kNan, Poison::kInf}) {
      cases.push_back(SmallCase(recipe, poison));
    }
  }
  for (const CacheLayout layout : {CacheLayout::kHnd, CacheLayout::kPackedKv, CacheLayout::kKvFirst,
                                   CacheLayout::kPaddedPages}) {
    cases.push_back(SmallCase());
    cases.back().problem.cache_layout = layout;
  }
  for (const TokenLayout layout : {TokenLayout::kQkvFused, TokenLayout::kPaddedRows}) {
    cases.push_back(SmallCase());
    cases.back().problem.token_layout = layout;
  }
  cases.push_back(SmallCase());
  cases.back().problem.attention_type = AttentionType::kEncoderDecoder;
  cases.back().problem.window_left = 0;
  cases.push_back(SmallCase());
  cases.back().problem.attention_type = AttentionType::kEncoderOnly;
  cases.back().problem.block_size = 0;
  for (Request& request : cases.back().problem.requests) request.seq_len = request.q_len;
  return cases;
}

TEST(Inputs, TheSameCaseAndSeedGiveTheSameBytes) {
  for (const Case& value : Variety()) {
    EXPECT_EQ(Build(value, 7).image.bytes, Build(value, 7).image.bytes) << value.id;
  }
}

TEST(Inputs, AnotherSeedOrIdGivesOtherBytes) {
  Case value = SmallCase(Recipe::kGeneric);
  const std::string digest = Digest(Build(value));
  EXPECT_NE(Digest(Build(value, 1)), digest);
  value.id += "x";
  EXPECT_NE(Digest(Build(value)), digest);
}

// Pinned, so that another compiler, build type or machine that makes other bytes is seen.
TEST(Inputs, TheBytesAreTheSameOnEveryMachine) {
  EXPECT_EQ(Digest(Build(SmallCase(Recipe::kVCoded))),
            "e191f347f39f777beee50d556b5c43137a83406f12a15f8cdd86ee28ed41f84d");
  Case float16 = SmallCase(Recipe::kPeaked, Poison::kNan);
  float16.problem.query_dtype = float16.problem.cache_dtype = float16.problem.output_dtype =
      DType::kFloat16;
  float16.problem.sinks = true;
  EXPECT_EQ(Digest(Build(float16, 3)),
            "f44a9a263dcf7ab68b06486f0cc2ebf2117d4b0510e19eb2c36be7e05c71d33d");
  Case float32 = SmallCase(Recipe::kKCoded, Poison::kInf);
  float32.problem.query_dtype = float32.problem.cache_dtype = float32.problem.output_dtype =
      DType::kFloat32;
  float32.problem.token_layout = TokenLayout::kPaddedRows;
  float32.problem.cache_layout = CacheLayout::kPackedKv;
  EXPECT_EQ(Digest(Build(float32)),
            "becbdff3700d0cfa62f0ca1fe267ff35cead673f4754b6416a5b66abd64f98f9");
}

TEST(Inputs, CanariesStandBeforeBetweenAndBehindAllTensors) {
  for (const Case& value : Variety()) {
    const CaseInputs inputs = Build(value);
    const Result<Placement> placement = PlaceTensors(value.problem, Plan(value));
    ASSERT_TRUE(placement.ok());
    std::uint64_t end = 0;
    for (const Region& region : placement->regions) {
      EXPECT_GE(region.offset, end + 256) << value.id;
      EXPECT_EQ(region.offset % 256, 0U) << value.id;
      for (std::uint64_t i = end; i < region.offset; ++i) {
        ASSERT_EQ(inputs.image.bytes[i], CanaryByte(i)) << value.id << " byte " << i;
      }
      end = region.offset + region.bytes;
    }
    EXPECT_GE(inputs.image.bytes.size(), end + 256) << value.id;
    for (std::uint64_t i = end; i < inputs.image.bytes.size(); ++i) {
      ASSERT_EQ(inputs.image.bytes[i], CanaryByte(i)) << value.id << " byte " << i;
    }
  }
}

// Calls visit(byte offset) for each element.
template <typename Visit>
void ForEachElement(const PlacedTensor& tensor, const Visit& visit) {
  std::vector<std::int64_t> index(tensor.shape.size(), 0);
  while (true) {
    std::int64_t offset = 0;
    for (std::size_t axis = 0; axis < index.size(); ++axis) {
      if (tensor.shape[axis] == 0) return;
      offset += index[axis] * tensor.strides[axis];
    }
    visit(tensor.offset + static_cast<std::uint64_t>(offset) * SizeOf(tensor.dtype));
    std::size_t axis = index.size();
    while (axis-- > 0 && ++index[axis] == tensor.shape[axis]) index[axis] = 0;
    if (axis == static_cast<std::size_t>(-1)) return;
  }
}

TEST(Inputs, ElementsOfDifferentTensorsNeverShareAByte) {
  for (const Case& value : Variety()) {
    const CaseInputs inputs = Build(value);
    std::vector<int> owner(inputs.image.bytes.size(), -1);
    for (std::size_t t = 0; t < inputs.image.tensors.size(); ++t) {
      const PlacedTensor& tensor = inputs.image.tensors[t];
      ForEachElement(tensor, [&](std::uint64_t at) {
        for (std::size_t byte = 0; byte < SizeOf(tensor.dtype); ++byte) {
          ASSERT_LT(at + byte, owner.size()) << value.id << " " << tensor.name;
          ASSERT_EQ(owner[at + byte], -1) << value.id << " " << tensor.name;
          owner[at + byte] = static_cast<int>(t);
        }
      });
    }
  }
}

TEST(Inputs, OutputsHoldTheNeverWrittenPattern) {
  for (const Case& value : Variety()) {
    const CaseInputs inputs = Build(value);
    for (const PlacedTensor& tensor : inputs.image.tensors) {
      EXPECT_EQ(tensor.output, tensor.name == "out" || tensor.name == "lse") << tensor.name;
      if (!tensor.output) continue;
      const std::vector<std::byte> pattern = NeverWritten(tensor.dtype);
      ForEachElement(tensor, [&](std::uint64_t at) {
        ASSERT_TRUE(std::equal(pattern.begin(), pattern.end(),
                               inputs.image.bytes.begin() + static_cast<std::ptrdiff_t>(at)));
      });
    }
  }
}

TEST(Inputs, TheNeverWrittenPatternIsAQuietNaNThatNoArithmeticProduces) {
  for (const DType dtype : {DType::kFloat32, DType::kFloat16, DType::kBFloat16}) {
    const std::vector<std::byte> pattern = NeverWritten(dtype);
    ASSERT_EQ(pattern.size(), SizeOf(dtype));
    EXPECT_TRUE(std::isnan(LoadElement(dtype, pattern.data()))) << Name(dtype);
    std::vector<std::byte> made(SizeOf(dtype));
    for (const double nan : {std::nan(""), -std::nan("")}) {
      StoreElement(dtype, nan, made.data());
      EXPECT_NE(made, pattern) << Name(dtype);
    }
  }
}

TEST(Inputs, TheAbiProblemSaysHowManyPagesThereAre) {
  const Case value = SmallCase();
  const CaseInputs inputs = Build(value);
  EXPECT_EQ(inputs.abi.num_blocks, inputs.image.View("key_cache").shape[0]);
  EXPECT_EQ(inputs.abi.block_table_width, 7 + 3);  // 53 keys in pages of 8, 3 more columns
  EXPECT_EQ(inputs.image.View("block_table").shape, (std::vector<std::int64_t>{3, 10}));
  EXPECT_GT(inputs.image.View("block_table").strides[0], 10);
  EXPECT_EQ(inputs.abi.num_actual_tokens, 11);
  EXPECT_EQ(inputs.image.View("query").shape[0], 13);
}

// ---- Pages

TEST(Inputs, LivePagesAreDistinctAndNeverPageZero) {
  for (const Case& value : Variety()) {
    if (!value.problem.uses_paged_kv()) continue;
    const CaseInputs inputs = Build(value);
    std::set<std::int64_t> pages;
    for (std::size_t r = 0; r < value.problem.requests.size(); ++r) {
      const LiveKeys live = LiveKeysOf(value.problem, r);
      const std::int64_t size = value.problem.block_size;
      for (std::int64_t page = live.first / size; page * size < live.last; ++page) {
        const std::int64_t physical =
            Int32(inputs.image.View("block_table"), {static_cast<std::int64_t>(r), page});
        EXPECT_GT(physical, 0) << value.id;
        EXPECT_LT(physical, inputs.abi.num_blocks) << value.id;
        EXPECT_TRUE(pages.insert(physical).second) << value.id;
      }
    }
    EXPECT_LT(static_cast<std::int64_t>(pages.size()) + 1, inputs.abi.num_blocks)
        << "some pages belong to nobody";
  }
}

TEST(Inputs, LogicalNeighboursAreNoPhysicalNeighbours) {
  const Case value = SmallCase();
  const CaseInputs inputs = Build(value);
  const TensorView table = inputs.image.View("block_table");
  for (std::int64_t page = 4; page < 7; ++page) {
    EXPECT_NE(Int32(table, {0, page}), Int32(table, {0, page - 1}) + 1);
  }
}

// 53 keys in pages of 8 under a window of 21: keys 32 to 52 are live, so pages 0 to 3 are dead.
TEST(Inputs, PagesThatLeftTheWindowAreZeroOrPoison) {
  const Case value = SmallCase(Recipe::kKCoded);
  const CaseInputs inputs = Build(value);
  const TensorView table = inputs.image.View("block_table");
  EXPECT_EQ(Int32(table, {0, 0}), 0);
  EXPECT_NE(Int32(table, {0, 1}), 0);
  EXPECT_EQ(Int32(table, {0, 2}), 0);
  EXPECT_GE(CacheRow(value, inputs, "value_cache", 0, 9, 0)[0], 40.0);
  EXPECT_GE(CacheRow(value, inputs, "value_cache", 0, 0, 0)[0], 40.0) << "page 0 is poison";
}

TEST(Inputs, TableEntriesBehindTheLastPageAreGarbageOfTheRightKind) {
  for (const Poison poison : {Poison::kLoud, Poison::kNan}) {
    Case value = SmallCase(Recipe::kVCoded, poison);
    value.problem.block_table_extra = 40;
    const CaseInputs inputs = Build(value);
    const TensorView table = inputs.image.View("block_table");
    std::set<std::int32_t> seen;
    for (std::int64_t column = 1; column < table.shape[1]; ++column) {
      seen.insert(Int32(table, {2, column}));  // request 2 has one page
    }
    const bool in_range = *seen.begin() >= 0 && *seen.rbegin() < inputs.abi.num_blocks;
    EXPECT_EQ(in_range, poison == Poison::kLoud);
    EXPECT_GT(seen.size(), 5U);
  }
}

TEST(Inputs, SlotsOfNewTokensFollowTheTableAndPaddingHasNone) {
  const Case value = SmallCase();
  const CaseInputs inputs = Build(value);
  const TensorView slots = inputs.image.View("slot_mapping");
  std::int64_t token = 0;
  for (std::int64_t r = 0; r < 3; ++r) {
    const Request& request = value.problem.requests[static_cast<std::size_t>(r)];
    for (std::int64_t row = 0; row < request.q_len; ++row, ++token) {
      const Slot at = FindSlot(value, inputs, r, request.seq_len - request.q_len + row);
      std::int64_t slot = 0;
      std::memcpy(&slot, slots.At({token}), sizeof(slot));
      EXPECT_EQ(slot, at.page * 8 + at.slot);
    }
  }
  for (; token < 13; ++token) {
    std::int64_t slot = 0;
    std::memcpy(&slot, slots.At({token}), sizeof(slot));
    EXPECT_EQ(slot, -1);
  }
}

TEST(Inputs, TheStepsKeysAndValuesAreThoseOfTheCache) {
  for (const Case& value : Variety()) {
    if (value.problem.attention_type != AttentionType::kDecoder) continue;
    const CaseInputs inputs = Build(value);
    std::int64_t token = 0;
    for (std::int64_t r = 0; r < 3; ++r) {
      const Request& request = value.problem.requests[static_cast<std::size_t>(r)];
      for (std::int64_t row = 0; row < request.q_len; ++row, ++token) {
        const std::int64_t key = request.seq_len - request.q_len + row;
        for (const auto& [step, cache] :
             {std::pair{"key", "key_cache"}, {"value", "value_cache"}}) {
          const TensorView view = inputs.image.View(step);
          const std::vector<double> expected = CacheRow(value, inputs, cache, r, key, 1);
          for (std::int64_t d = 0; d < view.shape[2]; ++d) {
            ASSERT_EQ(Load(view, {token, 1, d}), expected[static_cast<std::size_t>(d)]) << value.id;
          }
        }
      }
    }
  }
}

TEST(Inputs, StepAndCacheAgreeAlsoWhereTheirTypesDiffer) {
  for (const auto& [query, cache] : {std::pair{DType::kBFloat16, DType::kFloat16},
                                     {DType::kFloat16, DType::kBFloat16},
                                     {DType::kFloat32, DType::kBFloat16},
                                     {DType::kFloat16, DType::kFloat32}}) {
    Case value = SmallCase(Recipe::kGeneric);
    value.problem.query_dtype = query;
    value.problem.cache_dtype = cache;
    const CaseInputs inputs = Build(value);
    const TensorView step = inputs.image.View("value");
    const std::vector<double> row = CacheRow(value, inputs, "value_cache", 0, 52, 1);
    for (std::int64_t d = 0; d < step.shape[2]; ++d) {
      EXPECT_EQ(Load(step, {0, 1, d}), row[static_cast<std::size_t>(d)]);
    }
  }
}

TEST(Inputs, RequestsShareTheirPrefixAndNothingElse) {
  Case value = SmallCase(Recipe::kGeneric);
  value.problem.shared_prefix = 16;
  value.problem.window_left = 0;
  value.problem.requests = {{1, 53}, {7, 29}, {3, 19}};
  const CaseInputs inputs = Build(value);
  for (std::int64_t key = 0; key < 19; ++key) {
    const Slot first = FindSlot(value, inputs, 0, key);
    const Slot second = FindSlot(value, inputs, 1, key);
    EXPECT_EQ(first.page == second.page, key < 16);
    EXPECT_EQ(CacheRow(value, inputs, "key_cache", 0, key, 1) ==
                  CacheRow(value, inputs, "key_cache", 1, key, 1),
              key < 16);
  }
}

// ---- Recipes

TEST(Inputs, LiveNumbersAreFiniteWhateverThePoison) {
  for (const Case& value : Variety()) {
    if (!value.problem.uses_paged_kv()) continue;
    const CaseInputs inputs = Build(value);
    for (std::size_t r = 0; r < 3; ++r) {
      const LiveKeys live = LiveKeysOf(value.problem, r);
      for (std::int64_t key = live.first; key < live.last; ++key) {
        for (const char* tensor : {"key_cache", "value_cache"}) {
          for (const double x :
               CacheRow(value, inputs, tensor, static_cast<std::int64_t>(r), key, 0)) {
            ASSERT_TRUE(std::isfinite(x)) << value.id << " " << tensor << " key " << key;
          }
        }
      }
    }
  }
}

TEST(Inputs, DeadSlotsHoldThePoison) {
  for (const Poison poison : {Poison::kLoud, Poison::kNan, Poison::kInf}) {
    const Case value = SmallCase(Recipe::kGeneric, poison);
    const CaseInputs inputs = Build(value);
    // Slot 5 of the page with key 48: key 53, one past the end.
    for (const char* tensor : {"key_cache", "value_cache"}) {
      for (const double x : CacheRow(value, inputs, tensor, 0, 53, 1)) {
        EXPECT_EQ(std::isnan(x), poison == Poison::kNan);
        EXPECT_EQ(std::isinf(x), poison == Poison::kInf);
        EXPECT_FALSE(std::abs(x) < 60.0);
      }
    }
    for (std::int64_t token = 11; token < 13; ++token) {
      const double x = Load(inputs.image.View("query"), {token, 0, 0});
      EXPECT_EQ(std::isnan(x), poison == Poison::kNan);
      EXPECT_FALSE(std::abs(x) < 60.0);
    }
  }
}

TEST(Inputs, VCodedRunsOfKeysSumToAtMostTwoInEveryColumn) {
  Case value = SmallCase(Recipe::kVCoded);
  value.problem.window_left = 0;
  value.problem.shared_prefix = 24;
  value.problem.requests = {{1, 53}, {7, 29}, {3, 27}};
  const CaseInputs inputs = Build(value);
  for (std::int64_t r = 0; r < 3; ++r) {
    for (int head = 0; head < 2; ++head) {
      std::vector<double> sums(32, 0.0);  // of keys 0 to `key`; a run is the difference of two
      std::vector<double> lowest(32, 0.0);
      std::vector<double> highest(32, 0.0);
      const std::int64_t length = value.problem.requests[static_cast<std::size_t>(r)].seq_len;
      for (std::int64_t key = 0; key < length; ++key) {
        const std::vector<double> code = CacheRow(value, inputs, "value_cache", r, key, head);
        for (std::size_t d = 0; d < 32; ++d) {
          EXPECT_EQ(std::abs(code[d]), 1.0);
          sums[d] += code[d];
          lowest[d] = std::min(lowest[d], sums[d]);
          highest[d] = std::max(highest[d], sums[d]);
          ASSERT_LE(highest[d] - lowest[d], 2.0) << "request " << r << " key " << key;
        }
        for (const double x : CacheRow(value, inputs, "key_cache", r, key, head)) EXPECT_EQ(x, 0.0);
      }
    }
  }
}

TEST(Inputs, VCodesTellRequestsHeadsAndKeysApart) {
  Case value = SmallCase(Recipe::kVCoded);
  value.problem.window_left = 0;
  const CaseInputs inputs = Build(value);
  std::set<std::vector<double>> codes;
  int rows = 0;
  for (std::int64_t r = 0; r < 3; ++r) {
    for (std::int64_t key = 0; key < 3; ++key) {
      for (int head = 0; head < 2; ++head, ++rows) {
        codes.insert(CacheRow(value, inputs, "value_cache", r, key, head));
      }
    }
  }
  EXPECT_EQ(static_cast<int>(codes.size()), rows);
}

TEST(Inputs, DrawnRowsDifferBetweenRequestsKeysAndHeads) {
  for (const Recipe recipe : {Recipe::kGeneric, Recipe::kPeaked, Recipe::kPositive}) {
    Case value = SmallCase(recipe);
    value.problem.window_left = 0;
    const CaseInputs inputs = Build(value);
    std::set<std::vector<double>> keys;
    std::set<std::vector<double>> values;
    int rows = 0;
    for (std::int64_t r = 0; r < 3; ++r) {
      for (std::int64_t key = 0; key < 3; ++key) {
        for (int head = 0; head < 2; ++head, ++rows) {
          std::vector<double> row = CacheRow(value, inputs, "key_cache", r, key, head);
          row.erase(row.begin());  // the column of designed scores
          keys.insert(row);
          values.insert(CacheRow(value, inputs, "value_cache", r, key, head));
        }
      }
    }
    EXPECT_EQ(static_cast<int>(keys.size()), rows) << Name(recipe);
    EXPECT_EQ(static_cast<int>(values.size()), rows) << Name(recipe);
  }
}

TEST(Inputs, QueriesDifferBetweenRowsAndHeads) {
  for (const Recipe recipe : {Recipe::kVCoded, Recipe::kKCoded, Recipe::kGeneric}) {
    const CaseInputs inputs = Build(SmallCase(recipe));
    const TensorView query = inputs.image.View("query");
    std::set<std::vector<double>> rows;
    for (std::int64_t token = 0; token < query.shape[0]; ++token) {
      for (std::int64_t head = 0; head < 6; ++head) {
        std::vector<double> row;
        for (std::int64_t d = 0; d < 24; ++d) row.push_back(Load(query, {token, head, d}));
        rows.insert(row);
      }
    }
    EXPECT_EQ(static_cast<std::int64_t>(rows.size()), query.shape[0] * 6) << Name(recipe);
  }
}

TEST(Inputs, OneLeakedVCodeShowsInEveryColumn) {
  const Case value = SmallCase(Recipe::kVCoded);
  const CaseInputs inputs = Build(value);
  for (const double x : CacheRow(value, inputs, "value_cache", 0, 53, 0)) {
    EXPECT_TRUE(std::abs(x) == 5.0 || std::abs(x) == 7.0) << x;
  }
}

TEST(Inputs, LongFloat16CodesAreScaledUp) {
  Case value = SmallCase(Recipe::kVCoded);
  EXPECT_EQ(Build(value).code_unit, 1.0);
  value.problem.output_dtype = DType::kFloat16;
  EXPECT_EQ(Build(value).code_unit, 1.0);
  value.problem.requests = {{1, 2100}};
  const CaseInputs inputs = Build(value);
  EXPECT_EQ(inputs.code_unit, 1024.0);
  EXPECT_EQ(std::abs(CacheRow(value, inputs, "value_cache", 0, 2099, 0)[0]), 1024.0);
}

double Score(const Case& value, const CaseInputs& inputs, std::int64_t token, int head,
             const std::vector<double>& key) {
  double dot = 0;
  for (std::size_t d = 0; d < key.size(); ++d) {
    dot += Load(inputs.image.View("query"), {token, head, static_cast<std::int64_t>(d)}) * key[d];
  }
  return dot * value.problem.scale;
}

TEST(Inputs, KCodedKeysAreOneHotAndScoresAreNegativeWithAnyScale) {
  for (const float scale : {0.125F, -0.3F, 1.0F, 7.62939453125e-06F}) {
    Case value = SmallCase(Recipe::kKCoded);
    value.problem.scale = scale;
    const CaseInputs inputs = Build(value);
    for (std::int64_t key = 32; key < 53; ++key) {
      const std::vector<double> row = CacheRow(value, inputs, "key_cache", 0, key, 1);
      const std::vector<double> code = CacheRow(value, inputs, "value_cache", 0, key, 1);
      EXPECT_EQ(std::count(row.begin(), row.end(), 0.0), 23);
      EXPECT_EQ(std::count(code.begin(), code.end(), 1.0), 1);
      EXPECT_EQ(std::count(code.begin(), code.end(), 0.0), 31);
      const double score = Score(value, inputs, 0, 4, row);
      EXPECT_LT(score, -0.49);
      EXPECT_GT(score, -6.55);
    }
    EXPECT_GT(Score(value, inputs, 0, 4, CacheRow(value, inputs, "key_cache", 0, 53, 1)), 50.0)
        << "a dead key would win";
  }
}

TEST(Inputs, ScalesAboveFourMakeScoresLarge) {
  Case value = SmallCase(Recipe::kKCoded);
  value.problem.scale = 1048576.0F;
  const CaseInputs inputs = Build(value);
  for (std::int64_t key = 32; key < 53; ++key) {
    EXPECT_LT(Score(value, inputs, 0, 4, CacheRow(value, inputs, "key_cache", 0, key, 1)), -1e5);
  }
}

TEST(Inputs, ScoresOfTheOtherRecipesHaveTheirSpread) {
  for (const auto& [recipe, low, high] : {std::tuple{Recipe::kGeneric, -8.0, 8.0},
                                          {Recipe::kPeaked, -32.0, 32.0},
                                          {Recipe::kPositive, 190.0, 210.0}}) {
    Case value = SmallCase(recipe);
    value.problem.window_left = 0;
    value.problem.scale = 0.3F;
    const CaseInputs inputs = Build(value);
    double lowest = 1e9;
    double highest = -1e9;
    for (std::int64_t key = 0; key < 53; ++key) {
      for (int head = 0; head < 6; ++head) {
        const double score =
            Score(value, inputs, 0, head, CacheRow(value, inputs, "key_cache", 0, key, head / 3));
        lowest = std::min(lowest, score);
        highest = std::max(highest, score);
      }
    }
    EXPECT_GT(lowest, low) << Name(recipe);
    EXPECT_LT(highest, high) << Name(recipe);
    EXPECT_GT(highest - lowest, recipe == Recipe::kPeaked ? 35.0 : 2.0) << Name(recipe);
  }
}

// Whichever neighbouring keys a split takes, its parts differ in weight.
TEST(Inputs, SteppedScoresChangeOctaveByOctaveFromTheLastKey) {
  Case value = SmallCase(Recipe::kStepped);
  value.problem.window_left = 0;
  const CaseInputs inputs = Build(value);
  for (std::int64_t key = 0; key < 53; ++key) {
    const std::int64_t distance = 52 - key;
    const bool up =
        distance < 1 || (distance >= 3 && distance < 7) || (distance >= 15 && distance < 31);
    for (int head = 0; head < 2; ++head) {
      const std::vector<double> row = CacheRow(value, inputs, "value_cache", 0, key, head);
      EXPECT_TRUE(std::all_of(row.begin(), row.end(), [up](double v) {
        return std::abs(v) >= 0.5 && std::abs(v) <= 1.5 && (v > 0) == up;
      })) << key;
    }
    const double score =
        Score(value, inputs, 0, 4, CacheRow(value, inputs, "key_cache", 0, key, 1));
    EXPECT_NEAR(score, up ? 0.5 : -0.5, 1e-3) << key;
  }
}

// A row that sees the whole text sums every value twice, with both signs, under equal weights.
TEST(Inputs, CancellingKeysComeTwiceWithOppositeValues) {
  Case value = SmallCase(Recipe::kCancelling);
  value.problem.window_left = value.problem.window_right = 0;
  const CaseInputs inputs = Build(value);
  const auto row = [&](const char* cache, std::int64_t key) {
    return CacheRow(value, inputs, cache, 0, key, 1);
  };
  for (std::int64_t key = 0; key < 26; ++key) {
    EXPECT_EQ(row("key_cache", key), row("key_cache", 26 + key)) << key;
    std::vector<double> opposite = row("value_cache", 26 + key);
    for (double& number : opposite) number = -number;
    opposite[0] = -opposite[0];
    EXPECT_GT(opposite[0], 0.0) << key;
    EXPECT_EQ(row("value_cache", key), opposite) << key;
    EXPECT_NE(row("key_cache", key), row("key_cache", (key + 1) % 26)) << key;
  }
  const std::vector<double> odd = row("value_cache", 52);
  EXPECT_EQ(std::count(odd.begin() + 1, odd.end(), 0.0), std::ssize(odd) - 1);
}

TEST(Inputs, SinksAreDistinctAndGentleForExactProbes) {
  for (const auto& [recipe, top] : {std::pair{Recipe::kVCoded, 2.0}, {Recipe::kGeneric, 4.0}}) {
    for (const int heads : {1, 2, 6, 64, 71}) {
      Case value = SmallCase(recipe);
      value.problem.num_q_heads = heads;
      value.problem.num_kv_heads = 1;
      value.problem.sinks = true;
      const CaseInputs inputs = Build(value);
      std::set<double> sinks;
      for (std::int64_t h = 0; h < heads; ++h) sinks.insert(Load(inputs.image.View("sinks"), {h}));
      EXPECT_EQ(static_cast<int>(sinks.size()), heads);
      EXPECT_GE(*sinks.begin(), -3.0);
      EXPECT_LE(*sinks.rbegin(), top);
    }
  }
}

// ---- Layouts

TEST(Inputs, TheCacheHoldsTheSameNumbersInEveryLayout) {
  const Case dense = SmallCase(Recipe::kGeneric);
  const CaseInputs reference = Build(dense);
  for (const CacheLayout layout : {CacheLayout::kHnd, CacheLayout::kPackedKv, CacheLayout::kKvFirst,
                                   CacheLayout::kPaddedPages}) {
    Case value = dense;
    value.problem.cache_layout = layout;
    const CaseInputs inputs = Build(value);
    const bool dense_strides = layout == CacheLayout::kKvFirst;
    EXPECT_EQ(inputs.image.View("key_cache").strides == reference.image.View("key_cache").strides,
              dense_strides);
    for (std::int64_t key = 32; key < 53; ++key) {
      for (const char* tensor : {"key_cache", "value_cache"}) {
        EXPECT_EQ(CacheRow(value, inputs, tensor, 0, key, 1),
                  CacheRow(dense, reference, tensor, 0, key, 1))
            << Name(layout);
      }
    }
  }
}

TEST(Inputs, PaddedRowsLieFurtherApartInEachTensorByAnotherGap) {
  Case value = SmallCase();
  value.problem.token_layout = TokenLayout::kPaddedRows;
  const CaseInputs inputs = Build(value);
  std::set<std::int64_t> gaps;
  for (const char* tensor : {"query", "key", "value", "out"}) {
    const TensorView view = inputs.image.View(tensor);
    gaps.insert(view.strides[0] - view.shape[1] * view.shape[2]);
  }
  EXPECT_EQ(gaps.size(), 4U);
  EXPECT_GT(*gaps.begin(), 0);
  EXPECT_GT(inputs.image.View("lse").strides[0], 6);
}

TEST(Inputs, FusedRowsAreOneBuffer) {
  Case value = SmallCase();
  value.problem.token_layout = TokenLayout::kQkvFused;
  const CaseInputs inputs = Build(value);
  const TensorView query = inputs.image.View("query");
  const TensorView key = inputs.image.View("key");
  EXPECT_EQ(query.strides[0], 6 * 24 + 2 * 24 + 2 * 32);
  EXPECT_EQ(key.strides[0], query.strides[0]);
  EXPECT_EQ(key.data - query.data, 6 * 24 * 2);
}

TEST(Inputs, WhatCannotBeBuiltIsSaid) {
  Case value = SmallCase();
  value.problem.cache_layout = CacheLayout::kXSplit;
  value.problem.head_dim_qk = 20;
  EXPECT_NE(BuildInputs(value, 0).status().message().find("x_split"), std::string::npos);
  value = SmallCase();
  value.problem.window_left = 0;
  value.problem.shared_prefix = 8;
  value.problem.hybrid_split = 2;
  value.problem.requests = {{1, 53}, {7, 29}};
  EXPECT_NE(BuildInputs(value, 0).status().message().find("hybrid_split"), std::string::npos);
  value = SmallCase();
  value.problem.num_kv_heads = 4;
  EXPECT_FALSE(BuildInputs(value, 0).ok());
}

TEST(Inputs, RequestsWithoutKeysOrTokensAreBuilt) {
  Case value = SmallCase(Recipe::kPeaked, Poison::kNan);
  value.problem.requests = {{0, 0}, {3, 0}, {0, 17}, {9, 4}};
  const CaseInputs inputs = Build(value);
  EXPECT_EQ(inputs.abi.num_requests, 4);
  value.problem.requests = {{2, 0}};
  EXPECT_EQ(Build(value).abi.block_table_width, 3);
}

}  // namespace
}  // namespace attest
