// SPDX-License-Identifier: Apache-2.0
//
// The problem that tests of calls begin with.
#ifndef ATTEST_BACKENDS_HOST_TESTING_DECODER_H_
#define ATTEST_BACKENDS_HOST_TESTING_DECODER_H_

#include "backends/gpu/dtype.h"
#include "spec/abi/attest.h"

namespace attest::gpu {

// A causal decoder in float32, pages of four slots, no requests yet.
inline attest_problem_t Decoder(int heads, int columns) {
  attest_problem_t problem = {};
  problem.struct_size = sizeof(problem);
  problem.query_dtype = problem.cache_dtype = problem.output_dtype = kFloat32DType;
  problem.num_q_heads = problem.num_kv_heads = heads;
  problem.head_dim_qk = problem.head_dim_v = columns;
  problem.scale = 1.0F;
  problem.block_size = 4;
  problem.num_blocks = 3;
  return problem;
}

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_HOST_TESTING_DECODER_H_
