// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "reference/float_formats.h"
#include "reference/testing/families.h"
#include "reference/testing/flash.h"
#include "reference/testing/random_problem.h"

namespace attest {
namespace {

using testing::Flash;
using testing::Numbers;
using testing::Random;

// One request, one head; the rows are the last ones of the context. Keys past the last row's are
// there for causal rows to leak.
struct Shape {
  std::int64_t rows = 16;
  std::int64_t keys = 1024;
  std::int64_t window = 0;
  float softcap = 0.0F;
  int head_dim = 64;
  DType dtype = DType::kBFloat16;
  DType cache_dtype = DType::kFloat32;  // narrower than dtype: keys and values are rounded again
  float sharpen = 1.0F;                 // times the scale: few keys have all the weight
  std::string family = "normal";
  Arithmetic arithmetic = DefaultArithmetic();
};

struct World {
  Numbers numbers;
  testing::Call call;
  AttentionTensors tensors;
  Expected expected;
  Arithmetic arithmetic;

  World(const Shape& shape, std::uint64_t seed) : arithmetic(shape.arithmetic) {
    Random random(seed);
    numbers =
        testing::MakeFamily(&random, shape.family,
                            {shape.rows, shape.keys, shape.head_dim, shape.head_dim}, shape.dtype);
    numbers.scale *= shape.sharpen;
    for (auto* matrix : {&numbers.k, &numbers.v}) {
      for (std::vector<float>& line : *matrix) {
        for (float& x : line) x = static_cast<float>(RoundTo(shape.cache_dtype, x));
      }
    }
    Problem p;
    p.query_dtype = p.cache_dtype = p.output_dtype = shape.dtype;
    if (SizeOf(shape.cache_dtype) < SizeOf(shape.dtype)) p.cache_dtype = shape.cache_dtype;
    p.head_dim_qk = p.head_dim_v = shape.head_dim;
    p.scale = numbers.scale;
    p.window_left = shape.window;
    p.softcap = shape.softcap;
    p.sinks = numbers.has_sink;
    p.requests = {{.q_len = shape.rows, .seq_len = shape.keys}};
    const testing::Fill fill = {
        .query = [&](auto t, auto, auto c) { return At(numbers.q, t, c); },
        .key = [&](auto, auto k, auto, auto c) { return At(numbers.k, k, c); },
        .value = [&](auto, auto k, auto, auto c) { return At(numbers.v, k, c); },
        .sink = [&](auto) { return static_cast<double>(numbers.sink); }};
    call = testing::BuildCall(&random, p, fill, false);
    tensors = call.Tensors();
    const Result<Expected> computed =
        ComputeExpected(p, tensors, AllRows(p), arithmetic, {.bound = true});
    EXPECT_TRUE(computed.ok()) << computed.status().message();
    if (computed.ok()) expected = *computed;
  }

  static double At(const std::vector<std::vector<float>>& matrix, std::int64_t line,
                   std::int64_t column) {
    return matrix[static_cast<std::size_t>(line)][static_cast<std::size_t>(column)];
  }

  // What a kernel gives whose rows see `change` of what they should see.
  RowMajorMatrix Run(const Flash& how,
                     const std::function<KeyRange(KeyRange)>& change = nullptr) const {
    RowMajorMatrix got(expected.out.rows(), expected.out.cols());
    for (std::size_t n = 0; n < expected.rows.size(); ++n) {
      KeyRange seen = VisibleHull(call.problem, 0, expected.rows[n].row);
      if (change) seen = change(seen);
      const testing::FlashLine line =
          testing::RunFlash(numbers, n, seen, call.problem.query_dtype, how);
      for (Eigen::Index c = 0; c < got.cols(); ++c) {
        got(static_cast<Eigen::Index>(n), c) = line.out[static_cast<std::size_t>(c)];
      }
    }
    return got;
  }

  // Exact output of another problem on the same tensors, minus the exact output of this one.
  PredictedDelta Delta(const std::string& name, const std::function<void(Problem&)>& change) const {
    Problem wrong = call.problem;
    change(wrong);
    const Result<Expected> other =
        ComputeExpected(wrong, tensors, expected.rows, arithmetic, {.bound = false});
    EXPECT_TRUE(other.ok()) << other.status().message();
    return {name, other->out - expected.out};
  }

