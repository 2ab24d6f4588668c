// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/arithmetic.h"

#include <algorithm>

namespace attest {

const std::vector<ArithmeticParameter>& ArithmeticParameters() {
  using Abi = attest_arithmetic_t;
  static const std::vector<ArithmeticParameter> kParameters = {
      {"accumulate_qk", &Arithmetic::accumulate_qk, &Abi::accumulate_qk},
      {"accumulate_pv", &Arithmetic::accumulate_pv, &Abi::accumulate_pv},
      {"accumulate_l", &Arithmetic::accumulate_l, &Abi::accumulate_l},
      {"round_p", &Arithmetic::round_p, &Abi::round_p},
      {"round_output", &Arithmetic::round_output, &Abi::round_output},
      {"exp_error", &Arithmetic::exp_error, &Abi::exp_error},
      {"tanh_error", &Arithmetic::tanh_error, &Abi::tanh_error},
      {"round_q", &Arithmetic::round_q, &Abi::round_q},
      {"round_k", &Arithmetic::round_k, &Abi::round_k},
      {"round_v", &Arithmetic::round_v, &Abi::round_v},
      {"round_score", &Arithmetic::round_score, &Abi::round_score},
      {"round_partial", &Arithmetic::round_partial, &Abi::round_partial},
  };
  return kParameters;
}

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
  for (const ArithmeticParameter& parameter : ArithmeticParameters()) {
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
  const auto tight = [&](const ArithmeticParameter& parameter) {
    return a.*parameter.member <= b.*parameter.member;
  };
  const std::vector<ArithmeticParameter>& all = ArithmeticParameters();
  return a.tile_min >= b.tile_min && std::all_of(all.begin(), all.end(), tight);
}

}  // namespace attest
