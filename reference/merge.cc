// SPDX-License-Identifier: Apache-2.0
#include "reference/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/bound.h"
#include "reference/float_formats.h"
#include "reference/tensor_shape.h"

namespace attest {
namespace {

constexpr double kU = 0x1p-24;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Beyond this a weight is known to a factor of e^100 and only the range of the parts bounds.
constexpr double kThetaLimit = 100.0;

Status CheckMerge(const Problem& p, const MergeTensors& tensors) {
  if (tensors.part_out.empty()) return BadInput("part_out: no part");
  if (tensors.part_out.size() != tensors.part_lse.size()) {
    return BadInput(fmt::format("part_lse: {} parts, part_out has {}", tensors.part_lse.size(),
                                tensors.part_out.size()));
  }
  const std::int64_t tokens = AtLeast(NumTokens(p));
  for (std::size_t n = 0; n < tensors.part_out.size(); ++n) {
    const TensorView& out = tensors.part_out[n];
    const DType dtype = out.dtype == DType::kFloat32 ? DType::kFloat32 : p.output_dtype;
    if (Status s = CheckTensor(fmt::format("part_out[{}]", n), out, dtype,
                               {tokens, p.num_q_heads, p.head_dim_v});
        !s.ok()) {
      return s;
    }
    if (Status s = CheckTensor(fmt::format("part_lse[{}]", n), tensors.part_lse[n], DType::kFloat32,
                               {tokens, p.num_q_heads});
        !s.ok()) {
      return s;
    }
  }
  return {};
}

// The parts of one line that are not empty.
struct Parts {
  std::vector<double> lse;
  std::vector<std::size_t> part;
  double max = -kInfinity;
  double lse_of_all = -kInfinity;
  std::vector<double> pi;     // share of each
  std::vector<double> theta;  // error of its log-weight
};

Parts PartsOf(const MergeTensors& tensors, std::int64_t token, std::int64_t head) {
  Parts parts;
  for (std::size_t n = 0; n < tensors.part_lse.size(); ++n) {
    const double lse = LoadElement(DType::kFloat32, tensors.part_lse[n].At({token, head}));
    if (lse == -kInfinity) continue;
    parts.lse.push_back(lse);
    parts.part.push_back(n);
    parts.max = std::isnan(lse) || lse == kInfinity ? std::nan("") : std::max(parts.max, lse);
    if (std::isnan(parts.max)) return parts;
  }
  double sum = 0.0;
  for (const double lse : parts.lse) sum += std::exp(lse - parts.max);
  if (!parts.lse.empty()) parts.lse_of_all = parts.max + std::log(sum);
  for (const double lse : parts.lse) parts.pi.push_back(std::exp(lse - parts.max) / sum);
  return parts;
}

void FillThetas(const BoundRules& rules, std::size_t num_parts, Parts* parts) {
  const double m = std::abs(parts->max);
  const auto n = static_cast<double>(num_parts);
  const double merge = 2.0 * (4.0 * kU * (m + std::log(n) + 1.0) + rules.eps_alpha + rules.eps_exp);
  for (const double lse : parts->lse) {
    const double own = kU * (4.0 * std::max(std::abs(lse), m) + 9.0 * (parts->max - lse));
    const double theta = own + rules.eps_exp + (n - 1.0) * merge;
    // As in the bound of a row: what is lost in the floor counts there and nowhere else.
    parts->theta.push_back(lse - parts->max + theta < -90.0 ? 0.0 : theta);
  }
}

// Bound of one column. `value[i]` belongs to part i of the line.
double ColumnBound(const BoundRules& rules, std::size_t num_parts, const Parts& parts,
                   const std::vector<double>& value, double o) {
  const auto n = static_cast<double>(num_parts);
  const double growth = 4.0 * n * kU / (1.0 - 4.0 * n * kU);
  double centred = 0.0;
  double whole = 0.0;
  double weights = 0.0;
  double low = 0.0;
  double range = 0.0;
  double largest = 0.0;
  double theta_max = 0.0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const double e = std::exp(std::min(parts.theta[i], kThetaLimit));
    centred += parts.pi[i] * (e - 1.0) * std::abs(value[i] - o);
    whole += parts.pi[i] * e * std::abs(value[i]);
    weights += parts.pi[i] * e;
    low += parts.pi[i] / e;
    range = std::max(range, std::abs(value[i] - o));
    largest = std::max(largest, std::abs(value[i]));
    theta_max = std::max(theta_max, parts.theta[i]);
  }
  const double kept = 1.0 - growth;
  const double size = std::abs(o);
  const double cap = range + (2.0 * growth / kept) * largest;
  double error = (centred + growth * (whole + size * weights)) / (low * kept);
  error = theta_max > kThetaLimit ? cap : std::min(error, cap);
  // Pairwise merging of more than two parts may store what lies between.
  const double stored = num_parts > 2 ? (n - 2.0) : 0.0;
  error += 3.0 * kU * (size + error) + stored * rules.u_part * (largest + error) +
           stored * rules.part_floor + n * 0x1p-125 * (1.0 + largest);
  return (error + OutputRounding(rules, size, error)) * (1.0 + 0x1p-20);
}

double LseBound(const BoundRules& rules, std::size_t num_parts, const Parts& parts) {
  const auto n = static_cast<double>(num_parts);
  const double theta = *std::max_element(parts.theta.begin(), parts.theta.end());
  const double merges = 4.0 * n * kU + n * 2.0 * rules.eps_alpha +
                        n * 6.0 * kU * (std::abs(parts.max) + std::abs(parts.lse_of_all));
  return (theta + merges + n * 0x1p-125) * (1.0 + 0x1p-20);
}

void FillLine(const MergeTensors& tensors, const BoundRules& rules, std::int64_t token,
              std::int64_t head, Eigen::Index line, Merged* merged) {
  Parts parts = PartsOf(tensors, token, head);
  merged->lse[line] = parts.lse_of_all;
  if (parts.lse.empty()) return;
  if (std::isnan(parts.max)) {
    merged->lse[line] = parts.max;
    merged->out.row(line).setConstant(parts.max);
    return;
  }
  const std::size_t count = tensors.part_out.size();
  FillThetas(rules, count, &parts);
  merged->lse_bound[line] = LseBound(rules, count, parts);
  std::vector<double> value(parts.part.size());
  for (Eigen::Index c = 0; c < merged->out.cols(); ++c) {
    double o = 0.0;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const TensorView& out = tensors.part_out[parts.part[i]];
      value[i] = LoadElement(out.dtype, out.At({token, head, c}));
      o += parts.pi[i] * value[i];
    }
    merged->out(line, c) = o;
    if (std::isfinite(o)) merged->out_bound(line, c) = ColumnBound(rules, count, parts, value, o);
  }
}

}  // namespace

Result<Merged> ComputeMerge(const Problem& problem, const MergeTensors& tensors,
                            const Arithmetic& arithmetic) {
  if (Status s = Validate(problem); !s.ok()) return s;
  if (Status s = CheckMerge(problem, tensors); !s.ok()) return s;
  const BoundRules rules = MakeBoundRules(problem, arithmetic);
  const std::int64_t tokens = NumTokens(problem);
  const Eigen::Index lines = tokens * problem.num_q_heads;
  Merged merged;
  merged.out.setZero(lines, problem.head_dim_v);
  merged.out_bound.setZero(lines, problem.head_dim_v);
  merged.lse.setZero(lines);
  merged.lse_bound.setZero(lines);
  for (std::int64_t token = 0; token < tokens; ++token) {
    for (std::int64_t head = 0; head < problem.num_q_heads; ++head) {
      FillLine(tensors, rules, token, head, token * problem.num_q_heads + head, &merged);
    }
  }
  return merged;
}

}  // namespace attest
