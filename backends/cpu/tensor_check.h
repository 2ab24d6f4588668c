// SPDX-License-Identifier: Apache-2.0
//
// Does the header of a tensor say what a call needs it to say?
#ifndef ATTEST_BACKENDS_CPU_TENSOR_CHECK_H_
#define ATTEST_BACKENDS_CPU_TENSOR_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "backends/cpu/answer.h"
#include "spec/abi/attest.h"

namespace attest::cpu {

// Extent of an axis that must be `count` or more.
constexpr std::int64_t AtLeast(std::int64_t count) { return -1 - count; }

struct Wanted {
  std::string field;
  const attest_tensor_t* tensor;
  std::vector<attest_dtype_t> dtypes;  // one of them
  std::vector<std::int64_t> shape;     // extents, or AtLeast
};

// ATTEST_INVALID_ARGUMENT names the field, its value and what was wanted. Looks at no element.
Answer CheckTensor(const Wanted& wanted);
Answer CheckTensors(const std::vector<Wanted>& all);

// key_cache and value_cache as the problem's layout has them.
std::vector<Wanted> CacheTensors(const attest_problem_t& problem, const attest_tensor_t& key_cache,
                                 const attest_tensor_t& value_cache);
// key_scale and value_scale; none without scales.
std::vector<Wanted> ScaleTensors(const attest_problem_t& problem, const attest_tensor_t& key_scale,
                                 const attest_tensor_t& value_scale);
// Is value_cache, under ATTEST_FLAG_VALUE_IS_KEY_PREFIX, the beginning of key_cache? Both have
// passed CheckTensor.
Answer CheckLatent(const attest_problem_t& problem, const attest_tensor_t& key_cache,
                   const attest_tensor_t& value_cache);

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_TENSOR_CHECK_H_
