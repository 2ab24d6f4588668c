// SPDX-License-Identifier: Apache-2.0
//
// Tensors of the ABI: what a call expects of them, and the views that kernels are given.
#ifndef ATTEST_BACKENDS_GPU_TENSORS_H_
#define ATTEST_BACKENDS_GPU_TENSORS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "backends/gpu/answer.h"
#include "backends/gpu/params.h"
#include "spec/abi/attest.h"

namespace attest::gpu {

struct AxisExtent {
  std::int64_t value;
  bool or_more = false;
};
inline AxisExtent OrMore(std::int64_t value) { return {value, true}; }

struct Wanted {
  std::string name;
  const attest_tensor_t* tensor;
  attest_dtype_t dtype;
  std::vector<AxisExtent> shape;
};

// ATTEST_INVALID_ARGUMENT names the first field that is not as wanted. Reads headers alone.
Answer CheckTensors(const std::vector<Wanted>& all);

// The caches in the problem's layout, and the scales where it has them.
std::vector<Wanted> CacheTensors(const attest_problem_t& problem, const attest_tensor_t& key_cache,
                                 const attest_tensor_t& value_cache,
                                 const attest_tensor_t& key_scale,
                                 const attest_tensor_t& value_scale);

void* DataOf(const attest_tensor_t& tensor);
TokenView TokensOf(const attest_tensor_t& tensor);
RowView CacheRows(const attest_tensor_t& tensor, attest_kv_layout_t layout);
ScaleView ScalesOf(const attest_tensor_t& tensor);
FloatView FloatsOf(const attest_tensor_t& tensor);

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_TENSORS_H_
