// SPDX-License-Identifier: Apache-2.0
//
// The bound is sound: correct float32 kernels of every make stay inside it on inputs that strain
// them. And it has power: wrong ones do not.
#include "reference/bound.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "reference/oracle.h"
#include "reference/testing/families.h"
#include "reference/testing/flash.h"
#include "reference/testing/numbers_call.h"
#include "reference/testing/plain_bound.h"
#include "reference/testing/random_problem.h"

namespace attest {
namespace {

using testing::Flash;
using testing::Numbers;
using testing::Random;

struct Trial {
  std::string what;
  Numbers numbers;
  testing::Call call;
  Expected expected;
};

Trial MakeTrial(Random* random, std::string_view family, const testing::Sizes& sizes,
                Problem problem, const Arithmetic& arithmetic, bool dressed = false) {
  Trial trial;
  trial.what = std::string(family) + " " + std::string(Name(problem.query_dtype)) + " keys " +
               std::to_string(sizes.keys) + " head_dim " + std::to_string(sizes.head_dim_qk);
  trial.numbers = testing::MakeFamily(random, family, sizes, problem.query_dtype);
  if (dressed) testing::Dress(random, &problem, &trial.numbers);
  trial.call = testing::MakeCall(random, problem, trial.numbers);
  const Problem& asked = trial.call.problem;
  auto expected = ComputeExpected(asked, trial.call.Tensors(), AllRows(asked), arithmetic, {});
  EXPECT_TRUE(expected.ok()) << expected.status().message();
  if (expected.ok()) trial.expected = *std::move(expected);
  return trial;
}

struct Worst {
  double out = 0.0;
  double lse = 0.0;
  std::string out_at;
  std::string lse_at;
  std::int64_t lines = 0;
};

// error / bound, 0 if both are 0; NaN counts as infinite.
double Ratio(double error, double bound) {
  if (error == 0.0) return 0.0;
  const double ratio = std::fabs(error) / bound;
  return std::isnan(ratio) ? std::numeric_limits<double>::infinity() : ratio;
}

// A row that sees nothing but keys at -1e30: float32 has no digits left for their differences, and
// the largest Theta_j stands for a bound that nobody needs.
bool IsHopeless(const Trial& trial, Eigen::Index row) {
  return trial.expected.visible[static_cast<std::size_t>(row)] > 0 &&
         trial.expected.lse[row] < -1e20;
}

void Judge(const Trial& trial, const Flash& how, Worst* worst) {
  const Problem& problem = trial.call.problem;
  for (Eigen::Index row = 0; row < trial.expected.lse.size(); ++row) {
    if (IsHopeless(trial, row)) continue;
    const KeyRange seen = VisibleHull(problem, 0, row);
    const testing::FlashLine line = testing::RunFlash(trial.numbers, static_cast<std::size_t>(row),
                                                      seen, problem.query_dtype, how);
    const std::string where = trial.what + " row " + std::to_string(row) + ": " + Describe(how);
    for (Eigen::Index c = 0; c < trial.expected.out.cols(); ++c) {
      const double ratio = Ratio(line.out[static_cast<std::size_t>(c)] - trial.expected.out(row, c),
                                 trial.expected.out_bound(row, c));
      if (ratio > worst->out) worst->out_at = where;
      worst->out = std::max(worst->out, ratio);
    }
    const double lse = trial.expected.lse[row];
    const double ratio =
        static_cast<double>(line.lse) == lse
            ? 0.0
            : Ratio(static_cast<double>(line.lse) - lse, trial.expected.lse_bound[row]);
    if (ratio > worst->lse) worst->lse_at = where;
    worst->lse = std::max(worst->lse, ratio);
    ++worst->lines;
  }
}

Flash RandomFlash(Random* random, DType dtype) {
  using testing::Accumulation;
  using testing::TileOrder;
  Flash how;
  how.tile = random->Pick<std::int64_t>({16, 32, 64, 128});
  how.order = random->Pick({TileOrder::kForward, TileOrder::kBackward, TileOrder::kInterleaved});
  how.accumulation = random->Pick({Accumulation::kFused, Accumulation::kSeparate});
  // A matrix unit multiplies 16-bit numbers exactly; there is none for float32.
  if (dtype != DType::kFloat32 && random->OneIn(2)) how.accumulation = Accumulation::kMatrixUnit;
  how.splits = static_cast<int>(random->Int(1, 4));
  how.base_two = random->OneIn(2);
  how.lazy_rescale = random->OneIn(3) ? 5.0F : 0.0F;
  how.sum_rounded = random->OneIn(3);
  how.sink_first = random->OneIn(2);
  how.dequantise = random->OneIn(2);
  return how;
}

testing::Sizes RandomSizes(Random* random) {
  const double octave = 11.0 * random->Uniform();
  return {.rows = random->Int(1, 6),
          .keys = std::max<std::int64_t>(1, std::llround(std::exp2(octave))),
          .head_dim_qk = random->Pick<std::int64_t>({24, 64, 128, 256}),
          .head_dim_v = random->Pick<std::int64_t>({24, 32, 64})};
}

Problem RandomMask(Random* random, DType dtype) {
  Problem problem;
  problem.query_dtype = problem.cache_dtype = problem.output_dtype = dtype;
  problem.causality = random->OneIn(2) ? Causality::kCausal : Causality::kNonCausal;
  if (random->OneIn(4)) problem.window_left = random->Int(1, 200);
  return problem;
}

void ExpectSound(const Worst& worst, std::string_view what) {
  std::printf("%s: %lld lines, largest error/bound: output %.4f (%s), lse %.4f (%s)\n",
              std::string(what).c_str(), static_cast<long long>(worst.lines), worst.out,
              worst.out_at.c_str(), worst.lse, worst.lse_at.c_str());
  EXPECT_LE(worst.out, 1.0) << worst.out_at;
  EXPECT_LE(worst.lse, 1.0) << worst.lse_at;
}

class BoundOfDType : public ::testing::TestWithParam<DType> {};

TEST_P(BoundOfDType, HoldsForEveryKernelOfTheDefaultClass) {
  const DType dtype = GetParam();
  Worst worst;
  auto seed = static_cast<std::uint64_t>(dtype);
  for (const std::string_view family : testing::FamilyNames()) {
    for (int n = 0; n < 6; ++n) {
      Random random(seed += 10);
      const Trial trial = MakeTrial(&random, family, RandomSizes(&random),
                                    RandomMask(&random, dtype), DefaultArithmetic(), n % 2 == 1);
      for (int variant = 0; variant < 3; ++variant) {
        Flash how = RandomFlash(&random, dtype);
        if (random.OneIn(2)) how.tanh_error = 4.9e-4F;
        Judge(trial, how, &worst);
      }
    }
  }
  EXPECT_GT(worst.lines, 1500);
  ExpectSound(worst, "default " + std::string(Name(dtype)));
}

TEST_P(BoundOfDType, HoldsForEveryIeeeKernelOfTheStrictClass) {
  const DType dtype = GetParam();
  Worst worst;
  auto seed = static_cast<std::uint64_t>(dtype);
  for (const std::string_view family : testing::FamilyNames()) {
    for (int n = 0; n < 3; ++n) {
      Random random(seed += 10);
      const Trial trial = MakeTrial(&random, family, RandomSizes(&random),
                                    RandomMask(&random, dtype), StrictArithmetic(), n % 2 == 1);
      for (int variant = 0; variant < 3; ++variant) {
        Flash how = RandomFlash(&random, dtype);
        how.accumulation = testing::Accumulation::kFused;
        Judge(trial, how, &worst);
      }
    }
  }
  ExpectSound(worst, "strict " + std::string(Name(dtype)));
}

TEST_P(BoundOfDType, HoldsForTruncatingKernelsOfTheLenientClass) {
  const DType dtype = GetParam();
  Worst worst;
  auto seed = static_cast<std::uint64_t>(dtype);
  for (const std::string_view family : testing::FamilyNames()) {
    for (int n = 0; n < 4; ++n) {
      Random random(seed += 10);
      const Trial trial = MakeTrial(&random, family, RandomSizes(&random),
                                    RandomMask(&random, dtype), LenientArithmetic(), n % 2 == 1);
      for (int variant = 0; variant < 3; ++variant) {
        Flash how = RandomFlash(&random, dtype);
        how.truncate = dtype != DType::kFloat32;
        how.round_partials = dtype != DType::kFloat32;
        how.round_dequantised = dtype != DType::kFloat32;
        how.tanh_error = random.Pick({4.9e-4F, -4.9e-4F});
        how.round_scaled_query = dtype != DType::kFloat32 && random.OneIn(2);
        Judge(trial, how, &worst);
      }
    }
  }
  ExpectSound(worst, "lenient " + std::string(Name(dtype)));
}

// BlockBound replaces centred sums by inequalities, so it may be larger than the text, never
// smaller. Only where split outputs are stored in 16 bit it is tighter, by a factor e^Theta: a part
// is a mean, and the text's A is not when weights are badly known.
TEST_P(BoundOfDType, IsNeverBelowItsTextAndRarelyFarAbove) {
  const DType dtype = GetParam();
  std::vector<double> ratios;
  double least_lse = 2.0;
  double most_lse = 0.0;
  auto seed = static_cast<std::uint64_t>(dtype);
  for (const std::string_view family : testing::FamilyNames()) {
    for (int n = 0; n < 5; ++n) {
      Random random(seed += 10);
      Arithmetic lenient = LenientArithmetic();
      lenient.round_partial = 0.0;
      Arithmetic parts = DefaultArithmetic();
      parts.round_partial = 0x1p-8;
      const Arithmetic how = random.Pick({DefaultArithmetic(), StrictArithmetic(), lenient, parts});
      const double least = how.round_partial > 0.0 ? 0.5 : 0.999;
      const Problem mask = RandomMask(&random, dtype);
      const Trial trial = MakeTrial(&random, family, RandomSizes(&random), mask, how, n % 2 == 1);
      for (Eigen::Index row = 0; row < trial.expected.lse.size(); ++row) {
        const KeyRange seen = VisibleHull(trial.call.problem, 0, row);
        if (trial.expected.visible[static_cast<std::size_t>(row)] == 0) continue;
        if (IsHopeless(trial, row)) continue;
        const testing::PlainBound text = testing::ComputePlainBound(
            trial.numbers, static_cast<std::size_t>(row), seen, dtype, how);
        for (std::size_t c = 0; c < text.out.size(); ++c) {
          const double bound = trial.expected.out_bound(row, static_cast<Eigen::Index>(c));
          ratios.push_back(bound / text.out[c]);
          ASSERT_GE(bound, least * text.out[c]) << trial.what << " row " << row << " " << how.name;
        }
        const double lse_ratio = trial.expected.lse_bound[row] / text.lse;
        least_lse = std::min(least_lse, lse_ratio);
        // A weight that is badly known may be subnormal a little earlier than the text says.
        if (how.name != "lenient") most_lse = std::max(most_lse, lse_ratio);
      }
    }
  }
  std::sort(ratios.begin(), ratios.end());
  const double median = ratios[ratios.size() / 2];
  const double high = ratios[ratios.size() * 99 / 100];
  std::printf("bound/text: median %.4f, 99 of 100 below %.4f, largest %.4f; lse %.6f to %.6f\n",
              median, high, ratios.back(), least_lse, most_lse);
  EXPECT_LE(median, 1.3);
  EXPECT_LE(high, 8.0);
  EXPECT_GE(least_lse, 1.0);
  EXPECT_LE(most_lse, 1.01);
}

// The number that a kernel gives which does not see key `missing` (-1: sees all) of row 0, exactly.
struct Wrong {
  std::vector<double> out;
  double lse = 0.0;
};
Wrong Without(const Trial& trial, std::int64_t missing) {
  const Numbers& n = trial.numbers;
  std::vector<double> sum(n.v[0].size(), 0.0);
  double weights = 0.0;
  for (std::size_t key = 0; key < n.k.size(); ++key) {
    if (static_cast<std::int64_t>(key) == missing) continue;
    double score = 0.0;
    for (std::size_t c = 0; c < n.q[0].size(); ++c) {
      score += static_cast<double>(n.q[0][c]) * static_cast<double>(n.k[key][c]);
    }
    const double weight = std::exp(score * static_cast<double>(n.scale));
    weights += weight;
    for (std::size_t c = 0; c < sum.size(); ++c) {
      sum[c] += weight * static_cast<double>(n.v[key][c]);
    }
  }
  for (double& x : sum) x /= weights;
  return {sum, std::log(weights)};
}

bool Exceeds(const Trial& trial, const std::vector<double>& out) {
  for (std::size_t c = 0; c < out.size(); ++c) {
    const auto column = static_cast<Eigen::Index>(c);
    const double error = std::fabs(out[c] - trial.expected.out(0, column));
    if (!(error <= trial.expected.out_bound(0, column))) return true;
  }
  return false;
}

Trial OneRow(std::uint64_t seed, DType dtype, std::int64_t keys) {
  Random random(seed);
  Problem problem;
  problem.causality = Causality::kNonCausal;
  problem.query_dtype = problem.cache_dtype = problem.output_dtype = dtype;
  return MakeTrial(&random, "normal",
                   {.rows = 1, .keys = keys, .head_dim_qk = 64, .head_dim_v = 64}, problem,
                   DefaultArithmetic());
}

TEST_P(BoundOfDType, IsExceededByZerosAndByFlippedSigns) {
  for (const std::int64_t keys : {1, 5, 64, 512}) {
    const Trial trial = OneRow(static_cast<std::uint64_t>(keys), GetParam(), keys);
    std::vector<double> flipped = Without(trial, -1).out;
    EXPECT_FALSE(Exceeds(trial, flipped)) << keys;
    for (double& x : flipped) x = -x;
    EXPECT_TRUE(Exceeds(trial, flipped)) << keys;
    EXPECT_TRUE(Exceeds(trial, std::vector<double>(flipped.size(), 0.0))) << keys;
  }
}

TEST_P(BoundOfDType, IsExceededByOneMissingKeyOfSixteen) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Trial trial = OneRow(seed, GetParam(), 16);
    for (std::int64_t key = 0; key < 16; ++key) {
      const Wrong wrong = Without(trial, key);
      EXPECT_TRUE(Exceeds(trial, wrong.out)) << "seed " << seed << " key " << key;
    }
  }
}

