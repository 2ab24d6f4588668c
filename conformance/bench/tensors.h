// SPDX-License-Identifier: Apache-2.0
//
// Tensors to measure on: requests of one size, standard normal numbers, pages in order.
#ifndef ATTEST_CONFORMANCE_BENCH_TENSORS_H_
#define ATTEST_CONFORMANCE_BENCH_TENSORS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "reference/attention_tensors.h"
#include "spec/vocabulary/dtype.h"
#include "spec/vocabulary/problem.h"

namespace attest {

struct BenchTensors {
  std::vector<std::byte> query, key_cache, value_cache;  // dense NHD
  std::vector<std::int32_t> query_start_loc, seq_lens, block_table;
  AttentionTensors views;  // into the vectors; key and value are absent
};

// A decoder of one request, block_size 16. dtype: of query, cache and output; float32 or bfloat16.
Problem BenchProblem(DType dtype, Causality causality, std::int64_t q_len, std::int64_t seq_len,
                     int head_dim);

// All requests of `problem` are as long as its first. `views` points into the result, which
// therefore moves and is never copied.
BenchTensors MakeBenchTensors(const Problem& problem, std::uint64_t seed = 1);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_BENCH_TENSORS_H_
