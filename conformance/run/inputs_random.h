// SPDX-License-Identifier: Apache-2.0
//
// Random numbers by counter: each number follows from the case, the seed, the tensor and its
// logical index alone, in integer arithmetic, so that the same bytes come on every machine and in
// any order.
#ifndef ATTEST_CONFORMANCE_RUN_INPUTS_RANDOM_H_
#define ATTEST_CONFORMANCE_RUN_INPUTS_RANDOM_H_

#include <cstdint>
#include <string_view>

namespace attest {

inline constexpr std::uint64_t kGoldenRatio = 0x9E3779B97F4A7C15;

// SplitMix64's finalizer (Steele, Lea and Flood, OOPSLA 2014): a bijection of 64-bit words.
constexpr std::uint64_t Scramble(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

// Key of a sub-stream of `key`.
constexpr std::uint64_t Chain(std::uint64_t key, std::uint64_t index) {
  return Scramble(key ^ Scramble(index + kGoldenRatio));
}

// Number `index` of the stream of `key`.
constexpr std::uint64_t Draw(std::uint64_t key, std::uint64_t index) {
  return Scramble(key + (index + 1) * kGoldenRatio);
}

// Key of everything random in one tensor of one case.
constexpr std::uint64_t StreamKey(std::string_view id, std::uint64_t seed,
                                  std::string_view tensor) {
  std::uint64_t key = Scramble(seed);
  for (const std::string_view text : {id, tensor}) {
    for (const char c : text) key = Chain(key, static_cast<unsigned char>(c));
    key = Chain(key, 0x100 + text.size());
  }
  return key;
}

// In 0..count-1; the bias of a division of 2^64 by a small count is far below what matters here.
constexpr std::uint64_t Below(std::uint64_t random, std::uint64_t count) { return random % count; }

// Close to normal with mean 0 and standard deviation 512, within +-1774: the sum of four uniform
// 16-bit numbers (Irwin-Hall), scaled.
constexpr int NormalLevel(std::uint64_t random) {
  const auto sum = static_cast<std::int64_t>((random & 0xFFFF) + ((random >> 16) & 0xFFFF) +
                                             ((random >> 32) & 0xFFFF) + (random >> 48));
  return static_cast<int>(((sum - 131070) * 887) >> 16);
}

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_INPUTS_RANDOM_H_
