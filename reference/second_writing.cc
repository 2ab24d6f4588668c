// SPDX-License-Identifier: Apache-2.0
#include "reference/second_writing.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace attest {
namespace {

constexpr long double kInfinity = std::numeric_limits<long double>::infinity();

// sign * (1.fraction or 0.fraction) * 2^exponent, as the IEEE text defines the formats.
long double Number(unsigned bits, int fraction_bits, int exponent_bits) {
  const unsigned fraction = bits % (1U << fraction_bits);
  const unsigned exponent = (bits >> fraction_bits) % (1U << exponent_bits);
  const bool negative = (bits >> (fraction_bits + exponent_bits)) % 2 == 1;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  long double value = 0;
  if (exponent == (1U << exponent_bits) - 1) {
    value = fraction == 0 ? kInfinity : std::numeric_limits<long double>::quiet_NaN();
  } else if (exponent == 0) {
    value = std::ldexp(static_cast<long double>(fraction), 1 - bias - fraction_bits);
  } else {
    value = std::ldexp(static_cast<long double>((1U << fraction_bits) + fraction),
                       static_cast<int>(exponent) - bias - fraction_bits);
  }
  return negative ? -value : value;
}

template <typename T>
T Raw(const TensorView& tensor, std::initializer_list<std::int64_t> index) {
  T value;
  std::memcpy(&value, tensor.At(index), sizeof(value));
  return value;
}

// e4m3 with one NaN and no infinity; the bias of the fnuz variant is 8 and its NaN is minus zero.
long double E4M3(unsigned bits, bool fnuz) {
  const unsigned nan = fnuz ? 0x80 : bits | 0x7F;
  if (bits == nan) return std::numeric_limits<long double>::quiet_NaN();
  const int bias = fnuz ? 8 : 7;
  const unsigned fraction = bits % 8;
  const unsigned exponent = bits / 8 % 16;
  const long double size = exponent == 0 ? std::ldexp(static_cast<long double>(fraction), -2 - bias)
                                         : std::ldexp(static_cast<long double>(8 + fraction),
                                                      static_cast<int>(exponent) - bias - 3);
  return bits >= 128 ? -size : size;
}

long double Element(const TensorView& tensor, std::initializer_list<std::int64_t> index) {
  switch (tensor.dtype) {
    case DType::kFloat16:
      return Number(Raw<std::uint16_t>(tensor, index), 10, 5);
    case DType::kBFloat16:
      return Number(Raw<std::uint16_t>(tensor, index), 7, 8);
    case DType::kFloat8E5M2:
      return Number(Raw<std::uint8_t>(tensor, index), 2, 5);
    case DType::kFloat8E4M3FN:
      return E4M3(Raw<std::uint8_t>(tensor, index), false);
    case DType::kFloat8E4M3FNUZ:
      return E4M3(Raw<std::uint8_t>(tensor, index), true);
    case DType::kInt8:
      return Raw<std::int8_t>(tensor, index);
    default:
      return Number(Raw<std::uint32_t>(tensor, index), 23, 8);
  }
}

bool SeesByPrefix(const Problem& p, int request, std::int64_t position, std::int64_t key) {
  for (const PrefixRange& range : p.prefix_ranges) {
    const bool inside = range.request == request && position >= range.first &&
                        position <= range.last && key >= range.first && key <= range.last;
    if (!inside) continue;
    if (!p.prefix_clamped || key > position - p.window_left) return true;
  }
  return false;
}

// What the numbers of the problem say of a key below seq_len.
bool SeesByRule(const Problem& p, int request, std::int64_t row, std::int64_t key) {
  const Request& r = p.requests[static_cast<std::size_t>(request)];
  if (p.attention_type == AttentionType::kEncoderDecoder) return true;
  const std::int64_t newest_key_of_row = r.seq_len - (r.q_len - row);
  const std::int64_t distance = key - newest_key_of_row;  // > 0: the key lies to the right
  if (SeesByPrefix(p, request, newest_key_of_row, key)) return true;
  if (p.window_left != 0 && distance <= -p.window_left) return false;
  if (p.window_right != 0 && distance >= p.window_right) return false;
  if (p.attention_type == AttentionType::kEncoderOnly) return true;
  if (p.causality == Causality::kNonCausal) return true;
  if (p.causality == Causality::kPerRequest &&
      !p.request_causal[static_cast<std::size_t>(request)]) {
    return true;
  }
  if (distance > 0) return false;
  if (p.local_block_size == 0) return true;
  // Blocks begun between key and row.
  std::int64_t begun = 0;
  for (std::int64_t at = key + 1; at <= newest_key_of_row; ++at) {
    begun += at % p.local_block_size == 0 ? 1 : 0;
  }
  return begun <= p.local_block_lookback;
}

// Tensors of one line: request, row, query head.
struct Reader {
  const Problem& p;
  const AttentionTensors& t;
  int request;
  std::int64_t row;
  std::int64_t head;

  const Request& Lengths() const { return p.requests[static_cast<std::size_t>(request)]; }
  std::int64_t KvHead() const { return head * p.num_kv_heads / p.num_q_heads; }
  std::int64_t Start() const { return Raw<std::int32_t>(t.query_start_loc, {request}); }

