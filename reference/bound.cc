// SPDX-License-Identifier: Apache-2.0
#include "reference/bound.h"

#include <algorithm>
#include <cmath>

#include "spec/vocabulary/dtype.h"

namespace attest {
namespace {

constexpr double kU = 0x1p-24;  // unit roundoff of float32, in which every class accumulates

// Beyond this a weight is known to a factor of e^100 and only the range of the values bounds an
// output. It also keeps e^Theta and its square inside double.
constexpr double kThetaLimit = 100.0;

// The bound is computed in double from sums in double. Each of its roundings has a counterpart in
// float32 that the bound covers, 2^29 times as large; 2^-20 of the bound covers them with room.
constexpr double kOwnRounding = 1.0 + 0x1p-20;

// Keeps quotients finite where a class loses all weight.
constexpr double kLeast = 0x1p-1000;

// u_d: a stored number times its scale is rounded once.
double Dequantisation(const Problem& problem) {
  return problem.kv_scale_kind == KvScaleKind::kNone ? 0.0 : kU;
}

// Below e^-90 < 2^-129 a weight is lost in the floor of n 2^-125.
constexpr double kFar = -90.0;

using Line = Eigen::Map<const Eigen::Array<double, 1, Eigen::Dynamic>>;

}  // namespace

BoundRules MakeBoundRules(const Problem& problem, const Arithmetic& arithmetic) {
  BoundRules rules;
  rules.u_v = (1.0 + arithmetic.round_v) * (1.0 + Dequantisation(problem)) - 1.0;
  rules.u_part = arithmetic.round_partial;
  rules.eps_exp = arithmetic.exp_error;
  rules.eps_alpha = 0x1p-21;
  rules.flushes = arithmetic.name == "lenient";
  rules.c_pv = arithmetic.accumulate_pv;
  rules.c_l = arithmetic.accumulate_l;
  rules.tile_min = arithmetic.tile_min;
  const FloatFormat stored = FormatOf(problem.query_dtype).value();
  const double half_subnormal = std::ldexp(1.0, stored.min_exponent - stored.mantissa_bits - 1) *
                                std::max(arithmetic.round_p, 1.0);
  if (SizeOf(problem.query_dtype) == 2) {
    rules.u_p = arithmetic.round_p * stored.unit_roundoff;
    rules.tiny = half_subnormal;
    rules.p_normal = std::ldexp(1.0, stored.min_exponent);
    // The scale of a value may be multiplied into the weight before it is stored.
    rules.flat_exact = arithmetic.round_p <= 1.0 && problem.kv_scale_kind == KvScaleKind::kNone;
  }
  if (rules.u_part > 0.0) {
    rules.part_floor = rules.flushes ? std::ldexp(1.0, stored.min_exponent) : half_subnormal;
  }
  const FloatFormat output = FormatOf(problem.output_dtype).value();
  rules.round_output = arithmetic.round_output;
  rules.out_mantissa_bits = output.mantissa_bits;
  rules.out_min_exponent = output.min_exponent;
  return rules;
}

ScoreRules MakeScoreRules(const Problem& problem, const Arithmetic& arithmetic, bool errors) {
  ScoreRules rules;
  rules.scale = static_cast<double>(problem.scale);
  rules.softcap = static_cast<double>(problem.softcap);
  rules.errors = errors;
  const double accumulated = std::min(arithmetic.accumulate_qk * problem.head_dim_qk * kU, 0.999);
  const double rounded = (1.0 + arithmetic.round_q) * (1.0 + arithmetic.round_k);
  rules.product = rounded * (1.0 + Dequantisation(problem)) / (1.0 - accumulated) - 1.0;
  rules.u_s = arithmetic.round_score;
  rules.eps_tanh = arithmetic.tanh_error;
  return rules;
}

double OutputRounding(const BoundRules& rules, double size, double error) {
  const double smallest = std::ldexp(1.0, rules.out_min_exponent);
  const double largest = size + error;
  const int exponent = largest < smallest ? rules.out_min_exponent : std::ilogb(largest);
  const double rounding =
      rules.round_output * std::ldexp(1.0, exponent - rules.out_mantissa_bits - 1);
  // What may be subnormal may become 0.
  return rules.flushes && size - error < smallest ? std::max(rounding, smallest) : rounding;
}

BlockBound::BlockBound(const BoundRules& rules, const QueryBlock& block, const Maximum& max,
                       Eigen::Index head_dim_v)
    : rules_(rules), block_(block), max_(max.max), sums_(block.visible.size()) {
  const auto lines = static_cast<Eigen::Index>(sums_.size());
  sum_squares_.setZero(lines, head_dim_v);
  sum_grown_.setZero(lines, head_dim_v);
  sum_extra_.setZero(lines, head_dim_v);
  for (Eigen::Index line = 0; line < lines; ++line) {
    LineSums& sums = sums_[static_cast<std::size_t>(line)];
    const double n = CountOf(line);
    const double m = std::abs(max_[line]);
    const double rescales = std::ceil(n / rules.tile_min);
    const double split =
        2.0 * (4.0 * kU * (m + std::log(std::max(n, 1.0)) + 1.0) + rules.eps_alpha + rules.eps_exp);
    sums.spread = split + rescales * (rules.eps_alpha + 2.0 * kU);
    // With a sink the running maximum may start there and stay, so no weight need be 1.
    sums.flat = block.sink.empty() && max.flat[static_cast<std::size_t>(line)];
    sums.base_up = sums.flat && rules.flat_exact ? 0.0 : rules.u_p;
  }
}

double BlockBound::CountOf(Eigen::Index line) const {
  return static_cast<double>(block_.count[static_cast<std::size_t>(line)]);
}

double BlockBound::Growth(double c, double n) const {
  const double x = std::min(c * n * kU, 0.999);
  return x / (1.0 - x) + (2.0 * std::ceil(n / rules_.tile_min) + 8.0) * kU;
}

void BlockBound::AddLine(Eigen::Index line, const ScoreTile& tile, const RowMajorMatrix& weights,
                         const GatheredValues& values) {
  LineSums& sums = sums_[static_cast<std::size_t>(line)];
  const KeyRange seen = Intersect(block_.visible[static_cast<std::size_t>(line)], tile.keys);
  const Eigen::Index count = seen.last - seen.first;
  const Eigen::Index offset = seen.first - tile.keys.first;
  const Eigen::Index n = line - tile.lines.first;
  auto grown = grown_.row(n).array();
  auto extra = extra_.row(n).array();
  grown.setZero();
  extra.setZero();
  const double m = max_[line];
  if (count == 0 || std::isnan(m)) return;

  const Line p(&weights(n, offset), count);
  // A score of -inf, masked or not, has weight 0 and no error; any finite stand-in keeps its terms
  // finite, and this one is far.
  const Terms s = Line(&tile.score(n, offset), count).max(-1e300);
  // dz_j + coh_j, then Theta_j.
  Terms own = Line(&tile.error(n, offset), count) +
              kU * (4.0 * s.abs().max(std::abs(m)) + 9.0 * (m - s)) + rules_.eps_exp;
  Terms theta = own + sums.spread;
  // A weight that is far below the floor counts there and nowhere else.
  const auto far = (s - m + theta < kFar).eval();
  theta = far.select(0.0, theta);
  const Terms e = theta.min(kThetaLimit).exp();
  const Terms pe = p * e;

  Terms up = Terms::Zero(count);
  if (rules_.u_p > 0.0) {
    // The stored weight may be e^-Theta of p_j, so its relative rounding may be that much larger.
    Terms least = p;
    if (values.weight_scale.size() > 0) {
      least *= values.weight_scale.segment(offset, count).array();
    }
    up = (rules_.tiny * e / least.max(kLeast)).min(1.0).max(rules_.u_p);
    if (sums.flat && rules_.flat_exact) up = up.min(2.0 * own);
    if (rules_.flushes) up = (least < rules_.p_normal * e).select(1.0, up);
  }
  up = (p < 0x1p-124).select(up + 1.0, up);  // an exponential clamped or flushed near 2^-126
  up = far.select(0.0, up);

  const Terms x = e - 1.0;
  const Terms eup = e * up;
  sums.theta_max = std::max(sums.theta_max, theta.maxCoeff());
  sums.up_max = std::max(sums.up_max, up.maxCoeff());
  sums.x2 += (p * x.square()).sum();
  sums.w2 += (p * (x + eup).square()).sum();
  sums.eup += (p * eup).sum();
  sums.whole += (pe * (1.0 + up)).sum();
  sums.low += (p / e * (1.0 - up.min(1.0))).sum();
  grown.segment(offset, count) = pe;
  if (sums.up_max > sums.base_up) {
    extra.segment(offset, count) = pe * (up - sums.base_up).max(0.0);
    any_extra_ = true;
  }
}

void BlockBound::ValueRange::Add(const Eigen::Ref<const Eigen::RowVectorXd>& values) {
  if (min.size() == 0) {
    min = max = values;
    return;
  }
  min = min.cwiseMin(values);
  max = max.cwiseMax(values);
}

void BlockBound::AddRange(const GatheredValues& values) {
  const std::uint8_t* seen = block_.seen_by_any.data() + (values.range.first - block_.hull.first);
  for (Eigen::Index key = 0; key < values.lines.rows(); ++key) {
    if (seen[key] != 0) range_.Add(values.lines.row(key));
  }
}

void BlockBound::AddRanges(const std::vector<Eigen::Index>& lines, const GatheredValues& values) {
  ranges_.resize(sums_.size());
  for (const Eigen::Index line : lines) {
    const KeyRange seen = Intersect(block_.visible[static_cast<std::size_t>(line)], values.range);
    for (std::int64_t key = seen.first; key < seen.last; ++key) {
      if (!block_.Sees(line, key)) continue;
      ranges_[static_cast<std::size_t>(line)].Add(values.lines.row(key - values.range.first));
    }
  }
}

void BlockBound::AddTile(const ScoreTile& tile, const RowMajorMatrix& weights,
                         const GatheredValues& values) {
  const auto [first, count] = tile.lines;
  grown_.resize(weights.rows(), weights.cols());
  extra_.resize(weights.rows(), weights.cols());
  any_extra_ = false;
  for (Eigen::Index n = 0; n < count; ++n) AddLine(first + n, tile, weights, values);
  absolute_ = values.lines.cwiseAbs();
  squares_ = values.lines.cwiseAbs2();
  sum_squares_.middleRows(first, count).noalias() += weights * squares_;
  sum_grown_.middleRows(first, count).noalias() += grown_ * absolute_;
  if (any_extra_) sum_extra_.middleRows(first, count).noalias() += extra_ * absolute_;
  AddRange(values);
}

BlockBound::LineFacts BlockBound::FactsOf(Eigen::Index line, double weight_sum) const {
  const LineSums& sums = sums_[static_cast<std::size_t>(line)];
  LineFacts facts;
  facts.n = CountOf(line);
  facts.m = std::abs(max_[line]);
  facts.sink = !block_.sink.empty();
  double sink_error = rules_.eps_exp + sums.spread;
  if (facts.sink) {
    const double sigma = block_.sink[static_cast<std::size_t>(line)];
    facts.pi_s = std::exp(sigma - max_[line]) / weight_sum;
    if (facts.pi_s > 0.0) sink_error += 8.0 * kU * (std::abs(sigma) + facts.m);
  }
  facts.theta_s = std::min(sink_error, kThetaLimit);
  facts.theta_max = std::max(sums.theta_max, sink_error);
  facts.g_pv = Growth(rules_.c_pv, facts.n);
  facts.g_l = Growth(rules_.c_l, facts.n);
  facts.kept = std::max(1.0 - facts.g_l, 0x1p-10);
  facts.high = sums.whole / weight_sum + facts.pi_s * std::exp(facts.theta_s);
  facts.low = sums.low / weight_sum + facts.pi_s * std::exp(-facts.theta_s);
  return facts;
}

double BlockBound::LseBound(const LineFacts& facts, double lse) const {
  double shift = std::max(std::log(facts.high), -std::log(std::max(facts.low, kLeast)));
  if (facts.theta_max > kThetaLimit) shift = std::max(shift, facts.theta_max + 1.0);
  return shift + facts.g_l / facts.kept + 2.0 * rules_.eps_alpha +
         6.0 * kU * (facts.m + std::abs(lse)) + facts.n * 0x1p-125;
}

double BlockBound::Excess(Eigen::Index line, const LineFacts& facts) const {
  const LineSums& sums = sums_[static_cast<std::size_t>(line)];
  return (1.0 + sums.up_max) * (1.0 + rules_.u_v) * (1.0 + facts.g_pv) / facts.kept - 1.0;
}

BlockBound::Errors BlockBound::ErrorsOf(Eigen::Index line, const LineFacts& facts,
                                        const Eigen::Ref<const Eigen::RowVectorXd>& out,
                                        double weight_sum) const {
  const LineSums& sums = sums_[static_cast<std::size_t>(line)];
  const Terms o = out.array();
  const Terms size = o.abs();
  const Terms mean_square = sum_squares_.row(line).array() / weight_sum;
  const Terms deviation = ((mean_square - o.square()).max(0.0) + 0x1p-40 * mean_square).sqrt();
  const Terms grown = sum_grown_.row(line).array() / weight_sum;
  const Terms rounded = sums.base_up * grown + sum_extra_.row(line).array() / weight_sum;  // P
  const Terms scored = std::sqrt(sums.x2 / weight_sum) * deviation;                        // C
  const Terms centred =  // C + Q, by either inequality
      (scored + rounded + size * (sums.eup / weight_sum))
          .min(std::sqrt(sums.w2 / weight_sum) * deviation);
  const Terms a = grown + rounded;
  const double den = std::max(facts.low * facts.kept, kLeast);  // D
  return {
      ((scored + rounded).max(centred) + (rules_.u_v + facts.g_pv + rules_.u_v * facts.g_pv) * a +
       facts.g_l * facts.high * size + std::expm1(facts.theta_s) * facts.pi_s * size) /
          den,
      a / den};
}

BlockBound::Limits BlockBound::LimitsOf(const ValueRange& range, Eigen::Index line,
                                        const LineFacts& facts,
                                        const Eigen::Ref<const Eigen::RowVectorXd>& out) const {
  const Terms largest = range.min.array().abs().max(range.max.array().abs());
  return {(range.max.array() - out.array()).max(out.array() - range.min.array()) +
              (facts.sink ? 1.0 : 0.0) * out.array().abs() + Excess(line, facts) * largest,
          largest};
}

bool BlockBound::WantsRange(Eigen::Index line, const Eigen::Ref<const Eigen::RowVectorXd>& out,
                            double weight_sum) const {
  if (!std::isfinite(max_[line]) || CountOf(line) == 0.0) return false;
  const LineFacts facts = FactsOf(line, weight_sum);
  if (facts.theta_max > kThetaLimit) return true;
  const Errors errors = ErrorsOf(line, facts, out, weight_sum);
  return (errors.error > LimitsOf(range_, line, facts, out).cap).any();
}

BlockBound::Terms BlockBound::Bound(Eigen::Index line, const LineFacts& facts,
                                    const Eigen::Ref<const Eigen::RowVectorXd>& out,
                                    double weight_sum) const {
  const auto n = static_cast<std::size_t>(line);
  const bool own = !ranges_.empty() && ranges_[n].min.size() > 0;
  const Limits limits = LimitsOf(own ? ranges_[n] : range_, line, facts, out);
  const Errors errors = ErrorsOf(line, facts, out, weight_sum);
  const Terms error =
      facts.theta_max > kThetaLimit ? limits.cap : Terms(errors.error.min(limits.cap));
  const Terms parts = errors.parts.min((1.0 + Excess(line, facts)) * limits.largest);
  return error + 3.0 * kU * (out.array().abs() + error) + rules_.u_part * (parts + error) +
         rules_.part_floor + facts.n * 0x1p-125 * (1.0 + limits.largest);
}

void BlockBound::Finish(Eigen::Index line, const Eigen::Ref<const Eigen::RowVectorXd>& out,
                        double weight_sum, double lse, Eigen::Ref<Eigen::RowVectorXd> out_bound,
                        double* lse_bound) const {
  out_bound.setZero();
  *lse_bound = 0.0;
  if (!std::isfinite(max_[line])) return;
  const LineFacts facts = FactsOf(line, weight_sum);
  if (std::isfinite(lse)) *lse_bound = LseBound(facts, lse) * kOwnRounding;
  if (facts.n == 0.0) return;
  const Terms error = Bound(line, facts, out, weight_sum);
  for (Eigen::Index c = 0; c < out.size(); ++c) {
    if (!std::isfinite(out[c])) continue;
    const double stored = OutputRounding(rules_, std::abs(out[c]), error[c]);
    out_bound[c] = (error[c] + stored) * kOwnRounding;
  }
}

}  // namespace attest
