// SPDX-License-Identifier: Apache-2.0
#include "reference/testing/flash.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "reference/float_formats.h"

namespace attest::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLog2E = 1.44269504F;
constexpr std::size_t kLongestBlock = 16;

float TowardZero(double value) {
  const auto nearest = static_cast<float>(value);
  return std::fabs(static_cast<double>(nearest)) > std::fabs(value) ? std::nextafter(nearest, 0.0F)
                                                                    : nearest;
}

// 2^(biased exponent - 1023); products of float32 numbers are far from the ends of double's range.
double PowerOfTwo(std::uint64_t biased) { return std::bit_cast<double>(biased << 52); }

// sum + products, as a matrix unit adds a block. Cut numbers are integers below 2^(bits + 1), so
// that a block of 17 sums in 32 bits for bits <= 25.
float AddBlock(const MatrixUnit& unit, float sum, const std::array<double, kLongestBlock>& products,
               std::size_t count) {
  double largest = std::fabs(static_cast<double>(sum));
  for (std::size_t n = 0; n < count; ++n) largest = std::max(largest, std::fabs(products[n]));
  if (largest == 0.0) return sum;
  const std::uint64_t exponent = std::bit_cast<std::uint64_t>(largest) >> 52;
  const auto bits = static_cast<std::uint64_t>(unit.bits);
  const double per_step = PowerOfTwo(2046 - exponent + bits);
  auto total = static_cast<std::int32_t>(static_cast<double>(sum) * per_step);
  for (std::size_t n = 0; n < count; ++n) {
    total += static_cast<std::int32_t>(products[n] * per_step);
  }
  return TowardZero(static_cast<double>(total) * PowerOfTwo(exponent - bits));
}

// sum + a . b over `count` numbers; element n of b is b(n).
template <typename Second>
float AddProducts(const MatrixUnit& unit, float sum, const float* a, std::size_t count,
                  const Second& b) {
  const auto length = static_cast<std::size_t>(unit.length);
  for (std::size_t first = 0; first < count; first += length) {
    std::array<double, kLongestBlock> products{};
    const std::size_t block = std::min(length, count - first);
    for (std::size_t n = 0; n < block; ++n) {
      products[n] = static_cast<double>(a[first + n]) * static_cast<double>(b(first + n));
    }
    sum = AddBlock(unit, sum, products, block);
  }
  return sum;
}

double FromBits(DType dtype, std::uint16_t bits) {
  return dtype == DType::kFloat16 ? Float16ToDouble(bits) : BFloat16ToDouble(bits);
}

float Store(DType dtype, float value, const Flash& how) {
  double rounded = RoundTo(dtype, static_cast<double>(value));
  if (how.truncate && std::fabs(rounded) > std::fabs(static_cast<double>(value))) {
    const auto bits =
        dtype == DType::kFloat16 ? DoubleToFloat16(rounded) : DoubleToBFloat16(rounded);
    rounded = FromBits(dtype, static_cast<std::uint16_t>(bits - 1));
  }
  if (how.flush && std::fabs(rounded) < std::ldexp(1.0, FormatOf(dtype)->min_exponent)) {
    return 0.0F;
  }
  return static_cast<float>(rounded);
}

// 2^x for x <= 0 or a little above: a power of two times a cubic for its fraction, whose relative
// error is at most 8.6e-5 and 0 at integers.
float CubicExp2(float x) {
  const float clamped = std::max(x, -127.0F);
  const float whole = std::floor(clamped);
  const float f = clamped - whole;
  const float cubic =
      std::fma(std::fma(std::fma(0.07706704F, f, 0.22764499F), f, 0.69511679F), f, 1.0F);
  return std::ldexp(cubic, static_cast<int>(whole));
}

// Two units in the last place away, to the side that `how` says.
float Displace(float value, const Flash& how) {
  if (how.exponential != Exponential::kTwoUlps || value <= 0.0F || value == 1.0F) return value;
  int side = how.exponential_side;
  if (side == 0) side = std::bit_cast<std::uint32_t>(value) % 8 < 4 ? 1 : -1;
  const float toward = side > 0 ? kInfinity : 0.0F;
  return std::nextafter(std::nextafter(value, toward), toward);
}

// Running state of one split. `top` is a product q.k (scaled, unless it waits for its scale), `sum`
// the denominator relative to it.
struct State {
  float top = -kInfinity;
  float sum = 0.0F;
  std::vector<float> out;
};

