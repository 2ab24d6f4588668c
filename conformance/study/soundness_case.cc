// SPDX-License-Identifier: Apache-2.0
#include "conformance/study/soundness_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "conformance/study/machine.h"
#include "reference/oracle.h"
#include "reference/testing/numbers_call.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

using testing::Numbers;
using testing::Random;

// Seeds of neighbours share no bits (the finaliser of splitmix64).
std::uint64_t Mix(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t x = seed * 0x9E3779B97F4A7C15U + index;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

double LogUniform(Random* random, double first, double last) {
  return first * std::pow(last / first, random->Uniform());
}

struct Asked {
  std::string family;
  Numbers numbers;
  Problem problem;
  std::string mask;
  std::string size = "1";  // magnitudes of queries, keys and values
};

// Short problems have more rows: they cost little, and what is left of a bound there is sharp.
std::int64_t RowsFor(std::int64_t keys) {
  if (keys < 16) return 32;
  if (keys <= 512) return 128;
  return keys <= 2048 ? 48 : 32;
}

testing::Sizes DrawSizes(Random* random, const CaseLimits& limits) {
  testing::Sizes sizes;
  const double most = static_cast<double>(limits.max_keys);
  sizes.keys = std::clamp<std::int64_t>(std::llround(LogUniform(random, 0.75, most + 0.49)), 1,
                                        limits.max_keys);
  sizes.rows = std::min(RowsFor(sizes.keys), limits.max_rows);
  sizes.head_dim_qk = random->Pick<std::int64_t>({32, 64, 64, 96, 128, 128, 192, 256});
  sizes.head_dim_v = sizes.head_dim_qk;
  if (random->OneIn(3)) sizes.head_dim_v = random->Pick<std::int64_t>({32, 64, 128, 256});
  return sizes;
}

// Also sets sizes.rows: a causal row before the first key sees nothing.
void DrawMask(Random* random, testing::Sizes* sizes, Asked* asked) {
  Problem& problem = asked->problem;
  const bool causal = random->OneIn(2);
  problem.causality = causal ? Causality::kCausal : Causality::kNonCausal;
  asked->mask = causal ? "causal" : "full";
  if (random->OneIn(4)) {
    problem.window_left = std::llround(LogUniform(random, 1.0, static_cast<double>(sizes->keys)));
    asked->mask += ", window";
  }
  if (causal || problem.window_left > 0) sizes->rows = std::min(sizes->rows, sizes->keys);
}

void DrawMagnitudes(Random* random, Asked* asked) {
  if (random->OneIn(2)) return;
  const auto magnitude = [random] { return LogUniform(random, 1e-3, 1e2); };
  const double query = magnitude();
  const double key = magnitude();
  testing::Magnify(query, key, magnitude(), asked->problem.query_dtype, &asked->numbers);
  asked->size = "1e-3 to 1e2, scores kept";
  if (random->OneIn(4)) {
    asked->size = "1e-3 to 1e2, scores too";
    return;
  }
  asked->numbers.scale =
      static_cast<float>(static_cast<double>(asked->numbers.scale) / query / key);
}

// Few visible keys far from each other: every tile may bring a new maximum.
void Thin(Random* random, Asked* asked) {
  Numbers& n = asked->numbers;
  const auto apart = static_cast<std::int64_t>(LogUniform(random, 2.0, 256.0));
  asked->problem.custom_mask = MaskKind::kBoolean;
  n.seen.assign(n.rows(), std::vector<std::uint8_t>(n.keys()));
  for (auto& row : n.seen) {
    for (std::uint8_t& key : row) key = random->OneIn(apart) ? 1 : 0;
  }
  asked->mask += ", thin";
}

void AddFeatures(Random* random, Asked* asked) {
  Numbers& n = asked->numbers;
  if (!n.has_sink && random->OneIn(6)) {
    n.has_sink = true;
    n.sink = static_cast<float>(3.0 * random->Normal());
  }
  if (random->OneIn(2)) testing::Dress(random, &asked->problem, &n);
  if (!n.seen.empty()) asked->mask += ", random";
  if (!n.bias.empty()) asked->mask += ", additive";
  if (n.seen.empty() && n.bias.empty() && random->OneIn(10)) Thin(random, asked);
}

Asked DrawProblem(Random* random, const CaseLimits& limits) {
  Asked asked;
  const auto& families = testing::FamilyNames();
  asked.family = families[static_cast<std::size_t>(
      random->Int(0, static_cast<std::int64_t>(families.size()) - 1))];
  const DType dtype = random->Pick(
      {DType::kBFloat16, DType::kBFloat16, DType::kFloat16, DType::kFloat16, DType::kFloat32});
  Problem& problem = asked.problem;
  problem.query_dtype = problem.cache_dtype = problem.output_dtype = dtype;
  testing::Sizes sizes = DrawSizes(random, limits);
  DrawMask(random, &sizes, &asked);
  asked.numbers = testing::MakeFamily(random, asked.family, sizes, dtype);
  DrawMagnitudes(random, &asked);
  AddFeatures(random, &asked);
  return asked;
}

std::string CacheName(const Problem& problem) {
  if (problem.kv_scale_kind == KvScaleKind::kNone) return "as the query";
  return fmt::format("{}, scale per {}", Name(problem.cache_dtype),
                     problem.kv_scale_kind == KvScaleKind::kPerTensor ? "tensor" : "token");
}

// "8-15": powers of two, in the order of their texts.
std::string LengthName(std::int64_t keys) {
  if (keys == 1) return "   1";
  const auto first = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(keys)));
  return fmt::format("{:>4}-{:<4}", first, 2 * first - 1);
}

