// SPDX-License-Identifier: Apache-2.0
#include "conformance/diagnose/numbers.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "conformance/judge/compare.h"
#include "conformance/judge/rearrange.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

double RatioOf(double got, double want, double allowed) {
  if (std::isnan(want)) return std::isnan(got) ? 0.0 : std::numeric_limits<double>::infinity();
  if (got == want) return 0.0;
  const double error = std::abs(got - want);
  if (!(error < std::numeric_limits<double>::infinity())) {
    return std::numeric_limits<double>::infinity();
  }
  return error / std::max(allowed, std::numeric_limits<double>::min());
}

}  // namespace

MutantLine Numbers::LineAt(Eigen::Index line) const {
  const auto heads = static_cast<Eigen::Index>(problem.num_q_heads);
  const QueryRow& row = expected.rows[static_cast<std::size_t>(line / heads)];
  return {row.request, row.row, static_cast<int>(line % heads)};
}

double Numbers::Ratio(Eigen::Index line) const {
  double worst = has_lse() ? RatioOf(got_lse[line], expected.lse[line], allowed_lse[line]) : 0.0;
  for (Eigen::Index c = 0; c < got.cols(); ++c) {
    worst = std::max(worst, RatioOf(got(line, c), expected.out(line, c), allowed(line, c)));
  }
  return worst;
}

bool Numbers::wrong() const {
  for (Eigen::Index line = 0; line < lines(); ++line) {
    if (!(Ratio(line) <= 1.0)) return true;
  }
  return false;
}

Numbers NumbersOf(const Case& value, const CaseInputs& inputs, const CallImage& after,
                  const Expected& expected) {
  const Problem& p = value.problem;
  Numbers numbers{.problem = p,
                  .tensors = TensorsOf(inputs.image),
                  .outputs = {.out = inputs.image.View("out"), .lse = inputs.image.View("lse")},
                  .expected = expected,
                  .allowed = expected.out_bound,
                  .allowed_lse = expected.lse_bound,
                  .got = RowMajorMatrix(expected.out.rows(), expected.out.cols()),
                  .got_lse = {}};
  const bool flat = HasFlatScores(value, inputs.image);
  const TensorView out = after.View("out");
  const TensorView lse = after.View("lse");
  if (lse.present()) numbers.got_lse.resize(expected.out.rows());
  const std::vector<std::int64_t> first = FirstTokens(p);
  for (Eigen::Index line = 0; line < numbers.lines(); ++line) {
    const MutantLine at = numbers.LineAt(line);
    const std::int64_t token = first[static_cast<std::size_t>(at.request)] + at.row;
    for (Eigen::Index c = 0; c < numbers.got.cols(); ++c) {
      numbers.got(line, c) = LoadElement(out.dtype, out.At({token, at.head, c}));
      const double exact =
          ExactTolerance(value, inputs, flat, expected.out(line, c), expected.weight_sum[line]);
      numbers.allowed(line, c) = std::min(numbers.allowed(line, c), exact);
    }
    if (lse.present()) {
      numbers.got_lse[line] = LoadElement(lse.dtype, lse.At({token, at.head}));
    }
  }
  return numbers;
}

}  // namespace attest
