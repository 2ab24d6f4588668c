// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/mask.h"

#include <algorithm>
#include <limits>

namespace attest {
namespace {

bool IsCausal(const Problem& problem, std::size_t request) {
  if (problem.attention_type != AttentionType::kDecoder) return false;
  switch (problem.causality) {
    case Causality::kCausal:
      return true;
    case Causality::kNonCausal:
      return false;
    case Causality::kPerRequest:
      return problem.request_causal[request];
  }
  return true;
}

}  // namespace

std::int64_t PositionOf(const Problem& problem, std::size_t request, std::int64_t row) {
  const Request& r = problem.requests[request];
  return r.seq_len - r.q_len + row;
}

bool Visible(const Problem& problem, std::size_t request, std::int64_t row, std::int64_t key) {
  if (key < 0 || key >= problem.requests[request].seq_len) return false;      // MASK: only own keys
  if (problem.attention_type == AttentionType::kEncoderDecoder) return true;  // cross
  const std::int64_t p = PositionOf(problem, request, row);
  if (IsCausal(problem, request) && key > p) return false;
  if (problem.window_left > 0 && p - key >= problem.window_left) return false;
  if (problem.window_right > 0 && key - p >= problem.window_right) return false;
  return true;
}

KeyRange VisibleHull(const Problem& problem, std::size_t request, std::int64_t row) {
  const std::int64_t seq_len = problem.requests[request].seq_len;
  if (problem.attention_type == AttentionType::kEncoderDecoder) return {0, seq_len};
  const std::int64_t p = PositionOf(problem, request, row);
  std::int64_t first = 0;
  std::int64_t last = seq_len;
  if (IsCausal(problem, request)) last = std::min(last, p + 1);
  if (problem.window_left > 0) first = std::max(first, p - problem.window_left + 1);
  if (problem.window_right > 0) last = std::min(last, p + problem.window_right);
  return {first, std::max(first, last)};
}

}  // namespace attest
