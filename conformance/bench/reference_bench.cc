// SPDX-License-Identifier: Apache-2.0
#include "conformance/bench/reference_bench.h"

#include <fmt/format.h>

#include <Eigen/Core>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "conformance/bench/long_context.h"
#include "conformance/bench/tensors.h"
#include "reference/oracle.h"

namespace attest {
namespace {

constexpr int kHeadDim = 128;
constexpr std::int64_t kWindow = 128;

// One oracle call over all rows of a square problem.
struct Square {
  std::string name;
  Problem problem;
  OracleOptions options;
};

std::vector<Square> Squares(const BenchOptions& options) {
  const std::int64_t n = options.length;
  const Problem full = BenchProblem(DType::kFloat32, Causality::kNonCausal, n, n, kHeadDim);
  const Problem half = BenchProblem(DType::kBFloat16, Causality::kNonCausal, n, n, kHeadDim);
  const Problem causal = BenchProblem(DType::kFloat32, Causality::kCausal, n, n, kHeadDim);
  Problem windowed = causal;
  windowed.window_left = kWindow;
  return {{"oracle, full", full, {.bound = false}},
          {"oracle, full, all threads", full, {.bound = false, .threads = options.threads}},
          {"oracle, causal", causal, {.bound = false}},
          {"oracle, window 128", windowed, {.bound = false}},
          {"oracle and bound, full", full, {.bound = true}},
          {"oracle, full, bfloat16", half, {.bound = false}},
          {"oracle and bound, full, bfloat16", half, {.bound = true}}};
}

// Multiply-adds of scores and of P V, two operations each.
double FlopsOf(const Problem& problem) { return 2.0 * MultiplyAdds(problem); }

Workload GemmWorkload(std::int64_t n) {
  const auto size = static_cast<Eigen::Index>(n);
  auto a = std::make_shared<RowMajorMatrix>(RowMajorMatrix::Random(size, size));
  auto b = std::make_shared<RowMajorMatrix>(RowMajorMatrix::Random(size, size));
  auto c = std::make_shared<RowMajorMatrix>(size, size);
  return {.name = "dgemm",
          .flops = 2.0 * static_cast<double>(n) * static_cast<double>(n) * static_cast<double>(n),
          .run = [a, b, c] {
            c->noalias() = *a * *b;
            return Status();
          }};
}

Workload OracleWorkload(const Square& square) {
  auto tensors = std::make_shared<BenchTensors>(MakeBenchTensors(square.problem));
  return {.name = square.name, .flops = FlopsOf(square.problem), .run = [square, tensors] {
            return ComputeExpected(square.problem, tensors->views, AllRows(square.problem),
                                   DefaultArithmetic(), square.options)
                .status();
          }};
}

const Timing& Find(const std::vector<Timing>& timings, const std::string& name) {
  for (const Timing& timing : timings) {
    if (timing.name == name) return timing;
  }
  return timings.front();
}

// Ratios of medians of one run. What one thread does is compared by its own time, which another
// process on the core does not lengthen; only the speed-up is one of the wall clock.
std::vector<Figure> RatiosOf(const std::vector<Timing>& timings, int threads) {
  const Timing& full = Find(timings, "oracle, full");
  const auto seconds = [&](const std::string& name) { return Find(timings, name).median_cpu_s; };
  std::vector<Figure> figures = {
      {"oracle rate over dgemm rate", full.rate() / Find(timings, "dgemm").rate(), "", 0.80, true},
      {"causal time over full time", seconds("oracle, causal") / full.median_cpu_s, "", 0.60,
       false},
      {"window 128 time over full time", seconds("oracle, window 128") / full.median_cpu_s, "",
       0.25, false},
      {"oracle and bound over oracle", seconds("oracle and bound, full") / full.median_cpu_s, "",
       6.0, false},
      {"oracle and bound over oracle, bfloat16",
       seconds("oracle and bound, full, bfloat16") / seconds("oracle, full, bfloat16"), "", 6.0,
       false},
  };
  if (threads > 1) {
    figures.push_back({fmt::format("speed-up of {} threads, one head", threads),
                       full.median_s / Find(timings, "oracle, full, all threads").median_s, "",
                       0.8 * threads, true});
  }
  return figures;
}

// Beyond the inputs, with the bound, a chunk of 64 rows at the end of a long context.
Result<Figure> MemoryFigure(const BenchOptions& options) {
  const Problem problem =
      BenchProblem(DType::kBFloat16, Causality::kCausal, 64, options.memory_length, kHeadDim);
  const BenchTensors tensors = MakeBenchTensors(problem);
  const Result<std::uint64_t> bytes = PeakBytesOf([&] {
    return ComputeExpected(problem, tensors.views, AllRows(problem), DefaultArithmetic(), {})
        .status();
  });
  if (!bytes.ok()) return bytes.status();
  return Figure{fmt::format("memory beyond the inputs at {} keys", options.memory_length),
                static_cast<double>(*bytes) / (1 << 20), "MiB", 64.0, false};
}

}  // namespace

Result<BenchReport> BenchReference(const BenchOptions& options) {
  Eigen::setNbThreads(1);
  BenchReport report{.host = DescribeHost(), .options = options};
  Result<Figure> memory = MemoryFigure(options);  // first, while the heap is small
  if (!memory.ok()) return memory.status();
  std::vector<Workload> workloads = {GemmWorkload(options.gemm)};
  for (const Square& square : Squares(options)) workloads.push_back(OracleWorkload(square));
  Result<std::vector<Timing>> timings =
      Measure(workloads, options.repetitions, options.min_seconds);
  if (!timings.ok()) return timings.status();
  report.timings = std::move(*timings);
  report.figures = RatiosOf(report.timings, options.threads);
  report.figures.push_back(*memory);
  if (options.long_length > 0) {
    const Result<LongContext> measured =
        MeasureLongContext(options.long_length, options.long_rows, options.threads);
    if (!measured.ok()) return measured.status();
    report.sample = measured->certain;
    report.figures.push_back({fmt::format("oracle and bound, {} rows at {} keys, {} threads",
                                          measured->judged, options.long_length, options.threads),
                              measured->seconds, "s", 60.0, false});
  }
  return report;
}

std::string Describe(const BenchReport& report) {
  const Host& host = report.host;
  std::string text = fmt::format("{}, {} cores, {}\n{}, {}\n\n", host.cpu, host.cores, host.date,
                                 host.compiler, host.flags);
  text += fmt::format("{:<44} {:>10} {:>10} {:>10}\n", "workload", "median s", "CPU s", "GFLOP/s");
  for (const Timing& timing : report.timings) {
    text += fmt::format("{:<44} {:>10.4f} {:>10.4f} {:>10.2f}\n", timing.name, timing.median_s,
                        timing.median_cpu_s, timing.rate() * 1e-9);
  }
  text += fmt::format("\n{:<52} {:>9} {:>12}\n", "figure", "measured", "promised");
  for (const Figure& figure : report.figures) {
    const std::string unit = figure.unit.empty() ? "" : " " + figure.unit;
    text += fmt::format("{:<52} {:>9.3g} {:>12} {}\n", figure.name, figure.value,
                        fmt::format("{} {:g}{}", figure.at_least ? ">=" : "<=", figure.limit, unit),
                        figure.kept() ? "kept" : "NOT KEPT");
  }
  if (!report.sample.empty()) text += fmt::format("\nlong context: {}\n", report.sample);
  return text;
}

std::string ToJsonText(const BenchReport& report) {
  nlohmann::ordered_json json;
  json["machine"] = ToJson(report.host);
  json["repetitions"] = report.options.repetitions;
  json["timings"] = nlohmann::ordered_json::array();
  for (const Timing& timing : report.timings) {
    json["timings"].push_back({{"name", timing.name},
                               {"median_s", timing.median_s},
                               {"best_s", timing.best_s},
                               {"median_cpu_s", timing.median_cpu_s},
                               {"flops", timing.flops}});
  }
  json["figures"] = nlohmann::ordered_json::array();
  for (const Figure& figure : report.figures) {
    json["figures"].push_back({{"name", figure.name},
                               {"value", figure.value},
                               {"unit", figure.unit},
                               {figure.at_least ? "at_least" : "at_most", figure.limit},
                               {"kept", figure.kept()}});
  }
  if (!report.sample.empty()) json["long_context"] = report.sample;
  return json.dump(2) + "\n";
}

}  // namespace attest
