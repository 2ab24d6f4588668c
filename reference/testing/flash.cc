// SPDX-License-Identifier: Apache-2.0
#include "reference/testing/flash.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "reference/float_formats.h"

namespace attest::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLog2E = 1.44269504F;
constexpr std::size_t kBlock = 8;

float TowardZero(double value) {
  const auto nearest = static_cast<float>(value);
  return std::fabs(static_cast<double>(nearest)) > std::fabs(value) ? std::nextafter(nearest, 0.0F)
                                                                    : nearest;
}

// sum + products, as a matrix unit adds a block.
float AddBlock(float sum, const std::array<double, kBlock>& products, std::size_t count) {
  double largest = std::fabs(static_cast<double>(sum));
  for (std::size_t n = 0; n < count; ++n) largest = std::max(largest, std::fabs(products[n]));
  if (largest == 0.0) return sum;
  const double unit = std::ldexp(1.0, std::ilogb(largest) - 24);
  const double per_unit = 1.0 / unit;
  double total = std::trunc(static_cast<double>(sum) * per_unit) * unit;
  for (std::size_t n = 0; n < count; ++n) total += std::trunc(products[n] * per_unit) * unit;
  return TowardZero(total);
}

// sum + a . b; element n of b is b(n).
template <typename Second>
float Accumulate(Accumulation how, float sum, const std::vector<float>& a, const Second& b) {
  if (how == Accumulation::kMatrixUnit) {
    for (std::size_t first = 0; first < a.size(); first += kBlock) {
      std::array<double, kBlock> products{};
      const std::size_t count = std::min(kBlock, a.size() - first);
      for (std::size_t n = 0; n < count; ++n) {
        products[n] = static_cast<double>(a[first + n]) * static_cast<double>(b(first + n));
      }
      sum = AddBlock(sum, products, count);
    }
    return sum;
  }
  for (std::size_t n = 0; n < a.size(); ++n) {
    sum = how == Accumulation::kFused ? std::fma(a[n], b(n), sum) : sum + a[n] * b(n);
  }
  return sum;
}

float Store(DType dtype, float value, bool truncate) {
  const double rounded = RoundTo(dtype, static_cast<double>(value));
  if (!truncate || std::fabs(rounded) <= std::fabs(static_cast<double>(value))) {
    return static_cast<float>(rounded);
  }
  const auto bits = dtype == DType::kFloat16 ? DoubleToFloat16(rounded) : DoubleToBFloat16(rounded);
  const auto below = static_cast<std::uint16_t>(bits - 1);
  return static_cast<float>(dtype == DType::kFloat16 ? Float16ToDouble(below)
                                                     : BFloat16ToDouble(below));
}

// Running state of one split. `top` is a product q.k (scaled, unless base_two), `sum` the
// denominator relative to it.
struct State {
  float top = -kInfinity;
  float sum = 0.0F;
  std::vector<float> out;
};

class Line {
 public:
  Line(const Numbers& numbers, std::size_t row, DType dtype, const Flash& how)
      : numbers_(numbers), row_(row), query_(numbers.q[row]), dtype_(dtype), how_(how) {
    scale_ = numbers.scale;
    // Only a plain product can wait for its scale until the exponential.
    late_ = how.base_two && numbers.softcap == 0.0F && !numbers.has_slope && numbers.bias.empty();
    if (!how.round_scaled_query) return;
    for (float& x : query_) x = Store(dtype, x * scale_, how.truncate);
    scale_ = 1.0F;
  }

  FlashLine Run(KeyRange seen) const;

 private:
  bool rounds() const { return SizeOf(dtype_) == 2; }

  // exp(scale * (product - top)) or, where products carry the scale already, exp(product - top).
  float Weight(float product, float top) const {
    if (!how_.base_two) return std::exp(product - top);
    const float factor = late_ ? scale_ * kLog2E : kLog2E;
    const float shift = top * factor;
    return std::exp2(std::fma(product, factor, -shift));
  }
  float Logit(float top) const { return late_ ? top * scale_ : top; }
  float Unlogit(float logit) const { return late_ ? logit / scale_ : logit; }

