// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/problem_check.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>

#include "backends/cpu/element_type.h"
#include "backends/cpu/limits.h"

namespace attest::cpu {
namespace {

constexpr std::uint32_t kKnownFlags = ATTEST_FLAG_LSE | ATTEST_FLAG_SINKS | ATTEST_FLAG_ALIBI |
                                      ATTEST_FLAG_PREFIX_RANGES | ATTEST_FLAG_PREFIX_CLAMPED |
                                      ATTEST_FLAG_TREE_MASK | ATTEST_FLAG_BATCH_INVARIANT |
                                      ATTEST_FLAG_PAGE_ALIASING | ATTEST_FLAG_VALUE_IS_KEY_PREFIX;

bool Has(const attest_problem_t& p, std::uint32_t flags) { return (p.flags & flags) != 0; }

// A field and the range in which it makes sense.
struct Bounded {
  const char* field;
  std::int64_t value;
  std::int64_t least;
  std::int64_t most;
};

Answer CheckEnums(const attest_problem_t& p) {
  const std::array<Bounded, 6> enums = {{
      {"attention_type", p.attention_type, ATTEST_DECODER, ATTEST_ENCODER_DECODER},
      {"causality", p.causality, ATTEST_CAUSAL, ATTEST_CAUSALITY_PER_REQUEST},
      {"kv_scale_kind", p.kv_scale_kind, ATTEST_KV_SCALE_NONE, ATTEST_KV_SCALE_PER_TOKEN_HEAD},
      {"kv_layout", p.kv_layout, ATTEST_KV_STRIDED, ATTEST_KV_X_SPLIT},
      {"custom_mask_kind", p.custom_mask_kind, ATTEST_MASK_NONE, ATTEST_MASK_ADDITIVE},
      {"reserved0", p.reserved0, 0, 0},
  }};
  for (const Bounded& b : enums) {
    if (b.value < b.least || b.value > b.most) {
      return Invalid(b.field, std::to_string(b.value), "unknown value");
    }
  }
  if ((p.flags & ~kKnownFlags) != 0) {
    return Invalid("flags", std::to_string(p.flags), "unknown bits");
  }
  return {};
}

bool IsSomeDType(attest_dtype_t dtype) {
  if (dtype.lanes != 1) return false;
  const bool byte_sized =
      dtype.code == ATTEST_INT || dtype.code == ATTEST_UINT || dtype.code == ATTEST_BOOL ||
      (dtype.code >= ATTEST_FLOAT8_E4M3FN && dtype.code <= ATTEST_FLOAT8_E5M2FNUZ);
  return ElementTypeOf(dtype).has_value() || (byte_sized && dtype.bits == 8);
}

Answer CheckDTypes(const attest_problem_t& p) {
  struct Named {
    const char* field;
    attest_dtype_t dtype;
  };
  for (const Named& named :
       {Named{"query_dtype", p.query_dtype}, Named{"cache_dtype", p.cache_dtype},
        Named{"output_dtype", p.output_dtype}}) {
    if (IsSomeDType(named.dtype)) continue;
    return Invalid(named.field,
                   "code " + std::to_string(named.dtype.code) + " bits " +
                       std::to_string(named.dtype.bits) + " lanes " +
                       std::to_string(named.dtype.lanes),
                   "unknown type");
  }
  return {};
}

Answer CheckSizes(const attest_problem_t& p) {
  const bool paged = p.attention_type != ATTEST_ENCODER_ONLY;
  constexpr std::int64_t kAny = INT64_MAX;
  const std::array<Bounded, 15> sizes = {{
      {"num_q_heads", p.num_q_heads, 1, kAny},
      {"num_kv_heads", p.num_kv_heads, 1, kAny},
      {"head_dim_qk", p.head_dim_qk, 1, kAny},
      {"head_dim_v", p.head_dim_v, 1, kAny},
      {"window_left", p.window_left, 0, kAny},
      {"window_right", p.window_right, 0, kAny},
      {"local_block_size", p.local_block_size, 0, kAny},
      {"local_block_lookback", p.local_block_lookback, 0, kAny},
      {"block_size", p.block_size, paged ? 1 : 0, paged ? kAny : 0},
      {"num_requests", p.num_requests, 0, INT32_MAX},
      {"num_actual_tokens", p.num_actual_tokens, 0, kAny},
      {"max_query_len", p.max_query_len, 0, kAny},
      {"max_seq_len", p.max_seq_len, 0, kAny},
      {"num_blocks", p.num_blocks, 0, kAny},
      {"block_table_width", p.block_table_width, 0, kAny},
  }};
  for (const Bounded& b : sizes) {
    if (b.value < b.least) {
      return Invalid(b.field, std::to_string(b.value), "less than " + std::to_string(b.least));
    }
    if (b.value > b.most) {
      return Invalid(b.field, std::to_string(b.value), "more than " + std::to_string(b.most));
    }
  }
  if (p.num_q_heads % p.num_kv_heads != 0) {
    return Invalid("num_kv_heads", std::to_string(p.num_kv_heads),
                   "does not divide num_q_heads " + std::to_string(p.num_q_heads));
  }
  return {};
}

Answer CheckScores(const attest_problem_t& p) {
  if (!std::isfinite(p.scale) || p.scale == 0.0F) {
    return Invalid("scale", std::to_string(p.scale), "not finite, or 0");
  }
  if (!std::isfinite(p.softcap) || p.softcap < 0.0F) {
    return Invalid("softcap", std::to_string(p.softcap), "not finite, or negative");
  }
  return {};
}

// A rule that a problem breaks.
struct Breach {
  bool applies;
  const char* field;
  std::int64_t value;
  const char* why;
};

template <std::size_t kCount>
Answer FirstOf(const std::array<Breach, kCount>& breaches) {
  for (const Breach& breach : breaches) {
    if (breach.applies) return Invalid(breach.field, std::to_string(breach.value), breach.why);
  }
  return {};
}

// Masks and biases that only some attention types have, and masks that exclude one another.
Answer CheckMasks(const attest_problem_t& p) {
  const bool cross = p.attention_type == ATTEST_ENCODER_DECODER;
  const bool decoder = p.attention_type == ATTEST_DECODER;
  const bool causal = decoder && p.causality == ATTEST_CAUSAL;
  const bool bounded = p.window_left > 0 || p.window_right > 0 || p.local_block_size > 0;
  const bool tree = Has(p, ATTEST_FLAG_TREE_MASK);
  const bool ranges = Has(p, ATTEST_FLAG_PREFIX_RANGES);
  const bool clamped = Has(p, ATTEST_FLAG_PREFIX_CLAMPED);
  const char* const no_window = "cross attention has no window";
  return FirstOf(std::array<Breach, 11>{{
      {cross && p.window_left > 0, "window_left", p.window_left, no_window},
      {cross && p.window_right > 0, "window_right", p.window_right, no_window},
      {p.local_block_size > 0 && !causal, "local_block_size", p.local_block_size,
       "outside a causal decoder"},
      {p.local_block_lookback > 0 && p.local_block_size == 0, "local_block_lookback",
       p.local_block_lookback, "without local_block_size"},
      {tree && !causal, "flags", p.flags, "a tree mask outside a causal decoder"},
      {tree && bounded, "flags", p.flags, "a tree mask with a window or local blocks"},
      {tree && ranges, "flags", p.flags, "a tree mask with prefix ranges"},
      {ranges && !decoder, "flags", p.flags, "prefix ranges outside a decoder"},
      {clamped && !ranges, "flags", p.flags, "clamped prefix ranges without prefix ranges"},
      {clamped && p.window_left == 0, "window_left", p.window_left,
       "no window for the clamped prefix ranges"},
      {cross && Has(p, ATTEST_FLAG_ALIBI), "flags", p.flags, "cross attention has no ALiBi"},
  }});
}

// Only 8-bit caches have scales, and integers mean nothing without them.
Answer CheckCache(const attest_problem_t& p) {
  const bool paged = p.attention_type != ATTEST_ENCODER_ONLY;
  const bool latent = Has(p, ATTEST_FLAG_VALUE_IS_KEY_PREFIX);
  const bool x_split = paged && p.kv_layout == ATTEST_KV_X_SPLIT;
  const bool scaled = p.kv_scale_kind != ATTEST_KV_SCALE_NONE;
  const int x = 16 / std::max(p.cache_dtype.bits / 8, 1);
  return FirstOf(std::array<Breach, 6>{{
      {SameDType(p.cache_dtype, kInt8DType) && p.kv_scale_kind != ATTEST_KV_SCALE_PER_TOKEN_HEAD,
       "kv_scale_kind", p.kv_scale_kind, "an int8 cache needs a scale for each token and head"},
      {scaled && (p.cache_dtype.bits != 8 || !paged), "kv_scale_kind", p.kv_scale_kind,
       "without an 8-bit cache"},
      {latent && scaled && p.kv_scale_kind != ATTEST_KV_SCALE_PER_TENSOR, "kv_scale_kind",
       p.kv_scale_kind, "a shared latent has one scale"},
      {latent && p.head_dim_v > p.head_dim_qk, "head_dim_v", p.head_dim_v,
       "wider than the key that it is the beginning of"},
      {latent && x_split, "kv_layout", p.kv_layout, "a shared latent is not x-split"},
      {x_split && p.head_dim_qk % x != 0, "head_dim_qk", p.head_dim_qk,
       "not a multiple of 16 bytes, into which x-split keys are cut"},
  }});
}

Answer CheckOffered(const attest_problem_t& p) {
  const int group = p.num_q_heads / p.num_kv_heads;
  struct Reason {
    bool applies;
    const char* text;
  };
  const std::array<Reason, 7> reasons = {{
      {!IsTokenType(p.query_dtype), "query_dtype: only float32, float16 and bfloat16"},
      {!ElementTypeOf(p.cache_dtype),
       "cache_dtype: only float32, float16, bfloat16, float8_e4m3fn, float8_e4m3fnuz, float8_e5m2 "
       "and int8"},
      {!IsTokenType(p.output_dtype), "output_dtype: only float32, float16 and bfloat16"},
      {p.head_dim_qk > kMaxHeadDim, "head_dim_qk: at most 576"},
      {p.head_dim_v > kMaxHeadDim, "head_dim_v: at most 576"},
      {group > kMaxGroup, "num_q_heads: at most 128 for each KV head"},
      {p.block_size > kMaxBlockSize, "block_size: at most 512"},
  }};
  for (const Reason& reason : reasons) {
    if (reason.applies) return Refused(reason.text);
  }
  return {};
}

}  // namespace

Answer CheckProblem(const attest_problem_t& problem) {
  if (problem.struct_size < sizeof(problem)) {
    return Invalid("struct_size", std::to_string(problem.struct_size), "too small");
  }
  for (const auto check :
       {CheckEnums, CheckDTypes, CheckSizes, CheckScores, CheckMasks, CheckCache, CheckOffered}) {
    if (Answer answer = check(problem); !answer.ok()) return answer;
  }
  return {};
}

}  // namespace attest::cpu
