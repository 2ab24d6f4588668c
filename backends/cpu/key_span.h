// SPDX-License-Identifier: Apache-2.0
//
// Intervals of keys, and the keys of a tile as the bits of a word.
#ifndef ATTEST_BACKENDS_CPU_KEY_SPAN_H_
#define ATTEST_BACKENDS_CPU_KEY_SPAN_H_

#include <algorithm>
#include <bit>
#include <cstdint>

#include "backends/cpu/kernel.h"

namespace attest::cpu {

// Keys first, ..., last - 1; nothing if first == last.
struct KeySpan {
  std::int64_t first = 0;
  std::int64_t last = 0;
  bool empty() const { return first >= last; }
};

inline KeySpan Intersect(KeySpan a, KeySpan b) {
  const std::int64_t first = std::max(a.first, b.first);
  return {first, std::max(first, std::min(a.last, b.last))};
}

// The smallest span that contains both.
inline KeySpan Hull(KeySpan a, KeySpan b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  return {std::min(a.first, b.first), std::max(a.last, b.last)};
}

// Bit j is key tile + j.
using KeyBits = std::uint64_t;
static_assert(kKeyTile == 64);

inline KeyBits BitsOf(KeySpan span, std::int64_t tile) {
  const KeySpan part = Intersect(span, {tile, tile + kKeyTile});
  if (part.empty()) return 0;
  return ~KeyBits{0} >> (kKeyTile - (part.last - part.first)) << (part.first - tile);
}

// From the first to behind the last set bit.
struct BitSpan {
  int first;
  int last;
};
inline BitSpan SpanOf(KeyBits bits) {
  if (bits == 0) return {0, 0};
  return {std::countr_zero(bits), kKeyTile - std::countl_zero(bits)};
}

// Calls run(span) for each run of set bits, in order.
template <typename Run>
void ForEachRun(KeyBits bits, Run run) {
  while (bits != 0) {
    const int first = std::countr_zero(bits);
    const int last = first + std::countr_one(bits >> first);
    run(BitSpan{first, last});
    bits = last == kKeyTile ? 0 : bits >> last << last;
  }
}

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_KEY_SPAN_H_
