// SPDX-License-Identifier: Apache-2.0
//
// What correct kernels do in float32, one query line at a time: online softmax over tiles, splits
// that are merged by their LSE, weights rounded to 16 bit. For tests of the bound.
#ifndef ATTEST_REFERENCE_TESTING_FLASH_H_
#define ATTEST_REFERENCE_TESTING_FLASH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "reference/testing/families.h"
#include "spec/vocabulary/dtype.h"
#include "spec/vocabulary/mask.h"

namespace attest::testing {

enum class TileOrder : std::uint8_t { kForward, kBackward, kInterleaved };

enum class Accumulation : std::uint8_t {
  kFused,       // one chain of fused multiply-adds
  kSeparate,    // products rounded, then summed
  kMatrixUnit,  // blocks of products, each cut relative to the largest, sum rounded toward zero
};

// A matrix unit adds `length` products and the accumulator at once, each cut at 2^-bits of the
// largest.
struct MatrixUnit {
  int bits = 24;
  int length = 8;  // at most 16
};

enum class Exponential : std::uint8_t {
  kNear,     // the library's
  kTwoUlps,  // off by two units in the last place, in rescale factors too
  kCubic,    // weights by a cubic polynomial for the fraction of a power of two; needs base_two
};

// One way to be right.
struct Flash {
  std::int64_t tile = 64;
  TileOrder order = TileOrder::kForward;
  Accumulation accumulation = Accumulation::kFused;
  MatrixUnit unit;
  int splits = 1;
  // All scores of a row before its first weight; float32 weights are divided by their sum before
  // they meet the values. Order, tile, splits and lazy_rescale say nothing then.
  bool naive = false;
  bool base_two = false;  // exp2 of one fused multiply-add instead of exp of a difference
  Exponential exponential = Exponential::kNear;
  int exponential_side = 0;   // of kTwoUlps: +1 above, -1 below, 0 to either side
  float lazy_rescale = 0.0F;  // keep the old maximum until it is exceeded by this much
  bool sum_rounded = false;   // the denominator sums weights after rounding
  bool sink_first = false;    // the running maximum starts at the sink
  // Scales of an 8-bit cache: k and v are multiplied by them before they are used, or the score and
  // the weight (before it is stored) are.
  bool dequantise = false;
  // Every tanh is wrong by this much, to one side or the other.
  float tanh_error = 0.0F;
  bool keep_weights = false;  // weights stay float32 for P V
  // Only the lenient class or an override admits these.
  bool truncate = false;  // weights and outputs are cut, not rounded
  bool flush = false;     // subnormal weights, partial outputs and outputs become 0
  bool round_scaled_query = false;
  bool round_dequantised = false;  // dequantised keys and values are stored in the query's type
  bool round_partials = false;     // split outputs are stored in the query's type
  bool round_scores = false;       // scores are stored in the query's type after each step
  // No class admits these.
  float weight_error = 0.0F;       // every weight is wrong by this much, to one side or the other
  bool round_accumulator = false;  // the output accumulator is stored in 16 bit after each tile
  bool rescale_forgotten = false;  // a new maximum rescales the sum and not the output
};
std::string Describe(const Flash& how);

struct FlashLine {
  std::vector<double> out;  // [head_dim_v], stored in `dtype`
  float lse = 0.0F;
};

// Keys and values as a kernel multiplies them, for all rows that one cache serves.
struct Operands {
  std::vector<std::vector<float>> k;  // empty: the stored ones
  std::vector<std::vector<float>> v;
};
Operands PrepareOperands(const Numbers& numbers, DType dtype, const Flash& how);

// `dtype` is the type of query and output; scale must be positive. `operands` were prepared with
// the same dequantise, round_dequantised, truncate and flush.
FlashLine RunFlash(const Numbers& numbers, const Operands& operands, std::size_t row, KeyRange seen,
                   DType dtype, const Flash& how);
FlashLine RunFlash(const Numbers& numbers, std::size_t row, KeyRange seen, DType dtype,
                   const Flash& how);

}  // namespace attest::testing

#endif  // ATTEST_REFERENCE_TESTING_FLASH_H_
