// SPDX-License-Identifier: Apache-2.0
#include "conformance/study/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "reference/float_formats.h"

namespace attest {
namespace {

using testing::Accumulation;
using testing::Exponential;
using testing::Flash;
using testing::Numbers;
using testing::Random;
using testing::TileOrder;

// Of the cubic exponential: its own 8.56e-5, and float32 roundings of its evaluation.
constexpr double kCubicError = 8.6e-5;
constexpr float kTanhError = 4.9e-4F;       // just inside the hardware approximation's 4.95e-4
constexpr float kLazyRescale = 5.5451774F;  // ln 2^8

// What the rounding error of a matrix unit is, by spec/clauses/numerics.md.
double UnitError(const testing::MatrixUnit& unit) {
  const double length = unit.length;
  return ((length + 1.0) * std::exp2(24 - unit.bits) + 2.0) / length;
}

double RootMeanSquare(const std::vector<std::vector<float>>& matrix) {
  double sum = 0.0;
  double count = 0.0;
  for (const auto& line : matrix) {
    for (const float x : line) sum += static_cast<double>(x) * static_cast<double>(x);
    count += static_cast<double>(line.size());
  }
  return std::sqrt(sum / count);
}

double Largest(const std::vector<std::vector<float>>& matrix) {
  double largest = 0.0;
  for (const auto& line : matrix) {
    for (const float x : line) largest = std::max(largest, std::fabs(static_cast<double>(x)));
  }
  return largest;
}

// fp16 holds numbers of this size to their full relative precision, but for a few small ones.
bool FitsFloat16(const std::vector<std::vector<float>>& matrix, double factor) {
  return RootMeanSquare(matrix) * factor >= 0x1p-8 && Largest(matrix) * factor <= 32752.0;
}

bool MayRoundQuery(DType dtype, const Numbers& numbers) {
  return dtype == DType::kBFloat16 || FitsFloat16(numbers.q, static_cast<double>(numbers.scale));
}

bool MayRoundDequantised(DType dtype, const Numbers& numbers) {
  if (dtype == DType::kBFloat16 || numbers.key_scale.empty()) return true;
  const auto least = [](const std::vector<float>& scales) {
    return static_cast<double>(*std::min_element(scales.begin(), scales.end()));
  };
  return FitsFloat16(numbers.k, least(numbers.key_scale)) &&
         FitsFloat16(numbers.v, least(numbers.value_scale));
}

// fp16 scores end at 65504.
bool MayRoundScores(DType dtype, const Numbers& numbers) {
  if (dtype == DType::kBFloat16) return true;
  double largest = Largest(numbers.bias);
  for (const auto& line : numbers.q) {
    double norm = 0.0;
    for (const float x : line) norm += static_cast<double>(x) * static_cast<double>(x);
    largest = std::max(largest, std::sqrt(norm));
  }
  double key = 0.0;
  for (std::size_t n = 0; n < numbers.keys(); ++n) {
    double norm = 0.0;
    for (std::size_t c = 0; c < numbers.k[n].size(); ++c) norm += std::pow(numbers.Key(n, c), 2);
    key = std::max(key, std::sqrt(norm));
  }
  return largest <= 1e4 && largest * key * static_cast<double>(numbers.scale) <= 1e4;
}

void DrawAccumulation(Random* random, DType dtype, Flash* how) {
  how->accumulation = random->Pick({Accumulation::kFused, Accumulation::kSeparate});
  // A matrix unit multiplies 16-bit numbers exactly; there is none for float32.
  if (dtype == DType::kFloat32 || random->OneIn(3)) return;
  how->accumulation = Accumulation::kMatrixUnit;
  // Hopper and Blackwell, Ampere and Ada, Volta.
  using Unit = testing::MatrixUnit;
  how->unit = random->Pick({Unit{25, 16}, Unit{24, 8}, Unit{23, 4}});
}

void DrawExponential(Random* random, Flash* how) {
  how->base_two = random->OneIn(2);
  if (random->OneIn(3)) how->exponential = Exponential::kTwoUlps;
  how->exponential_side = static_cast<int>(random->Int(-1, 1));
  if (how->base_two && random->OneIn(3)) how->exponential = Exponential::kCubic;
}

// 16-bit kernels only.
void DrawRoundings(Random* random, DType dtype, const Numbers& numbers, Flash* how) {
  how->truncate = random->OneIn(6);
  how->flush = random->OneIn(12);
  how->keep_weights = how->accumulation != Accumulation::kMatrixUnit && !how->truncate &&
                      !how->flush && random->OneIn(4);
  how->round_scaled_query = random->OneIn(6) && MayRoundQuery(dtype, numbers);
  how->round_dequantised = random->OneIn(2) && MayRoundDequantised(dtype, numbers);
  how->round_partials = random->OneIn(6);
  how->round_scores = random->OneIn(8) && MayRoundScores(dtype, numbers);
}

Arithmetic Larger(Arithmetic a, const Arithmetic& b) {
  for (const ArithmeticParameter& parameter : ArithmeticParameters()) {
    double& value = a.*parameter.member;
    value = std::max(value, b.*parameter.member);
  }
  a.tile_min = std::min(a.tile_min, b.tile_min);
  return a;
}

// The smallest named class, with overrides where even the largest does not admit `own`.
void DeclareByName(const Arithmetic& own, bool flush, Machine* machine) {
  for (const Arithmetic& named : {StrictArithmetic(), DefaultArithmetic(), LenientArithmetic()}) {
    if (flush && named.name != "lenient") continue;
    if (!AtLeastAsTight(own, named)) continue;
    machine->declared = named;
    machine->class_name = named.name;
    return;
  }
  machine->declared = Larger(LenientArithmetic(), own);
  machine->class_name = "lenient with overrides";
}

}  // namespace

Arithmetic TightestArithmetic(const Flash& how, DType dtype) {
  // Only the name "lenient" admits flushing.
  Arithmetic own = StrictArithmetic();
  if (how.flush) own.name = "lenient";
  if (how.accumulation == Accumulation::kMatrixUnit) {
    own.accumulate_qk = own.accumulate_pv = UnitError(how.unit);
  }
  own.tile_min = static_cast<int>(how.tile);
  if (how.exponential == Exponential::kCubic) own.exp_error = kCubicError;
  if (how.tanh_error != 0.0F) own.tanh_error = 4.95e-4;
  if (SizeOf(dtype) != 2) return own;
  const double half_ulps = how.truncate ? 2.0 : 1.0;
  const double unit = FormatOf(dtype)->unit_roundoff * half_ulps;
  own.round_p = how.keep_weights ? 0.0 : half_ulps;
  own.round_output = half_ulps;
  if (how.round_scaled_query) own.round_q = unit;
  if (how.round_dequantised) own.round_k = own.round_v = unit;
  if (how.round_partials) own.round_partial = unit;
  if (how.round_scores) own.round_score = unit;
  return own;
}

Machine DrawMachine(Random* random, const Problem& problem, const Numbers& numbers) {
  Machine machine;
  Flash& how = machine.how;
  const DType dtype = problem.query_dtype;
  how.tile = random->Pick<std::int64_t>({16, 32, 64, 128, 256});
  DrawAccumulation(random, dtype, &how);
  DrawExponential(random, &how);
  how.dequantise = random->OneIn(2);
  if (random->OneIn(2)) how.tanh_error = random->OneIn(2) ? kTanhError : -kTanhError;
  if (SizeOf(dtype) == 2) DrawRoundings(random, dtype, numbers, &how);
  how.round_dequantised = how.round_dequantised && how.dequantise && !numbers.key_scale.empty();
  const Arithmetic own = TightestArithmetic(how, dtype);
  if (random->OneIn(2)) {
    machine.declared = own;
    machine.class_name = "tightest";
  } else {
    DeclareByName(own, how.flush, &machine);
  }
  return machine;
}

Flash DrawRun(Random* random, const Machine& machine) {
  Flash how = machine.how;
  how.order = random->Pick({TileOrder::kForward, TileOrder::kBackward, TileOrder::kInterleaved});
  how.splits = static_cast<int>(random->Int(1, 8));
  how.lazy_rescale = random->OneIn(3) ? kLazyRescale : 0.0F;
  how.sum_rounded = random->OneIn(3);
  how.sink_first = random->OneIn(2);
  how.naive = random->OneIn(8);
  return how;
}

std::vector<std::string> TraitsOf(const Flash& how, const Problem& problem) {
  std::vector<std::string> traits;
  const auto add = [&traits](bool yes, std::string text) {
    if (yes) traits.push_back(std::move(text));
  };
  add(how.accumulation == Accumulation::kFused, "sums: fused multiply-add");
  add(how.accumulation == Accumulation::kSeparate, "sums: multiply, then add");
  add(how.accumulation == Accumulation::kMatrixUnit,
      fmt::format("sums: matrix unit, {} bits, blocks of {}", how.unit.bits, how.unit.length));
  add(how.naive, "naive");
  const char* order = how.order == TileOrder::kForward    ? "left to right"
                      : how.order == TileOrder::kBackward ? "right to left"
                                                          : "interleaved";
  add(!how.naive, fmt::format("tiles: {}", order));
  add(!how.naive, fmt::format("tiles: of {}", how.tile));
  add(!how.naive, fmt::format("splits: {}", how.splits));
  add(!how.naive && how.lazy_rescale > 0.0F, "rescales from 2^8 on");
  add(!how.naive && how.sum_rounded, "denominator of rounded weights");
  add(!how.base_two, "exponential: exp");
  add(how.base_two && how.exponential != Exponential::kCubic, "exponential: exp2");
  add(how.exponential == Exponential::kTwoUlps, "exponential: 2 ulps off");
  add(how.exponential == Exponential::kCubic, "exponential: cubic for exp2");
  add(how.tanh_error != 0.0F && problem.softcap > 0.0F, "tanh: approximate");
  add(how.keep_weights, "weights: float32 for P V");
  add(how.truncate, "truncates to 16 bit");
  add(how.flush, "flushes subnormals");
  add(how.round_scaled_query, "query scaled, then rounded to 16 bit");
  add(how.round_partials && how.splits > 1 && !how.naive, "split outputs in 16 bit");
  add(how.round_scores, "scores in 16 bit");
  if (problem.kv_scale_kind != KvScaleKind::kNone) {
    add(!how.dequantise, "8-bit cache: scales folded into scores and weights");
    add(how.dequantise && !how.round_dequantised, "8-bit cache: dequantised");
    add(how.round_dequantised, "8-bit cache: dequantised and rounded to 16 bit");
  }
  return traits;
}

const std::vector<std::string_view>& DefectNames() {
  static const std::vector<std::string_view> names = {"exponential-1-percent", "accumulator-16-bit",
                                                      "rescale-forgotten"};
  return names;
}

void AddDefect(std::string_view name, Flash* how) {
  if (name == "exponential-1-percent") how->weight_error = 0.01F;
  if (name == "accumulator-16-bit") how->round_accumulator = true;
  if (name == "rescale-forgotten") how->rescale_forgotten = true;
}

}  // namespace attest
