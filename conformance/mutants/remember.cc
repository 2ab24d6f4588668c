// SPDX-License-Identifier: Apache-2.0
#include "conformance/mutants/remember.h"

#include <algorithm>

namespace attest {
namespace {

std::vector<std::int32_t> Numbers(const attest_tensor_t& tensor) {
  std::vector<std::int32_t> numbers;
  for (std::int64_t i = 0; i < tensor.shape[0]; ++i) {
    numbers.push_back(LoadAt<std::int32_t>(tensor, {i}));
  }
  return numbers;
}

void KeepMask(const attest_problem_t& problem, const attest_forward_args_t& args, Memory& memory) {
  if (problem.custom_mask_kind != ATTEST_MASK_BOOLEAN) return;
  const std::byte* const first = AtOffset(args.custom_mask, 0);
  memory.mask.assign(first, first + LastOffset(args.custom_mask) + 1);
}

}  // namespace

EarlierCall Kept(const attest_problem_t& problem, const attest_forward_args_t& args) {
  EarlierCall kept{.problem = problem,
                   .query_start_loc = Numbers(args.query_start_loc),
                   .seq_lens = Numbers(args.seq_lens)};
  if (problem.attention_type == ATTEST_ENCODER_ONLY) return kept;
  kept.table_width = args.block_table.shape[1];
  for (std::int64_t r = 0; r < args.block_table.shape[0]; ++r) {
    for (std::int64_t i = 0; i < kept.table_width; ++i) {
      kept.table.push_back(LoadAt<std::int32_t>(args.block_table, {r, i}));
    }
  }
  return kept;
}

CallMemories::Shape CallMemories::ShapeOf(const attest_problem_t& p) {
  return {p.num_requests, p.num_actual_tokens, p.num_q_heads,
          p.num_kv_heads, p.head_dim_qk,       p.head_dim_v};
}

const Memory& CallMemories::Before(const attest_problem_t& problem) {
  Memory& memory = memories_[ShapeOf(problem)];
  if (!memory.first_scale) memory.first_scale = problem.scale;
  memory.last = last_;
  memory.calls = calls_++;
  return memory;
}

void CallMemories::After(const attest_problem_t& problem, const attest_forward_args_t& args) {
  Memory& memory = memories_[ShapeOf(problem)];
  last_ = Kept(problem, args);
  if (!memory.first) memory.first = last_;
  KeepMask(problem, args, memory);
}

}  // namespace attest
