// SPDX-License-Identifier: Apache-2.0
//
// The oracle against the second writing, and both against the one in physical space: three texts,
// one meaning.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>

#include "reference/oracle.h"
#include "reference/physical_writing.h"
#include "reference/second_writing.h"
#include "reference/testing/random_problem.h"
#include "spec/vocabulary/mask.h"

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

double PhysicalDisagreement(const Expected& oracle, const PhysicalWriting& physical,
                            const SecondWriting& second) {
  double worst = 0.0;
  std::size_t at = 0;
  for (Eigen::Index line = 0; line < oracle.out.rows(); ++line) {
    const double lse = physical.lse[static_cast<std::size_t>(line)];
    worst = std::max(worst, Distance(oracle.lse[line], lse) / (1.0 + std::fabs(oracle.lse[line])));
    for (Eigen::Index c = 0; c < oracle.out.cols(); ++c, ++at) {
      const double distance = Distance(oracle.out(line, c), physical.out[at]);
      if (distance == 0.0) continue;
      worst = std::max(worst, distance / static_cast<double>(second.mean_abs[at]));
    }
  }
  return worst;
}

// What of the vocabulary a problem uses.
std::vector<std::string> FeaturesOf(const Problem& p, bool distinct_pages) {
  std::vector<std::string> features = {std::string(Name(p.attention_type)),
                                       std::string(Name(p.causality)),
                                       "query " + std::string(Name(p.query_dtype)),
                                       "layout " + std::string(Name(p.cache_layout)),
                                       "scales " + std::string(Name(p.kv_scale_kind)),
                                       "mask " + std::string(Name(p.custom_mask))};
  if (p.uses_paged_kv()) features.push_back("cache " + std::string(Name(p.cache_dtype)));
  const auto add = [&features](bool used, const char* name) {
    if (used) features.emplace_back(name);
  };
  add(p.softcap > 0.0F, "softcap");
  add(p.alibi, "alibi");
  add(p.alibi && p.attention_type == AttentionType::kEncoderOnly, "alibi of an encoder");
  add(p.sinks, "sinks");
  add(p.window_left > 0, "window left");
  add(p.window_right > 0, "window right");
  add(p.local_block_size > 0, "local blocks");
  add(p.local_block_lookback > 0, "look-back");
  add(!p.prefix_ranges.empty(), "prefix ranges");
  add(p.prefix_clamped, "prefix clamped");
  add(p.tree_mask, "tree mask");
  add(p.custom_mask_broadcast.request, "broadcast request");
  add(p.custom_mask_broadcast.head, "broadcast head");
  add(p.custom_mask_broadcast.row, "broadcast row");
  add(p.custom_mask_broadcast.key, "broadcast key");
  add(p.custom_mask == MaskKind::kAdditive && p.additive_mask_dtype == DType::kFloat16,
      "additive float16");
  add(p.custom_mask == MaskKind::kAdditive && p.additive_mask_dtype == DType::kBFloat16,
      "additive bfloat16");
  add(p.head_dim_qk != p.head_dim_v, "unequal head dims");
  add(!distinct_pages, "aliased pages");
  return features;
}

void ExpectAgreement(const Call& call, const std::vector<QueryRow>& rows, const Arithmetic& how,
                     const std::string& what) {
  const auto oracle = ComputeExpected(call.problem, call.Tensors(), rows, how,
                                      {.bound = true, .threads = rows.size() % 2 == 0 ? 2 : 1});
  ASSERT_TRUE(oracle.ok()) << what << ": " << oracle.status().message();
  const SecondWriting second = ComputeSecondWriting(call.problem, call.Tensors(), rows);
  EXPECT_LE(Disagreement(call.problem, *oracle, second), 1e-12) << what;
  // Without a bound the oracle takes another way: one pass with a running maximum.
  const auto one_pass = ComputeExpected(call.problem, call.Tensors(), rows, how, {.bound = false});
  ASSERT_TRUE(one_pass.ok()) << what << ": " << one_pass.status().message();
  EXPECT_LE(Disagreement(call.problem, *one_pass, second), 1e-12) << what << ", one pass";
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

TEST(Agreement, ThreeWritingsAgreeOnRandomProblemsOfAllFeatures) {
  std::map<std::string, int> share;
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    Random random(seed);
    const Problem problem = testing::RandomProblem(&random);
    const Fill fill = testing::RandomFill(&random);
    const Call call = testing::BuildCall(&random, problem, fill, random.OneIn(2));
    const Arithmetic how =
        random.Pick({DefaultArithmetic(), StrictArithmetic(), LenientArithmetic()});
    ExpectAgreement(call, AllRows(problem), how, "seed " + std::to_string(seed));
    if (HasFailure()) return;
    const bool distinct = !problem.uses_paged_kv() || HasDistinctPages(problem, call.Tensors());
    for (const std::string& feature : FeaturesOf(problem, distinct)) ++share[feature];
    if (!problem.uses_paged_kv() || !distinct) continue;
    const auto oracle =
        ComputeExpected(problem, call.Tensors(), AllRows(problem), how, {.bound = false});
    const double worst = PhysicalDisagreement(
        *oracle, ComputePhysicalWriting(problem, call.Tensors(), AllRows(problem)),
        ComputeSecondWriting(problem, call.Tensors(), AllRows(problem)));
    ASSERT_LE(worst, 1e-11) << "in physical space, seed " << seed;
  }
  EXPECT_EQ(share.size(), 45U);
  for (const auto& [feature, problems] : share) {
    std::printf("%s: %d of 3000 problems\n", feature.c_str(), problems);
    EXPECT_GE(problems, 20) << feature;
  }
}

