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
  kMatrixUnit,  // blocks of 8 products, each cut at 2^-24 of the largest, sum rounded toward zero
};

// One way to be right.
struct Flash {
  std::int64_t tile = 64;
  TileOrder order = TileOrder::kForward;
  Accumulation accumulation = Accumulation::kFused;
  int splits = 1;
  bool base_two = false;      // exp2 of one fused multiply-add instead of exp of a difference
  float lazy_rescale = 0.0F;  // keep the old maximum until it is exceeded by this much
  bool sum_rounded = false;   // the denominator sums weights after rounding
  bool sink_first = false;    // the running maximum starts at the sink
  // Scales of an 8-bit cache: k and v are multiplied by them before they are used, or the score and
  // the weight (before it is stored) are.
  bool dequantise = false;
  // Every tanh is wrong by this much, to one side or the other.
  float tanh_error = 0.0F;
  // Only the lenient class admits these.
  bool truncate = false;  // weights and outputs are cut, not rounded
  bool round_scaled_query = false;
  bool round_dequantised = false;  // dequantised keys and values are stored in the query's type
  bool round_partials = false;     // split outputs are stored in the query's type
};
std::string Describe(const Flash& how);

struct FlashLine {
  std::vector<double> out;  // [head_dim_v], stored in `dtype`
  float lse = 0.0F;
};

// `dtype` is the type of query and output; scale must be positive.
FlashLine RunFlash(const Numbers& numbers, std::size_t row, KeyRange seen, DType dtype,
                   const Flash& how);

}  // namespace attest::testing

#endif  // ATTEST_REFERENCE_TESTING_FLASH_H_
