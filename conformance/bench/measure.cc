// SPDX-License-Identifier: Apache-2.0
#include "conformance/bench/measure.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace attest {
namespace {

// Keeps the time of each repetition; prints nothing.
class Collector final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& /*context*/) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      const auto runs_done = static_cast<double>(std::max<std::int64_t>(run.iterations, 1));
      Samples& samples = of_[run.run_name.function_name];
      samples.wall.push_back(run.real_accumulated_time / runs_done);
      samples.cpu.push_back(run.cpu_accumulated_time / runs_done);
    }
  }
  struct Samples {
    std::vector<double> wall;
    std::vector<double> cpu;
  };
  Samples Of(const std::string& name) const {
    const auto found = of_.find(name);
    return found == of_.end() ? Samples() : found->second;
  }

 private:
  std::map<std::string, Samples> of_;
};

// Sorts them.
double MedianOf(std::vector<double>* samples) {
  std::sort(samples->begin(), samples->end());
  return (*samples)[samples->size() / 2];
}

void Initialize() {
  static const bool once = [] {
    std::string program = "attest";
    std::string interleave = "--benchmark_enable_random_interleaving=true";
    std::vector<char*> arguments = {program.data(), interleave.data()};
    int count = static_cast<int>(arguments.size());
    benchmark::Initialize(&count, arguments.data());
    return true;
  }();
  static_cast<void>(once);
}

}  // namespace

Result<std::vector<Timing>> Measure(const std::vector<Workload>& workloads, int repetitions,
                                    double min_seconds) {
  Initialize();
  Status failure;
  benchmark::ClearRegisteredBenchmarks();
  for (const Workload& workload : workloads) {
    benchmark::RegisterBenchmark(workload.name.c_str(),
                                 [&failure, &workload](benchmark::State& state) {
                                   while (state.KeepRunning()) {
                                     if (Status status = workload.run(); !status.ok()) {
                                       failure = status;
                                       state.SkipWithError("failed");
                                       break;
                                     }
                                   }
                                 })
        ->Repetitions(repetitions)
        ->MinTime(min_seconds)
        ->MeasureProcessCPUTime()
        ->UseRealTime();
  }
  Collector collector;
  benchmark::RunSpecifiedBenchmarks(&collector);
  benchmark::ClearRegisteredBenchmarks();
  if (!failure.ok()) return failure;
  std::vector<Timing> timings;
  for (const Workload& workload : workloads) {
    Collector::Samples samples = collector.Of(workload.name);
    if (samples.wall.empty()) {
      return InternalError(fmt::format("{}: no run was timed", workload.name));
    }
    timings.push_back({.name = workload.name,
                       .median_s = MedianOf(&samples.wall),
                       .best_s = samples.wall.front(),
                       .median_cpu_s = MedianOf(&samples.cpu),
                       .flops = workload.flops});
  }
  return timings;
}

}  // namespace attest