TEST(Agreement, PageListsNeverLoseAVisiblePage) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    Random random(seed);
    const Problem problem = testing::RandomProblem(&random);
    if (!problem.uses_paged_kv()) continue;
    for (const QueryRow& row : AllRows(problem)) {
      const auto request = static_cast<std::size_t>(row.request);
      for (std::int64_t key = 0; key < problem.requests[request].seq_len; ++key) {
        if (!Visible(problem, request, row.row, key)) continue;
        ASSERT_TRUE(PageMayMatter(problem, row.request, row.row, key / problem.block_size))
            << "seed " << seed << " row " << row.row << " key " << key;
      }
    }
  }
}

// A page named twice counts at both positions, and not at the later one alone.
TEST(Agreement, AliasedPagesCountTwice) {
  Random random(1);
  Problem problem;
  problem.page_aliasing = true;
  problem.block_size = 2;
  problem.query_dtype = problem.cache_dtype = DType::kFloat32;
  problem.head_dim_qk = problem.head_dim_v = 1;
  problem.causality = Causality::kNonCausal;
  problem.requests = {{.q_len = 1, .seq_len = 8}};  // pages A A A B, A as keys 4 and 5
  Fill fill = testing::RandomFill(&random);
  fill.key = [](auto...) { return 0.0; };
  fill.value = [](auto, std::int64_t key, auto...) { return static_cast<double>(key); };
  const Call call = testing::BuildCall(&random, problem, fill, false);
  ASSERT_FALSE(HasDistinctPages(problem, call.Tensors()));
  const auto oracle =
      ComputeExpected(problem, call.Tensors(), AllRows(problem), DefaultArithmetic(), {});
  ASSERT_TRUE(oracle.ok()) << oracle.status().message();
  EXPECT_DOUBLE_EQ(oracle->out(0, 0), (3 * (4 + 5) + 6 + 7) / 8.0);
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

// Keys 300 to 1099 are masked for everybody, so whole tiles are; scores rise, and so the maximum.
TEST(Agreement, TilesThatNobodySeesAreSkipped) {
  Random random(9);
  Problem problem;
  problem.query_dtype = problem.cache_dtype = DType::kFloat32;
  problem.custom_mask = MaskKind::kBoolean;
  problem.num_q_heads = 2;
  problem.head_dim_qk = problem.head_dim_v = 3;
  problem.requests = {{.q_len = 140, .seq_len = 1500}};
  Fill fill = testing::RandomFill(&random);
  fill.key = [](auto, std::int64_t key, auto...) { return 0.01 * static_cast<double>(key); };
  fill.mask = [](auto, auto, auto, std::int64_t key) {
    return key < 300 || key >= 1100 ? 1.0 : 0.0;
  };
  const Call call = testing::BuildCall(&random, problem, fill, false);
  ExpectAgreement(call, AllRows(problem), DefaultArithmetic(), "hidden tiles");
  const auto oracle = ComputeExpected(problem, call.Tensors(), AllRows(problem),
                                      DefaultArithmetic(), {.detail = true});
  ASSERT_TRUE(oracle.ok()) << oracle.status().message();
  const LineDetail& last = oracle->detail.back();
  ASSERT_EQ(last.visible.size(), 1500U);
  EXPECT_EQ(std::count(last.visible.begin(), last.visible.end(), 1), 700);
  EXPECT_EQ(last.score[700], -std::numeric_limits<double>::infinity());
  EXPECT_EQ(last.weight[700], 0.0);
  EXPECT_NEAR(std::accumulate(last.weight.begin(), last.weight.end(), 0.0), 1.0, 1e-12);
}

}  // namespace
}  // namespace attest
