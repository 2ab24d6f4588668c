// SPDX-License-Identifier: Apache-2.0
//
// A symmetric window is both its halves.
//
// With w keys to the left and w to the right, self included, the left half (w, 1) and the right
// half (1, w) share the row's own key, the window (1, 1). With Z = e^LSE of each of them,
//     Z = Z_left + Z_right - Z_self
//     Z out = Z_left out_left + Z_right out_right - Z_self out_self
// and a sink, which counts once in every Z, counts once on both sides. Errors: Z_i is off by at
// most Z_i (e^(lse bound) - 1), and the quotient of the sums by what that leaves of them. The sums
// are taken in double: an exponential of at most 745 has a relative error below 2^-42.
#include <algorithm>
#include <array>
#include <cmath>

#include "property_tests/laws/agree.h"
#include "property_tests/laws/fit.h"

namespace attest {
namespace {

struct Part {
  JudgedCall answer;
  double sign = 1;
};

constexpr double kDoubleNoise = 0x1p-42;

// A sum of Z_i and its error; relative to e^top.
struct Sum {
  double value = 0;
  double error = 0;
};

double LargestLse(const std::array<Part, 3>& parts, std::int64_t token, int head) {
  double top = -HUGE_VAL;
  for (const Part& part : parts) top = std::max(top, NumberAt(part.answer, token, head, -1).want);
  return top;
}

// Z_left + Z_right - Z_self, as answered.
Sum Mass(const std::array<Part, 3>& parts, const NumberPlace& place, double top) {
  Sum mass;
  for (const Part& part : parts) {
    const Number lse = NumberAt(part.answer, place.row.token, place.head, -1);
    const double z = std::exp(lse.got - top);
    mass.value += part.sign * z;
    mass.error += std::exp(lse.want - top) * (std::expm1(lse.bound) + kDoubleNoise);
  }
  return mass;
}

// The same of Z out.
Sum Moment(const std::array<Part, 3>& parts, const NumberPlace& place, double top) {
  Sum moment;
  for (const Part& part : parts) {
    const Number lse = NumberAt(part.answer, place.row.token, place.head, -1);
    const Number out = NumberAt(part.answer, place.row.token, place.head, place.dim);
    moment.value += part.sign * std::exp(lse.got - top) * out.got;
    const double z = std::exp(lse.want - top);
    const double off = std::expm1(lse.bound);
    moment.error += z * (off * (std::abs(out.want) + out.bound) + out.bound) +
                    kDoubleNoise * std::abs(z * out.got);
  }
  return moment;
}

void CheckLine(const JudgedCall& whole, const std::array<Part, 3>& parts, const RowPair& row,
               int head) {
  const double top = LargestLse(parts, row.token, head);
  const Number lse = NumberAt(whole, row.token, head, -1);
  const char* const how = "both halves of the window";
  if (std::isinf(top)) {  // no key and no sink
    ExpectNear(how, {row, head, -1}, lse.got, top, 0);
    return;
  }
  const Sum mass = Mass(parts, {row, head, -1}, top);
  const double right = std::exp(lse.want - top);  // the mass, by the oracle
  const double least = right - mass.error;
  if (!(least > 0)) return;  // what is left of a difference says nothing
  ExpectNear(how, {row, head, -1}, lse.got, std::log(mass.value) + top,
             lse.bound - std::log1p(-mass.error / right));
  for (int dim = 0; dim < whole.problem.head_dim_v; ++dim) {
    const NumberPlace place{row, head, dim};
    const Sum moment = Moment(parts, place, top);
    const Number out = NumberAt(whole, row.token, head, dim);
    const double quotient_error = (moment.error + std::abs(out.want) * mass.error) / least;
    ExpectNear(how, place, out.got, moment.value / mass.value, out.bound + quotient_error);
  }
}

void Check(Subject& subject, const Sample& sample) {
  const Problem& problem = sample.problem;
  const CaseInputs inputs = Subject::Build(sample);
  const auto ask = [&](std::int64_t left, std::int64_t right, std::string_view how) {
    Problem part = problem;
    part.window_left = left;
    part.window_right = right;
    return subject.Ask(part, Retitled(inputs, part), how);
  };
  const std::int64_t width = problem.window_left;
  const JudgedCall whole = ask(width, width, "the window");
  const std::array<Part, 3> parts = {{{ask(width, 1, "its left half"), 1.0},
                                      {ask(1, width, "its right half"), 1.0},
                                      {ask(1, 1, "its middle"), -1.0}}};
  for (const RowPair& row : AllRowPairs(problem)) {
    for (int head = 0; head < problem.num_q_heads; ++head) CheckLine(whole, parts, row, head);
  }
}

bool Applies(const Sample& sample) {
  const Problem& p = sample.problem;
  const bool causal =
      p.attention_type == AttentionType::kDecoder && p.causality != Causality::kNonCausal;
  return !causal && p.window_left > 1 && p.window_left == p.window_right && p.lse &&
         p.prefix_ranges.empty();
}

void Fit(const Claims& claims, Dice& dice, Sample& sample) {
  Problem& p = sample.problem;
  if (p.attention_type != AttentionType::kEncoderOnly) {
    if ((claims.features & ATTEST_CLAIM_DECODER_NON_CAUSAL) == 0) return;
    BecomeDecoder(claims, Causality::kNonCausal, p);
  }
  p.tree_mask = p.prefix_clamped = false;
  p.local_block_size = p.local_block_lookback = 0;
  p.prefix_ranges.clear();
  p.lse = true;
  p.window_left = p.window_right = dice.Int(2, 8);
}

}  // namespace

Law SymmetricWindowLaw() {
  return {
      .name = "symmetric-window",
      .sentence = "A symmetric window is its left half and its right half, less their middle.",
      .needs = ATTEST_CLAIM_LSE | ATTEST_CLAIM_WINDOW_SYMMETRIC | ATTEST_CLAIM_WINDOW_ASYMMETRIC,
      .fit = Fit,
      .applies = Applies,
      .check = Check};
}

}  // namespace attest
