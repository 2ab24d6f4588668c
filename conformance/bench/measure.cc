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
      const double seconds = run.real_accumulated_time /
                             static_cast<double>(std::max<std::int64_t>(run.iterations, 1));
      seconds_[run.run_name.function_name].push_back(seconds);
    }
  }
  std::vector<double> Of(const std::string& name) const {
    const auto found = seconds_.find(name);
    return found == seconds_.end() ? std::vector<double>() : found->second;
  }

 private:
  std::map<std::string, std::vector<double>> seconds_;
};

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

Result<std::vector<Timing>> Measure(const std::vector<Workload>& workloads, int repetitions) {
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
        ->UseRealTime();
  }
  Collector collector;
  benchmark::RunSpecifiedBenchmarks(&collector);
  benchmark::ClearRegisteredBenchmarks();
  if (!failure.ok()) return failure;
  std::vector<Timing> timings;
  for (const Workload& workload : workloads) {
    std::vector<double> seconds = collector.Of(workload.name);
    if (seconds.empty()) return InternalError(fmt::format("{}: no run was timed", workload.name));
    std::sort(seconds.begin(), seconds.end());
    timings.push_back({.name = workload.name,
                       .median_s = seconds[seconds.size() / 2],
                       .best_s = seconds.front(),
                       .flops = workload.flops});
  }
  return timings;
}

}  // namespace attest
