// SPDX-License-Identifier: Apache-2.0
//
// A prefill that is too long to judge whole: some of its rows, and what those rows can show.
#ifndef ATTEST_CONFORMANCE_BENCH_LONG_CONTEXT_H_
#define ATTEST_CONFORMANCE_BENCH_LONG_CONTEXT_H_

#include <cstdint>
#include <string>

#include "spec/vocabulary/status.h"

namespace attest {

struct LongContext {
  double seconds = 0;       // oracle and bound of the judged rows
  std::int64_t judged = 0;  // rows
  std::int64_t rows = 0;    // of the prefill
  std::string certain;      // classes of defective rows of which at least one is judged
};

// A causal prefill of `length` tokens, one head of 128 columns, about `rows` rows judged.
Result<LongContext> MeasureLongContext(std::int64_t length, std::int64_t rows, int threads);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_BENCH_LONG_CONTEXT_H_
