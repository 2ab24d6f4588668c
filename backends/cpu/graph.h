// SPDX-License-Identifier: Apache-2.0
//
// A graph on the host: addresses and strides of the caller's tensors as they were captured, and
// memory of the graph's own for everything that changes from step to step. Update fills it; replay
// reads it, and neither allocates.
#ifndef ATTEST_BACKENDS_CPU_GRAPH_H_
#define ATTEST_BACKENDS_CPU_GRAPH_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "backends/cpu/answer.h"
#include "backends/cpu/forward.h"
#include "backends/cpu/persistent.h"
#include "spec/abi/attest.h"

namespace attest::cpu {

class Graph {
 public:
  // Problem and arguments have passed their checks. Its first step is the maximum.
  Graph(const attest_problem_t& maximum, const attest_forward_args_t& args);
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // ATTEST_INVALID_ARGUMENT: the step exceeds the maximum or is another problem, or a tensor lies
  // elsewhere than at the capture. Problem and arguments have passed their checks.
  Answer Update(const attest_problem_t& step, const attest_forward_args_t& args);
  void Replay(Engine& engine);
  Answer Inspect(std::int32_t index, attest_persistent_view_t& view) const;

 private:
  struct Captured {
    attest_tensor_t tensor = {};
    std::vector<std::int64_t> shape;  // of the step
    std::vector<std::int64_t> strides;
  };
  Answer CheckStep(const attest_problem_t& step, const attest_forward_args_t& args) const;
  Answer Put(const attest_problem_t& step, const attest_forward_args_t& args);

  attest_problem_t maximum_;
  attest_problem_t step_;
  attest_forward_args_t args_ = {};  // what replay reads
  std::vector<Captured> captured_;   // one for each tensor of the arguments
  std::deque<PersistentBuffer> buffers_;
  std::vector<attest_tensor_t attest_forward_args_t::*> of_buffers_;  // one a buffer
  std::vector<RowTile> tiles_;
};

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_GRAPH_H_
