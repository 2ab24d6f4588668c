// SPDX-License-Identifier: Apache-2.0
//
// Timed workloads. All of one list are measured in one process, their repetitions interleaved, so
// that ratios of medians survive a noisy machine; single seconds do not.
#ifndef ATTEST_CONFORMANCE_BENCH_MEASURE_H_
#define ATTEST_CONFORMANCE_BENCH_MEASURE_H_

#include <functional>
#include <string>
#include <vector>

#include "spec/vocabulary/status.h"

namespace attest {

struct Workload {
  std::string name;
  double flops = 0;  // floating-point operations of one run; 0: no rate
  std::function<Status()> run;
};

struct Timing {
  std::string name;
  double median_s = 0;  // wall time of one run
  double best_s = 0;
  double median_cpu_s = 0;  // of all threads: other processes on the core do not count
  double flops = 0;
  double rate() const { return median_cpu_s > 0 ? flops / median_cpu_s : 0; }  // a second and core
};

// Runs each workload at least `repetitions` times under Google Benchmark, each time as often as
// fits into `min_seconds`. The first failed run ends the measurement with its status.
Result<std::vector<Timing>> Measure(const std::vector<Workload>& workloads, int repetitions,
                                    double min_seconds = 0.5);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_BENCH_MEASURE_H_
