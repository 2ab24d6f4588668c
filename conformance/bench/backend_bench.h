// SPDX-License-Identifier: Apache-2.0
//
// How long the calls of a backend on host memory take, in this process: no judge, no child, no
// copies. torch_sdpa.py sets another implementation beside it.
#ifndef ATTEST_CONFORMANCE_BENCH_BACKEND_BENCH_H_
#define ATTEST_CONFORMANCE_BENCH_BACKEND_BENCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/bench/host.h"
#include "conformance/bench/measure.h"

namespace attest {

// float32, as many KV heads as query heads, pages of 16 keys.
struct CallShape {
  std::string name;
  int heads = 8;
  std::int64_t q_len = 0;
  std::int64_t seq_len = 0;
  int head_dim = 128;
  bool causal = false;
};
// Prefills and a decode step, an eighth as long where `quick`.
std::vector<CallShape> CallShapes(bool quick);

struct BackendBenchOptions {
  std::string library;
  std::string selector;
  std::string options;  // "threads=N" is added
  int threads = 2;
  int repetitions = 5;
  double min_seconds = 0.5;  // of each repetition
  bool quick = false;
};

struct BackendBenchReport {
  Host host;
  int threads = 0;
  std::vector<CallShape> shapes;
  std::vector<Timing> timings;  // of each shape
};

// Environment error: the library cannot be opened, or it works on a device. Bad input: it refuses a
// shape.
Result<BackendBenchReport> BenchBackend(const BackendBenchOptions& options);

std::string Describe(const BackendBenchReport& report);
std::string ToJsonText(const BackendBenchReport& report);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_BENCH_BACKEND_BENCH_H_
