// SPDX-License-Identifier: Apache-2.0
//
// Vectors of kLanes numbers, in the compiler's own extension (GCC and Clang).
#ifndef ATTEST_BACKENDS_CPU_VECTOR_H_
#define ATTEST_BACKENDS_CPU_VECTOR_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "backends/cpu/kernel.h"

namespace attest::cpu {

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));
using IntLanes = std::int32_t __attribute__((vector_size(kLanes * sizeof(float))));

inline Lanes LoadLanes(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof(lanes));
  return lanes;
}

inline void StoreLanes(Lanes lanes, float* to) { std::memcpy(to, &lanes, sizeof(lanes)); }

inline Lanes Broadcast(float value) { return value - Lanes{}; }

// Lane i of the result is lane i + kStep, cyclically.
template <int kStep, std::size_t... kIndex>
Lanes Rotated(Lanes lanes, std::index_sequence<kIndex...> /*all*/) {
  return __builtin_shufflevector(lanes, lanes, static_cast<int>((kIndex + kStep) % kLanes)...);
}

// Combines all lanes in log2(kLanes) steps; the order is fixed.
template <int kStep = kLanes / 2, typename Combine>
float Reduced(Lanes lanes, Combine combine) {
  lanes = combine(lanes, Rotated<kStep>(lanes, std::make_index_sequence<kLanes>{}));
  if constexpr (kStep == 1) {
    return lanes[0];
  } else {
    return Reduced<kStep / 2>(lanes, combine);
  }
}

inline float SumOf(Lanes lanes) {
  return Reduced(lanes, [](Lanes a, Lanes b) { return a + b; });
}

inline float MaximumOf(Lanes lanes) {
  return Reduced(lanes, [](Lanes a, Lanes b) { return a > b ? a : b; });
}

// e^x for x <= 0, and 0 below ln 2^-126. x = n ln 2 + r with |r| <= ln(2) / 2, where the Taylor
// series to degree 7 is within 6e-9; with all roundings the relative error is below 2^-22.
inline Lanes Exp(Lanes x) {
  constexpr float kRound = 0x1.8p23F;  // adding it rounds to an integer in the low bits
  const Lanes shifted = x * 0x1.715476p0F + kRound;
  const Lanes n = shifted - kRound;
  // ln 2 in two parts; n times the first, which has 15 bits, is exact.
  Lanes r = x - n * 0x1.62e4p-1F;
  r = r - n * 0x1.7f7d1cp-20F;
  Lanes series = Broadcast(1.0F / 5040.0F);
  series = series * r + 1.0F / 720.0F;
  series = series * r + 1.0F / 120.0F;
  series = series * r + 1.0F / 24.0F;
  series = series * r + 1.0F / 6.0F;
  series = series * r + 0.5F;
  series = series * r + 1.0F;
  series = series * r + 1.0F;
  // The low bits of `shifted` are n, so this is the pattern of 2^n.
  const auto power = reinterpret_cast<Lanes>((reinterpret_cast<IntLanes>(shifted) + 127) << 23);
  return x < -0x1.5d58ap6F ? Lanes{} : series * power;
}

// tanh x for every x, infinity included; the relative error is below 2^-21. Lambert's continued
// fraction x / (1 + x^2 / (3 + x^2 / (5 + x^2 / (7 + x^2 / 9)))) is within 1e-8 up to 5/8, beyond
// which 1 - e^-2|x| loses no more than one bit.
inline Lanes Tanh(Lanes x) {
  const Lanes magnitude = x < 0.0F ? -x : x;
  const Lanes square = x * x;
  const Lanes above = x * ((square + 105.0F) * square + 945.0F);
  const Lanes below = (square * 15.0F + 420.0F) * square + 945.0F;
  const Lanes power = Exp(magnitude * -2.0F);
  const Lanes far = (1.0F - power) / (1.0F + power);
  const Lanes signed_far = x < 0.0F ? -far : far;
  return magnitude < 0.625F ? above / below : signed_far;
}

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_VECTOR_H_