Labels LabelsOf(const Asked& asked, const Machine& machine) {
  const Numbers& n = asked.numbers;
  Labels labels = {{"dtype", std::string(Name(asked.problem.query_dtype))},
                   {"family", asked.family},
                   {"mask", asked.mask},
                   {"magnitude", asked.size},
                   {"cache", CacheName(asked.problem)},
                   {"class", machine.class_name},
                   {"head_dim", fmt::format("{:>3}", n.q[0].size())}};
  if (n.softcap > 0.0F) labels.emplace_back("feature", "softcap");
  if (n.has_slope) labels.emplace_back("feature", "ALiBi");
  if (n.has_sink) labels.emplace_back("feature", "sink");
  if (n.softcap == 0.0F && !n.has_slope && !n.has_sink) labels.emplace_back("feature", "none");
  return labels;
}

// All visible keys have scores near -1e30: float32 has no digits left for their differences, and no
// kernel knows any weight (spec/clauses/numerics.md judges no such score).
bool LosesEveryWeight(const Expected& expected, Eigen::Index row) {
  return expected.visible[static_cast<std::size_t>(row)] > 0 && expected.lse[row] < -1e20;
}

class Judge {
 public:
  Judge(const Asked& asked, const Machine& machine, const Problem& problem,
        const Expected& expected, std::int64_t index)
      : asked_(asked),
        machine_(machine),
        problem_(problem),
        expected_(expected),
        index_(index),
        labels_(LabelsOf(asked, machine)),
        operands_(testing::PrepareOperands(asked.numbers, problem.query_dtype, machine.how)) {}

  void JudgeRow(const testing::Flash& how, Eigen::Index row, SoundnessCase* result) const {
    const std::int64_t visible = expected_.visible[static_cast<std::size_t>(row)];
    if (LosesEveryWeight(expected_, row)) {
      ++result->tally.left_out;
      return;
    }
    const testing::FlashLine line =
        testing::RunFlash(asked_.numbers, operands_, static_cast<std::size_t>(row),
                          VisibleHull(problem_, 0, row), problem_.query_dtype, how);
    RowRatios ratios;
    Violation worst;
    double largest = 1.0;
    const auto look = [&](int column, double got, double expected, double bound) {
      const double ratio = ErrorRatio(got, expected, bound);
      if (ratio > largest) {
        largest = ratio;
        worst = {index_, row, column, expected, got, bound, Describe(how)};
      }
      return ratio;
    };
    for (Eigen::Index c = 0; c < expected_.out.cols(); ++c) {
      ratios.out.push_back(look(static_cast<int>(c), line.out[static_cast<std::size_t>(c)],
                                expected_.out(row, c), expected_.out_bound(row, c)));
    }
    ratios.lse =
        look(-1, static_cast<double>(line.lse), expected_.lse[row], expected_.lse_bound[row]);
    if (largest > 1.0) result->violations.push_back(worst);
    if (visible == 0) {
      ++result->tally.empty_rows;
      return;
    }
    Labels labels = labels_;
    labels.emplace_back("length", LengthName(visible));
    for (std::string& trait : TraitsOf(how, problem_)) {
      labels.emplace_back("variant", std::move(trait));
    }
    result->tally.AddRow(labels, ratios);
  }

 private:
  std::string Describe(const testing::Flash& how) const {
    const Numbers& n = asked_.numbers;
    return fmt::format(
        "{} {}, {} rows, {} keys, head_dim {} and {}, {}, magnitude {}, cache {}{}{}{}; class {}; "
        "{}",
        asked_.family, Name(problem_.query_dtype), n.rows(), n.keys(), n.q[0].size(), n.v[0].size(),
        asked_.mask, asked_.size, CacheName(problem_),
        n.softcap > 0.0F ? fmt::format(", softcap {}", n.softcap) : "",
        n.has_slope ? fmt::format(", slope {}", n.slope) : "",
        n.has_sink ? fmt::format(", sink {}", n.sink) : "", machine_.class_name,
        testing::Describe(how));
  }

  const Asked& asked_;
  const Machine& machine_;
  const Problem& problem_;
  const Expected& expected_;
  std::int64_t index_;
  Labels labels_;
  testing::Operands operands_;
};

}  // namespace

Result<SoundnessCase> RunSoundnessCase(std::uint64_t seed, std::int64_t index,
                                       const CaseLimits& limits, const std::string& defect) {
  Random random(Mix(seed, static_cast<std::uint64_t>(index)));
  const Asked asked = DrawProblem(&random, limits);
  const Machine machine = DrawMachine(&random, asked.problem, asked.numbers);
  const testing::Call call = testing::MakeCall(&random, asked.problem, asked.numbers);
  const Result<Expected> expected =
      ComputeExpected(call.problem, call.Tensors(), AllRows(call.problem), machine.declared, {});
  if (!expected.ok()) {
    return InternalError(fmt::format("case {}: {}", index, expected.status().message()));
  }
  SoundnessCase result;
  result.tally.cases = 1;
  const Judge judge(asked, machine, call.problem, *expected, index);
  for (Eigen::Index row = 0; row < expected->lse.size(); ++row) {
    testing::Flash how = DrawRun(&random, machine);
    AddDefect(defect, &how);
    judge.JudgeRow(how, row, &result);
  }
  return result;
}

}  // namespace attest