class Line {
 public:
  Line(const Numbers& numbers, const Operands& operands, std::size_t row, DType dtype,
       const Flash& how)
      : numbers_(numbers),
        keys_(operands.k.empty() ? numbers.k : operands.k),
        values_(operands.v.empty() ? numbers.v : operands.v),
        row_(row),
        query_(numbers.q[row]),
        dtype_(dtype),
        how_(how) {
    scale_ = numbers.scale;
    // Only a plain product can wait for its scale until the exponential.
    late_ = how.base_two && numbers.softcap == 0.0F && !numbers.has_slope && numbers.bias.empty() &&
            !how.round_scores;
    if (!how.round_scaled_query) return;
    for (float& x : query_) x = Store(dtype, x * scale_, how);
    scale_ = 1.0F;
  }

  FlashLine Run(KeyRange seen) const { return how_.naive ? RunNaive(seen) : RunTiled(seen); }

 private:
  bool rounds() const { return SizeOf(dtype_) == 2; }

  float Exp2(float x, bool weight) const {
    if (weight && how_.exponential == Exponential::kCubic) return CubicExp2(x);
    return Displace(std::exp2(x), how_);
  }
  // exp(scale * (product - top)) or, where products carry the scale already, exp(product - top).
  float Power(float product, float top, bool weight) const {
    if (!how_.base_two) return Displace(std::exp(product - top), how_);
    const float factor = late_ ? scale_ * kLog2E : kLog2E;
    // The rounding of a shift near 1e30 is more than any exponent: whoever has such biases
    // subtracts numbers that were rounded alike.
    if (top < -1e20F) return Exp2(product * factor - top * factor, weight);
    const float shift = top * factor;
    return Exp2(std::fma(product, factor, -shift), weight);
  }
  float Weight(float product, float top) const {
    const bool above = std::bit_cast<std::uint32_t>(product) % 8 < 4;
    return Power(product, top, true) *
           (above ? 1.0F + how_.weight_error : 1.0F - how_.weight_error);
  }
  float Logit(float top) const { return late_ ? top * scale_ : top; }
  float Unlogit(float logit) const { return late_ ? logit / scale_ : logit; }
  // A weight as P V has it.
  float StoreWeight(float weight) const {
    return rounds() && !how_.keep_weights ? Store(dtype_, weight, how_) : weight;
  }
  bool folds_values() const { return !numbers_.value_scale.empty() && !how_.dequantise; }

  float StoreScore(float score) const {
    return how_.round_scores && rounds() ? Store(dtype_, score, how_) : score;
  }
  float Dot(std::size_t key) const;
  float Score(std::size_t key) const;
  std::vector<float> Scores(KeyRange tile) const;  // -inf: masked
  void AddValues(std::int64_t first, const std::vector<float>& weights,
                 std::vector<float>* out) const;
  void AddTile(KeyRange tile, State* state) const;
  void AddSink(State* state) const;
  State RunSplit(KeyRange keys, bool sink) const;
  FlashLine Merge(const std::vector<State>& parts) const;
  FlashLine RunTiled(KeyRange seen) const;
  FlashLine RunNaive(KeyRange seen) const;

  const Numbers& numbers_;
  const std::vector<std::vector<float>>& keys_;
  const std::vector<std::vector<float>>& values_;
  std::size_t row_;
  std::vector<float> query_;
  DType dtype_;
  const Flash& how_;
  float scale_ = 1.0F;
  bool late_ = false;
};

float Line::Dot(std::size_t key) const {
  const std::vector<float>& line = keys_[key];
  if (how_.accumulation == Accumulation::kMatrixUnit) {
    return AddProducts(how_.unit, 0.0F, query_.data(), query_.size(),
                       [&](std::size_t n) { return line[n]; });
  }
  float sum = 0.0F;
  const bool fused = how_.accumulation == Accumulation::kFused;
  for (std::size_t n = 0; n < query_.size(); ++n) {
    sum = fused ? std::fma(query_[n], line[n], sum) : sum + query_[n] * line[n];
  }
  return sum;
}

