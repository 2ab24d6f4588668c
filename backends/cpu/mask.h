// SPDX-License-Identifier: Apache-2.0
//
// Which keys a row sees. Without trees, prefix ranges and custom masks they are one interval.
#ifndef ATTEST_BACKENDS_CPU_MASK_H_
#define ATTEST_BACKENDS_CPU_MASK_H_

#include <algorithm>
#include <cstdint>

#include "spec/abi/attest.h"

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

// Bounds of a row relative to its position; kFar where there is none.
struct MaskRule {
  // Beyond every length (lengths are int32), and small enough to be added to one.
  static constexpr std::int64_t kFar = std::int64_t{1} << 40;
  std::int64_t before = kFar;  // keys p - before + 1, ..., p are in reach
  std::int64_t after = kFar;   // keys p, ..., p + after - 1 are in reach
};

inline MaskRule RuleOf(const attest_problem_t& p) {
  const auto bound = [](std::int64_t window) {
    return window == 0 ? MaskRule::kFar : std::min(window, MaskRule::kFar);
  };
  MaskRule rule{bound(p.window_left), bound(p.window_right)};
  if (p.attention_type == ATTEST_DECODER && p.causality == ATTEST_CAUSAL) rule.after = 1;
  return rule;
}

// Row `row` of a request with q_len rows and seq_len keys. The last row stands on the last key, so
// rows of a request with q_len > seq_len may stand before key 0.
inline KeySpan VisibleKeys(const MaskRule& rule, std::int64_t q_len, std::int64_t seq_len,
                           std::int64_t row) {
  const std::int64_t position = seq_len - q_len + row;
  return Intersect({position - rule.before + 1, position + rule.after}, {0, seq_len});
}

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_MASK_H_
