// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/inputs_scales.h"

#include <cmath>

#include "conformance/run/inputs_random.h"

namespace attest {
namespace {

constexpr std::uint64_t kScales = 32;  // a period

// Exponents of powers of two, relative to the size of the designed numbers. The stored numbers stay
// within +-127 as int8 and within +-240 as float8_e4m3fnuz, v-coded poison of 7 units included.
struct Exponents {
  std::vector<int> key;
  std::vector<int> value;
};

Exponents ExponentsOf(const Case& value) {
  if (value.problem.cache_dtype != DType::kInt8) {
    const std::vector<int> both_ways = {-4, -3, -2, -1, 1, 2, 3, 4};
    return {both_ways, both_ways};
  }
  switch (value.recipe) {
    case Recipe::kVCoded:
      return {{-1, -2, -3}, {-1, -2, -3, -4}};
    case Recipe::kStepped:  // keys of size 1, values up to 1.5 in quarters
      return {{-1, -2, -3}, {-2, -3, -4}};
    case Recipe::kKCoded:
      return {{-1, -2, -3}, {-1, -2, -3, -4}};
    case Recipe::kGeneric:
    case Recipe::kCancelling:
    case Recipe::kPeaked:  // rows reach +-3.5
      return {{-5, -4, -3}, {-5, -4, -3}};
    case Recipe::kPositive:  // keys reach 16, which is their size
      return {{-5, -6}, {-5, -4, -3}};
  }
  return {};
}

KvScale PowerOfTwo(const Exponents& exponents, std::uint64_t index, double key_size,
                   double value_size) {
  const std::size_t values = exponents.value.size();
  const double key = std::ldexp(key_size, exponents.key[index % exponents.key.size()]);
  double value = std::ldexp(value_size, exponents.value[(index + 1) % values]);
  if (value == key) value = std::ldexp(value_size, exponents.value[(index + 2) % values]);
  return {key, value};
}

// 65..127 and 67..129 times a power of two. 5 i + 7 = i has no solution modulo 32, so the two
// differ.
KvScale OddMultiple(DType cache_dtype, std::uint64_t index) {
  const int exponent = cache_dtype == DType::kInt8 ? -9 : -6;
  const auto odd = [exponent](std::uint64_t i) {
    return std::ldexp(static_cast<double>(65 + 2 * (i % kScales)), exponent);
  };
  return {odd(index), odd(5 * index + 7)};
}

}  // namespace

ScaleSource::ScaleSource(const Case& value, std::uint64_t seed, double key_size, double value_size)
    : problem_(value.problem), stream_(StreamKey(value.id, seed, "kv_scale")) {
  const Exponents exponents = ExponentsOf(value);
  for (std::uint64_t i = 0; i < kScales; ++i) {
    scales_.push_back(value.recipe == Recipe::kGeneric
                          ? OddMultiple(problem_.cache_dtype, i)
                          : PowerOfTwo(exponents, i, key_size, value_size));
    if (problem_.cache_layout == CacheLayout::kSharedLatent) scales_.back().value = scales_[i].key;
  }
}

KvScale ScaleSource::OfHead(int head) const {
  if (problem_.kv_scale_kind == KvScaleKind::kNone) return {};
  const std::uint64_t step =
      problem_.kv_scale_kind == KvScaleKind::kPerHead ? static_cast<std::uint64_t>(head) : 0;
  return scales_[(Below(stream_, kScales) + step) % kScales];
}

KvScale ScaleSource::At(ContentId content, std::int64_t key, int head) const {
  if (problem_.kv_scale_kind != KvScaleKind::kPerTokenHead) return OfHead(head);
  const std::uint64_t token = Chain(Chain(stream_, content), static_cast<std::uint64_t>(key));
  return scales_[(Below(token, kScales) + static_cast<std::uint64_t>(head)) % kScales];
}

}  // namespace attest
