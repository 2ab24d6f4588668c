// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/problem_check.h"

#include <cmath>
#include <cstdint>
#include <iterator>
#include <string>

#include "backends/gpu/dtype.h"

namespace attest::gpu {
namespace {

constexpr std::uint32_t kKnownFlags = (ATTEST_FLAG_VALUE_IS_KEY_PREFIX << 1) - 1;

// A whole number and the bounds between which it means something.
struct Bounds {
  const char* field;
  std::int64_t value;
  std::int64_t least;
  std::int64_t most = INT64_MAX;
};

Answer CheckBounds(const attest_problem_t& p) {
  const bool paged = p.attention_type != ATTEST_ENCODER_ONLY;
  const Bounds all[] = {
      {"attention_type", p.attention_type, ATTEST_DECODER, ATTEST_ENCODER_DECODER},
      {"causality", p.causality, ATTEST_CAUSAL, ATTEST_CAUSALITY_PER_REQUEST},
      {"flags", p.flags, 0, kKnownFlags},
      {"kv_scale_kind", p.kv_scale_kind, ATTEST_KV_SCALE_NONE, ATTEST_KV_SCALE_PER_TOKEN_HEAD},
      {"kv_layout", p.kv_layout, ATTEST_KV_STRIDED, ATTEST_KV_X_SPLIT},
      {"custom_mask_kind", p.custom_mask_kind, ATTEST_MASK_NONE, ATTEST_MASK_ADDITIVE},
      {"reserved0", p.reserved0, 0, 0},
      {"num_q_heads", p.num_q_heads, 1},
      {"num_kv_heads", p.num_kv_heads, 1},
      {"head_dim_qk", p.head_dim_qk, 1},
      {"head_dim_v", p.head_dim_v, 1},
      {"window_left", p.window_left, 0},
      {"window_right", p.window_right, 0},
      {"local_block_size", p.local_block_size, 0},
      {"local_block_lookback", p.local_block_lookback, 0},
      {"block_size", p.block_size, paged ? 1 : 0, paged ? INT32_MAX : 0},
      {"num_requests", p.num_requests, 0, INT32_MAX - 1},
      {"num_actual_tokens", p.num_actual_tokens, 0, INT32_MAX},
      {"max_query_len", p.max_query_len, 0},
      {"max_seq_len", p.max_seq_len, 0},
      {"num_blocks", p.num_blocks, 0},
      {"block_table_width", p.block_table_width, 0},
  };
  for (const Bounds& b : all) {
    if (b.value >= b.least && b.value <= b.most) continue;
    return Invalid(b.field, std::to_string(b.value),
                   "not in " + std::to_string(b.least) + ".." + std::to_string(b.most));
  }
  return {};
}

// Every dtype that the ABI defines, whether kernels know it or not.
bool IsDefined(attest_dtype_t dtype) {
  if (dtype.lanes != 1) return false;
  if (ElementOf(dtype)) return true;
  return dtype.bits == 8 && (dtype.code == ATTEST_UINT || dtype.code == ATTEST_BOOL ||
                             dtype.code == ATTEST_FLOAT8_E5M2FNUZ);
}

Answer CheckDTypes(const attest_problem_t& p) {
  const struct {
    const char* field;
    attest_dtype_t dtype;
  } all[] = {{"query_dtype", p.query_dtype},
             {"cache_dtype", p.cache_dtype},
             {"output_dtype", p.output_dtype}};
  for (const auto& [field, dtype] : all) {
    if (IsDefined(dtype)) continue;
    return Invalid(field,
                   "code " + std::to_string(dtype.code) + " bits " + std::to_string(dtype.bits) +
                       " lanes " + std::to_string(dtype.lanes),
                   "no such type");
  }
  return {};
}

struct Rule {
  bool broken;
  const char* field;
  double value;
  const char* why;
};

Answer FirstBroken(const Rule* rule, const Rule* end) {
  for (; rule != end; ++rule) {
    if (!rule->broken) continue;
    const bool whole = std::nearbyint(rule->value) == rule->value && std::fabs(rule->value) < 1e15;
    return Invalid(rule->field,
                   whole ? std::to_string(static_cast<std::int64_t>(rule->value))
                         : std::to_string(rule->value),
                   rule->why);
  }
  return {};
}

Answer CheckMasks(const attest_problem_t& p) {
  const auto has = [&p](std::uint32_t flag) { return (p.flags & flag) != 0; };
  const bool cross = p.attention_type == ATTEST_ENCODER_DECODER;
  const bool decoder = p.attention_type == ATTEST_DECODER;
  const bool causal = decoder && p.causality == ATTEST_CAUSAL;
  const bool windowed = p.window_left > 0 || p.window_right > 0;
  const double flags = p.flags;
  const Rule rules[] = {
      {p.num_q_heads % p.num_kv_heads != 0, "num_kv_heads", static_cast<double>(p.num_kv_heads),
       "does not divide num_q_heads"},
      {!std::isfinite(p.scale) || p.scale == 0.0F, "scale", p.scale, "not finite, or 0"},
      {!std::isfinite(p.softcap) || p.softcap < 0.0F, "softcap", p.softcap,
       "not finite, or negative"},
      {cross && windowed, "window_left", static_cast<double>(p.window_left),
       "cross attention has no window"},
      {p.local_block_size > 0 && !causal, "local_block_size",
       static_cast<double>(p.local_block_size), "outside a causal decoder"},
      {p.local_block_lookback > 0 && p.local_block_size == 0, "local_block_lookback",
       static_cast<double>(p.local_block_lookback), "without local_block_size"},
      {has(ATTEST_FLAG_TREE_MASK) && !causal, "flags", flags,
       "a tree mask outside a causal decoder"},
      {has(ATTEST_FLAG_TREE_MASK) && (windowed || p.local_block_size > 0), "flags", flags,
       "a tree mask beside a window or local blocks"},
      {has(ATTEST_FLAG_TREE_MASK) && has(ATTEST_FLAG_PREFIX_RANGES), "flags", flags,
       "a tree mask beside prefix ranges"},
      {has(ATTEST_FLAG_PREFIX_RANGES) && !decoder, "flags", flags,
       "prefix ranges outside a decoder"},
      {has(ATTEST_FLAG_PREFIX_CLAMPED) && !has(ATTEST_FLAG_PREFIX_RANGES), "flags", flags,
       "clamped prefix ranges without ranges"},
      {has(ATTEST_FLAG_PREFIX_CLAMPED) && p.window_left == 0, "window_left", 0.0,
       "clamped prefix ranges without a window"},
      {cross && has(ATTEST_FLAG_ALIBI), "flags", flags, "cross attention has no ALiBi"},
  };
  return FirstBroken(std::begin(rules), std::end(rules));
}

Answer CheckCache(const attest_problem_t& p) {
  const bool paged = p.attention_type != ATTEST_ENCODER_ONLY;
  const bool x_split = paged && p.kv_layout == ATTEST_KV_X_SPLIT;
  const bool scaled = p.kv_scale_kind != ATTEST_KV_SCALE_NONE;
  const bool latent = (p.flags & ATTEST_FLAG_VALUE_IS_KEY_PREFIX) != 0;
  const double kind = p.kv_scale_kind;
  const int piece = p.cache_dtype.bits == 0 ? 1 : 128 / p.cache_dtype.bits;
  const Rule rules[] = {
      {SameDType(p.cache_dtype, kInt8DType) && p.kv_scale_kind != ATTEST_KV_SCALE_PER_TOKEN_HEAD,
       "kv_scale_kind", kind, "an int8 cache has a scale for each token and head"},
      {scaled && (p.cache_dtype.bits != 8 || !paged), "kv_scale_kind", kind,
       "scales without an 8-bit cache"},
      {latent && scaled && p.kv_scale_kind != ATTEST_KV_SCALE_PER_TENSOR, "kv_scale_kind", kind,
       "a shared latent has one scale"},
      {latent && p.head_dim_v > p.head_dim_qk, "head_dim_v", static_cast<double>(p.head_dim_v),
       "wider than the key of a shared latent"},
      {latent && x_split, "kv_layout", static_cast<double>(p.kv_layout),
       "a shared latent is not x-split"},
      {x_split && p.head_dim_qk % piece != 0, "head_dim_qk", static_cast<double>(p.head_dim_qk),
       "x-split keys lie in pieces of 16 bytes"},
  };
  return FirstBroken(std::begin(rules), std::end(rules));
}

}  // namespace

Answer CheckProblem(const attest_problem_t& problem) {
  if (problem.struct_size < sizeof(problem)) {
    return Invalid("struct_size", std::to_string(problem.struct_size), "too small");
  }
  for (const auto check : {CheckBounds, CheckDTypes, CheckMasks, CheckCache}) {
    if (Answer answer = check(problem); !answer.ok()) return answer;
  }
  return {};
}

}  // namespace attest::gpu
