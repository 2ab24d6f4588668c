// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "backends/gpu/dtype.h"
#include "backends/gpu/merge/merge.h"
#include "backends/gpu/tensors.h"

namespace attest::gpu::merge {
namespace {

// Any type that an output may have.
Answer CheckPartType(const std::string& field, attest_dtype_t dtype) {
  const auto element = ElementOf(dtype);
  if (element && static_cast<int>(*element) < kNumTokenElements) return {};
  return Invalid(field + ".dtype", "code " + std::to_string(dtype.code), "not that of an output");
}

bool WantsLse(const attest_problem_t& p, const attest_merge_args_t& a) {
  return a.lse.ndim != 0 || (p.flags & ATTEST_FLAG_LSE) != 0;
}

}  // namespace

Answer CheckMerge(const attest_problem_t& p, const attest_merge_args_t& a) {
  if (a.struct_size < sizeof(a)) {
    return Invalid("args.struct_size", std::to_string(a.struct_size), "too small");
  }
  if (a.num_parts < 1) return Invalid("num_parts", std::to_string(a.num_parts), "less than 1");
  if (a.num_parts > kMostParts) {
    return Refused("num_parts: " + std::to_string(a.num_parts) + ", merges up to " +
                   std::to_string(kMostParts));
  }
  if (a.part_out == nullptr) return Invalid("part_out", "NULL", "missing");
  if (a.part_lse == nullptr) return Invalid("part_lse", "NULL", "missing");
  const AxisExtent tokens = OrMore(p.num_actual_tokens);
  const AxisExtent heads = {p.num_q_heads};
  const AxisExtent columns = {p.head_dim_v};
  std::vector<Wanted> wanted;
  for (int i = 0; i < a.num_parts; ++i) {
    const std::string index = std::string("[").append(std::to_string(i)).append("]");
    const attest_tensor_t& out = a.part_out[i];
    if (Answer answer = CheckPartType("part_out" + index, out.dtype); !answer.ok()) return answer;
    wanted.push_back({"part_out" + index, &out, out.dtype, {tokens, heads, columns}});
    wanted.push_back({"part_lse" + index, &a.part_lse[i], kFloat32DType, {tokens, heads}});
  }
  wanted.push_back({"out", &a.out, p.output_dtype, {tokens, heads, columns}});
  if (WantsLse(p, a)) wanted.push_back({"lse", &a.lse, kFloat32DType, {tokens, heads}});
  return CheckTensors(wanted);
}

MergeParams MergeParamsOf(const attest_problem_t& p, const attest_merge_args_t& a) {
  MergeParams params;
  for (int i = 0; i < a.num_parts; ++i) {
    params.parts[i] = {TokensOf(a.part_out[i]), FloatsOf(a.part_lse[i])};
  }
  params.out = TokensOf(a.out);
  if (WantsLse(p, a)) params.lse = FloatsOf(a.lse);
  params.num_parts = a.num_parts;
  params.num_tokens = static_cast<std::int32_t>(p.num_actual_tokens);
  params.num_q_heads = p.num_q_heads;
  params.head_dim_v = p.head_dim_v;
  return params;
}

}  // namespace attest::gpu::merge