TEST_P(BoundOfDType, OfTheLseIsExceededByTheHeaviestMissingKeyAndByBaseTwo) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Trial trial = OneRow(seed, GetParam(), 16);
    double shift = 0.0;
    for (std::int64_t key = 0; key < 16; ++key) {
      shift = std::max(shift, std::fabs(Without(trial, key).lse - trial.expected.lse[0]));
    }
    EXPECT_GT(shift, trial.expected.lse_bound[0]);
    const double base_two = trial.expected.lse[0] / std::log(2.0);
    EXPECT_GT(std::fabs(base_two - trial.expected.lse[0]), trial.expected.lse_bound[0]);
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, BoundOfDType,
                         ::testing::Values(DType::kFloat32, DType::kFloat16, DType::kBFloat16),
                         [](const auto& info) { return std::string(Name(info.param)); });

Expected Extreme(float scale, float sink, const Arithmetic& arithmetic) {
  Random random(7);
  Problem problem;
  problem.query_dtype = problem.cache_dtype = DType::kFloat32;
  problem.output_dtype = DType::kFloat16;
  problem.scale = scale;
  problem.sinks = sink != 0.0F;
  problem.head_dim_qk = problem.head_dim_v = 8;
  problem.requests = {{.q_len = 3, .seq_len = 5000}};  // 5000 * 4096 * 2^-24 is more than 1
  const auto number = [&random](auto...) { return 1e18 * random.Normal(); };
  const testing::Call call = testing::BuildCall(
      &random, problem,
      {.query = number, .key = number, .value = number, .sink = [sink](auto) { return sink; }},
      false);
  return *ComputeExpected(problem, call.Tensors(), AllRows(problem), arithmetic, {});
}

