// SPDX-License-Identifier: Apache-2.0
#include "conformance/study/power_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "conformance/judge/compare.h"
#include "conformance/judge/rearrange.h"
#include "conformance/judge/statistics.h"
#include "conformance/probe/score.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

constexpr std::int64_t kRows = 8;
// Lines that the statistics look at: they pass over all keys many times for each.
constexpr int kLinesOfStatistics = 64;
constexpr int kLinesOfLongStatistics = 16;
constexpr std::int64_t kLong = 16384;

Problem ProblemOf(const TrialKey& key) {
  Problem p;
  p.num_kv_heads = 2;
  p.num_q_heads = 8;
  p.head_dim_qk = p.head_dim_v = 128;
  p.scale = 0.08838835F;
  p.requests = {{.q_len = kRows, .seq_len = key.length}};
  switch (key.feature) {
    case Feature::kPlain:
      break;
    case Feature::kWindow:
      p.window_left = key.length / 2;
      break;
    case Feature::kSoftcap50:
      p.softcap = 50.0F;
      break;
    case Feature::kSoftcap20:
      p.softcap = 20.0F;
      break;
    case Feature::kSink:
      p.sinks = true;
      break;
  }
  return p;
}

Case CaseOf(const TrialKey& key, Recipe recipe, std::string_view name) {
  Case value;
  value.id = fmt::format("study/power/length={},inputs={}", key.length, name);
  value.recipe = recipe;
  value.problem = ProblemOf(key);
  return value;
}

bool IsControl(const Mistake& mistake) { return mistake.name == "none"; }

bool FailsAllClose(const RowMajorMatrix& got, const RowMajorMatrix& exact, double tolerance) {
  const auto allowed = tolerance + tolerance * exact.array().abs();
  return !((got - exact).array().abs() <= allowed).all();
}

class FieldTrial {
 public:
  FieldTrial(const TrialKey& key, const CaseInputs& inputs, const Expected& expected)
      : problem_(ProblemOf(key)),
        tensors_(TensorsOf(inputs.image)),
        expected_(expected),
        lines_(key.length >= kLong ? kLinesOfLongStatistics : kLinesOfStatistics) {
    eager_error_ = (RunEager(problem_, tensors_).out - expected.out).cwiseAbs().maxCoeff();
  }

  RuleVerdicts Judge(const Mistake& mistake) const {
    RowMajorMatrix got = RunKernel(problem_, tensors_, mistake).out;
    for (Eigen::Index i = 0; i < got.size(); ++i) {
      got.data()[i] = RoundTo(problem_.output_dtype, got.data()[i]);
    }
    const RowMajorMatrix error = got - expected_.out;
    RuleVerdicts verdicts{};
    verdicts[0] = FailsAllClose(got, expected_.out, 1e-2);
    verdicts[1] = FailsAllClose(got, expected_.out, 2e-2);
    verdicts[2] = !(error.squaredNorm() <= 5e-4 * expected_.out.squaredNorm());
    verdicts[3] = !(error.cwiseAbs().maxCoeff() <= 2.0 * eager_error_);
    verdicts[4] = !(error.array().abs() <= expected_.out_bound.array()).all();
    StatisticsInput input{.problem = problem_,
                          .tensors = tensors_,
                          .expected = expected_,
                          .got = got,
                          .arithmetic = arithmetic_};
    input.max_lines = lines_;
    if (!IsControl(mistake)) {
      input.mutants.push_back(
          {std::string(mistake.name), RunExactly(problem_, tensors_, mistake).out - expected_.out});
    } else {
      input.mutants = Temptations();
    }
    const Accusation accusation = Accuse(input);
    verdicts[5] = !accusation.excess.empty();
    verdicts[6] = !accusation.keys.empty();
    verdicts[7] = !accusation.filters.empty();
    return verdicts;
  }

 private:
  // What a filter could wrongly find in a correct output: each kind of delta once.
  std::vector<PredictedDelta> Temptations() const {
    std::vector<PredictedDelta> deltas;
    for (const Mistake& mistake : Mistakes()) {
      const bool fits = mistake.name == "last key missing" || mistake.name == "scale times 1.001" ||
                        mistake.name == "value scale 1.01 ignored";
      if (!fits) continue;
      deltas.push_back(
          {std::string(mistake.name), RunExactly(problem_, tensors_, mistake).out - expected_.out});
    }
    return deltas;
  }

  Problem problem_;
  AttentionTensors tensors_;
  const Expected& expected_;
  int lines_;
  Arithmetic arithmetic_ = DefaultArithmetic();
  double eager_error_ = 0.0;
};

// The sink of the usual test has the weight of one key of score 0.
void ZeroSinks(CallImage* image) {
  const PlacedTensor* sinks = image->Find("sinks");
  if (sinks == nullptr) return;
  for (std::int64_t head = 0; head < sinks->shape[0]; ++head) {
    StoreElement(sinks->dtype, 0.0, Writable(*image, *sinks, {head}));
  }
}

bool Differs(const ReadNumber& read, double wanted, double relative) {
  if (read.state == ReadNumber::State::kUnknown) return false;
  if (read.state == ReadNumber::State::kNone) return wanted != 0.0;
  return !(std::abs(read.value - wanted) <= 2.0 * read.error + relative * std::abs(wanted));
}

