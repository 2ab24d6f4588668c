// SPDX-License-Identifier: Apache-2.0
//
// A family of kernels: what it claims, and the launches that one forward call is made of.
#ifndef ATTEST_BACKENDS_GPU_FAMILY_H_
#define ATTEST_BACKENDS_GPU_FAMILY_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "backends/gpu/launch.h"
#include "backends/gpu/params.h"
#include "backends/gpu/runtime.h"
#include "spec/abi/attest.h"

namespace attest::gpu {

// One forward call as a plan sees it. No length of a request is among it: launches are sized by the
// upper bounds of the problem, and kernels read the rest on the device.
struct Step {
  const attest_problem_t& problem;
  const DeviceFacts& device;
  AttentionParams params;
  RowView step_key;    // this step's packed keys; data is null where there are none
  RowView step_value;  // likewise
  std::byte* workspace = nullptr;
};

// Why a feature is refused, where "does not claim X" would not say it.
struct FeatureReason {
  std::uint64_t feature = 0;
  const char* reason = nullptr;
};

struct Family {
  const char* name = nullptr;
  std::uint64_t features = 0;  // ATTEST_CLAIM_ bits
  bool cache_of_query_type_only = false;
  bool cache_of_bytes = false;   // 8-bit caches too
  bool needs_step_keys = false;  // a decoder's key and value of this step are read
  attest_range_t head_dims = {1, 1, 1};
  attest_range_t group_sizes = {1, 1, 1};
  attest_range_t block_sizes = {1, 1, 1};
  std::size_t shared_bytes = 0;  // the most that a launch asks for
  int architecture = 0;          // of CUDA devices, at least
  std::vector<FeatureReason> reasons;

  // Bytes of scratch memory for a call of these sizes; null: none. `workspace` is not set yet.
  std::size_t (*workspace_bytes)(const Step& step) = nullptr;
  std::vector<Launch> (*plan)(const Step& step) = nullptr;
};

// All of them, the readable one first.
const std::vector<const Family*>& Families();

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_FAMILY_H_
