// SPDX-License-Identifier: Apache-2.0
//
// A mutant in this process: what it computes, unrounded, for the lines that somebody asks about.
#ifndef ATTEST_CONFORMANCE_MUTANTS_IN_PROCESS_H_
#define ATTEST_CONFORMANCE_MUTANTS_IN_PROCESS_H_

#include <cstdint>
#include <vector>

#include "conformance/mutants/mutant.h"
#include "conformance/mutants/remember.h"
#include "reference/attention_tensors.h"
#include "spec/vocabulary/problem.h"

namespace attest {

// One query head of one row.
struct MutantLine {
  int request = 0;
  std::int64_t row = 0;  // within the request
  int head = 0;
};

// Shapes and strides of the outputs, which mutants of addressing need; data is never looked at.
// Absent: dense.
struct OutputShapes {
  TensorView out;
  TensorView lse;
};

struct MutantAnswer {
  std::vector<double> out;       // [lines * head_dim_v]; NaN where nothing was written
  std::vector<double> lse;       // [lines]; as out
  bool forbidden_write = false;  // an element that belongs to no actual token was written
};

// `problem` is valid and `tensors` are its own, as the oracle takes them. A mutant of a stale state
// remembers `memory`, by default an earlier ordinary call: scale head_dim_qk^-0.5, a mask of ones.
// A whole-call mutant computes every row (see WholeCallCost).
MutantAnswer RunMutant(const Problem& problem, const AttentionTensors& tensors,
                       const OutputShapes& outputs, const Mutant& mutant,
                       const std::vector<MutantLine>& lines, const Memory& memory = {});

// The call of `problem` is over, and `memories` may keep of it what a backend could.
void RememberCall(const Problem& problem, const AttentionTensors& tensors, CallMemories& memories);
// What is there when the call of `problem` begins.
Memory MemoryAt(const Problem& problem, CallMemories& memories);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_MUTANTS_IN_PROCESS_H_
