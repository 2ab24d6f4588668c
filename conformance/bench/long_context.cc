// SPDX-License-Identifier: Apache-2.0
#include "conformance/bench/long_context.h"

#include <chrono>

#include "conformance/bench/tensors.h"
#include "conformance/judge/sample_cover.h"
#include "conformance/judge/sample_rows.h"
#include "reference/oracle.h"

namespace attest {

Result<LongContext> MeasureLongContext(std::int64_t length, std::int64_t rows, int threads) {
  const Problem problem = BenchProblem(DType::kBFloat16, Causality::kCausal, length, length, 128);
  const BenchTensors tensors = MakeBenchTensors(problem);
  const double share = static_cast<double>(rows) / static_cast<double>(length);
  const std::vector<QueryRow> sample = SampleRows(problem, MultiplyAdds(problem) * share, 0);
  const auto start = std::chrono::steady_clock::now();
  const Result<Expected> expected =
      ComputeExpected(problem, tensors.views, sample, DefaultArithmetic(), {.threads = threads});
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  if (!expected.ok()) return expected.status();
  const SampleCover cover = CoverOf(problem, sample);
  return LongContext{.seconds = elapsed.count(),
                     .judged = cover.judged,
                     .rows = cover.rows,
                     .certain = Describe(cover)};
}

}  // namespace attest
