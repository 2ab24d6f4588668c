// SPDX-License-Identifier: Apache-2.0
#include "property_tests/laws/agree.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "conformance/judge/rearrange.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

// What double precision leaves of an identity between right values, relative to them. The oracle
// works to about 1e-13; a law that is wrong is off by the size of the values.
constexpr double kOracleNoise = 1e-9;

std::string Where(const NumberPlace& place) {
  return fmt::format("request {} row {} head {} {}", place.row.request, place.row.row, place.head,
                     place.dim < 0 ? "lse" : fmt::format("dim {}", place.dim));
}

void ExpectEqualNumber(std::string_view how, const JudgedCall& first, const JudgedCall& second,
                       const NumberPlace& place) {
  const Number a = NumberAt(first, place.row.token, place.head, place.dim);
  const Number b = NumberAt(second, place.row.other_token, place.head, place.dim);
  ExpectLawful(how, place, a.want, b.want, a.bound + b.bound);
  ExpectNear(how, place, b.got, a.got, a.bound + b.bound + std::abs(a.want - b.want));
}

}  // namespace

Number NumberAt(const JudgedCall& answer, std::int64_t token, int head, int dim) {
  const auto line = static_cast<Eigen::Index>(token) * answer.problem.num_q_heads + head;
  if (dim < 0) {
    const TensorView lse = answer.image.View("lse");
    return {LoadElement(lse.dtype, lse.At({token, head})), answer.expected.lse(line),
            answer.expected.lse_bound(line)};
  }
  const TensorView out = answer.image.View("out");
  return {LoadElement(out.dtype, out.At({token, head, dim})), answer.expected.out(line, dim),
          answer.expected.out_bound(line, dim)};
}

void ExpectNear(std::string_view how, const NumberPlace& place, double got, double other,
                double allowed) {
  if (got == other) return;  // two LSEs of minus infinity, whose difference is NaN
  if (std::abs(got - other) <= allowed) return;
  EndAsBroken(fmt::format("{}: {}: {:.9g} beside {:.9g}, may differ by {:.3g}", how, Where(place),
                          got, other, std::isnan(allowed) ? 0.0 : allowed));
}

void ExpectLawful(std::string_view how, const NumberPlace& place, double want, double other,
                  double allowed) {
  if (want == other) return;
  const double noise = kOracleNoise * std::max({1.0, std::abs(want), std::abs(other)});
  if (std::abs(want - other) <= std::max(noise, allowed / 1024)) return;
  EndAsVoid(fmt::format("{}: {}: the right values are {:.9g} and {:.9g}", how, Where(place), want,
                        other));
}

void ExpectEqualRows(std::string_view how, const JudgedCall& first, const JudgedCall& second,
                     const std::vector<RowPair>& rows) {
  const bool lse = first.problem.lse && second.problem.lse;
  for (const RowPair& row : rows) {
    for (int head = 0; head < first.problem.num_q_heads; ++head) {
      for (int dim = lse ? -1 : 0; dim < first.problem.head_dim_v; ++dim) {
        ExpectEqualNumber(how, first, second, {row, head, dim});
      }
    }
  }
}

void ExpectSameRows(std::string_view how, bool bitwise, const JudgedCall& first,
                    const JudgedCall& second, const std::vector<RowPair>& rows) {
  ExpectEqualRows(how, first, second, rows);
  if (!bitwise) return;
  const std::string moved = MovedBits(first.image, second.image, rows);
  if (!moved.empty()) EndAsBroken(fmt::format("{}: not the same bits: {}", how, moved));
}

std::vector<RowPair> RowsOfRequest(const Problem& first, std::size_t request, const Problem& second,
                                   std::size_t place) {
  std::vector<RowPair> rows;
  const std::int64_t token = FirstTokens(first)[request];
  const std::int64_t other = FirstTokens(second)[place];
  for (std::int64_t row = 0; row < first.requests[request].q_len; ++row) {
    rows.push_back({static_cast<int>(request), row, token + row, other + row});
  }
  return rows;
}

}  // namespace attest