float Line::Score(std::size_t key) const {
  float dot = Dot(key);
  if (!numbers_.key_scale.empty() && !how_.dequantise) dot *= numbers_.key_scale[key];
  if (late_) return dot;
  float score = StoreScore(dot * scale_);
  if (numbers_.softcap > 0.0F) {
    const float error = key % 2 == 0 ? how_.tanh_error : -how_.tanh_error;
    score = StoreScore(numbers_.softcap * (std::tanh(score / numbers_.softcap) * (1.0F + error)));
  }
  if (!numbers_.bias.empty()) score = StoreScore(score + numbers_.bias[row_][key]);
  if (numbers_.has_slope) {
    const auto distance = static_cast<float>(numbers_.Distance(row_, key));
    score = StoreScore(how_.base_two ? std::fma(-numbers_.slope, distance, score)
                                     : score - numbers_.slope * distance);
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

// out += weights . values, key `first` and on.
void Line::AddValues(std::int64_t first, const std::vector<float>& weights,
                     std::vector<float>* out) const {
  const auto start = static_cast<std::size_t>(first);
  if (how_.accumulation == Accumulation::kMatrixUnit) {
    for (std::size_t c = 0; c < out->size(); ++c) {
      (*out)[c] = AddProducts(how_.unit, (*out)[c], weights.data(), weights.size(),
                              [&](std::size_t n) { return values_[start + n][c]; });
    }
    return;
  }
  // Columns are chains of their own: key by key they go side by side.
  const bool fused = how_.accumulation == Accumulation::kFused;
  for (std::size_t n = 0; n < weights.size(); ++n) {
    const float weight = weights[n];
    if (weight == 0.0F) continue;
    const float* line = values_[start + n].data();
    float* sums = out->data();
    const std::size_t columns = out->size();
    if (fused) {
      for (std::size_t c = 0; c < columns; ++c) sums[c] = std::fma(weight, line[c], sums[c]);
    } else {
      for (std::size_t c = 0; c < columns; ++c) sums[c] += weight * line[c];
    }
  }
}

void Line::AddTile(KeyRange tile, State* state) const {
  std::vector<float> weights = Scores(tile);
  const float largest = *std::max_element(weights.begin(), weights.end());
  if (largest == -kInfinity) return;
  const bool keep =
      state->top > -kInfinity && Logit(largest) <= Logit(state->top) + how_.lazy_rescale;
  const float top = keep ? state->top : std::max(largest, state->top);
  if (top > state->top && state->top > -kInfinity) {
    const float alpha = Power(state->top, top, false);
    state->sum *= alpha;
    if (!how_.rescale_forgotten) {
      for (float& x : state->out) x *= alpha;
    }
  }
  state->top = top;
  std::vector<float> stored = weights;
  for (std::size_t n = 0; n < weights.size(); ++n) {
    weights[n] = weights[n] == -kInfinity ? 0.0F : Weight(weights[n], top);
    stored[n] = StoreWeight(weights[n]);
    state->sum += how_.sum_rounded ? stored[n] : weights[n];
    if (!folds_values()) continue;
    stored[n] =
        StoreWeight(weights[n] * numbers_.value_scale[static_cast<std::size_t>(tile.first) + n]);
  }
  AddValues(tile.first, stored, &state->out);
  if (!how_.round_accumulator || !rounds()) return;
  for (float& x : state->out) x = Store(dtype_, x, how_);
}

void Line::AddSink(State* state) const {
  const float sink = Unlogit(numbers_.sink);
  if (sink > state->top) {
    const float alpha = state->top > -kInfinity ? Power(state->top, sink, false) : 0.0F;
    state->sum *= alpha;
    for (float& x : state->out) x *= alpha;
    state->top = sink;
  }
  state->sum += Power(sink, state->top, false);
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
      if (how_.round_partials && rounds() && parts.size() > 1) part = Store(dtype_, part, how_);
      out[c] += weight * part;
    }
  }
  for (const float x : out) {
    const float mean = sum > 0.0F ? x * (1.0F / sum) : 0.0F;
    line.out.push_back(static_cast<double>(rounds() ? Store(dtype_, mean, how_) : mean));
  }
  line.lse = sum > 0.0F ? top + std::log(sum) : -kInfinity;
  return line;
}

FlashLine Line::RunTiled(KeyRange seen) const {
  std::vector<State> parts;
  const std::int64_t share = (seen.last - seen.first + how_.splits - 1) / how_.splits;
  for (int n = 0; n < how_.splits; ++n) {
    const std::int64_t first = std::min(seen.first + n * share, seen.last);
    parts.push_back(
        RunSplit({first, std::min(first + share, seen.last)}, numbers_.has_sink && n == 0));
  }
  return Merge(parts);
}

