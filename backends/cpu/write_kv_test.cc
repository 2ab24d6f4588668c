// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "backends/cpu/test_array.h"
#include "backends/cpu/test_call.h"

namespace attest::cpu {
namespace {

constexpr int kPages = 3;
constexpr int kSlots = 4;
constexpr int kHeads = 2;
constexpr int kKeyColumns = 16;
constexpr int kValueColumns = 5;
constexpr attest_dtype_t kInt64 = {ATTEST_INT, 64, 1};

struct Setting {
  attest_dtype_t query_dtype = kTestFloat32;
  attest_dtype_t cache_dtype = kTestFloat32;
  attest_kv_scale_kind_t scales = ATTEST_KV_SCALE_NONE;
  attest_kv_layout_t layout = ATTEST_KV_STRIDED;
};

std::vector<std::int64_t> CacheShape(const Setting& s, bool values) {
  const std::int64_t columns = values ? kValueColumns : kKeyColumns;
  if (s.layout == ATTEST_KV_STRIDED) return {kPages, kSlots, kHeads, columns};
  const std::int64_t x = 16 / (s.cache_dtype.bits / 8);
  if (values) return {kPages, kHeads, columns, kSlots};
  return {kPages, kHeads, columns / x, kSlots, x};
}

// Five tokens into slots 9, -1, 0 and 6; the fifth has no entry.
struct WriteCall {
  explicit WriteCall(const Setting& setting)
      : s(setting),
        key(s.query_dtype, {5, kHeads, kKeyColumns}, 1),
        value(s.query_dtype, {5, kHeads, kValueColumns}, 2),
        key_cache(s.cache_dtype, CacheShape(s, false), 3),
        value_cache(s.cache_dtype, CacheShape(s, true), 1),
        slots(kInt64, {4}),
        key_scale(kTestFloat32, {kPages, kSlots, kHeads}),
        value_scale(kTestFloat32, {kPages, kSlots, kHeads}) {
    for (const auto& [i, slot] : {std::pair{0, 9}, {1, -1}, {2, 0}, {3, 6}}) {
      slots.Set<std::int64_t>({i}, slot);
    }
    for (int t = 0; t < 5; ++t) {
      for (int h = 0; h < kHeads; ++h) {
        for (int d = 0; d < kKeyColumns; ++d) SetNumber(key, {t, h, d}, NumberAt(t, h, d));
        for (int d = 0; d < kValueColumns; ++d) SetNumber(value, {t, h, d}, -NumberAt(t, h, d));
      }
    }
    problem.struct_size = sizeof(problem);
    problem.query_dtype = problem.output_dtype = s.query_dtype;
    problem.cache_dtype = s.cache_dtype;
    problem.kv_scale_kind = s.scales;
    problem.kv_layout = s.layout;
    problem.num_q_heads = problem.num_kv_heads = kHeads;
    problem.head_dim_qk = kKeyColumns;
    problem.head_dim_v = kValueColumns;
    problem.scale = 1;
    problem.block_size = kSlots;
    problem.num_blocks = kPages;
  }

  // A sixteenth of an integer, so that a bfloat16 or float16 query holds it.
  static float NumberAt(int token, int head, int column) {
    return static_cast<float>((token * 37 + head * 11 + column * 7) % 61 - 30) / 16.0F;
  }
  void SetNumber(TestArray& array, std::initializer_list<std::int64_t> index, float number) const {
    const auto bits = std::bit_cast<std::uint32_t>(number);
    if (s.query_dtype.bits == 32) array.Set(index, bits);
    if (s.query_dtype.bits == 16) array.Set(index, static_cast<std::uint16_t>(bits >> 16));
  }

  attest_status_t Run(std::string* message = nullptr) {
    attest_write_kv_args_t args = {};
    args.struct_size = sizeof(args);
    args.key = key.tensor();
    args.value = value.tensor();
    args.key_cache = key_cache.tensor();
    args.value_cache = value_cache.tensor();
    args.slot_mapping = slots.tensor();
    if (s.scales != ATTEST_KV_SCALE_NONE) {
      args.key_scale = key_scale.tensor();
      args.value_scale = value_scale.tensor();
    }
    patch(args);
    attest_error_t error = {};
    attest_backend_t& backend = TestCall::Backend();
    const attest_status_t status = backend.write_kv(backend.self, &problem, &args, &error);
    if (message != nullptr) *message = error.message;
    return status;
  }

