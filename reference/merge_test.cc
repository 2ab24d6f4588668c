// SPDX-License-Identifier: Apache-2.0
#include "reference/merge.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "reference/testing/random_problem.h"

namespace attest {
namespace {

using testing::Random;
using testing::StoredTensor;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// One token, one head, `columns` columns; part n has lse[n] and value(n, c).
struct Parts {
  Problem problem;
  std::vector<StoredTensor> out;
  std::vector<StoredTensor> lse;

  MergeTensors Tensors() const {
    MergeTensors tensors;
    for (const StoredTensor& part : out) tensors.part_out.push_back(part.View());
    for (const StoredTensor& part : lse) tensors.part_lse.push_back(part.View());
    return tensors;
  }
};

Parts MakeParts(const std::vector<double>& lse, const std::vector<std::vector<double>>& values) {
  Parts parts;
  parts.problem.output_dtype = DType::kFloat32;
  parts.problem.head_dim_v = static_cast<int>(values[0].size());
  parts.problem.requests = {{.q_len = 1, .seq_len = 1}};
  for (std::size_t n = 0; n < lse.size(); ++n) {
    parts.out.push_back(testing::MakeDense(DType::kFloat32, {1, 1, parts.problem.head_dim_v}));
    parts.lse.push_back(testing::MakeDense(DType::kFloat32, {1, 1}));
    testing::SetFloat(&parts.lse.back(), {0, 0}, lse[n]);
    for (std::size_t c = 0; c < values[n].size(); ++c) {
      testing::SetFloat(&parts.out.back(), {0, 0, static_cast<std::int64_t>(c)}, values[n][c]);
    }
  }
  return parts;
}

Merged Merge(const Parts& parts, const Arithmetic& how = DefaultArithmetic()) {
  const Result<Merged> merged = ComputeMerge(parts.problem, parts.Tensors(), how);
  EXPECT_TRUE(merged.ok()) << merged.status().message();
  return merged.ok() ? *merged : Merged{};
}

TEST(Merge, WeighsPartsByTheExponentialOfTheirLse) {
  const Merged merged = Merge(MakeParts({0.0, -0.0, 0.0, 0.0}, {{1}, {1}, {1}, {5}}));
  EXPECT_NEAR(merged.out(0, 0), 2.0, 1e-15);
  EXPECT_NEAR(merged.lse[0], std::log(4.0), 1e-15);
  const Merged far = Merge(MakeParts({100.0, -100.0}, {{1}, {1e6}}));
  EXPECT_NEAR(far.out(0, 0), 1.0, 1e-15);
  EXPECT_EQ(far.lse[0], 100.0);
}

TEST(Merge, AnEmptyPartWeighsNothingWhateverItsBytes) {
  const double nan = std::nan("");
  const Merged merged = Merge(MakeParts({-kInfinity, 2.0, -kInfinity}, {{nan}, {3}, {kInfinity}}));
  EXPECT_EQ(merged.out(0, 0), 3.0);
  EXPECT_EQ(merged.lse[0], 2.0);
  EXPECT_TRUE(std::isfinite(merged.out_bound(0, 0)));
  EXPECT_LT(merged.out_bound(0, 0), 1e-5);
}

TEST(Merge, OnlyEmptyPartsGiveZeroAndMinusInfinity) {
  const Merged merged = Merge(MakeParts({-kInfinity, -kInfinity}, {{std::nan("")}, {4}}));
  EXPECT_EQ(merged.out(0, 0), 0.0);
  EXPECT_EQ(merged.lse[0], -kInfinity);
  EXPECT_EQ(merged.out_bound(0, 0), 0.0);
  EXPECT_EQ(merged.lse_bound[0], 0.0);
}

TEST(Merge, AnLseThatIsNoNumberMakesTheLineNaN) {
  for (const double odd : {std::nan(""), kInfinity}) {
    const Merged merged = Merge(MakeParts({0.0, odd}, {{1}, {1}}));
    EXPECT_TRUE(std::isnan(merged.out(0, 0)));
    EXPECT_TRUE(std::isnan(merged.lse[0]));
    EXPECT_EQ(merged.out_bound(0, 0), 0.0);
  }
}

// How kernels merge: all at once, or in pairs; with exp or with exp2.
struct Got {
  std::vector<float> out;
  float lse = 0.0F;
};

Got MergePair(const Got& a, const Got& b, bool base_two) {
  if (std::isinf(a.lse)) return b;
  if (std::isinf(b.lse)) return a;
  const auto power = [base_two](float x) {
    return base_two ? std::exp2(x * 1.44269504F) : std::exp(x);
  };
  const float top = std::max(a.lse, b.lse);
  const float first = power(a.lse - top);
  const float second = power(b.lse - top);
  const float sum = first + second;
  Got got;
  for (std::size_t c = 0; c < a.out.size(); ++c) {
    got.out.push_back(a.out[c] * (first / sum) + b.out[c] * (second / sum));
  }
  got.lse = top + std::log(sum);
  return got;
}

TEST(Merge, BoundHoldsForMergesInPairsAndIsExceededByWrongOnes) {
  double worst = 0.0;
  int caught = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Random random(seed);
    const auto count = static_cast<std::size_t>(random.Int(2, 9));
    const double level = random.Pick({0.0, 50.0, -3000.0});
    const double spread = random.Pick({0.1, 3.0, 40.0});
    std::vector<double> lse;
    std::vector<std::vector<double>> values(count, std::vector<double>(8));
    for (std::size_t n = 0; n < count; ++n) {
      const double number = static_cast<float>(level + spread * random.Normal());
      lse.push_back(random.OneIn(6) ? -kInfinity : number);
      for (double& x : values[n]) x = static_cast<float>(random.Normal());
    }
    const Merged want = Merge(MakeParts(lse, values), StrictArithmetic());
    if (std::isinf(want.lse[0])) continue;
    Got got{std::vector<float>(8, 0.0F), -std::numeric_limits<float>::infinity()};
    for (std::size_t n = 0; n < count; ++n) {
      const Got part{std::vector<float>(values[n].begin(), values[n].end()),
                     static_cast<float>(lse[n])};
      got = MergePair(got, part, seed % 2 == 0);
    }
    for (Eigen::Index c = 0; c < 8; ++c) {
      const double error =
          std::fabs(static_cast<double>(got.out[static_cast<std::size_t>(c)]) - want.out(0, c));
      worst = std::max(worst, error / want.out_bound(0, c));
    }
    worst =
        std::max(worst, std::fabs(static_cast<double>(got.lse) - want.lse[0]) / want.lse_bound[0]);
    // Weights of 2^lse where lse has base e.
    const double base_two = want.lse[0] / std::log(2.0);
    caught += std::fabs(base_two - want.lse[0]) > want.lse_bound[0] ? 1 : 0;
  }
  EXPECT_LE(worst, 1.0);
  EXPECT_GT(worst, 0.01);
  EXPECT_GT(caught, 300);
}

TEST(Merge, RefusalsNameTheTensor) {
  Parts parts = MakeParts({0.0, 0.0}, {{1}, {1}});
  MergeTensors tensors = parts.Tensors();
  tensors.part_lse.pop_back();
  EXPECT_EQ(ComputeMerge(parts.problem, tensors, DefaultArithmetic()).status().message(),
            "part_lse: 1 parts, part_out has 2");
  tensors = parts.Tensors();
  tensors.part_out[1].dtype = DType::kFloat16;
  EXPECT_EQ(ComputeMerge(parts.problem, tensors, DefaultArithmetic()).status().message(),
            "part_out[1]: dtype float16, expected float32");
  EXPECT_EQ(ComputeMerge(parts.problem, {}, DefaultArithmetic()).status().message(),
            "part_out: no part");
}

}  // namespace
}  // namespace attest
