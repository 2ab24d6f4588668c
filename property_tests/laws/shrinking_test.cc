// SPDX-License-Identifier: Apache-2.0
//
// What shrinking ends with is near the smallest sample that shows a defect at all.
//
// The measure is multiply-adds of the call, num_q_heads * (head_dim_qk + head_dim_v) * sum q_len *
// seq_len. The smallest is found by trying every small problem that has the features the defect is
// about, from the cheapest on, with three recipes and, where numbers are random, two seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "conformance/judge/compare.h"
#include "conformance/judge/rearrange.h"
#include "conformance/mutants/in_process.h"
#include "property_tests/laws/run_law.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

struct Planted {
  const char* mutant;
  // Gives a plain problem what the defect is about; `n` is 1 and 2 in turn, for a width.
  void (*features)(Problem& problem, int n);
};
void PrintTo(const Planted& planted, std::ostream* out) { *out << planted.mutant; }

std::vector<Planted> PlantedDefects() {
  const auto nothing = [](Problem&, int) {};
  return {
      {"causal-top-left", nothing},
      {"causal-one-more", nothing},
      {"head-interleaved", nothing},
      {"second-page-is-first", nothing},
      {"window-one-long", [](Problem& p, int n) { p.window_left = n; }},
      {"window-both-one-short",
       [](Problem& p, int n) {
         p.causality = Causality::kNonCausal;
         p.window_left = p.window_right = n;
       }},
      {"softcap-ignored", [](Problem& p, int) { p.softcap = 1; }},
      {"sink-ignored", [](Problem& p, int) { p.sinks = true; }},
      {"alibi-ignored", [](Problem& p, int) { p.alibi = true; }},
      {"encoder-sees-neighbours",
       [](Problem& p, int) {
         p.attention_type = AttentionType::kEncoderOnly;
         p.block_size = 0;
       }},
  };
}

// Batches of one and of two small requests, each with a key: what costs nothing computes nothing.
std::vector<std::vector<Request>> Batches(bool packed) {
  std::vector<Request> ones;
  for (std::int64_t q = 0; q <= 2; ++q) {
    for (std::int64_t k = 1; k <= 3; ++k) {
      if (!packed || q == k) ones.push_back({q, k});
    }
  }
  std::vector<std::vector<Request>> batches;
  for (const Request& one : ones) {
    batches.push_back({one});
    for (const Request& two : ones) batches.push_back({one, two});
  }
  return batches;
}

std::vector<Problem> SmallProblems(const Planted& planted) {
  std::vector<Problem> problems;
  for (int n = 1; n <= 2; ++n) {
    Problem problem;
    problem.query_dtype = problem.cache_dtype = problem.output_dtype = DType::kFloat32;
    problem.block_size = 1;
    problem.scale = 1;
    planted.features(problem, n);
    for (const auto& batch : Batches(problem.attention_type == AttentionType::kEncoderOnly)) {
      for (const auto& [heads, kv_heads] : {std::pair{1, 1}, {2, 1}, {2, 2}, {3, 1}, {4, 2}}) {
        problem.requests = batch;
        problem.num_q_heads = heads;
        problem.num_kv_heads = kv_heads;
        problem.head_dim_qk = problem.head_dim_v = 1;
        problems.push_back(problem);
      }
    }
  }
  std::erase_if(problems, [](const Problem& p) { return NumTokens(p) == 0; });
  std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    return MultiplyAdds(a) < MultiplyAdds(b);
  });
  // Features without a width gave the same twice.
  problems.erase(std::unique(problems.begin(), problems.end()), problems.end());
  return problems;
}

// Does the mutant, in this process, break the law of the oracle on this sample?
bool Shows(const Mutant& mutant, const Sample& sample) {
  const Problem& p = sample.problem;
  const CaseInputs inputs = Subject::Build(sample);
  const AttentionTensors tensors = TensorsOf(inputs.image);
  const Result<Expected> expected =
      ComputeExpected(p, tensors, AllRows(p), DefaultArithmetic(), {});
  EXPECT_TRUE(expected.ok()) << expected.status().message();
  std::vector<MutantLine> lines;
  for (const QueryRow& row : expected->rows) {
    for (int head = 0; head < p.num_q_heads; ++head) lines.push_back({row.request, row.row, head});
  }
  const MutantAnswer answer =
      RunMutant(p, tensors, {inputs.image.View("out"), inputs.image.View("lse")}, mutant, lines);
  if (answer.forbidden_write) return true;
  CallImage image = inputs.image;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto token = static_cast<std::int64_t>(i) / p.num_q_heads;
    const int head = lines[i].head;
    StoreElement(DType::kFloat32, answer.lse[i],
                 Writable(image, *image.Find("lse"), {token, head}));
    StoreElement(DType::kFloat32, answer.out[i],
                 Writable(image, *image.Find("out"), {token, head, 0}));
  }
  Record record;
  Compare(CaseOf(sample), inputs, image, *expected, record);
  return record.verdict != Verdict::kPass;
}

// Multiply-adds of the cheapest problem that shows it.
double Least(const Planted& planted) {
  const Mutant& mutant = *FindMutant(planted.mutant);
  for (const Problem& problem : SmallProblems(planted)) {
    for (const auto& [recipe, seed] : {std::pair{Recipe::kVCoded, 0},
                                       {Recipe::kKCoded, 0},
                                       {Recipe::kGeneric, 0},
                                       {Recipe::kGeneric, 1}}) {
      const Sample sample{
          .problem = problem, .recipe = recipe, .seed = static_cast<std::uint64_t>(seed)};
      if (Shows(mutant, sample)) return MultiplyAdds(problem);
    }
  }
  ADD_FAILURE() << planted.mutant << ": no small problem shows it";
  return std::numeric_limits<double>::infinity();
}

class Shrunk : public testing::TestWithParam<Planted> {};

TEST_P(Shrunk, IsAtMostTwiceTheSmallestThatShowsTheDefect) {
  const Result<BackendSpec> spec = ResolveBackend(std::string("mutant:") + GetParam().mutant);
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  const Result<std::unique_ptr<Session>> session = Session::Open(*spec, {});
  ASSERT_TRUE(session.ok()) << session.status().message();
  Subject subject(**session, (*session)->claims().arithmetic);
  const LawRun run =
      RunLaw(*FindLaw("oracle"), subject, {.cases = 200, .seed = 20260101, .largest = 25});
  ASSERT_TRUE(run.failure.has_value()) << run.cases << " cases hold";
  const double shrunk = MultiplyAdds(run.failure->shrunk.problem);
  const double least = Least(GetParam());
  RecordProperty("first", std::to_string(MultiplyAdds(run.failure->first.problem)));
  RecordProperty("shrunk", std::to_string(shrunk));
  RecordProperty("least", std::to_string(least));
  EXPECT_LE(shrunk, 2 * least) << Describe(run.failure->shrunk) << "\n" << run.failure->reason;
  EXPECT_GE(shrunk, least) << "the search is not exhaustive: " << Describe(run.failure->shrunk);
}

INSTANTIATE_TEST_SUITE_P(Defects, Shrunk, testing::ValuesIn(PlantedDefects()));

}  // namespace
}  // namespace attest
