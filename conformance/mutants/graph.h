// SPDX-License-Identifier: Apache-2.0
//
// A graph on the scalar attention: launches are recorded with their arguments baked by value
// (addresses, shapes, strides, scalars), as CUDA and HIP bake them, so that whatever a step leaves
// stale shows without a GPU.
//
// The faithful one records a single launch of the maximum. What changes from step to step it reads
// from buffers of its own, which update fills: query_start_loc, seq_lens, block_table and, where
// causality is per request, request_causal. Requests that a step has not are empty there.
#ifndef ATTEST_CONFORMANCE_MUTANTS_GRAPH_H_
#define ATTEST_CONFORMANCE_MUTANTS_GRAPH_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "conformance/mutants/mutant.h"

namespace attest {

// A tensor by value: its shape and strides are copies.
class BakedTensor {
 public:
  BakedTensor() = default;
  explicit BakedTensor(const attest_tensor_t& tensor);
  attest_tensor_t Abi() const;

 private:
  attest_tensor_t tensor_ = {};
  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> strides_;
};

// Memory of the graph's own with the view that the step reads.
struct PersistentBuffer {
  const char* name = "";
  std::vector<std::byte> bytes;
  attest_dtype_t dtype = {};
  std::vector<std::int64_t> shape;  // of the whole
  std::vector<std::int64_t> strides;
  std::vector<std::int64_t> view_shape;
  std::vector<std::int64_t> view_strides;
  void* view_data = nullptr;

  attest_tensor_t Whole() const;
  attest_tensor_t View() const;
};

class MutantGraph {
 public:
  // Problem and arguments were accepted by checks.h; the arguments' memory outlives the graph.
  MutantGraph(const Mutant& mutant, const attest_problem_t& maximum,
              const attest_forward_args_t& args);
  MutantGraph(const MutantGraph&) = delete;
  MutantGraph& operator=(const MutantGraph&) = delete;

  // What of `step` is not for this graph; empty where it takes the step.
  std::string Misfit(const attest_problem_t& step) const;
  void Update(const attest_problem_t& step, const attest_forward_args_t& args);
  void Replay();
  // nullptr: there is none of this number.
  const PersistentBuffer* Inspect(std::int32_t index) const;

 private:
  struct Metadata {
    std::vector<std::int32_t> starts;
    std::vector<std::int32_t> lengths;
    std::vector<std::byte> table;  // dense
    std::vector<std::int64_t> table_shape;
    const attest_tensor_t* source = nullptr;
    std::vector<std::uint8_t> causal;
  };
  static Metadata Read(const attest_problem_t& step, const attest_forward_args_t& args);
  PersistentBuffer& Add(const char* name, attest_dtype_t dtype, std::vector<std::int64_t> shape);
  bool Is(GraphFault fault) const { return mutant_.hooks.graph == fault; }
  bool IsNarrower(const attest_problem_t& step) const;
  void PutStarts(const Metadata& step);
  void PutLengths(const Metadata& step);
  void PutTable(const Metadata& step);
  void PutCausal(const Metadata& step);
  void Compute(const attest_problem_t& problem, const attest_forward_args_t& args);
  void ClearPaddedRows();
  attest_forward_args_t Args() const;

  const Mutant& mutant_;
  attest_problem_t maximum_;
  attest_problem_t step_;
  std::vector<BakedTensor> baked_;  // one a member of attest_forward_args_t, in its order
  std::deque<PersistentBuffer> buffers_;
  PersistentBuffer* starts_ = nullptr;
  PersistentBuffer* lengths_ = nullptr;
  PersistentBuffer* table_ = nullptr;            // nullptr: not paged
  PersistentBuffer* causal_ = nullptr;           // nullptr: one for all requests
  std::deque<std::vector<std::byte>> given_up_;  // buffers of earlier steps, still in memory
  std::vector<std::byte> query_;                 // as update met it
  std::optional<Metadata> late_;
  EarlierCall capture_;
  bool capturing_ = true;
  bool computed_already_ = false;
};

// ---- copy_to_persistent

// Empty text: done, and `view` filled.
std::string MutantCopyToPersistent(CopyFault fault, const attest_tensor_t& buffer,
                                   const attest_tensor_t& source, attest_tensor_t& view);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_MUTANTS_GRAPH_H_
