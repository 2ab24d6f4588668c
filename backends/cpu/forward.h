// SPDX-License-Identifier: Apache-2.0
//
// One forward call: cut into row tiles, shared out among the threads.
#ifndef ATTEST_BACKENDS_CPU_FORWARD_H_
#define ATTEST_BACKENDS_CPU_FORWARD_H_

#include <vector>

#include "backends/cpu/parallel.h"
#include "backends/cpu/row_tile.h"
#include "spec/abi/attest.h"

namespace attest::cpu {

class Engine {
 public:
  explicit Engine(int threads) : parallel_(threads) {}

  // Problem and arguments have passed their checks. May throw std::bad_alloc, before anything is
  // written.
  void Forward(const attest_problem_t& problem, const attest_forward_args_t& args);

 private:
  Parallel parallel_;
  std::vector<Scratch> scratch_;  // one for each thread
};

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_FORWARD_H_
