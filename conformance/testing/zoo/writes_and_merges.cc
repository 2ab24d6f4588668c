// SPDX-License-Identifier: Apache-2.0
#include "conformance/testing/zoo/writes_and_merges.h"

#include <cmath>
#include <cstdint>
#include <limits>

#include "conformance/testing/zoo/honest.h"

namespace zoo {
namespace {

float& Lse(const attest_tensor_t& lse, int64_t token, int64_t head) {
  return static_cast<float*>(lse.data)[token * lse.strides[0] + head * lse.strides[1]];
}

void WriteRow(const attest_problem_t& problem, const attest_tensor_t& step,
              const attest_tensor_t& cache, int64_t token, int64_t slot) {
  for (int64_t head = 0; head < step.shape[1]; ++head) {
    const float* from = At(step, token, head, 0);
    float* to = At(cache, slot / problem.block_size, slot % problem.block_size, head);
    for (int64_t d = 0; d < step.shape[2]; ++d)
      to[d * cache.strides[3]] = from[d * step.strides[2]];
  }
}

void MergeRow(const attest_merge_args_t& args, int64_t token, int64_t head) {
  const double infinity = std::numeric_limits<double>::infinity();
  double top = -infinity;
  for (int32_t part = 0; part < args.num_parts; ++part) {
    top = std::fmax(top, Lse(args.part_lse[part], token, head));
  }
  double sum = 0;
  for (int32_t part = 0; top > -infinity && part < args.num_parts; ++part) {
    sum += std::exp(Lse(args.part_lse[part], token, head) - top);
  }
  float* out = At(args.out, token, head, 0);
  for (int64_t d = 0; d < args.out.shape[2]; ++d) {
    double value = 0;
    for (int32_t part = 0; sum > 0 && part < args.num_parts; ++part) {
      const double weight = std::exp(Lse(args.part_lse[part], token, head) - top);
      const attest_tensor_t& from = args.part_out[part];
      if (weight > 0) value += weight / sum * At(from, token, head, 0)[d * from.strides[2]];
    }
    out[d * args.out.strides[2]] = static_cast<float>(value);
  }
  Lse(args.lse, token, head) = static_cast<float>(sum > 0 ? top + std::log(sum) : -infinity);
}

}  // namespace

attest_status_t HonestWriteKv(const attest_problem_t& problem, const attest_write_kv_args_t& args) {
  const auto* slots = static_cast<const int64_t*>(args.slot_mapping.data);
  for (int64_t token = 0; token < args.slot_mapping.shape[0]; ++token) {
    const int64_t slot = slots[token * args.slot_mapping.strides[0]];
    if (slot < 0) continue;
    WriteRow(problem, args.key, args.key_cache, token, slot);
    WriteRow(problem, args.value, args.value_cache, token, slot);
  }
  return ATTEST_OK;
}

attest_status_t HonestMerge(const attest_problem_t& problem, const attest_merge_args_t& args) {
  for (int64_t token = 0; token < problem.num_actual_tokens; ++token) {
    for (int64_t head = 0; head < problem.num_q_heads; ++head) MergeRow(args, token, head);
  }
  return ATTEST_OK;
}

}  // namespace zoo
