// SPDX-License-Identifier: Apache-2.0
#include "conformance/testing/planted/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "conformance/testing/planted/elements.h"
#include "conformance/testing/planted/row.h"

namespace attest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Score {
  std::int64_t key = 0;
  double score = 0;
};

struct Answer {
  std::vector<double> out;
  double lse = -kInfinity;
};

double ScaleOf(const Call& call) {
  if (call.Has(Planted::kScaleAssumed)) return 1.0 / std::sqrt(call.problem.head_dim_qk);
  if (call.Has(Planted::kScaleDropped)) return 1.0;
  if (call.Has(Planted::kScaleThreePercent)) return 1.03 * call.problem.scale;
  return call.problem.scale;
}

// The keys of the softmax, in order. A finite mask leaves none of the request's keys out.
std::vector<Score> ScoresOf(const Call& call, const Row& row) {
  const std::vector<double> query = LoadQuery(call, row);
  const Candidates candidates = CandidatesOf(call, row);
  std::vector<Score> scores;
  for (std::int64_t k = candidates.first; k < candidates.last; ++k) {
    if (!InMemory(call, row, k)) continue;
    if (Sees(call, row, k)) {
      const std::vector<double> key = Load(call, row, k, Side::kKey);
      double score =
          ScaleOf(call) * std::inner_product(query.begin(), query.end(), key.begin(), 0.0);
      if (call.Has(Planted::kScoresBf16)) score = RoundToBFloat16(score);
      scores.push_back({k, score});
    } else if (call.Has(Planted::kFiniteMask) && k >= 0 && k < row.seq_len) {
      scores.push_back({k, -1e4});
    }
  }
  return scores;
}

double SinkOf(const Call& call, const Row& row) {
  if ((call.problem.flags & ATTEST_FLAG_SINKS) == 0 || call.Has(Planted::kSinkDropped)) {
    return -kInfinity;
  }
  const double sink = LoadAs(ElementType::kFloat32, AddressOf(call.args.sinks, {row.head}));
  return call.Has(Planted::kSinkScaled) ? sink * call.problem.scale : sink;
}

void Accumulate(double weight, const std::vector<double>& value, std::vector<double>& sum) {
  for (std::size_t d = 0; d < sum.size(); ++d) sum[d] += weight * value[d];
}

Answer AnswerOfEmptyRow(const Call& call, const Row& row, double sink) {
  Answer answer{std::vector<double>(static_cast<std::size_t>(call.problem.head_dim_v), 0.0), sink};
  if (call.Has(Planted::kEmptyRowNan)) answer.out.assign(answer.out.size(), kNan);
  if (call.Has(Planted::kEmptyRowUniform)) {
    for (std::int64_t k = 0; k < row.seq_len; ++k) {
      Accumulate(1.0 / static_cast<double>(row.seq_len), Load(call, row, k, Side::kValue),
                 answer.out);
    }
  }
  return answer;
}

void MultiplyUnusedSlots(const Call& call, const Row& row, std::vector<double>& sum) {
  if (!call.paged()) return;
  for (std::int64_t k = row.seq_len; k % call.problem.block_size != 0; ++k) {
    Accumulate(0.0, Load(call, row, k, Side::kValue), sum);
  }
}

Answer AnswerOf(const Call& call, const Row& row) {
  const std::vector<Score> scores = ScoresOf(call, row);
  const double sink = SinkOf(call, row);
  if (scores.empty()) return AnswerOfEmptyRow(call, row, sink);
  const bool no_maximum = call.Has(Planted::kNoRunningMax);
  double maximum = sink;
  for (const Score& s : scores) maximum = std::max(maximum, s.score);
  if (no_maximum) maximum = 0.0;

  Answer answer{std::vector<double>(static_cast<std::size_t>(call.problem.head_dim_v), 0.0)};
  double denominator = 0;
  for (const Score& s : scores) {
    double weight = std::exp(s.score - maximum);
    if (no_maximum) weight = static_cast<float>(weight);
    denominator += weight;
    Accumulate(weight, Load(call, row, s.key, Side::kValue), answer.out);
  }
  if (call.Has(Planted::kNanLeaks)) MultiplyUnusedSlots(call, row, answer.out);
  const double without_sink = denominator;
  denominator += std::exp(sink - maximum);
  for (double& value : answer.out) value /= denominator;
  answer.lse = maximum + std::log(call.Has(Planted::kSinkNotInLse) ? without_sink : denominator);
  if (call.Has(Planted::kLseBaseTwo)) answer.lse /= std::log(2.0);
  return answer;
}

double CutToTf32(double value) {
  if (value == 0 || !std::isfinite(value)) return value;
  const int shift = 10 - std::ilogb(value);
  return std::ldexp(std::trunc(std::ldexp(value, shift)), -shift);
}

void Write(const Call& call, const Row& row, const Answer& answer) {
  const attest_tensor_t& out = call.args.out;
  const ElementType type = ElementTypeOf(call.problem.output_dtype);
  const std::int64_t token = row.start + row.index;
  const bool cut = call.Has(Planted::kOutputTf32) && type == ElementType::kFloat32;
  for (std::int64_t d = 0; d < call.problem.head_dim_v; ++d) {
    const double value = answer.out[static_cast<std::size_t>(d)];
    StoreAs(type, cut ? CutToTf32(value) : value, AddressOf(out, {token, row.head, d}));
  }
  if ((call.problem.flags & ATTEST_FLAG_LSE) != 0) {
    StoreAs(ElementType::kFloat32, answer.lse, AddressOf(call.args.lse, {token, row.head}));
  }
}

void ZeroPaddingRows(const Call& call) {
  const attest_tensor_t& out = call.args.out;
  const ElementType type = ElementTypeOf(call.problem.output_dtype);
  for (std::int64_t t = call.problem.num_actual_tokens; t < out.shape[0]; ++t) {
    for (std::int64_t h = 0; h < out.shape[1]; ++h) {
      for (std::int64_t d = 0; d < out.shape[2]; ++d) StoreAs(type, 0.0, AddressOf(out, {t, h, d}));
    }
  }
}

}  // namespace

void PlantedAttention(const attest_problem_t& problem, const attest_forward_args_t& args,
                      Planted planted) {
  const Call call{problem, args, planted};
  for (std::int64_t r = 0; r < problem.num_requests; ++r) {
    const std::int64_t q_len = MakeRow(call, r, 0, 0).q_len;
    for (std::int64_t i = 0; i < q_len; ++i) {
      if (call.Has(Planted::kHalfRowsUnwritten) && 2 * i >= q_len + q_len % 2) continue;
      for (std::int64_t h = 0; h < problem.num_q_heads; ++h) {
        const Row row = MakeRow(call, r, i, h);
        Write(call, row, AnswerOf(call, row));
      }
    }
  }
  if (call.Has(Planted::kPaddingRowsWritten)) ZeroPaddingRows(call);
}

}  // namespace attest
