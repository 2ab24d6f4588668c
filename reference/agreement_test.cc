// SPDX-License-Identifier: Apache-2.0
//
// The oracle against the second writing: two texts, one meaning.
#include <gtest/gtest.h>

#include <cmath>

#include "reference/oracle.h"
#include "reference/second_writing.h"
#include "reference/testing/random_problem.h"

namespace attest {
namespace {

using testing::Call;
using testing::Fill;
using testing::Random;

// 0 if equal, also as infinities or NaN; +inf if only one of them is finite.
double Distance(double a, long double b) {
  if (std::isnan(a) && std::isnan(b)) return 0.0;
  if (static_cast<long double>(a) == b) return 0.0;
  const auto distance = static_cast<double>(std::fabs(static_cast<long double>(a) - b));
  return std::isfinite(distance) ? distance : std::numeric_limits<double>::infinity();
}

// The largest disagreement in units of what each number is made of.
double Disagreement(const Problem& problem, const Expected& oracle, const SecondWriting& second) {
  double worst = 0.0;
  for (Eigen::Index line = 0; line < oracle.out.rows(); ++line) {
    const auto n = static_cast<std::size_t>(line);
    worst = std::max(worst, Distance(oracle.lse[line], second.lse[n]) /
                                (1.0 + std::fabs(static_cast<double>(second.lse[n]))));
    for (Eigen::Index c = 0; c < oracle.out.cols(); ++c) {
      const std::size_t at =
          n * static_cast<std::size_t>(problem.head_dim_v) + static_cast<std::size_t>(c);
      const double distance = Distance(oracle.out(line, c), second.out[at]);
      if (distance == 0.0) continue;
      if (std::isinf(distance)) return distance;
      worst = std::max(worst, distance / static_cast<double>(second.mean_abs[at]));
    }
  }
  return worst;
}

void ExpectAgreement(const Call& call, const std::vector<QueryRow>& rows, const Arithmetic& how,
                     const std::string& what) {
  const auto oracle = ComputeExpected(call.problem, call.Tensors(), rows, how,
                                      {.bound = true, .threads = rows.size() % 2 == 0 ? 2 : 1});
  ASSERT_TRUE(oracle.ok()) << what << ": " << oracle.status().message();
  const SecondWriting second = ComputeSecondWriting(call.problem, call.Tensors(), rows);
  EXPECT_LE(Disagreement(call.problem, *oracle, second), 1e-12) << what;
  for (Eigen::Index line = 0; line < oracle->weight_sum.size(); ++line) {
    const long double sum = second.weight_sum[static_cast<std::size_t>(line)];
    if (std::isnan(sum)) continue;
    EXPECT_LE(Distance(oracle->weight_sum[line], sum), 1e-12 * static_cast<double>(sum)) << what;
  }
  EXPECT_TRUE((oracle->out_bound.array() >= 0.0).all()) << what;
  EXPECT_TRUE(oracle->out_bound.allFinite()) << what;
  EXPECT_TRUE((oracle->lse_bound.array() >= 0.0).all()) << what;
  EXPECT_TRUE(oracle->lse_bound.allFinite()) << what;
}

TEST(Agreement, OracleEqualsSecondWritingOnRandomProblems) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    Random random(seed);
    const Problem problem = testing::RandomProblem(&random);
    const Fill fill = testing::RandomFill(&random);
    const Call call = testing::BuildCall(&random, problem, fill, random.OneIn(2));
    const Arithmetic how =
        random.Pick({DefaultArithmetic(), StrictArithmetic(), LenientArithmetic()});
    ExpectAgreement(call, AllRows(problem), how, "seed " + std::to_string(seed));
    if (HasFailure()) return;
  }
}

TEST(Agreement, RowsMayBeAskedForInAnyOrder) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Random random(seed);
    const Problem problem = testing::RandomProblem(&random);
    const Call call =
        testing::BuildCall(&random, problem, testing::RandomFill(&random), random.OneIn(2));
    std::vector<QueryRow> rows = AllRows(problem);
    random.Shuffle(&rows);
    rows.resize(rows.size() / 2);
    ExpectAgreement(call, rows, DefaultArithmetic(), "seed " + std::to_string(seed));
  }
}

// A NaN or infinity that rows do see: both texts give it the effect that arithmetic has.
TEST(Agreement, VisibleNonFiniteNumbersSpreadAsArithmeticSays) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Random random(seed);
    const Problem problem = testing::RandomProblem(&random);
    Fill fill = testing::RandomFill(&random);
    const double odd = random.Pick({std::numeric_limits<double>::infinity(),
                                    -std::numeric_limits<double>::infinity(),
                                    std::numeric_limits<double>::quiet_NaN()});
    const auto with_odd = [odd](const auto& plain) {
      return [plain, odd](std::size_t request, std::int64_t key, std::int64_t head,
                          std::int64_t column) {
        return key % 7 == 3 && column == 0 ? odd : plain(request, key, head, column);
      };
    };
    const std::int64_t where = random.Int(1, 3);  // bit 0: keys, bit 1: values
    if ((where & 1) != 0) fill.key = with_odd(fill.key);
    if ((where & 2) != 0) fill.value = with_odd(fill.value);
    const Call call = testing::BuildCall(&random, problem, fill, random.OneIn(2));
    ExpectAgreement(call, AllRows(problem), DefaultArithmetic(), "seed " + std::to_string(seed));
    if (HasFailure()) return;
  }
}

// More lines and keys than one block and one tile hold.
TEST(Agreement, HoldsAcrossBlocksOfLinesAndTilesOfKeys) {
  for (const std::int64_t window : {0, 100}) {
    Random random(static_cast<std::uint64_t>(window));
    Problem problem;
    problem.num_q_heads = 3;
    problem.head_dim_qk = 5;
    problem.head_dim_v = 4;
    problem.window_left = window;
    problem.sinks = window > 0;
    problem.requests = {{.q_len = 200, .seq_len = 1500}};
    Fill fill = testing::RandomFill(&random);
    const Call call = testing::BuildCall(&random, problem, fill, false);
    ExpectAgreement(call, AllRows(problem), DefaultArithmetic(), "finite");
    fill.value = [plain = fill.value](std::size_t request, std::int64_t key, std::int64_t head,
                                      std::int64_t column) {
      return key == 1350 ? std::nan("") : plain(request, key, head, column);
    };
    const Call odd = testing::BuildCall(&random, problem, fill, false);
    ExpectAgreement(odd, AllRows(problem), DefaultArithmetic(), "one NaN value");
  }
}

}  // namespace
}  // namespace attest
