// SPDX-License-Identifier: Apache-2.0
//
// One forward call: cut into row tiles, shared out among the threads.
#ifndef ATTEST_BACKENDS_CPU_FORWARD_H_
#define ATTEST_BACKENDS_CPU_FORWARD_H_

#include <cstdint>
#include <vector>

#include "backends/cpu/parallel.h"
#include "backends/cpu/row_tile.h"
#include "spec/abi/attest.h"

namespace attest::cpu {

// The tiles of a call, in the order of its requests. The cut depends on the lengths of each request
// alone, and so do the bits of its results.
void FindTiles(const attest_problem_t& problem, const attest_forward_args_t& args,
               std::vector<RowTile>& tiles);
// No step within `maximum` has more.
std::int64_t MostTiles(const attest_problem_t& maximum);

class Engine {
 public:
  explicit Engine(int threads) : parallel_(threads) {}

  // Problem and arguments have passed their checks. May throw std::bad_alloc, before anything is
  // written.
  void Forward(const attest_problem_t& problem, const attest_forward_args_t& args);

  // Memory for heads of these sizes; Attend needs it and allocates none. May throw std::bad_alloc.
  void Reserve(int head_dim_qk, int head_dim_v);
  void Attend(const attest_problem_t& problem, const attest_forward_args_t& args,
              const std::vector<RowTile>& tiles);

 private:
  Parallel parallel_;
  std::vector<Scratch> scratch_;  // one for each thread
  // A call of smaller heads never takes memory away that a graph counts on.
  int largest_qk_ = 0;
  int largest_v_ = 0;
};

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_FORWARD_H_
