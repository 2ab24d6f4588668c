// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/statistics_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace attest {
namespace {

constexpr double kU = 0x1p-24;
constexpr std::int64_t kFewestKeys = 32;
constexpr std::int64_t kMostNumbers = std::int64_t{1} << 25;  // of one head: 512 MiB with squares
constexpr double kLeastScoreDeviation = 0.5;
constexpr double kFewestEffectiveKeys = 8.0;
constexpr double kLargestShare = 0.5;  // of the sum of squared weights, in one key

double Square(double x) { return x * x; }

// The numbers of one line that all its keys share.
struct Shared {
  double n = 0.0;       // visible keys
  double m = 0.0;       // largest visible score, or the sink
  double spread = 0.0;  // share of kap_j that rescaling and merging have
  double rescales = 0.0;
  double sink = 0.0;     // weight of the sink
  double sinkerr = 0.0;  // relative error of that weight
};

Shared SharedOf(const Problem& p, const AttentionTensors& tensors, const BoundRules& rules,
                int q_head, const LineDetail& detail, double lse) {
  Shared line;
  line.m = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < detail.score.size(); ++i) {
    if (detail.visible[i] == 0) continue;
    line.n += 1.0;
    line.m = std::max(line.m, detail.score[i]);
  }
  const double sigma = p.sinks ? GatherSinks(p, tensors)[static_cast<std::size_t>(q_head)] : -1e300;
  line.m = std::max(line.m, sigma);
  const double tiles = std::ceil(line.n / rules.tile_min);
  // A running maximum of independent scores rises about ln T times.
  line.rescales = std::min(tiles, 16.0 + 2.0 * std::log(tiles + 1.0));
  const double split = 2.0 * (4.0 * kU * (std::abs(line.m) + std::log(line.n) + 1.0) +
                              rules.eps_alpha + rules.eps_exp);
  line.spread = split + line.rescales * (rules.eps_alpha + 2.0 * kU);
  if (p.sinks && std::isfinite(sigma)) {
    line.sink = std::exp(sigma - lse);
    line.sinkerr =
        std::expm1(8.0 * kU * (std::abs(sigma) + std::abs(line.m)) + rules.eps_exp + line.spread);
  }
  return line;
}

// The rounding of a weight is one number that moves all columns in step. Where one or few keys have
// all the weight, the columns of a residual are no independent numbers.
std::string WhyTooFewKeysCount(const Eigen::VectorXd& weight) {
  const double squares = weight.squaredNorm();
  if (!(squares > 0.0)) return "no key has weight";
  const double effective = weight.sum() * weight.sum() / squares;
  if (effective < kFewestEffectiveKeys) {
    return fmt::format("{:.3g} keys in effect, fewer than {}", effective, kFewestEffectiveKeys);
  }
  const double largest = Square(weight.maxCoeff()) / squares;
  if (largest > kLargestShare) {
    return fmt::format("one key has {:.2g} of the sum of squared weights, more than {}", largest,
                       kLargestShare);
  }
  return {};
}

// Of one visible key: what its weight may be off by.
struct KeyError {
  double rounding = 0.0;  // up_j
  double random = 0.0;    // rp_j: products of the score, independent from key to key
  double shared = 0.0;    // kap_j
};

class Model {
 public:
  Model(const Problem& problem, const Arithmetic& arithmetic, const StatisticsHead& head)
      : p_(problem), a_(arithmetic), head_(head), rules_(MakeBoundRules(problem, arithmetic)) {}

  LineModel Run(const AttentionTensors& tensors, QueryRow row, int q_head, const LineDetail& detail,
                const Eigen::Ref<const Eigen::RowVectorXd>& out, double lse) {
    LineModel model;
    model.not_generic = head_.not_generic;
    if (!model.not_generic.empty()) return model;
    line_ = SharedOf(p_, tensors, rules_, q_head, detail, lse);
    if (line_.n < kFewestKeys) {
      model.not_generic = fmt::format("sees {} keys, fewer than {}", line_.n, kFewestKeys);
      return model;
    }
    Eigen::RowVectorXd query(p_.head_dim_qk);
    GatherQuery(p_, tensors, row, q_head, query);
    const Eigen::VectorXd z = p_.scale * (head_.keys.keys * query.transpose());
    const Eigen::VectorXd size =
        std::abs(p_.scale) * (head_.key_squares * query.transpose().cwiseAbs2()).cwiseSqrt();
    FillKeys(detail, z, size, lse, model);
    if (model.not_generic.empty()) FillColumns(out, model);
    return model;
  }