ForwardFn ForwardWith(const Problem& problem, const Mistake& mistake) {
  return [problem, mistake](const attest_problem_t&, double, CallImage& image) -> CallResult {
    StoreAnswer(problem, RunKernel(problem, TensorsOf(image), mistake), &image);
    return {.end = CallEnd::kAnswered, .status = ATTEST_OK, .message = {}, .output_tail = {}};
  };
}

// Weights of 32 keys of the last row, spread over all keys, as the probe reads them.
Result<bool> WeightsDiffer(Box& box) {
  constexpr std::int64_t kChosen = 32;
  const Request& request = box.problem().requests[0];
  std::vector<std::int64_t> keys;
  for (std::int64_t n = 0; n < kChosen; ++n) {
    keys.push_back(n * (request.seq_len - 1) / (kChosen - 1));
  }
  const Result<RowWeights> weights = ReadChosenWeights(box, {0, request.q_len - 1, 5}, keys);
  if (!weights.ok()) return weights.status();
  return !(weights->worst <= weights->error);
}

// Scale, softcap, sinks and weights as the probe reads them.
Result<bool> ProbeObjects(const TrialKey& key, const Mistake& mistake) {
  const Problem problem = ProblemOf(key);
  Result<Box> box = Box::Make(problem, ForwardWith(problem, mistake));
  if (!box.ok()) return box.status();
  if (key.feature == Feature::kSink) {
    const Result<std::vector<HeadSink>> sinks = ReadSinks(*box);
    if (!sinks.ok()) return sinks.status();
    const TensorView given = box->inputs().image.View("sinks");
    return std::any_of(sinks->begin(), sinks->end(), [&](const HeadSink& sink) {
      // Any value that is read is told apart from "no sink"; equal ones within their error.
      const double wanted = LoadElement(given.dtype, given.At({sink.row.head}));
      if (sink.logit.state == ReadNumber::State::kNone) return true;
      return sink.logit.found() && !(std::abs(sink.logit.value - wanted) <= 2.0 * sink.logit.error);
    });
  }
  if (key.feature == Feature::kPlain) {
    const Result<bool> weights = WeightsDiffer(*box);
    if (!weights.ok() || *weights) return weights;
  }
  const Result<std::vector<HeadScore>> scores = ReadScale(*box);
  if (!scores.ok()) return scores.status();
  return std::any_of(scores->begin(), scores->end(), [&](const HeadScore& score) {
    return Differs(score.scale, static_cast<double>(problem.scale), 2e-4) ||
           Differs(score.softcap, static_cast<double>(problem.softcap), 5e-3);
  });
}

struct Design {
  Recipe recipe;
  std::string_view name;
};

}  // namespace

Result<std::vector<RuleVerdicts>> RunFieldTrial(const TrialKey& key,
                                                const std::vector<Mistake>& mistakes) {
  const Case value = CaseOf(key, Recipe::kGeneric, "normal");
  Result<CaseInputs> inputs = BuildInputs(value, key.seed);
  if (!inputs.ok()) return inputs.status();
  ZeroSinks(&inputs->image);
  const Result<Expected> expected = ComputeExpected(
      value.problem, TensorsOf(inputs->image), AllRows(value.problem), DefaultArithmetic(), {});
  if (!expected.ok()) return expected.status();
  const FieldTrial trial(key, *inputs, *expected);
  std::vector<RuleVerdicts> verdicts;
  for (const Mistake& mistake : mistakes) verdicts.push_back(trial.Judge(mistake));
  return verdicts;
}

Result<std::vector<std::string>> RunDesignedTrial(const TrialKey& key,
                                                  const std::vector<Mistake>& mistakes) {
  static constexpr std::array kDesigns = {
      Design{Recipe::kVCoded, "v-coded"}, Design{Recipe::kKCoded, "k-coded"},
      Design{Recipe::kPeaked, "peaked"}, Design{Recipe::kPositive, "positive"},
      Design{Recipe::kStepped, "stepped"}};
  std::vector<std::string> seen(mistakes.size());
  for (const Design& design : kDesigns) {
    const Case value = CaseOf(key, design.recipe, design.name);
    Result<CaseInputs> inputs = BuildInputs(value, key.seed);
    if (!inputs.ok()) return inputs.status();
    const Result<Expected> expected = ComputeExpected(
        value.problem, TensorsOf(inputs->image), AllRows(value.problem), DefaultArithmetic(), {});
    if (!expected.ok()) return expected.status();
    for (std::size_t i = 0; i < mistakes.size(); ++i) {
      if (!seen[i].empty()) continue;
      StoreAnswer(value.problem, RunKernel(value.problem, TensorsOf(inputs->image), mistakes[i]),
                  &inputs->image);
      Record record;
      Compare(value, *inputs, inputs->image, *expected, record);
      if (record.verdict != Verdict::kPass) seen[i] = design.name;
    }
  }
  if (key.feature == Feature::kWindow) return seen;
  for (std::size_t i = 0; i < mistakes.size(); ++i) {
    if (!seen[i].empty()) continue;
    const Result<bool> objects = ProbeObjects(key, mistakes[i]);
    if (!objects.ok()) return objects.status();
    if (*objects) seen[i] = key.feature == Feature::kSink ? "sink probe" : "probe";
  }
  return seen;
}

}  // namespace attest
