// SPDX-License-Identifier: Apache-2.0
//
// Writing a step's keys and values into the cache, in every layout and conversion that a family
// reads. One kernel for all families: what a cache element holds is not a matter of the attention.
#ifndef ATTEST_BACKENDS_GPU_CACHE_WRITE_KV_H_
#define ATTEST_BACKENDS_GPU_CACHE_WRITE_KV_H_

#include <cstdint>
#include <vector>

#include "backends/gpu/answer.h"
#include "backends/gpu/launch.h"
#include "backends/gpu/params.h"
#include "spec/abi/attest.h"

namespace attest::gpu::cache {

// Keys, or values: where rows come from and go to.
struct Half {
  TokenView from;            // [T, num_kv_heads, columns]
  RowView to;                // the cache, whose memory is written
  ScaleView scale;           // read, or written where `makes_scale`
  std::int32_t columns = 0;  // 0: this half is not written
};

struct WriteKvParams {
  Half key;
  Half value;
  const std::int64_t* slots = nullptr;  // [num_slots]
  std::int64_t slot_stride = 1;
  std::int64_t num_slots = 0;
  std::int64_t num_blocks = 0;
  std::int32_t num_kv_heads = 0;
  std::int32_t block_size = 0;
  std::int32_t makes_scale = 0;  // per token and head
};

// `problem` has passed its own checks. Reads headers alone: slot_mapping lies on the device.
Answer CheckWriteKv(const attest_problem_t& problem, const attest_write_kv_args_t& args);

// The arguments have passed CheckWriteKv.
WriteKvParams WriteKvParamsOf(const attest_problem_t& problem, const attest_write_kv_args_t& args);

// Token i goes to slot slots[i]; a negative slot, and one past the cache, is no slot. Nothing else
// changes. A shared latent is written once, from its key. No launch where there is nothing to do.
std::vector<Launch> WriteKv(const WriteKvParams& params);

}  // namespace attest::gpu::cache

#endif  // ATTEST_BACKENDS_GPU_CACHE_WRITE_KV_H_
