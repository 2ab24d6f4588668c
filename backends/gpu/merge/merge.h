// SPDX-License-Identifier: Apache-2.0
//
// Merging partial attention states of the same rows by their LSE, as cascade attention does with a
// shared prefix and the rest of each request.
#ifndef ATTEST_BACKENDS_GPU_MERGE_MERGE_H_
#define ATTEST_BACKENDS_GPU_MERGE_MERGE_H_

#include <cstdint>
#include <vector>

#include "backends/gpu/answer.h"
#include "backends/gpu/launch.h"
#include "backends/gpu/params.h"
#include "spec/abi/attest.h"

namespace attest::gpu::merge {

// Views of the parts are an argument of the kernel, and arguments end at 4 KiB.
inline constexpr int kMostParts = 48;

struct Part {
  TokenView out;  // [T, num_q_heads, head_dim_v]
  FloatView lse;  // [T, num_q_heads]
};

struct MergeParams {
  Part parts[kMostParts];
  TokenView out;
  FloatView lse;  // or absent
  std::int32_t num_parts = 0;
  std::int32_t num_tokens = 0;
  std::int32_t num_q_heads = 0;
  std::int32_t head_dim_v = 0;
};

// `problem` has passed its own checks. ATTEST_REFUSED: more than kMostParts.
Answer CheckMerge(const attest_problem_t& problem, const attest_merge_args_t& args);

// The arguments have passed CheckMerge.
MergeParams MergeParamsOf(const attest_problem_t& problem, const attest_merge_args_t& args);

// Rows [0, num_tokens): out = sum of e^lse_i * out_i / sum of e^lse_i, and lse its logarithm. The
// output of a part whose LSE is -inf is not read; rows with nothing but such parts are 0 and -inf.
// `out` and `lse` may be those of a part.
std::vector<Launch> Merge(const MergeParams& params);

}  // namespace attest::gpu::merge

#endif  // ATTEST_BACKENDS_GPU_MERGE_MERGE_H_