 private:
  void FillKeys(const LineDetail& detail, const Eigen::VectorXd& z, const Eigen::VectorXd& size,
                double lse, LineModel& model) {
    const Eigen::Index keys = head_.keys.keys.rows();
    for (Eigen::VectorXd* part :
         {&model.weight, &model.on_value, &model.on_centred, &model.coherent}) {
      part->setZero(keys);
    }
    score_random_.setZero(keys);
    double sum = 0.0;
    double squares = 0.0;
    for (std::size_t i = 0; i < detail.score.size(); ++i) {
      if (detail.visible[i] == 0) continue;
      const auto j = static_cast<Eigen::Index>(detail.first_key) + static_cast<Eigen::Index>(i);
      const double pi = detail.weight[i];
      const KeyError error = ErrorOf(z[j], size[j], detail.score[i], std::exp(lse - line_.m) * pi);
      model.weight[j] = pi;
      model.on_value[j] = Square(pi) * (Square(error.rounding) + Square(rules_.u_v)) / 3.0;
      score_random_[j] = Square(pi * error.random);
      model.on_centred[j] = score_random_[j] + Square(pi * error.shared);
      model.coherent[j] = pi * error.shared;
      model.common += pi * error.rounding;
      sum += z[j];
      squares += Square(z[j]);
    }
    const double deviation = std::sqrt(std::max(squares / line_.n - Square(sum / line_.n), 0.0));
    if (deviation < kLeastScoreDeviation) {
      model.not_generic = fmt::format("scores have a standard deviation of {:.2g}, less than {}",
                                      deviation, kLeastScoreDeviation);
    } else {
      model.not_generic = WhyTooFewKeysCount(model.weight);
    }
  }

  KeyError ErrorOf(double z, double size, double s, double p) const {
    KeyError error;
    error.rounding = std::max(rules_.u_p, std::min(1.0, rules_.tiny / std::max(p, 1e-300)));
    if (rules_.u_p == 0.0) error.rounding = 0.0;
    if (rules_.flushes && p < rules_.p_normal) error.rounding = 1.0;
    error.random = 2.0 * std::sqrt(p_.head_dim_qk) * kU * std::max(a_.accumulate_qk, 1.0) * size +
                   std::hypot(a_.round_q, a_.round_k) * size;
    double shared = (3.0 * kU + a_.round_score) * std::abs(z);
    if (p_.softcap > 0.0F) {
      const double cap = p_.softcap;
      shared +=
          3.0 * kU * std::abs(z) + (a_.tanh_error + 3.0 * kU) * cap * std::tanh(std::abs(z) / cap);
    }
    if (p_.alibi || p_.custom_mask == MaskKind::kAdditive) {
      shared += 3.0 * kU * (std::abs(s) + std::abs(z)) + kU * std::abs(s);
    }
    shared += kU * (4.0 * std::max(std::abs(s), std::abs(line_.m)) + 9.0 * (line_.m - s));
    error.shared = shared + rules_.eps_exp + line_.spread;
    return error;
  }

