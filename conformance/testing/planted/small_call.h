// SPDX-License-Identifier: Apache-2.0
//
// A small float32 call with known contents, for tests that drive a backend library directly.
#ifndef ATTEST_CONFORMANCE_TESTING_PLANTED_SMALL_CALL_H_
#define ATTEST_CONFORMANCE_TESTING_PLANTED_SMALL_CALL_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "spec/abi/attest.h"

namespace attest {

struct SmallShape {
  attest_attention_type_t type = ATTEST_DECODER;
  attest_causality_t causality = ATTEST_CAUSAL;
  std::vector<std::pair<int, int>> requests = {{5, 11}, {2, 7}};  // q_len, seq_len
  std::int64_t window_left = 0;
  std::int64_t window_right = 0;
  bool sinks = false;
  bool half = false;         // float16 in place of float32
  bool heads_first = false;  // HND
  float scale = 0.25F;
  float query_size = 1.0F;  // queries are random in +-query_size
  float dead = 3.0F;        // in every slot that no request owns
};

// 4 query heads over 2 KV heads of 8 columns, pages of 4 slots in a scattered order, one padding
// row.
class SmallCall {
 public:
  explicit SmallCall(const SmallShape& shape);
  SmallCall(const SmallCall&) = delete;
  SmallCall& operator=(const SmallCall&) = delete;
  ~SmallCall();

  // What the library at `path` writes: bit patterns of out, then of lse. Empty if it says no.
  std::vector<std::uint32_t> Run(const char* path, const char* selector);

  const attest_problem_t& problem() const { return problem_; }

 private:
  struct Memory;
  void FillProblem(const SmallShape& shape);
  void FillMetadata(const SmallShape& shape);
  void FillCache(const SmallShape& shape, attest_tensor_t& cache);

  std::unique_ptr<Memory> memory_;
  attest_problem_t problem_ = {};
  attest_forward_args_t args_ = {};
};

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_TESTING_PLANTED_SMALL_CALL_H_
