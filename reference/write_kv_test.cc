// SPDX-License-Identifier: Apache-2.0
#include "reference/write_kv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "reference/float_formats.h"
#include "reference/testing/random_problem.h"

namespace attest {
namespace {

using testing::StoredTensor;

struct Call {
  Problem problem;
  StoredTensor key, value, key_cache, value_cache, slot_mapping, key_scale, value_scale;

  Status Run() {
    const WriteKvTensors tensors = {key.View(),         value.View(),        key_cache.View(),
                                    value_cache.View(), slot_mapping.View(), key_scale.View(),
                                    value_scale.View()};
    return ExpectWriteKv(problem, tensors,
                         {key_cache.bytes.data(), value_cache.bytes.data(), key_scale.bytes.data(),
                          value_scale.bytes.data()});
  }
};

// 3 tokens, 2 pages of 2 slots, 1 head, 2 columns. Cache bytes are 0xEE.
Call MakeCall(DType query, DType cache, const std::vector<std::int64_t>& slots,
              CacheLayout layout = CacheLayout::kNhd) {
  Call call;
  Problem& p = call.problem;
  p.query_dtype = p.output_dtype = query;
  p.cache_dtype = cache;
  p.cache_layout = layout;
  p.head_dim_qk = p.head_dim_v = 2;
  p.block_size = 2;
  p.requests = {{.q_len = 3, .seq_len = 3}};
  call.key = testing::MakeDense(query, {3, 1, 2});
  call.value = testing::MakeDense(query, {3, 1, 2});
  const auto x = static_cast<std::int64_t>(16 / SizeOf(cache));
  const bool split = layout == CacheLayout::kXSplit;
  call.key_cache =
      split ? testing::MakeDense(cache, {2, 1, 1, 2, x}) : testing::MakeDense(cache, {2, 2, 1, 2});
  call.value_cache =
      split ? testing::MakeDense(cache, {2, 1, 2, 2}) : testing::MakeDense(cache, {2, 2, 1, 2});
  call.slot_mapping = testing::MakeDense(DType::kInt64, {static_cast<std::int64_t>(slots.size())});
  std::memcpy(call.slot_mapping.bytes.data(), slots.data(), slots.size() * sizeof(slots[0]));
  for (StoredTensor* tensor : {&call.key_cache, &call.value_cache}) {
    tensor->bytes.assign(tensor->bytes.size(), std::byte{0xEE});
  }
  for (std::int64_t token = 0; token < 3; ++token) {
    for (std::int64_t c = 0; c < 2; ++c) {
      const auto number = static_cast<double>(10 * token + c + 1);
      testing::SetFloat(&call.key, {token, 0, c}, number);
      testing::SetFloat(&call.value, {token, 0, c}, -number);
    }
  }
  return call;
}

void AddScales(KvScaleKind kind, double key, double value, Call* call) {
  call->problem.kv_scale_kind = kind;
  for (const bool is_key : {true, false}) {
    StoredTensor& scales = is_key ? call->key_scale : call->value_scale;
    scales = testing::MakeDense(DType::kFloat32, {2, 2, 1});
    for (std::int64_t n = 0; n < 4; ++n) {
      testing::SetFloat(&scales, {n / 2, n % 2, 0}, is_key ? key : value);
    }
  }
}

double Load(StoredTensor* tensor, const testing::Index& index) {
  return LoadElement(tensor->dtype, tensor->At(index));
}

TEST(WriteKv, ChangesExactlyTheSlotsThatAreNamed) {
  Call call = MakeCall(DType::kFloat32, DType::kFloat32, {3, -1, 0});
  const StoredTensor before = call.key_cache;
  ASSERT_TRUE(call.Run().ok());
  EXPECT_EQ(Load(&call.key_cache, {1, 1, 0, 0}), 1.0);  // token 0 to slot 3
  EXPECT_EQ(Load(&call.value_cache, {1, 1, 0, 1}), -2.0);
  EXPECT_EQ(Load(&call.key_cache, {0, 0, 0, 1}), 22.0);  // token 2 to slot 0
  // Slots 1 and 2 lie between.
  EXPECT_EQ(std::memcmp(call.key_cache.At({0, 1, 0, 0}), &before.bytes[8], 16), 0);
}

TEST(WriteKv, MayNameFewerSlotsThanTokens) {
  Call call = MakeCall(DType::kFloat32, DType::kFloat32, {2});
  ASSERT_TRUE(call.Run().ok());
  EXPECT_EQ(Load(&call.key_cache, {1, 0, 0, 0}), 1.0);
  EXPECT_EQ(*call.key_cache.At({0, 0, 0, 0}), std::byte{0xEE});
  Call none = MakeCall(DType::kFloat32, DType::kFloat32, {-1, -5, -1});
  const StoredTensor before = none.key_cache;
  ASSERT_TRUE(none.Run().ok());
  EXPECT_EQ(none.key_cache.bytes, before.bytes);
}

TEST(WriteKv, ConvertsToTheCacheTypeToNearestEven) {
  Call call = MakeCall(DType::kFloat32, DType::kBFloat16, {0});
  testing::SetFloat(&call.key, {0, 0, 0}, 1.0 + 0x1p-8);    // a tie
  testing::SetFloat(&call.key, {0, 0, 1}, 1.0 + 0x1.8p-7);  // a tie of an odd number
  ASSERT_TRUE(call.Run().ok());
  EXPECT_EQ(Load(&call.key_cache, {0, 0, 0, 0}), 1.0);
  EXPECT_EQ(Load(&call.key_cache, {0, 0, 0, 1}), 1.0 + 0x1p-6);
}

TEST(WriteKv, CopiesBitsOfTheSameType) {
  Call call = MakeCall(DType::kFloat16, DType::kFloat16, {0});
  const std::uint16_t odd_nan = 0xFD23;
  std::memcpy(call.key.At({0, 0, 0}), &odd_nan, sizeof(odd_nan));
  ASSERT_TRUE(call.Run().ok());
  EXPECT_EQ(std::memcmp(call.key_cache.At({0, 0, 0, 0}), &odd_nan, sizeof(odd_nan)), 0);
}

TEST(WriteKv, DividesByTheScaleAndSaturates) {
  Call call = MakeCall(DType::kFloat32, DType::kFloat8E4M3FN, {1, 2});
  AddScales(KvScaleKind::kPerTensor, 0.5, 4.0, &call);
  testing::SetFloat(&call.key, {0, 0, 0}, 1000.0);
  testing::SetFloat(&call.key, {0, 0, 1}, std::nan(""));
  testing::SetFloat(&call.value, {0, 0, 0}, 4.0 * 17.0);  // a tie of 16 and 18
  testing::SetFloat(&call.value, {0, 0, 1}, -std::numeric_limits<double>::infinity());
  ASSERT_TRUE(call.Run().ok());
  EXPECT_EQ(Load(&call.key_cache, {0, 1, 0, 0}), 448.0);
  EXPECT_TRUE(std::isnan(Load(&call.key_cache, {0, 1, 0, 1})));
  EXPECT_EQ(Load(&call.value_cache, {0, 1, 0, 0}), 16.0);
  EXPECT_EQ(Load(&call.value_cache, {0, 1, 0, 1}), -448.0);
  EXPECT_EQ(Load(&call.key_cache, {1, 0, 0, 0}), 22.0);  // 11 / 0.5
}

TEST(WriteKv, Int8HasAScaleForEachTokenAndHead) {
  Call call = MakeCall(DType::kFloat32, DType::kInt8, {0, 3});
  AddScales(KvScaleKind::kPerTokenHead, 9.0, 9.0, &call);
  testing::SetFloat(&call.key, {0, 0, 0}, -12.7);
  testing::SetFloat(&call.key, {0, 0, 1}, 0.26);
  testing::SetFloat(&call.value, {0, 0, 0}, 0.0);
  testing::SetFloat(&call.value, {0, 0, 1}, 0.0);
  ASSERT_TRUE(call.Run().ok());
  EXPECT_EQ(Load(&call.key_scale, {0, 0, 0}), static_cast<double>(12.7F / 127.0F));
  EXPECT_EQ(Load(&call.key_cache, {0, 0, 0, 0}), -127.0);
  EXPECT_EQ(Load(&call.key_cache, {0, 0, 0, 1}), 3.0);
  EXPECT_EQ(Load(&call.value_scale, {0, 0, 0}), 1.0);  // all zeros
  EXPECT_EQ(Load(&call.value_cache, {0, 0, 0, 1}), 0.0);
  EXPECT_EQ(Load(&call.key_scale, {0, 1, 0}), 9.0);  // slot 1 is not written
  EXPECT_EQ(Load(&call.key_scale, {1, 1, 0}), static_cast<double>(12.0F / 127.0F));
}

TEST(WriteKv, XSplitPutsColumnsWhereTheLayoutSays) {
  Call call = MakeCall(DType::kFloat16, DType::kFloat16, {3}, CacheLayout::kXSplit);
  ASSERT_TRUE(call.Run().ok());
  EXPECT_EQ(Load(&call.key_cache, {1, 0, 0, 1, 1}), 2.0);
  EXPECT_EQ(Load(&call.value_cache, {1, 0, 1, 1}), -2.0);
  EXPECT_EQ(*call.key_cache.At({1, 0, 0, 0, 1}), std::byte{0xEE});
}

TEST(WriteKv, RefusalsNameTheTensorAndWriteNothing) {
  const auto message = [](Call call) {
    const StoredTensor before = call.key_cache;
    const Status status = call.Run();
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(call.key_cache.bytes, before.bytes);
    return status.message();
  };
  const DType f32 = DType::kFloat32;
  EXPECT_EQ(message(MakeCall(f32, f32, {0, 4})), "slot_mapping[1]: 4 is not one of 4 slots");
  EXPECT_EQ(message(MakeCall(f32, f32, {1, 0, 1})), "slot_mapping[2]: 1 is named twice");
  EXPECT_EQ(message(MakeCall(f32, f32, {0, 1, 2, 3})),
            "key: shape [3, 1, 2], axis 0 contradicts the problem");
  Call call = MakeCall(f32, DType::kFloat8E5M2, {0});
  AddScales(KvScaleKind::kPerHead, 0.0, 1.0, &call);
  EXPECT_EQ(message(call), "key_scale[0][0][0]: 0 divides by nothing finite");
  call = MakeCall(f32, DType::kInt8, {0});
  AddScales(KvScaleKind::kPerTokenHead, 1.0, 1.0, &call);
  testing::SetFloat(&call.value, {0, 0, 1}, std::nan(""));
  EXPECT_EQ(message(call), "value[0][0][1]: not finite, so there is no scale for its token");
}

}  // namespace
}  // namespace attest
