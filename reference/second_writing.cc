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

long double Element(const TensorView& tensor, std::initializer_list<std::int64_t> index) {
  if (tensor.dtype == DType::kFloat16) return Number(Raw<std::uint16_t>(tensor, index), 10, 5);
  if (tensor.dtype == DType::kBFloat16) return Number(Raw<std::uint16_t>(tensor, index), 7, 8);
  return Number(Raw<std::uint32_t>(tensor, index), 23, 8);
}

bool Sees(const Problem& p, int request, std::int64_t row, std::int64_t key) {
  const Request& r = p.requests[static_cast<std::size_t>(request)];
  if (p.attention_type == AttentionType::kEncoderDecoder) return true;
  const std::int64_t newest_key_of_row = r.seq_len - (r.q_len - row);
  const std::int64_t distance = key - newest_key_of_row;  // > 0: the key lies to the right
  if (p.window_left != 0 && distance <= -p.window_left) return false;
  if (p.window_right != 0 && distance >= p.window_right) return false;
  if (p.attention_type == AttentionType::kEncoderOnly) return true;
  if (p.causality == Causality::kNonCausal) return true;
  if (p.causality == Causality::kPerRequest &&
      !p.request_causal[static_cast<std::size_t>(request)]) {
    return true;
  }
  return distance <= 0;
}

// Tensors of one line: request, row, query head.
struct Reader {
  const Problem& p;
  const AttentionTensors& t;
  int request;
  std::int64_t row;
  std::int64_t head;

  std::int64_t KvHead() const { return head * p.num_kv_heads / p.num_q_heads; }
  std::int64_t Start() const { return Raw<std::int32_t>(t.query_start_loc, {request}); }

  long double Query(std::int64_t column) const {
    return Element(t.query, {Start() + row, head, column});
  }
  long double Stored(const TensorView& packed, const TensorView& cache, std::int64_t key,
                     std::int64_t column) const {
    if (p.attention_type == AttentionType::kEncoderOnly) {
      return Element(packed, {Start() + key, KvHead(), column});
    }
    const std::int64_t block = Raw<std::int32_t>(t.block_table, {request, key / p.block_size});
    return Element(cache, {block, key % p.block_size, KvHead(), column});
  }
  long double Key(std::int64_t key, std::int64_t column) const {
    return Stored(t.key, t.key_cache, key, column);
  }
  long double Value(std::int64_t key, std::int64_t column) const {
    return Stored(t.value, t.value_cache, key, column);
  }
};

struct ScoredKey {
  std::int64_t key;
  long double number;  // score, later weight
};

std::vector<ScoredKey> ScoresOf(const Reader& reader) {
  std::vector<ScoredKey> scores;
  const std::int64_t seq_len = reader.p.requests[static_cast<std::size_t>(reader.request)].seq_len;
  for (std::int64_t key = 0; key < seq_len; ++key) {
    if (!Sees(reader.p, reader.request, reader.row, key)) continue;
    long double sum = 0;
    for (int c = 0; c < reader.p.head_dim_qk; ++c) sum += reader.Query(c) * reader.Key(key, c);
    scores.push_back({key, static_cast<long double>(reader.p.scale) * sum});
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