  bool Sees(std::int64_t key) const {
    const std::int64_t cached = Lengths().seq_len - Lengths().q_len;
    if (p.tree_mask) {
      if (key >= cached && Raw<std::uint8_t>(t.tree_mask, {Start() + row, key - cached}) == 0) {
        return false;
      }
    } else if (!SeesByRule(p, request, row, key)) {
      return false;
    }
    if (p.custom_mask == MaskKind::kBoolean) {
      return Raw<std::uint8_t>(t.custom_mask, {request, head, row, key}) != 0;
    }
    if (p.custom_mask == MaskKind::kAdditive) {
      return Element(t.custom_mask, {request, head, row, key}) != -kInfinity;
    }
    return true;
  }
  long double Bias(std::int64_t key) const {
    long double bias = 0;
    if (p.custom_mask == MaskKind::kAdditive) {
      bias += Element(t.custom_mask, {request, head, row, key});
    }
    if (p.alibi) {
      const std::int64_t distance = Lengths().seq_len - Lengths().q_len + row - key;
      bias -= Element(t.alibi_slopes, {head}) *
              static_cast<long double>(distance < 0 ? -distance : distance);
    }
    return bias;
  }

  long double Query(std::int64_t column) const {
    return Element(t.query, {Start() + row, head, column});
  }
  std::int64_t Page(std::int64_t key) const {
    return Raw<std::int32_t>(t.block_table, {request, key / p.block_size});
  }
  long double Scale(const TensorView& scales, std::int64_t key) const {
    if (p.kv_scale_kind == KvScaleKind::kNone) return 1;
    return Element(scales, {Page(key), key % p.block_size, KvHead()});
  }
  long double Key(std::int64_t key, std::int64_t column) const {
    if (p.attention_type == AttentionType::kEncoderOnly) {
      return Element(t.key, {Start() + key, KvHead(), column});
    }
    const std::int64_t slot = key % p.block_size;
    const long double scale = Scale(t.key_scale, key);
    if (p.cache_layout == CacheLayout::kXSplit) {
      const std::int64_t x = p.cache_dtype == DType::kFloat32 ? 4
                             : SizeOf(p.cache_dtype) == 2     ? 8
                                                              : 16;
      return scale * Element(t.key_cache, {Page(key), KvHead(), column / x, slot, column % x});
    }
    return scale * Element(t.key_cache, {Page(key), slot, KvHead(), column});
  }
  long double Value(std::int64_t key, std::int64_t column) const {
    if (p.attention_type == AttentionType::kEncoderOnly) {
      return Element(t.value, {Start() + key, KvHead(), column});
    }
    if (p.cache_layout == CacheLayout::kSharedLatent) return Key(key, column);
    const std::int64_t slot = key % p.block_size;
    const long double scale = Scale(t.value_scale, key);
    if (p.cache_layout == CacheLayout::kXSplit) {
      return scale * Element(t.value_cache, {Page(key), KvHead(), column, slot});
    }
    return scale * Element(t.value_cache, {Page(key), slot, KvHead(), column});
  }
};

struct ScoredKey {
  std::int64_t key;
  long double number;  // score, later weight
};

std::vector<ScoredKey> ScoresOf(const Reader& reader) {
  std::vector<ScoredKey> scores;
  const Problem& p = reader.p;
  for (std::int64_t key = 0; key < reader.Lengths().seq_len; ++key) {
    if (!reader.Sees(key)) continue;
    long double sum = 0;
    for (int c = 0; c < p.head_dim_qk; ++c) sum += reader.Query(c) * reader.Key(key, c);
    long double score = static_cast<long double>(p.scale) * sum;
    if (p.softcap > 0) {
      const auto cap = static_cast<long double>(p.softcap);
      score = cap * std::tanh(score / cap);
    }
    scores.push_back({key, score + reader.Bias(key)});
  }
  return scores;
}

void ComputeLine(const Reader& reader, std::size_t line, SecondWriting* result) {
  std::vector<ScoredKey> keys = ScoresOf(reader);
  const long double sink = reader.p.sinks ? Element(reader.t.sinks, {reader.head}) : -kInfinity;
  long double top = sink;
  for (const ScoredKey& scored : keys) top = std::fmax(top, scored.number);
  long double denominator = 0;
  if (sink != -kInfinity) denominator += std::exp(sink - top);
  for (ScoredKey& scored : keys) {
    scored.number = std::exp(scored.number - top);
    denominator += scored.number;
  }
  result->weight_sum[line] = denominator;
  if (keys.empty() && sink == -kInfinity) {
    result->lse[line] = -kInfinity;
    return;
  }
  result->lse[line] = top + std::log(denominator);
  for (int c = 0; c < reader.p.head_dim_v && !keys.empty(); ++c) {
    long double sum = 0;
    long double absolute = 0;
    for (const ScoredKey& scored : keys) {
      const long double value = reader.Value(scored.key, c);
      sum += scored.number * value;
      absolute += scored.number * std::fabs(value);
    }
    const std::size_t at =
        line * static_cast<std::size_t>(reader.p.head_dim_v) + static_cast<std::size_t>(c);
    result->out[at] = sum / denominator;
    result->mean_abs[at] = absolute / denominator;
  }
}

}  // namespace

SecondWriting ComputeSecondWriting(const Problem& problem, const AttentionTensors& tensors,
                                   const std::vector<QueryRow>& rows) {
  const std::size_t lines = rows.size() * static_cast<std::size_t>(problem.num_q_heads);
  SecondWriting result;
  result.out.assign(lines * static_cast<std::size_t>(problem.head_dim_v), 0);
  result.mean_abs = result.out;
  result.lse.assign(lines, 0);
  result.weight_sum.assign(lines, 0);
  std::size_t line = 0;
  for (const QueryRow& row : rows) {
    for (std::int64_t head = 0; head < problem.num_q_heads; ++head) {
      ComputeLine({problem, tensors, row.request, row.row, head}, line++, &result);
    }
  }
  return result;
}

}  // namespace attest
