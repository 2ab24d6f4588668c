// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <string>

#include "backends/gpu/cache/write_kv.h"
#include "backends/gpu/dtype.h"
#include "backends/gpu/tensors.h"

namespace attest::gpu::cache {
namespace {

using Args = attest_write_kv_args_t;

bool IsLatent(const attest_problem_t& p) {
  return (p.flags & ATTEST_FLAG_VALUE_IS_KEY_PREFIX) != 0;
}
bool MakesScale(const attest_problem_t& p) {
  return p.kv_scale_kind == ATTEST_KV_SCALE_PER_TOKEN_HEAD;
}

// What is written has an element of its own for each number.
Answer CheckWritable(const char* field, const attest_tensor_t& tensor) {
  for (std::int32_t axis = 0; axis < tensor.ndim; ++axis) {
    if (tensor.shape[axis] <= 1 || tensor.strides[axis] != 0) continue;
    return Invalid(std::string(field) + ".strides[" + std::to_string(axis) + "]", "0",
                   "a broadcast axis cannot be written");
  }
  return {};
}

Answer CheckOutputs(const attest_problem_t& p, const Args& a) {
  const struct {
    const char* field;
    const attest_tensor_t& tensor;
    bool written;
  } outputs[] = {{"key_cache", a.key_cache, true},
                 {"value_cache", a.value_cache, true},
                 {"key_scale", a.key_scale, MakesScale(p)},
                 {"value_scale", a.value_scale, MakesScale(p)}};
  for (const auto& [field, tensor, written] : outputs) {
    if (!written) continue;
    if (Answer answer = CheckWritable(field, tensor); !answer.ok()) return answer;
  }
  return {};
}

// The value of a shared latent is not written: it has to be the key's memory.
Answer CheckLatent(const Args& a) {
  if (DataOf(a.value_cache) != DataOf(a.key_cache)) {
    return Invalid("value_cache.data", "elsewhere", "not the beginning of key_cache");
  }
  for (int axis = 0; axis < 4; ++axis) {
    if (a.value_cache.shape[axis] <= 1) continue;
    if (a.value_cache.strides[axis] == a.key_cache.strides[axis]) continue;
    return Invalid("value_cache.strides[" + std::to_string(axis) + "]",
                   std::to_string(a.value_cache.strides[axis]),
                   "not that of key_cache " + std::to_string(a.key_cache.strides[axis]));
  }
  return {};
}

Half HalfOf(const attest_problem_t& p, const attest_tensor_t& tokens, const attest_tensor_t& cache,
            const attest_tensor_t& scale) {
  Half half;
  half.from = TokensOf(tokens);
  half.to = CacheRows(cache, p.kv_layout);
  if (p.kv_scale_kind != ATTEST_KV_SCALE_NONE) half.scale = ScalesOf(scale);
  half.columns = static_cast<std::int32_t>(tokens.shape[2]);
  return half;
}

}  // namespace

Answer CheckWriteKv(const attest_problem_t& p, const Args& a) {
  if (a.struct_size < sizeof(a)) {
    return Invalid("args.struct_size", std::to_string(a.struct_size), "too small");
  }
  if (p.attention_type == ATTEST_ENCODER_ONLY) {
    return Invalid("attention_type", std::to_string(p.attention_type), "has no cache to write");
  }
  const Wanted slots = {"slot_mapping", &a.slot_mapping, kInt64DType, {OrMore(0)}};
  if (Answer answer = CheckTensors({slots}); !answer.ok()) return answer;
  const AxisExtent tokens = OrMore(a.slot_mapping.shape[0]);
  const AxisExtent heads = {p.num_kv_heads};
  std::vector<Wanted> wanted =
      CacheTensors(p, a.key_cache, a.value_cache, a.key_scale, a.value_scale);
  wanted.push_back({"key", &a.key, p.query_dtype, {tokens, heads, {p.head_dim_qk}}});
  if (!IsLatent(p)) {
    wanted.push_back({"value", &a.value, p.query_dtype, {tokens, heads, {p.head_dim_v}}});
  }
  if (Answer answer = CheckTensors(wanted); !answer.ok()) return answer;
  if (Answer answer = IsLatent(p) ? CheckLatent(a) : Answer{}; !answer.ok()) return answer;
  return CheckOutputs(p, a);
}

WriteKvParams WriteKvParamsOf(const attest_problem_t& p, const Args& a) {
  WriteKvParams params;
  params.key = HalfOf(p, a.key, a.key_cache, a.key_scale);
  if (!IsLatent(p)) params.value = HalfOf(p, a.value, a.value_cache, a.value_scale);
  params.slots = static_cast<const std::int64_t*>(DataOf(a.slot_mapping));
  params.slot_stride = a.slot_mapping.strides[0];
  params.num_slots = a.slot_mapping.shape[0];
  params.num_blocks = p.num_blocks;
  params.num_kv_heads = p.num_kv_heads;
  params.block_size = p.block_size;
  params.makes_scale = MakesScale(p) ? 1 : 0;
  return params;
}

}  // namespace attest::gpu::cache
