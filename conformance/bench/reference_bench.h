// SPDX-License-Identifier: Apache-2.0
//
// How fast the oracle is, as ratios that hold on any machine: against Eigen's own matrix product,
// against itself, and in memory.
#ifndef ATTEST_CONFORMANCE_BENCH_REFERENCE_BENCH_H_
#define ATTEST_CONFORMANCE_BENCH_REFERENCE_BENCH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "conformance/bench/host.h"
#include "conformance/bench/measure.h"

namespace attest {

struct BenchOptions {
  int repetitions = 5;
  double min_seconds = 0.5;  // of each repetition
  int threads = 2;
  std::int64_t length = 2048;           // of the square problems, head_dim 128, one head
  std::int64_t gemm = 1024;             // Eigen's denominator: gemm^3
  std::int64_t memory_length = 131072;  // context of the memory measurement
  std::int64_t long_length = 1048576;   // context of the sampled prefill; 0: not measured
  std::int64_t long_rows = 1024;
};

// One number that somebody promised something about.
struct Figure {
  std::string name;  // "oracle rate / dgemm rate"
  double value = 0;
  std::string unit;      // "" for a ratio, "MiB", "s"
  double limit = 0;      // what is promised
  bool at_least = true;  // value >= limit keeps it; else value <= limit
  bool kept() const { return at_least ? value >= limit : value <= limit; }
};

struct BenchReport {
  Host host;
  BenchOptions options;
  std::vector<Timing> timings;
  std::vector<Figure> figures;
  std::string sample;  // what the sampled rows of the long prefill show for certain
};

Result<BenchReport> BenchReference(const BenchOptions& options);

// For a person, and the same as JSON.
std::string Describe(const BenchReport& report);
std::string ToJsonText(const BenchReport& report);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_BENCH_REFERENCE_BENCH_H_
