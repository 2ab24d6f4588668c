// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/naive/naive.h"
#include "backends/gpu/naive/naive_body.h"
#include "backends/gpu/plan.h"

namespace attest::gpu {
namespace {

std::vector<Launch> Plan(const Step& step) {
  const attest_problem_t& p = step.problem;
  const bool causal = IsCausal(p);
  const Extent grid = {Unsigned((p.num_actual_tokens + naive::kThreads - 1) / naive::kThreads),
                       Unsigned(p.num_q_heads), 1};
  const Extent block = {naive::kThreads, 1, 1};
  return {MakeLaunch(causal ? naive::NaiveKernel<true> : naive::NaiveKernel<false>, grid, block, 0,
                     step.params)};
}

}  // namespace

const Family& NaiveFamily() {
  static const Family kFamily = {
      .name = "naive",
      .features =
          ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_DECODER_NON_CAUSAL |
          ATTEST_CLAIM_ENCODER_ONLY | ATTEST_CLAIM_ENCODER_DECODER | ATTEST_CLAIM_WINDOW_CAUSAL |
          ATTEST_CLAIM_WINDOW_SYMMETRIC | ATTEST_CLAIM_WINDOW_ASYMMETRIC | ATTEST_CLAIM_SOFTCAP |
          ATTEST_CLAIM_ALIBI | ATTEST_CLAIM_SINKS | ATTEST_CLAIM_LSE | ATTEST_CLAIM_KV_X_SPLIT |
          ATTEST_CLAIM_KV_STRIDES | ATTEST_CLAIM_TOKEN_STRIDES | ATTEST_CLAIM_SHARED_LATENT |
          ATTEST_CLAIM_PAGE_ALIASING | ATTEST_CLAIM_DETERMINISTIC | ATTEST_CLAIM_BATCH_INVARIANT |
          ATTEST_CLAIM_CHUNK_INVARIANT | ATTEST_CLAIM_UNEQUAL_HEAD_DIMS |
          ATTEST_CLAIM_KV_SCALE_PER_TENSOR | ATTEST_CLAIM_KV_SCALE_PER_HEAD |
          ATTEST_CLAIM_KV_SCALE_PER_TOKEN_HEAD | ATTEST_CLAIM_WRITE_KV | ATTEST_CLAIM_MERGE |
          ATTEST_CLAIM_COPY_TO_PERSISTENT,
      .cache_of_bytes = true,
      .head_dims = {1, naive::kMaxHeadDim, 1},
      .group_sizes = {1, 128, 1},
      .block_sizes = {1, 512, 1},
      .plan = Plan,
  };
  return kFamily;
}

}  // namespace attest::gpu