TEST(Bound, IsFiniteForEveryFiniteInputAndEveryClass) {
  Arithmetic absurd;
  absurd.accumulate_qk = absurd.accumulate_pv = absurd.accumulate_l = 4096.0;
  absurd.tile_min = 1;
  for (const float scale : {1e-36F, 1e-33F, 1.0F, 3e38F}) {
    for (const float sink : {0.0F, -3e38F, 3e38F}) {
      for (const Arithmetic& how : {DefaultArithmetic(), LenientArithmetic(), absurd}) {
        const Expected expected = Extreme(scale, sink, how);
        EXPECT_TRUE(expected.out.allFinite()) << scale << " " << sink;
        EXPECT_TRUE(expected.out_bound.allFinite()) << scale << " " << sink;
        EXPECT_TRUE(expected.lse_bound.allFinite()) << scale << " " << sink;
        EXPECT_GE(expected.out_bound.minCoeff(), 0.0) << scale << " " << sink;
        EXPECT_GE(expected.lse_bound.minCoeff(), 0.0) << scale << " " << sink;
      }
    }
  }
}

// Key 1 has score -256, so its exact weight is e^-256. But its score is the difference of two
// products of 2^36, which float32 sums with an error of hundreds after scaling: a right kernel may
// see nothing but key 1.
TEST(Bound, CoversAKeyWhoseWeightIsUnknown) {
  Random random(1);
  Problem problem;
  problem.query_dtype = problem.cache_dtype = problem.output_dtype = DType::kFloat32;
  problem.causality = Causality::kNonCausal;
  problem.head_dim_qk = 2;
  problem.head_dim_v = 1;
  problem.scale = 0x1p-5F;
  problem.requests = {{.q_len = 1, .seq_len = 2}};
  const testing::Call call = testing::BuildCall(
      &random, problem,
      {.query = [](auto...) { return 0x1p16; },
       .key =
           [](auto, std::int64_t key, auto, std::int64_t c) {
             if (key == 0) return 0.0;
             return c == 0 ? 0x1p20 : -0x1p20 - 0.125;
           },
       .value = [](auto, std::int64_t key, auto...) { return key == 0 ? 1.0 : -1000.0; },
       .sink = [](auto) { return 0.0; }},
      false);
  const auto expected =
      ComputeExpected(problem, call.Tensors(), AllRows(problem), DefaultArithmetic(), {});
  ASSERT_TRUE(expected.ok());
  EXPECT_EQ(expected->out(0, 0), 1.0);
  EXPECT_EQ(expected->lse[0], 0.0);
  EXPECT_GE(expected->out_bound(0, 0), 1001.0);
  EXPECT_GE(expected->lse_bound[0], 500.0);
}