  StatisticsInput Input(const RowMajorMatrix& got, std::vector<PredictedDelta> mutants = {}) const {
    return {.problem = call.problem,
            .tensors = tensors,
            .expected = expected,
            .got = got,
            .arithmetic = arithmetic,
            .mutants = std::move(mutants)};
  }
};

std::vector<Flash> RightWays() {
  std::vector<Flash> ways(6);
  ways[1] = {.tile = 16, .order = testing::TileOrder::kBackward, .splits = 3, .base_two = true};
  ways[2] = {.tile = 128,
             .order = testing::TileOrder::kInterleaved,
             .accumulation = testing::Accumulation::kMatrixUnit,
             .sum_rounded = true};
  ways[3] = {.tile = 32, .splits = 8, .lazy_rescale = 8.0F};
  ways[4] = {.accumulation = testing::Accumulation::kSeparate, .splits = 2, .sum_rounded = true};
  ways[5] = {.tile = 256, .accumulation = testing::Accumulation::kMatrixUnit, .splits = 5};
  return ways;
}

TEST(Statistics, RightBackendsAreNeverAccused) {
  double worst = 0.0;
  std::uint64_t seed = 20260101;
  for (const DType dtype : {DType::kBFloat16, DType::kFloat16, DType::kFloat32}) {
    for (const std::int64_t keys : {48, 200, 700, 1500}) {
      for (const Flash& how : RightWays()) {
        const Shape shape{.rows = 8, .keys = keys, .dtype = dtype};
        const World world(shape, ++seed);
        const std::vector<PredictedDelta> mutants = {
            world.Delta("window", [](Problem& p) { p.window_left = 40; }),
            world.Delta("scale", [](Problem& p) { p.scale *= 1.001F; })};
        const RowMajorMatrix got = world.Run(how);
        const Accusation accusation = Accuse(world.Input(got, mutants));
        EXPECT_FALSE(accusation.made())
            << Name(dtype) << ", " << keys << " keys, seed " << seed << ", "
            << testing::Describe(how) << ": " << Describe(accusation);
        EXPECT_GT(accusation.lines, 0) << accusation.not_generic;
        worst = std::max(worst, accusation.worst_ratio);
      }
    }
  }
  // The rounding of the output alone comes close to the bound; noise would stay far below.
  EXPECT_LT(worst, 1.0);
  EXPECT_GT(worst, 0.05);
}

TEST(Statistics, RightBackendsOfTheLenientClassAreNeverAccused) {
  std::uint64_t seed = 77;
  for (const DType dtype : {DType::kBFloat16, DType::kFloat16}) {
    for (Flash how : RightWays()) {
      how.truncate = true;
      how.round_scaled_query = true;
      how.round_partials = true;
      const World world({.rows = 8, .keys = 600, .dtype = dtype, .arithmetic = LenientArithmetic()},
                        ++seed);
      const RowMajorMatrix got = world.Run(how);
      const Accusation accusation = Accuse(world.Input(got));
      EXPECT_FALSE(accusation.made()) << seed << testing::Describe(how) << Describe(accusation);
      EXPECT_GT(accusation.lines, 0) << accusation.not_generic;
    }
  }
}

// A saturated line: one weight is 1 to the last bit, the exact output is that key's value, and a
// right output differs from it by nothing that has a direction.
TEST(Statistics, ALineThatOneKeyDecidesIsNotJudged) {
  for (const DType dtype : {DType::kBFloat16, DType::kFloat16, DType::kFloat32}) {
    const World world({.rows = 1, .keys = 32, .head_dim = 8, .dtype = dtype, .sharpen = 2048.0F},
                      1);
    RowMajorMatrix got = world.expected.out;
    got(0, 0) += 0.25 * world.expected.out_bound(0, 0);
    const Accusation accusation = Accuse(world.Input(got));
    EXPECT_FALSE(accusation.made()) << Name(dtype) << ": " << Describe(accusation);
    EXPECT_EQ(accusation.lines, 0) << Name(dtype);
    EXPECT_NE(accusation.not_generic.find("keys in effect"), std::string::npos)
        << accusation.not_generic;
  }
}

TEST(Statistics, RightBackendsAreNeverAccusedHoweverFewKeysHaveTheWeight) {
  const std::vector<Flash> ways = RightWays();
  std::map<float, std::int64_t> judged;
  std::uint64_t seed = 500;
  for (const auto& [dtype, cache_dtype] : {std::pair{DType::kBFloat16, DType::kBFloat16},
                                           {DType::kFloat16, DType::kFloat16},
                                           {DType::kFloat32, DType::kFloat32},
                                           {DType::kBFloat16, DType::kFloat8E4M3FN},
                                           {DType::kFloat16, DType::kFloat8E5M2}}) {
    for (const float sharpen : {1.0F, 1.5F, 2.0F, 2.5F, 4.0F, 12.0F, 128.0F, 2048.0F}) {
      for (const std::int64_t keys : {40, 400}) {
        const World world({.rows = 8,
                           .keys = keys,
                           .head_dim = 32,
                           .dtype = dtype,
                           .cache_dtype = cache_dtype,
                           .sharpen = sharpen},
                          ++seed);
        const Flash& how = ways[seed % ways.size()];
        const RowMajorMatrix got = world.Run(how);
        const Accusation accusation = Accuse(world.Input(got));
        EXPECT_FALSE(accusation.made())
            << Name(dtype) << ", scale times " << sharpen << ", " << keys << " keys, seed " << seed
            << ", " << testing::Describe(how) << ": " << Describe(accusation);
        judged[sharpen] += accusation.lines;
      }
    }
  }
  EXPECT_GT(judged[1.0F], 60) << "of 80";
  EXPECT_GT(judged[1.5F], 20);
  EXPECT_GT(judged[2.0F], 0);
  EXPECT_EQ(judged[12.0F] + judged[128.0F] + judged[2048.0F], 0);
}

KeyRange OneMoreToTheLeft(KeyRange seen) { return {seen.first - 1, seen.last}; }

TEST(Statistics, AWindowOneTooWideIsFoundAndNamedAmong4096And16384Keys) {
  for (const std::int64_t window : {4096, 16384}) {
    const World world({.rows = 12, .keys = window + 64, .window = window, .head_dim = 128}, 5);
    const std::vector<PredictedDelta> mutants = {
        world.Delta("window-minus-one", [](Problem& p) { --p.window_left; }),
        world.Delta("window-plus-one", [](Problem& p) { ++p.window_left; }),
        world.Delta("scale-1.001", [](Problem& p) { p.scale *= 1.001F; })};
    const RowMajorMatrix got = world.Run({.tile = 64, .splits = 4}, OneMoreToTheLeft);
    const double det =
        ((got - world.expected.out).cwiseAbs().cwiseQuotient(world.expected.out_bound)).maxCoeff();
    const Accusation accusation = Accuse(world.Input(got, mutants));
    ASSERT_FALSE(accusation.filters.empty()) << window;
    EXPECT_EQ(accusation.filters.front().mutant, "window-plus-one") << window;
    EXPECT_NEAR(accusation.filters.front().beta, 1.0, 0.1) << window;
    EXPECT_EQ(accusation.filters.size(), 1U) << Describe(accusation);
    // The scan needs no hypothesis: it names the first key left of the window.
    int named = 0;
    for (const KeyFinding& finding : accusation.keys) {
      const KeyRange seen = VisibleHull(world.call.problem, 0, finding.key.row);
      EXPECT_EQ(finding.key.key, seen.first - 1) << window;
      EXPECT_TRUE(finding.key.extra);
      EXPECT_FALSE(finding.visible);
      ++named;
    }
    EXPECT_GE(named, window == 4096 ? 8 : 4) << "of 12 rows";
    if (window == 16384) {
      EXPECT_LT(det, 1.0) << "the deterministic bound sees it as well";
    }
    EXPECT_FALSE(Accuse(world.Input(world.Run({.tile = 64, .splits = 4}), mutants)).made());
  }
}

TEST(Statistics, AMissingAndALeakedKeyAreNamedWithoutAHypothesis) {
  const World world({.rows = 12, .keys = 4096, .head_dim = 128}, 9);
  const auto last = [](KeyRange seen) { return KeyRange{seen.first, seen.last - 1}; };
  const auto next = [](KeyRange seen) {
    return KeyRange{seen.first, std::min<std::int64_t>(seen.last + 1, 4096)};
  };
  const Accusation missing = Accuse(world.Input(world.Run({.tile = 64}, last)));
  EXPECT_GE(missing.keys.size(), 8U);
  for (const KeyFinding& finding : missing.keys) {
    EXPECT_EQ(finding.key.key, VisibleHull(world.call.problem, 0, finding.key.row).last - 1);
    EXPECT_FALSE(finding.key.extra);
    EXPECT_TRUE(finding.visible);
  }
  EXPECT_NE(Describe(missing).find("does not see key"), std::string::npos) << Describe(missing);
  const Accusation leaked = Accuse(world.Input(world.Run({.tile = 64}, next)));
  EXPECT_GE(leaked.keys.size(), 8U);
  for (const KeyFinding& finding : leaked.keys) {
    EXPECT_EQ(finding.key.key, VisibleHull(world.call.problem, 0, finding.key.row).last);
    EXPECT_TRUE(finding.key.extra);
    EXPECT_FALSE(finding.visible);
  }
  EXPECT_NE(Describe(leaked).find("sees the masked key"), std::string::npos) << Describe(leaked);
}

TEST(Statistics, AStrongFindingDoesNotAccuseOtherKeys) {
  const World world({.rows = 8, .keys = 128}, 21);
  const auto last = [](KeyRange seen) { return KeyRange{seen.first, seen.last - 1}; };
  const Accusation accusation = Accuse(world.Input(world.Run({.tile = 64}, last)));
  EXPECT_EQ(accusation.keys.size(), 8U) << "one a row";
  for (const KeyFinding& finding : accusation.keys) {
    EXPECT_EQ(finding.key.key, VisibleHull(world.call.problem, 0, finding.key.row).last - 1);
  }
}

TEST(Statistics, AnApproximateTanhIsNotTakenForAWrongScale) {
  for (const bool exact_tanh : {false, true}) {
    const Shape shape{.rows = 128,
                      .keys = 512,
                      .softcap = 30.0F,
                      .dtype = DType::kFloat32,
                      .arithmetic = exact_tanh ? StrictArithmetic() : DefaultArithmetic()};
    const World world(shape, 4);
    // Every score off by 4e-4 of itself: what the default class allows a tanh, and no exact one.
    const PredictedDelta delta = world.Delta("scale", [](Problem& p) { p.scale *= 1.0004F; });
    const RowMajorMatrix got = world.expected.out + delta.delta;
    EXPECT_EQ(Accuse(world.Input(got, {delta})).filters.size(), exact_tanh ? 1U : 0U);
  }
}

TEST(Statistics, LinesAreSampledEvenly) {
  const World world({.rows = 16, .keys = 128}, 2);
  StatisticsInput input = world.Input(world.expected.out);
  EXPECT_EQ(Accuse(input).lines, 16);
  input.max_lines = 4;
  EXPECT_EQ(Accuse(input).lines, 4);
}

TEST(Statistics, AFilterSeesWhatItsPowerPromises) {
  const World world({.rows = 12, .keys = 1024, .head_dim = 128}, 3);
  const RowMajorMatrix nothing = world.expected.out;
  const PredictedDelta large = world.Delta("scale-1.01", [](Problem& p) { p.scale *= 1.01F; });
  const PredictedDelta small =
      world.Delta("scale-1.00001", [](Problem& p) { p.scale *= 1.00001F; });
  EXPECT_GT(FilterPower(world.Input(nothing), large), 1.0);
  EXPECT_LT(FilterPower(world.Input(nothing), small), 1.0);
  const RowMajorMatrix got = world.Run({}) + large.delta;
  const Accusation accusation = Accuse(world.Input(got, {large}));
  ASSERT_EQ(accusation.filters.size(), 1U);
  EXPECT_NEAR(accusation.filters.front().beta, 1.0, 0.1);
}

TEST(Statistics, OnlyGenericInputsAreJudged) {
  for (const char* family : {"flat-zero-keys", "flat-equal-keys"}) {
    const World world({.keys = 256, .family = family}, 1);
    RowMajorMatrix wrong = world.expected.out;
    wrong.array() += 1.0;
    const Accusation accusation = Accuse(world.Input(wrong));
    EXPECT_EQ(accusation.lines, 0) << family;
    EXPECT_FALSE(accusation.made()) << family;
    EXPECT_NE(accusation.not_generic, "") << family;
  }
}

Accusation Accused() {
  Accusation accusation;
  accusation.lines = 1;
  accusation.filters.push_back({"window-plus-one", 1.0, 2.0});
  return accusation;
}

TEST(Settle, AnAccusationCountsWhenTwoOfThreeFreshSeedsRepeatIt) {
  for (int pattern = 0; pattern < 8; ++pattern) {
    Record record;
    record.verdict = Verdict::kPass;
    record.seed = 10;
    Settle(record, Accused(), [pattern](std::uint64_t seed) {
      EXPECT_GE(seed, 11U);
      EXPECT_LE(seed, 13U);
      return (pattern >> (seed - 11) & 1) != 0 ? Accused() : Accusation{};
    });
    const int repeats = (pattern & 1) + (pattern >> 1 & 1) + (pattern >> 2 & 1);
    EXPECT_EQ(record.verdict, repeats >= 2 ? Verdict::kFail : Verdict::kPass) << pattern;
    EXPECT_EQ(record.rule, repeats >= 2 ? "statistics" : "") << pattern;
    EXPECT_EQ(record.note, repeats >= 2 ? "" : "suspect") << pattern;
    EXPECT_TRUE(record.reason.starts_with("like window-plus-one")) << record.reason;
  }
}

TEST(Settle, NothingIsAskedWithoutAnAccusationOrAfterAFailure) {
  const auto never = [](std::uint64_t) {
    ADD_FAILURE() << "asked again";
    return Accusation{};
  };
  Record passed;
  passed.verdict = Verdict::kPass;
  Settle(passed, {}, never);
  EXPECT_EQ(passed.verdict, Verdict::kPass);
  EXPECT_EQ(passed.note, "");
  Record failed;
  failed.verdict = Verdict::kFail;
  Settle(failed, Accused(), never);
  EXPECT_EQ(failed.verdict, Verdict::kFail);
}

}  // namespace
}  // namespace attest