FlashLine Line::RunNaive(KeyRange seen) const {
  std::vector<float> weights = Scores(seen);
  float top = numbers_.has_sink ? Unlogit(numbers_.sink) : -kInfinity;
  for (const float score : weights) top = std::max(top, score);
  std::vector<float> out(numbers_.v[0].size(), 0.0F);
  float sum = numbers_.has_sink ? Power(Unlogit(numbers_.sink), top, false) : 0.0F;
  for (float& x : weights) {
    x = x == -kInfinity ? 0.0F : Weight(x, top);
    sum += x;
  }
  // A mean weight is no number of 16 bits even where all scores are equal, which no class admits: a
  // kernel that stores 16-bit weights divides last.
  const bool divides_first = !rounds() || how_.keep_weights;
  for (std::size_t n = 0; n < weights.size(); ++n) {
    if (weights[n] == 0.0F) continue;
    if (folds_values()) {
      weights[n] *= numbers_.value_scale[static_cast<std::size_t>(seen.first) + n];
    }
    weights[n] = divides_first ? weights[n] / sum : StoreWeight(weights[n]);
  }
  AddValues(seen.first, weights, &out);
  FlashLine line;
  line.lse = sum > 0.0F ? Logit(top) + std::log(sum) : -kInfinity;
  for (float x : out) {
    if (!divides_first && sum > 0.0F) x /= sum;
    line.out.push_back(static_cast<double>(rounds() ? Store(dtype_, x, how_) : x));
  }
  return line;
}

std::vector<std::vector<float>> Dequantise(const std::vector<std::vector<float>>& stored,
                                           const std::vector<float>& scales, DType dtype,
                                           const Flash& how) {
  std::vector<std::vector<float>> numbers = stored;
  const bool rounds = how.round_dequantised && SizeOf(dtype) == 2;
  for (std::size_t key = 0; key < numbers.size(); ++key) {
    for (float& x : numbers[key]) {
      x *= scales[key];
      if (rounds) x = Store(dtype, x, how);
    }
  }
  return numbers;
}

}  // namespace

Operands PrepareOperands(const Numbers& numbers, DType dtype, const Flash& how) {
  Operands operands;
  if (!how.dequantise) return operands;
  if (!numbers.key_scale.empty()) {
    operands.k = Dequantise(numbers.k, numbers.key_scale, dtype, how);
  }
  if (!numbers.value_scale.empty()) {
    operands.v = Dequantise(numbers.v, numbers.value_scale, dtype, how);
  }
  return operands;
}

FlashLine RunFlash(const Numbers& numbers, const Operands& operands, std::size_t row, KeyRange seen,
                   DType dtype, const Flash& how) {
  return Line(numbers, operands, row, dtype, how).Run(seen);
}

FlashLine RunFlash(const Numbers& numbers, std::size_t row, KeyRange seen, DType dtype,
                   const Flash& how) {
  return RunFlash(numbers, PrepareOperands(numbers, dtype, how), row, seen, dtype, how);
}

std::string Describe(const Flash& how) {
  std::string text = how.naive ? "naive"
                               : "tile " + std::to_string(how.tile) + ", order " +
                                     std::to_string(static_cast<int>(how.order)) + ", splits " +
                                     std::to_string(how.splits);
  text += ", accumulation " + std::to_string(static_cast<int>(how.accumulation));
  if (how.accumulation == Accumulation::kMatrixUnit) {
    text += " (" + std::to_string(how.unit.bits) + " bits, blocks of " +
            std::to_string(how.unit.length) + ")";
  }
  if (how.base_two) text += ", base two";
  if (how.exponential == Exponential::kTwoUlps) text += ", exponential 2 ulps off";
  if (how.exponential == Exponential::kCubic) text += ", cubic exponential";
  if (how.lazy_rescale > 0.0F) text += ", lazy";
  if (how.sum_rounded) text += ", sum of rounded weights";
  if (how.sink_first) text += ", sink first";
  if (how.dequantise) text += ", dequantised";
  if (how.tanh_error != 0.0F) text += ", tanh inexact";
  if (how.keep_weights) text += ", weights in float32";
  if (how.truncate) text += ", truncated";
  if (how.flush) text += ", subnormals flushed";
  if (how.round_scaled_query) text += ", scaled query rounded";
  if (how.round_dequantised) text += ", dequantised rounded";
  if (how.round_partials) text += ", partials rounded";
  if (how.round_scores) text += ", scores rounded";
  if (how.weight_error != 0.0F) text += ", WRONG exponential";
  if (how.round_accumulator) text += ", WRONG 16-bit accumulator";
  if (how.rescale_forgotten) text += ", WRONG rescaling";
  return text;
}

}  // namespace attest::testing