TEST(Bound, OfAnEmptyRowIsZero) {
  Random random(1);
  Problem problem;
  problem.requests = {{.q_len = 3, .seq_len = 1}, {.q_len = 2, .seq_len = 0}};
  const testing::Call call =
      testing::BuildCall(&random, problem, testing::RandomFill(&random), false);
  const auto expected =
      ComputeExpected(problem, call.Tensors(), AllRows(problem), DefaultArithmetic(), {});
  ASSERT_TRUE(expected.ok());
  for (const int line : {0, 1, 3, 4}) {
    EXPECT_EQ(expected->visible[static_cast<std::size_t>(line)], 0);
    EXPECT_TRUE((expected->out.row(line).array() == 0.0).all());
    EXPECT_TRUE((expected->out_bound.row(line).array() == 0.0).all());
    EXPECT_EQ(expected->lse[line], -std::numeric_limits<double>::infinity());
    EXPECT_EQ(expected->lse_bound[line], 0.0);
  }
  EXPECT_EQ(expected->visible[2], 1);
  EXPECT_GT(expected->out_bound.row(2).minCoeff(), 0.0);
}

TEST(Bound, RoundsOutputsByHalfAnUlpAndNeverBelowTheSubnormalGrid) {
  Problem problem;
  problem.output_dtype = DType::kFloat16;
  const BoundRules rules = MakeBoundRules(problem, DefaultArithmetic());
  EXPECT_EQ(OutputRounding(rules, 1.0, 0.0), 0x1p-11);
  EXPECT_EQ(OutputRounding(rules, 1.999, 0.0), 0x1p-11);
  EXPECT_EQ(OutputRounding(rules, 2.0, 0.0), 0x1p-10);
  EXPECT_EQ(OutputRounding(rules, 0x1p-14, 0.0), 0x1p-25);
  EXPECT_EQ(OutputRounding(rules, 1e-30, 0.0), 0x1p-25);
  EXPECT_EQ(OutputRounding(rules, 0.0, 0.0), 0x1p-25);
  const BoundRules lenient = MakeBoundRules(problem, LenientArithmetic());
  EXPECT_EQ(OutputRounding(lenient, 1.0, 0.0), 0x1p-10);
  EXPECT_EQ(OutputRounding(lenient, 1e-30, 0.0), 0x1p-14);
  // 0.0001 is normal, but an error of 0.00005 may make it subnormal.
  EXPECT_EQ(OutputRounding(lenient, 1e-4, 2e-5), 0x1p-24);
  EXPECT_EQ(OutputRounding(lenient, 1e-4, 5e-5), 0x1p-14);
}

}  // namespace
}  // namespace attest