  // Column `d` of a slot, as stored.
  std::byte* Stored(bool values, int slot, int head, int d) {
    TestArray& cache = values ? value_cache : key_cache;
    const int page = slot / kSlots;
    if (s.layout == ATTEST_KV_STRIDED) return cache.At({page, slot % kSlots, head, d});
    if (values) return cache.At({page, head, d, slot % kSlots});
    const int x = 16 / (s.cache_dtype.bits / 8);
    return cache.At({page, head, d / x, slot % kSlots, d % x});
  }

  Setting s;
  TestArray key;
  TestArray value;
  TestArray key_cache;
  TestArray value_cache;
  TestArray slots;
  TestArray key_scale;
  TestArray value_scale;
  attest_problem_t problem = {};
  std::function<void(attest_write_kv_args_t&)> patch = [](attest_write_kv_args_t&) {};
};

struct Written {
  int token;
  int slot;
};
constexpr Written kWritten[] = {{0, 9}, {2, 0}, {3, 6}};

// The pattern that float32 `number` has in a 16- or 32-bit type that holds it.
std::uint32_t PatternOf(attest_dtype_t dtype, float number) {
  const auto bits = std::bit_cast<std::uint32_t>(number);
  if (dtype.bits == 32) return bits;
  if (dtype.code == ATTEST_BFLOAT) return bits >> 16;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  return (bits >> 16 & 0x8000U) | (magnitude == 0 ? 0U : (magnitude - 0x38000000U) >> 13);
}

TEST(WriteKv, ExactlyTheNamedSlotsChangeAndHoldTheTokens) {
  for (const attest_dtype_t query : {kTestFloat32, kTestBFloat16}) {
    for (const attest_dtype_t cache : {kTestFloat32, kTestFloat16, kTestBFloat16}) {
      for (const attest_kv_layout_t layout : {ATTEST_KV_STRIDED, ATTEST_KV_X_SPLIT}) {
        WriteCall call({.query_dtype = query, .cache_dtype = cache, .layout = layout});
        ASSERT_EQ(call.Run(), ATTEST_OK);
        for (const Written& w : kWritten) {
          for (int h = 0; h < kHeads; ++h) {
            for (int d = 0; d < kKeyColumns + kValueColumns; ++d) {
              const bool values = d >= kKeyColumns;
              const int column = values ? d - kKeyColumns : d;
              const float number = WriteCall::NumberAt(w.token, h, column);
              std::uint32_t bits = 0;
              std::byte* const stored = call.Stored(values, w.slot, h, column);
              std::memcpy(&bits, stored, cache.bits / 8);
              EXPECT_EQ(bits, PatternOf(cache, values ? -number : number));
              std::memset(stored, 0xa5, cache.bits / 8);  // back to what it was
            }
          }
        }
        for (const TestArray* array : {&call.key_cache, &call.value_cache}) {
          for (const std::byte byte : array->bytes()) ASSERT_EQ(byte, std::byte{0xa5});
        }
      }
    }
  }
}

TEST(WriteKv, ANumberThatStaysInItsTypeKeepsEveryBitAlsoThatOfANan) {
  WriteCall call({.query_dtype = kTestBFloat16, .cache_dtype = kTestBFloat16});
  call.key.Set<std::uint16_t>({0, 0, 0}, 0x7f81);  // signalling
  ASSERT_EQ(call.Run(), ATTEST_OK);
  EXPECT_EQ(call.key_cache.Get<std::uint16_t>({2, 1, 0, 0}), 0x7f81);
}

// Nearest among all patterns, by search; ties go to the even pattern.
int NearestByte(attest_dtype_t dtype, float value) {
  int best = -1;
  double distance = INFINITY;
  for (int bits = 0; bits < 256; ++bits) {
    const double number = NumberOfByte(dtype, bits);
    if (!std::isfinite(number) || (dtype.code == ATTEST_INT && number == -128)) continue;
    if (number == 0 && std::signbit(value) != (bits >= 0x80) && bits != 0) continue;
    if (number == 0 && std::signbit(value) && bits == 0 && dtype.code != ATTEST_INT &&
        dtype.code != ATTEST_FLOAT8_E4M3FNUZ) {
      continue;
    }
    const double away = std::fabs(number - static_cast<double>(value));
    if (away < distance || (away == distance && bits % 2 == 0)) {
      best = bits;
      distance = away;
    }
  }
  return best;
}

float LargestNumber(attest_dtype_t dtype) {
  float largest = 0;
  for (int bits = 0; bits < 128; ++bits) {
    const double number = NumberOfByte(dtype, bits);
    if (std::isfinite(number)) largest = std::max(largest, static_cast<float>(number));
  }
  return largest;
}

constexpr attest_dtype_t kFloat8s[] = {kTestE4M3FN, kTestE4M3FNUZ, kTestE5M2};

TEST(WriteKv, AGivenScaleDividesAndTheQuotientGoesToTheNearestNumber) {
  for (const attest_dtype_t cache : kFloat8s) {
    for (const attest_kv_scale_kind_t kind :
         {ATTEST_KV_SCALE_NONE, ATTEST_KV_SCALE_PER_TENSOR, ATTEST_KV_SCALE_PER_HEAD}) {
      WriteCall call({.cache_dtype = cache, .scales = kind});
      const bool head = kind == ATTEST_KV_SCALE_PER_HEAD;
      for (TestArray* scale : {&call.key_scale, &call.value_scale}) {
        scale->strides() = {0, 0, head ? 1 : 0};
        for (int h = 0; h < kHeads; ++h) scale->Set({0, 0, h}, 0.1F);
      }
      if (head) call.key_scale.Set({0, 0, 1}, 0.003F);
      if (kind != ATTEST_KV_SCALE_NONE) call.value_scale.Set({0, 0, 0}, 1e-6F);  // saturates
      ASSERT_EQ(call.Run(), ATTEST_OK);
      const bool none = kind == ATTEST_KV_SCALE_NONE;
      for (const Written& w : kWritten) {
        for (int h = 0; h < kHeads; ++h) {
          const float key_scale = none ? 1.0F : call.key_scale.Get<float>({0, 0, h});
          const float value_scale = none ? 1.0F : call.value_scale.Get<float>({0, 0, h});
          for (int d = 0; d < kValueColumns; ++d) {
            const float number = WriteCall::NumberAt(w.token, h, d);
            EXPECT_EQ(static_cast<int>(*call.Stored(false, w.slot, h, d)),
                      NearestByte(cache, number / key_scale));
            EXPECT_EQ(static_cast<int>(*call.Stored(true, w.slot, h, d)),
                      NearestByte(cache, -number / value_scale));
          }
        }
      }
    }
  }
}

// 133.875 / 63 is 2.125, halfway between 2 and 2.25; times the rounded reciprocal it is more.
TEST(WriteKv, TheScaleDividesAndIsNotAReciprocal) {
  WriteCall call({.cache_dtype = kTestE4M3FN, .scales = ATTEST_KV_SCALE_PER_TENSOR});
  for (TestArray* scale : {&call.key_scale, &call.value_scale}) {
    scale->strides() = {0, 0, 0};
    scale->Set({0, 0, 0}, 63.0F);
  }
  call.key.Set({0, 0, 0}, 133.875F);
  ASSERT_EQ(call.Run(), ATTEST_OK);
  EXPECT_EQ(NumberOfByte(kTestE4M3FN, static_cast<int>(*call.Stored(false, 9, 0, 0))), 2.0);
}

TEST(WriteKv, InfinityBecomesTheLargestNumberAndNanStaysNan) {
  for (const attest_dtype_t cache : kFloat8s) {
    WriteCall call({.cache_dtype = cache});
    call.key.Set({0, 0, 0}, INFINITY);
    call.key.Set({0, 0, 1}, -INFINITY);
    call.key.Set({0, 0, 2}, NAN);
    ASSERT_EQ(call.Run(), ATTEST_OK);
    const auto number = [&](int d) {
      return NumberOfByte(cache, static_cast<int>(*call.Stored(false, 9, 0, d)));
    };
    EXPECT_EQ(number(0), LargestNumber(cache));
    EXPECT_EQ(number(1), -LargestNumber(cache));
    EXPECT_TRUE(std::isnan(number(2)));
  }
}

TEST(WriteKv, AScalePerTokenAndHeadIsTheLargestMagnitudeOverTheLargestNumber) {
  for (const attest_dtype_t cache : {kTestE4M3FN, kTestE4M3FNUZ, kTestE5M2, kTestInt8}) {
    WriteCall call({.cache_dtype = cache, .scales = ATTEST_KV_SCALE_PER_TOKEN_HEAD});
    for (int d = 0; d < kKeyColumns; ++d) call.key.Set({3, 1, d}, 0.0F);  // goes to slot 6
    ASSERT_EQ(call.Run(), ATTEST_OK);
    EXPECT_EQ(call.key_scale.Get<float>({1, 2, 1}), 1.0F);
    for (const Written& w : kWritten) {
      for (int h = 0; h < kHeads; ++h) {
        float largest = 0;
        for (int d = 0; d < kValueColumns; ++d) {
          largest = std::max(largest, std::fabs(WriteCall::NumberAt(w.token, h, d)));
        }
        const float scale = largest / LargestNumber(cache);
        EXPECT_EQ(call.value_scale.Get<float>({w.slot / kSlots, w.slot % kSlots, h}), scale);
        for (int d = 0; d < kValueColumns; ++d) {
          EXPECT_EQ(static_cast<int>(*call.Stored(true, w.slot, h, d)),
                    NearestByte(cache, -WriteCall::NumberAt(w.token, h, d) / scale));
        }
        // The slots between keep what they held, and so do their scales.
        EXPECT_EQ(call.value_scale.Get<std::uint32_t>({1, 0, h}), 0xa5a5a5a5U);
      }
    }
  }
}

TEST(WriteKv, WhatContradictsIsNamedBeforeAnythingIsWritten) {
  struct Case {
    const char* field;
    std::function<void(WriteCall&)> apply;
  };
  const Setting scaled = {.cache_dtype = kTestInt8, .scales = ATTEST_KV_SCALE_PER_TOKEN_HEAD};
  const Case cases[] = {
      {"slot_mapping[3]", [](WriteCall& c) { c.slots.Set<std::int64_t>({3}, 12); }},
      {"slot_mapping[3]", [](WriteCall& c) { c.slots.Set<std::int64_t>({3}, INT64_MAX); }},
      {"attention_type",
       [](WriteCall& c) {
         c.problem.attention_type = ATTEST_ENCODER_ONLY;
         c.problem.block_size = 0;
         c.problem.cache_dtype = kTestFloat32;
         c.problem.kv_scale_kind = ATTEST_KV_SCALE_NONE;
       }},
      {"num_q_heads", [](WriteCall& c) { c.problem.num_q_heads = 0; }},
      {"key_cache.ndim", [](WriteCall& c) { c.problem.kv_layout = ATTEST_KV_X_SPLIT; }},
      {"key_cache.shape[0]", [](WriteCall& c) { c.problem.num_blocks = 4; }},
      {"key.dtype", [](WriteCall& c) { c.problem.query_dtype = kTestFloat16; }},
      {"key.shape[0]",
       [](WriteCall& c) {
         c.patch = [](attest_write_kv_args_t& a) {
           static std::int64_t three[] = {3, kHeads, kKeyColumns};
           a.key.shape = three;
         };
       }},
      {"value.ndim",
       [](WriteCall& c) { c.patch = [](attest_write_kv_args_t& a) { a.value = {}; }; }},
      {"value_scale.ndim",
       [](WriteCall& c) { c.patch = [](attest_write_kv_args_t& a) { a.value_scale = {}; }; }},
      {"key_scale.strides[0]", [](WriteCall& c) { c.key_scale.strides()[0] = 0; }},
      {"struct_size",
       [](WriteCall& c) { c.patch = [](attest_write_kv_args_t& a) { a.struct_size = 8; }; }},
  };
  for (const Case& c : cases) {
    WriteCall call(scaled);
    c.apply(call);
    std::string message;
    EXPECT_EQ(call.Run(&message), ATTEST_INVALID_ARGUMENT) << c.field;
    EXPECT_NE(message.find(c.field), std::string::npos) << c.field << ": " << message;
    for (const TestArray* array :
         {&call.key_cache, &call.value_cache, &call.key_scale, &call.value_scale}) {
      for (const std::byte byte : array->bytes()) ASSERT_EQ(byte, std::byte{0xa5}) << c.field;
    }
  }
}

// The value is not asked for: it is the beginning of the key.
TEST(WriteKv, ASharedLatentIsWrittenOnce) {
  WriteCall call({});
  call.problem.flags = ATTEST_FLAG_VALUE_IS_KEY_PREFIX;
  std::int64_t shape[] = {kPages, kSlots, kHeads, kValueColumns};
  call.patch = [&](attest_write_kv_args_t& args) {
    args.value = {};
    args.value_cache = args.key_cache;
    args.value_cache.shape = shape;
  };
  ASSERT_EQ(call.Run(), ATTEST_OK);
  EXPECT_EQ(call.key_cache.Get<float>({2, 1, 1, 3}), WriteCall::NumberAt(0, 1, 3));
}

}  // namespace
}  // namespace attest::cpu