  // A stored number as it is multiplied.
  float Operand(float stored, const std::vector<float>& scales, std::size_t key) const;
  float Score(std::size_t key) const;
  std::vector<float> Scores(KeyRange tile) const;  // -inf: masked
  void AddTile(KeyRange tile, State* state) const;
  void AddSink(State* state) const;
  State RunSplit(KeyRange keys, bool sink) const;
  FlashLine Merge(const std::vector<State>& parts) const;

  const Numbers& numbers_;
  std::size_t row_;
  std::vector<float> query_;
  DType dtype_;
  const Flash& how_;
  float scale_ = 1.0F;
  bool late_ = false;
};

float Line::Operand(float stored, const std::vector<float>& scales, std::size_t key) const {
  if (scales.empty() || !how_.dequantise) return stored;
  const float number = stored * scales[key];
  return how_.round_dequantised ? Store(dtype_, number, how_.truncate) : number;
}

float Line::Score(std::size_t key) const {
  const std::vector<float>& line = numbers_.k[key];
  float dot = Accumulate(how_.accumulation, 0.0F, query_,
                         [&](std::size_t n) { return Operand(line[n], numbers_.key_scale, key); });
  if (!numbers_.key_scale.empty() && !how_.dequantise) dot *= numbers_.key_scale[key];
  if (late_) return dot;
  float score = dot * scale_;
  if (numbers_.softcap > 0.0F) {
    const float error = key % 2 == 0 ? how_.tanh_error : -how_.tanh_error;
    score = numbers_.softcap * (std::tanh(score / numbers_.softcap) * (1.0F + error));
  }
  if (!numbers_.bias.empty()) score += numbers_.bias[row_][key];
  if (numbers_.has_slope) {
    const auto distance = static_cast<float>(numbers_.Distance(row_, key));
    score = how_.base_two ? std::fma(-numbers_.slope, distance, score)
                          : score - numbers_.slope * distance;
  }
  return score;
}

std::vector<float> Line::Scores(KeyRange tile) const {
  std::vector<float> scores;
  for (std::int64_t key = tile.first; key < tile.last; ++key) {
    const auto at = static_cast<std::size_t>(key);
    scores.push_back(numbers_.Sees(row_, at) ? Score(at) : -kInfinity);
  }
  return scores;
}

void Line::AddTile(KeyRange tile, State* state) const {
  std::vector<float> weights = Scores(tile);
  const float largest = *std::max_element(weights.begin(), weights.end());
  if (largest == -kInfinity) return;
  const bool keep =
      state->top > -kInfinity && Logit(largest) <= Logit(state->top) + how_.lazy_rescale;
  const float top = keep ? state->top : std::max(largest, state->top);
  if (top > state->top && state->top > -kInfinity) {
    const float alpha = Weight(state->top, top);
    state->sum *= alpha;
    for (float& x : state->out) x *= alpha;
  }
  state->top = top;
  std::vector<float> stored = weights;
  const bool folded = !numbers_.value_scale.empty() && !how_.dequantise;
  for (std::size_t n = 0; n < weights.size(); ++n) {
    weights[n] = weights[n] == -kInfinity ? 0.0F : Weight(weights[n], top);
    const float plain = rounds() ? Store(dtype_, weights[n], how_.truncate) : weights[n];
    state->sum += how_.sum_rounded ? plain : weights[n];
    stored[n] = plain;
    if (!folded) continue;
    const float scaled =
        weights[n] * numbers_.value_scale[static_cast<std::size_t>(tile.first) + n];
    stored[n] = rounds() ? Store(dtype_, scaled, how_.truncate) : scaled;
  }
  for (std::size_t c = 0; c < state->out.size(); ++c) {
    state->out[c] = Accumulate(how_.accumulation, state->out[c], stored, [&](std::size_t n) {
      const std::size_t key = static_cast<std::size_t>(tile.first) + n;
      return Operand(numbers_.v[key][c], numbers_.value_scale, key);
    });
  }
}

