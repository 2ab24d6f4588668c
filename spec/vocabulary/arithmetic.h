// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic class of a backend: the only thing about its implementation that the error bound
// depends on. Meaning and derivation of each parameter: spec/clauses/numerics.md.
#ifndef ATTEST_SPEC_VOCABULARY_ARITHMETIC_H_
#define ATTEST_SPEC_VOCABULARY_ARITHMETIC_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spec/abi/attest.h"

namespace attest {

// Relative errors unless said otherwise; u = 2^-24. `round_p` and `round_output` are multiples of
// half an ulp (unit roundoff) of the dtype they are rounded to, so that one class serves all
// dtypes: 1 = to nearest, 2 = truncated.
struct Arithmetic {
  std::string name = "default";  // "default", "strict", "lenient"
  double accumulate_qk = 1.375;  // error of a product's accumulation, in u * sum |a||b|
  double accumulate_pv = 1.375;
  double accumulate_l = 1.375;
  double round_p = 1.0;       // in half ulps of the query dtype; nothing for float32
  double round_output = 1.0;  // in half ulps of the output dtype
  double exp_error = 0x1p-21;
  double tanh_error = 4.95e-4;  // 2^-10.98, the hardware approximation
  double round_q = 0.0;
  double round_k = 0.0;
  double round_v = 0.0;
  double round_score = 0.0;
  double round_partial = 0.0;
  int tile_min = 16;
  std::vector<std::pair<std::string, double>>
      overrides;  // what differs from the named class, for the report
  bool operator==(const Arithmetic&) const = default;
};

// A parameter that a class sets and the ABI overrides. tile_min, an integer, is not one of them.
struct ArithmeticParameter {
  std::string_view name;
  double Arithmetic::*member;
  double attest_arithmetic_t::*abi;
};
// In the order of attest_arithmetic_t.
const std::vector<ArithmeticParameter>& ArithmeticParameters();

Arithmetic StrictArithmetic();
Arithmetic DefaultArithmetic();
Arithmetic LenientArithmetic();
std::optional<Arithmetic> ArithmeticByName(std::string_view name);

// The class that a backend declares, with its overrides. An unknown class is nullopt.
std::optional<Arithmetic> FromAbi(const attest_arithmetic_t& abi);

// Parameter by parameter, a <= b.
bool AtLeastAsTight(const Arithmetic& a, const Arithmetic& b);

}  // namespace attest

#endif  // ATTEST_SPEC_VOCABULARY_ARITHMETIC_H_
