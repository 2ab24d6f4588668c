// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/sight.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/cpu/convert.h"
#include "backends/cpu/element_type.h"
#include "backends/cpu/tensor_address.h"

namespace attest::cpu {
namespace {

// Windows beyond it are none; it is beyond every length (lengths are int32), and small enough to be
// added to one.
constexpr std::int64_t kFar = std::int64_t{1} << 40;

bool IsCausal(const attest_problem_t& p, const attest_forward_args_t& args, std::int64_t request) {
  if (p.attention_type != ATTEST_DECODER) return false;
  if (p.causality != ATTEST_CAUSALITY_PER_REQUEST) return p.causality == ATTEST_CAUSAL;
  return ElementAt<std::uint8_t>(args.request_causal, {request}) != 0;
}

// `bits` without those for which gone(j) holds.
template <typename Gone>
KeyBits Without(KeyBits bits, Gone gone) {
  KeyBits left = bits;
  for (KeyBits rest = bits; rest != 0; rest &= rest - 1) {
    const int j = std::countr_zero(rest);
    if (gone(j)) left &= ~(KeyBits{1} << j);
  }
  return left;
}

}  // namespace

Sight::Sight(const attest_problem_t& problem, const attest_forward_args_t& args,
             std::int64_t request, std::int64_t start, std::int64_t q_len, std::int64_t seq_len)
    : p_(problem),
      args_(args),
      request_(request),
      start_(start),
      q_len_(q_len),
      seq_len_(seq_len),
      causal_(IsCausal(problem, args, request)),
      tree_((problem.flags & ATTEST_FLAG_TREE_MASK) != 0),
      custom_(problem.custom_mask_kind != ATTEST_MASK_NONE),
      biased_((problem.flags & ATTEST_FLAG_ALIBI) != 0 ||
              problem.custom_mask_kind == ATTEST_MASK_ADDITIVE) {
  if ((problem.flags & ATTEST_FLAG_PREFIX_RANGES) == 0) return;
  for (std::int64_t i = 0; i < args.prefix_ranges.shape[0]; ++i) {
    if (ElementAt<std::int64_t>(args.prefix_ranges, {i, 0}) != request) continue;
    const auto first = ElementAt<std::int64_t>(args.prefix_ranges, {i, 1});
    const auto last = ElementAt<std::int64_t>(args.prefix_ranges, {i, 2});
    ranges_.push_back({first, std::min(last, kFar) + 1});
  }
}

KeySpan Sight::BandOf(std::int64_t row) const {
  KeySpan band = {0, seq_len_};
  if (tree_) return band;
  const std::int64_t position = PositionOf(row);
  if (causal_) band.last = std::min(band.last, position + 1);
  if (p_.window_left > 0) {
    band.first = std::max(band.first, position + 1 - std::min(p_.window_left, kFar));
  }
  if (p_.window_right > 0) {
    band.last = std::min(band.last, position + std::min(p_.window_right, kFar));
  }
  if (p_.local_block_size > 0 && position >= 0) {
    const std::int64_t block = position / p_.local_block_size;
    const std::int64_t oldest = block - std::min(p_.local_block_lookback, block);
    band.first = std::max(band.first, oldest * p_.local_block_size);
  }
  return {band.first, std::max(band.first, band.last)};
}

// What the row sees of a prefix range; nothing if it stands outside.
KeySpan Sight::PartOf(const KeySpan& range, std::int64_t row) const {
  const std::int64_t position = PositionOf(row);
  if (position < range.first || position >= range.last) return {};
  KeySpan part = Intersect(range, {0, seq_len_});
  if ((p_.flags & ATTEST_FLAG_PREFIX_CLAMPED) != 0) {
    part = Intersect(part, {position + 1 - std::min(p_.window_left, kFar), seq_len_});
  }
  return part;
}

KeySpan Sight::HullOf(std::int64_t row) const {
  KeySpan hull = BandOf(row);
  for (const KeySpan& range : ranges_) hull = Hull(hull, PartOf(range, row));
  return hull;
}

KeyBits Sight::SeenBy(std::int64_t head, std::int64_t row, std::int64_t tile, float* bias) const {
  KeyBits bits = BitsOf(BandOf(row), tile);
  for (const KeySpan& range : ranges_) bits |= BitsOf(PartOf(range, row), tile);
  if (tree_) bits = TreeBits(bits, row, tile);
  if (p_.custom_mask_kind == ATTEST_MASK_BOOLEAN) bits = BooleanBits(bits, head, row, tile);
  if (bits == 0 || !biased_) return bits;
  std::fill(bias, bias + kKeyTile, 0.0F);
  if (p_.custom_mask_kind == ATTEST_MASK_ADDITIVE) {
    bits = AdditiveBits(bits, head, row, tile, bias);
  }
  if ((p_.flags & ATTEST_FLAG_ALIBI) == 0) return bits;
  const auto slope = ElementAt<float>(args_.alibi_slopes, {head});
  const std::int64_t position = PositionOf(row);
  for (int j = 0; j < kKeyTile; ++j) {
    bias[j] -= slope * static_cast<float>(std::abs(position - tile - j));
  }
  return bits;
}

// Columns from q_len on are never read: keys end at seq_len.
KeyBits Sight::TreeBits(KeyBits bits, std::int64_t row, std::int64_t tile) const {
  return Without(bits, [&](int j) {
    const std::int64_t token = tile + j - PositionOf(0);
    return token >= 0 && ElementAt<std::uint8_t>(args_.tree_mask, {start_ + row, token}) == 0;
  });
}

KeyBits Sight::BooleanBits(KeyBits bits, std::int64_t head, std::int64_t row,
                           std::int64_t tile) const {
  return Without(bits, [&](int j) {
    return ElementAt<std::uint8_t>(args_.custom_mask, {request_, head, row, tile + j}) == 0;
  });
}

KeyBits Sight::AdditiveBits(KeyBits bits, std::int64_t head, std::int64_t row, std::int64_t tile,
                            float* bias) const {
  const attest_tensor_t& mask = args_.custom_mask;
  const BitSpan span = SpanOf(bits);
  LoadRow(*ElementTypeOf(mask.dtype), AddressOf(mask, {request_, head, row, tile + span.first}),
          mask.strides[3], span.last - span.first, bias + span.first);
  return Without(bits, [&](int j) { return bias[j] == -std::numeric_limits<float>::infinity(); });
}

}  // namespace attest::cpu
