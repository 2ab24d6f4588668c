// SPDX-License-Identifier: Apache-2.0
//
// How long the calls of a backend take, in this process: no judge, no child, no copies.
// torch_sdpa.py sets another implementation beside it.
//
// On host memory a run is one call. On a device a run is ten calls and one wait for all of them, so
// that what the host does for a call lies beside the work of the one before; each call reads the
// next of four sets of tensors, for a device keeps the last one in its cache.
#ifndef ATTEST_CONFORMANCE_BENCH_BACKEND_BENCH_H_
#define ATTEST_CONFORMANCE_BENCH_BACKEND_BENCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/bench/host.h"
#include "conformance/bench/measure.h"
#include "spec/vocabulary/dtype.h"

namespace attest {

// Pages of 16 keys.
struct CallShape {
  std::string name;
  DType dtype = DType::kFloat32;
  int requests = 1;  // of one size
  int heads = 8;
  int kv_heads = 8;
  std::int64_t q_len = 0;
  std::int64_t seq_len = 0;
  int head_dim = 128;
  bool causal = false;
};
// float32: prefills and a decode step, an eighth as long where `quick`.
std::vector<CallShape> CallShapes(bool quick);
// bfloat16, groups of four heads: prefills, a decode step, and the blocks of 16 queries that a
// DFlash drafter poses, all of whose keys are visible. Where `quick`, so small that threads which
// are fibers compute them in seconds.
std::vector<CallShape> DeviceCallShapes(bool quick);

struct BackendBenchOptions {
  std::string library;
  std::string selector;
  std::string options;  // "threads=N" is added where the backend works on host memory
  int threads = 2;
  int repetitions = 5;
  double min_seconds = 0.5;  // of each repetition; a tenth of it on a device
  bool quick = false;
};

struct BackendBenchReport {
  Host host;
  std::string device;  // the name that the backend claims for it; empty: host memory
  int threads = 0;
  std::vector<CallShape> shapes;
  std::vector<Timing> timings;  // of each shape
};

// Environment error: the library cannot be opened, or its device gives no memory. Bad input: it
// refuses a shape.
Result<BackendBenchReport> BenchBackend(const BackendBenchOptions& options);

std::string Describe(const BackendBenchReport& report);
std::string ToJsonText(const BackendBenchReport& report);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_BENCH_BACKEND_BENCH_H_