  void FillColumns(const Eigen::Ref<const Eigen::RowVectorXd>& out, LineModel& model) const {
    const RowMajorMatrix& v = head_.keys.values;
    const RowMajorMatrix& v2 = head_.value_squares;
    const Eigen::RowVectorXd o = out;
    const auto centred = [&](const Eigen::VectorXd& weights) -> Eigen::RowVectorXd {
      const Eigen::RowVectorXd sum = weights.transpose() * v2 -
                                     2.0 * o.cwiseProduct(weights.transpose() * v) +
                                     weights.sum() * o.cwiseAbs2();
      return sum.cwiseMax(0.0);
    };
    const Eigen::RowVectorXd stored = model.on_value.transpose() * v2;
    const Eigen::RowVectorXd norm =
        (model.weight.cwiseAbs2().transpose() * v2).cwiseMax(0.0).cwiseSqrt();
    const double root = std::sqrt(line_.n);
    const double steps = 2.0 * line_.rescales + 8.0;
    // Truncating matrix units have a bias that no square root tames.
    const double drift_pv = rules_.c_pv * line_.n * kU / 4.0;
    const double drift_l = rules_.c_l * line_.n * kU / 4.0 + 16.0 * kU;
    model.own.resize(o.size());
    model.bound.resize(o.size());
    const Eigen::RowVectorXd noise =
        (stored + centred(score_random_)).cwiseMax(0.0).cwiseSqrt() * kBoundDeviations;
    const double kap =
        std::sqrt(model.coherent.cwiseAbs2().cwiseQuotient(model.weight.cwiseMax(1e-300)).sum());
    const Eigen::RowVectorXd spread = centred(model.weight).cwiseSqrt();
    for (Eigen::Index c = 0; c < o.size(); ++c) {
      const double size = std::abs(o[c]);
      const double partial = size + kBoundDeviations * norm[c];
      const double sums = (drift_pv + 2.0 * kBoundDeviations * root * kU + steps * kU) * partial +
                          (drift_l + kBoundDeviations * root * kU) * size;
      const double sink = line_.sinkerr * line_.sink * size;
      const double error = noise[c] + model.common * size + kap * spread[c] + sums +
                           3.0 * kU * size + rules_.u_part * partial + rules_.part_floor + sink;
      const double rounding = OutputRounding(rules_, size, error);
      model.bound[c] = error + rounding;
      model.own[c] =
          Square(rounding) / 3.0 +
          Square((drift_pv + (2.0 * root + steps) * kU + rules_.u_part) * (size + norm[c]));
    }
    model.common += drift_l + (root + 3.0) * kU + line_.sinkerr * line_.sink;
    model.variance = stored + centred(model.on_centred) + model.own;
  }

  const Problem& p_;
  const Arithmetic& a_;
  const StatisticsHead& head_;
  BoundRules rules_;
  Shared line_;
  Eigen::VectorXd score_random_;
};

// Independent numbers, symmetric about 0: no trend, no outlier, no constant.
std::string WhyNotSymmetric(const KeysAndValues& keys) {
  if (!keys.odd_values.empty() || !keys.odd_keys.empty()) return "keys or values are not finite";
  const auto count = static_cast<double>(keys.values.size());
  if (count == 0) return "no keys";
  const double deviation = std::sqrt(keys.values.squaredNorm() / count);
  if (deviation == 0.0) return "values are 0";
  if (std::abs(keys.values.sum()) > 6.0 * deviation * std::sqrt(count)) {
    return "values are not symmetric about 0";
  }
  if (keys.values.cwiseAbs().maxCoeff() > 8.0 * deviation) return "values have outliers";
  return {};
}

}  // namespace

StatisticsHead GatherHead(const Problem& problem, const AttentionTensors& tensors, int request,
                          int kv_head) {
  StatisticsHead head;
  const std::int64_t seq_len = problem.requests[static_cast<std::size_t>(request)].seq_len;
  if (seq_len > kMostNumbers / (problem.head_dim_qk + problem.head_dim_v)) {
    head.not_generic = "too long to hold in memory";
    return head;
  }
  head.keys = GatherKeys(problem, tensors, request, kv_head, {0, seq_len});
  head.not_generic = WhyNotSymmetric(head.keys);
  if (problem.cache_layout == CacheLayout::kSharedLatent) {
    head.not_generic = "values are the front of the keys";
  }
  if (problem.page_aliasing) head.not_generic = "a key may stand in a row twice";
  head.key_squares = head.keys.keys.cwiseAbs2();
  head.value_squares = head.keys.values.cwiseAbs2();
  return head;
}

LineModel ModelLine(const Problem& problem, const AttentionTensors& tensors,
                    const Arithmetic& arithmetic, const StatisticsHead& head, QueryRow row,
                    int q_head, const LineDetail& detail,
                    const Eigen::Ref<const Eigen::RowVectorXd>& out, double lse) {
  return Model(problem, arithmetic, head).Run(tensors, row, q_head, detail, out, lse);
}

}  // namespace attest