void Line::AddSink(State* state) const {
  const float sink = Unlogit(numbers_.sink);
  if (sink > state->top) {
    const float alpha = state->top > -kInfinity ? Weight(state->top, sink) : 0.0F;
    state->sum *= alpha;
    for (float& x : state->out) x *= alpha;
    state->top = sink;
  }
  state->sum += Weight(sink, state->top);
}

State Line::RunSplit(KeyRange keys, bool sink) const {
  State state;
  state.out.assign(numbers_.v[0].size(), 0.0F);
  if (sink && how_.sink_first) AddSink(&state);
  const std::int64_t tiles = (keys.last - keys.first + how_.tile - 1) / how_.tile;
  for (std::int64_t n = 0; n < tiles; ++n) {
    std::int64_t at = n;
    if (how_.order == TileOrder::kBackward) at = tiles - 1 - n;
    if (how_.order == TileOrder::kInterleaved) {
      at = n % 2 == 0 ? n / 2 : tiles - 1 - n / 2;
    }
    const std::int64_t first = keys.first + at * how_.tile;
    AddTile({first, std::min(first + how_.tile, keys.last)}, &state);
  }
  if (sink && !how_.sink_first) AddSink(&state);
  return state;
}

FlashLine Line::Merge(const std::vector<State>& parts) const {
  std::vector<float> lse;
  for (const State& part : parts) {
    lse.push_back(part.sum > 0.0F ? Logit(part.top) + std::log(part.sum) : -kInfinity);
  }
  const float top = *std::max_element(lse.begin(), lse.end());
  FlashLine line;
  float sum = 0.0F;
  std::vector<float> out(parts[0].out.size(), 0.0F);
  for (std::size_t n = 0; n < parts.size(); ++n) {
    if (lse[n] == -kInfinity) continue;
    const float weight = parts.size() == 1 ? 1.0F : std::exp(lse[n] - top);
    sum += weight;
    for (std::size_t c = 0; c < out.size(); ++c) {
      float part = parts[n].out[c] / parts[n].sum;
      if (how_.round_partials && parts.size() > 1) part = Store(dtype_, part, how_.truncate);
      out[c] += weight * part;
    }
  }
  for (const float x : out) {
    const float mean = sum > 0.0F ? x * (1.0F / sum) : 0.0F;
    line.out.push_back(rounds() ? static_cast<double>(Store(dtype_, mean, how_.truncate))
                                : static_cast<double>(mean));
  }
  line.lse = sum > 0.0F ? top + std::log(sum) : -kInfinity;
  return line;
}

FlashLine Line::Run(KeyRange seen) const {
  std::vector<State> parts;
  const std::int64_t share = (seen.last - seen.first + how_.splits - 1) / how_.splits;
  for (int n = 0; n < how_.splits; ++n) {
    const std::int64_t first = std::min(seen.first + n * share, seen.last);
    parts.push_back(
        RunSplit({first, std::min(first + share, seen.last)}, numbers_.has_sink && n == 0));
  }
  return Merge(parts);
}

}  // namespace

FlashLine RunFlash(const Numbers& numbers, std::size_t row, KeyRange seen, DType dtype,
                   const Flash& how) {
  return Line(numbers, row, dtype, how).Run(seen);
}

std::string Describe(const Flash& how) {
  std::string text = "tile " + std::to_string(how.tile) + ", order " +
                     std::to_string(static_cast<int>(how.order)) + ", accumulation " +
                     std::to_string(static_cast<int>(how.accumulation)) + ", splits " +
                     std::to_string(how.splits);
  if (how.base_two) text += ", base two";
  if (how.lazy_rescale > 0.0F) text += ", lazy";
  if (how.sum_rounded) text += ", sum of rounded weights";
  if (how.sink_first) text += ", sink first";
  if (how.dequantise) text += ", dequantised";
  if (how.tanh_error != 0.0F) text += ", tanh inexact";
  if (how.truncate) text += ", truncated";
  if (how.round_scaled_query) text += ", scaled query rounded";
  if (how.round_dequantised) text += ", dequantised rounded";
  if (how.round_partials) text += ", partials rounded";
  return text;
}

}  // namespace attest::testing
