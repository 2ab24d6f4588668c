// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/arithmetic.h"

#include <algorithm>
#include <array>

namespace attest {
namespace {

struct Parameter {
  const char* name;
  double Arithmetic::*member;
  double attest_arithmetic_t::*abi;
};

constexpr std::array kParameters = {
    Parameter{"accumulate_qk", &Arithmetic::accumulate_qk, &attest_arithmetic_t::accumulate_qk},
    Parameter{"accumulate_pv", &Arithmetic::accumulate_pv, &attest_arithmetic_t::accumulate_pv},
    Parameter{"accumulate_l", &Arithmetic::accumulate_l, &attest_arithmetic_t::accumulate_l},
    Parameter{"round_p", &Arithmetic::round_p, &attest_arithmetic_t::round_p},
    Parameter{"round_output", &Arithmetic::round_output, &attest_arithmetic_t::round_output},
    Parameter{"exp_error", &Arithmetic::exp_error, &attest_arithmetic_t::exp_error},
    Parameter{"tanh_error", &Arithmetic::tanh_error, &attest_arithmetic_t::tanh_error},
    Parameter{"round_q", &Arithmetic::round_q, &attest_arithmetic_t::round_q},
    Parameter{"round_k", &Arithmetic::round_k, &attest_arithmetic_t::round_k},
    Parameter{"round_v", &Arithmetic::round_v, &attest_arithmetic_t::round_v},
    Parameter{"round_score", &Arithmetic::round_score, &attest_arithmetic_t::round_score},
    Parameter{"round_partial", &Arithmetic::round_partial, &attest_arithmetic_t::round_partial},
};

}  // namespace

Arithmetic DefaultArithmetic() { return {}; }

Arithmetic StrictArithmetic() {
  Arithmetic strict;
  strict.name = "strict";
  strict.accumulate_qk = strict.accumulate_pv = strict.accumulate_l = 1.0;
  strict.tanh_error = 0x1p-23;
  return strict;
}

Arithmetic LenientArithmetic() {
  Arithmetic lenient;
  lenient.name = "lenient";
  lenient.accumulate_qk = lenient.accumulate_pv = lenient.accumulate_l = 3.0;  // Volta: F=23, L=4
  lenient.round_p = 2.0;
  lenient.round_output = 2.0;
  lenient.exp_error = 8.8e-5;  // a polynomial exp2 of degree 3
  lenient.round_q = lenient.round_k = lenient.round_v = 0x1p-8;
  lenient.round_partial = 0x1p-8;
  return lenient;
}

std::optional<Arithmetic> ArithmeticByName(std::string_view name) {
  for (const Arithmetic& candidate :
       {DefaultArithmetic(), StrictArithmetic(), LenientArithmetic()}) {
    if (candidate.name == name) return candidate;
  }
  return std::nullopt;
}

std::optional<Arithmetic> FromAbi(const attest_arithmetic_t& abi) {
  Arithmetic result;
  switch (abi.arithmetic_class) {
    case ATTEST_ARITHMETIC_DEFAULT:
      result = DefaultArithmetic();
      break;
    case ATTEST_ARITHMETIC_STRICT:
      result = StrictArithmetic();
      break;
    case ATTEST_ARITHMETIC_LENIENT:
      result = LenientArithmetic();
      break;
    default:
      return std::nullopt;
  }
  for (const Parameter& parameter : kParameters) {
    const double value = abi.*parameter.abi;
    if (!(value >= 0.0) || value > 4096.0) return std::nullopt;  // NaN, negative, or absurd
    if (value == 0.0) continue;
    result.*parameter.member = value;
    result.overrides.emplace_back(parameter.name, value);
  }
  if (abi.tile_min < 0) return std::nullopt;
  if (abi.tile_min > 0) {
    result.tile_min = abi.tile_min;
    result.overrides.emplace_back("tile_min", abi.tile_min);
  }
  return result;
}

bool AtLeastAsTight(const Arithmetic& a, const Arithmetic& b) {
  return a.tile_min >= b.tile_min &&
         std::all_of(kParameters.begin(), kParameters.end(), [&](const Parameter& parameter) {
           return a.*parameter.member <= b.*parameter.member;
         });
}

}  // namespace attest
