// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/mask.h"

#include <algorithm>
#include <cstring>
#include <utility>

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

// The keys that causality, window and local blocks leave to a row at position `p`.
KeyRange BandOf(const Problem& problem, std::size_t request, std::int64_t p) {
  std::int64_t first = 0;
  std::int64_t last = problem.requests[request].seq_len;
  if (IsCausal(problem, request)) last = std::min(last, p + 1);
  if (problem.window_left > 0) first = std::max(first, p - problem.window_left + 1);
  if (problem.window_right > 0) last = std::min(last, p + problem.window_right);
  if (problem.local_block_size > 0 && p >= 0) {
    const std::int64_t block = p / problem.local_block_size;
    const std::int64_t oldest = std::max<std::int64_t>(block - problem.local_block_lookback, 0);
    first = std::max(first, oldest * problem.local_block_size);
  }
  return {first, std::max(first, last)};
}

bool InBand(const Problem& problem, std::size_t request, std::int64_t p, std::int64_t key) {
  if (IsCausal(problem, request) && key > p) return false;
  if (problem.window_left > 0 && p - key >= problem.window_left) return false;
  if (problem.window_right > 0 && key - p >= problem.window_right) return false;
  if (problem.local_block_size == 0) return true;
  return p / problem.local_block_size - key / problem.local_block_size <=
         problem.local_block_lookback;
}

bool InPrefixRange(const Problem& problem, std::size_t request, std::int64_t p, std::int64_t key) {
  if (problem.prefix_clamped && p - key >= problem.window_left) return false;
  return std::any_of(
      problem.prefix_ranges.begin(), problem.prefix_ranges.end(), [&](const PrefixRange& range) {
        return range.request == static_cast<std::int64_t>(request) && range.first <= p &&
               p <= range.last && range.first <= key && key <= range.last;
      });
}

// By its bits, so that no format needs to be decoded here.
bool IsMinusInfinity(const std::byte* element, DType dtype) {
  if (dtype == DType::kFloat32) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, element, sizeof(bits));
    return bits == 0xff800000U;
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, element, sizeof(bits));
  return bits == (dtype == DType::kFloat16 ? 0xfc00U : 0xff80U);
}

}  // namespace

std::int64_t PositionOf(const Problem& problem, std::size_t request, std::int64_t row) {
  const Request& r = problem.requests[request];
  return r.seq_len - r.q_len + row;
}

bool Visible(const Problem& problem, std::size_t request, std::int64_t row, std::int64_t key) {
  if (key < 0 || key >= problem.requests[request].seq_len) return false;      // MASK-04
  if (problem.attention_type == AttentionType::kEncoderDecoder) return true;  // MASK-08
  if (problem.tree_mask) return true;
  const std::int64_t p = PositionOf(problem, request, row);
  return InBand(problem, request, p, key) || InPrefixRange(problem, request, p, key);
}

KeyRange VisibleHull(const Problem& problem, std::size_t request, std::int64_t row) {
  const std::int64_t seq_len = problem.requests[request].seq_len;
  if (problem.attention_type == AttentionType::kEncoderDecoder || problem.tree_mask) {
    return {0, seq_len};
  }
  const std::int64_t p = PositionOf(problem, request, row);
  KeyRange hull = BandOf(problem, request, p);
  for (const PrefixRange& range : problem.prefix_ranges) {
    if (range.request != static_cast<std::int64_t>(request)) continue;
    if (p < range.first || p > range.last) continue;
    KeyRange keys{range.first, std::min(range.last + 1, seq_len)};
    if (problem.prefix_clamped) keys.first = std::max(keys.first, p - problem.window_left + 1);
    if (keys.first >= keys.last) continue;
    hull = hull.first < hull.last
               ? KeyRange{std::min(hull.first, keys.first), std::max(hull.last, keys.last)}
               : keys;
  }
  return hull;
}

bool IsInterval(const Problem& problem) {
  return !problem.tree_mask && problem.prefix_ranges.empty() &&
         problem.custom_mask == MaskKind::kNone;
}

Mask::Mask(const Problem& problem, MaskTensors tensors)
    : problem_(problem), tensors_(std::move(tensors)) {
  std::int64_t token = 0;
  for (const Request& request : problem.requests) {
    first_token_.push_back(token);
    token += request.q_len;
  }
}

bool Mask::Visible(std::size_t request, int q_head, std::int64_t row, std::int64_t key) const {
  if (!attest::Visible(problem_, request, row, key)) return false;
  if (problem_.tree_mask) {
    const Request& r = problem_.requests[request];
    const std::int64_t token = key - (r.seq_len - r.q_len);  // among the new ones
    if (token >= 0 &&
        *tensors_.tree_mask.At({first_token_[request] + row, token}) == std::byte{0}) {
      return false;
    }
  }
  if (problem_.custom_mask == MaskKind::kNone) return true;
  const std::byte* element =
      tensors_.custom_mask.At({static_cast<std::int64_t>(request), q_head, row, key});
  if (problem_.custom_mask == MaskKind::kBoolean) return *element != std::byte{0};
  return !IsMinusInfinity(element, tensors_.custom_mask.dtype);
}

std::int64_t Mask::Fill(std::size_t request, int q_head, std::int64_t row, KeyRange range,
                        std::uint8_t* seen) const {
  std::int64_t count = 0;
  for (std::int64_t key = range.first; key < range.last; ++key) {
    const bool visible = Visible(request, q_head, row, key);
    seen[key - range.first] = visible ? 1 : 0;
    count += visible ? 1 : 0;
  }
  return count;
}

}  // namespace attest
