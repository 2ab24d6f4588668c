// SPDX-License-Identifier: Apache-2.0
#include "conformance/mutants/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "conformance/mutants/elements.h"

namespace attest {
namespace {

Finding Invalid(std::string text) { return {ATTEST_INVALID_ARGUMENT, std::move(text)}; }
Finding Refused(std::string text) { return {ATTEST_REFUSED, std::move(text)}; }

bool Known(attest_dtype_t dtype) {
  if (FormatOfAbi(dtype) != Format::kUnknown) return true;
  if (dtype.lanes != 1) return false;
  if (dtype.bits == 8) {
    return dtype.code == ATTEST_UINT || dtype.code == ATTEST_BOOL ||
           dtype.code == ATTEST_FLOAT8_E5M2FNUZ;
  }
  return (dtype.bits == 32 || dtype.bits == 64) &&
         (dtype.code == ATTEST_INT || dtype.code == ATTEST_UINT);
}

Finding CheckWords(const attest_problem_t& p) {
  constexpr std::uint32_t kAllFlags = (ATTEST_FLAG_VALUE_IS_KEY_PREFIX << 1) - 1;
  const std::vector<std::pair<const char*, std::pair<int, int>>> enums = {
      {"attention_type", {p.attention_type, ATTEST_ENCODER_DECODER}},
      {"causality", {p.causality, ATTEST_CAUSALITY_PER_REQUEST}},
      {"kv_scale_kind", {p.kv_scale_kind, ATTEST_KV_SCALE_PER_TOKEN_HEAD}},
      {"kv_layout", {p.kv_layout, ATTEST_KV_X_SPLIT}},
      {"custom_mask_kind", {p.custom_mask_kind, ATTEST_MASK_ADDITIVE}},
      {"reserved0", {p.reserved0, 0}},
  };
  for (const auto& [name, value] : enums) {
    if (value.first < 0 || value.first > value.second) {
      return Invalid(fmt::format("{}: unknown value {}", name, value.first));
    }
  }
  if ((p.flags & ~kAllFlags) != 0)
    return Invalid(fmt::format("flags: unknown bits {:#x}", p.flags));
  for (const auto& [name, dtype] :
       {std::pair{"query_dtype", p.query_dtype}, std::pair{"cache_dtype", p.cache_dtype},
        std::pair{"output_dtype", p.output_dtype}}) {
    if (!Known(dtype)) {
      return Invalid(fmt::format("{}: unknown (code {}, bits {})", name, dtype.code, dtype.bits));
    }
  }
  return {};
}

Finding CheckNumbers(const attest_problem_t& p) {
  const bool paged = p.attention_type != ATTEST_ENCODER_ONLY;
  const std::vector<std::pair<const char*, std::pair<std::int64_t, std::int64_t>>> least = {
      {"num_q_heads", {p.num_q_heads, 1}},
      {"num_kv_heads", {p.num_kv_heads, 1}},
      {"head_dim_qk", {p.head_dim_qk, 1}},
      {"head_dim_v", {p.head_dim_v, 1}},
      {"window_left", {p.window_left, 0}},
      {"window_right", {p.window_right, 0}},
      {"local_block_size", {p.local_block_size, 0}},
      {"local_block_lookback", {p.local_block_lookback, 0}},
      {"block_size", {p.block_size, paged ? 1 : 0}},
      {"num_requests", {p.num_requests, 0}},
      {"num_actual_tokens", {p.num_actual_tokens, 0}},
      {"max_query_len", {p.max_query_len, 0}},
      {"max_seq_len", {p.max_seq_len, 0}},
      {"num_blocks", {p.num_blocks, 0}},
      {"block_table_width", {p.block_table_width, 0}},
  };
  for (const auto& [name, value] : least) {
    if (value.first < value.second) {
      return Invalid(fmt::format("{}: {} is less than {}", name, value.first, value.second));
    }
  }
  if (p.num_q_heads % p.num_kv_heads != 0) {
    return Invalid(
        fmt::format("num_kv_heads: {} does not divide {}", p.num_kv_heads, p.num_q_heads));
  }
  if (!std::isfinite(p.scale) || p.scale == 0) return Invalid(fmt::format("scale: {}", p.scale));
  if (!std::isfinite(p.softcap) || p.softcap < 0) {
    return Invalid(fmt::format("softcap: {}", p.softcap));
  }
  if (!paged && p.block_size != 0) {
    return Invalid(fmt::format("block_size: {} of encoder-only attention", p.block_size));
  }
  const bool bounded = p.window_left > 0 || p.window_right > 0 || p.local_block_size > 0;
  if (p.attention_type == ATTEST_ENCODER_DECODER && bounded) {
    return Invalid("window_left, window_right: cross attention has no window");
  }
  return {};
}

// Masks that exclude one another, and scales without the cache that they belong to.
Finding CheckCombinations(const attest_problem_t& p) {
  const bool causal = p.attention_type == ATTEST_DECODER && p.causality == ATTEST_CAUSAL;
  const auto has = [&p](std::uint32_t flag) { return (p.flags & flag) != 0; };
  const bool bounded = p.window_left > 0 || p.window_right > 0 || p.local_block_size > 0;
  const bool ranges = has(ATTEST_FLAG_PREFIX_RANGES);
  const bool scaled = p.kv_scale_kind != ATTEST_KV_SCALE_NONE;
  const bool int8 = FormatOfAbi(p.cache_dtype) == Format::kInt8;
  const std::vector<std::pair<bool, const char*>> contradictions = {
      {p.local_block_size > 0 && !causal, "local_block_size: outside a causal decoder"},
      {p.local_block_lookback > 0 && p.local_block_size == 0,
       "local_block_lookback: without local_block_size"},
      {has(ATTEST_FLAG_TREE_MASK) && (!causal || bounded || ranges),
       "flags: a tree mask outside a causal decoder, or with another mask of positions"},
      {ranges && p.attention_type != ATTEST_DECODER, "flags: prefix ranges outside a decoder"},
      {has(ATTEST_FLAG_PREFIX_CLAMPED) && (!ranges || p.window_left == 0),
       "flags: clamped ranges without ranges or without window_left"},
      {has(ATTEST_FLAG_ALIBI) && p.attention_type == ATTEST_ENCODER_DECODER,
       "flags: slopes in cross attention"},
      {int8 && p.kv_scale_kind != ATTEST_KV_SCALE_PER_TOKEN_HEAD,
       "kv_scale_kind: an int8 cache needs scales by token and head"},
      {scaled && (p.cache_dtype.bits != 8 || p.attention_type == ATTEST_ENCODER_ONLY),
       "kv_scale_kind: without an 8-bit cache"},
      {has(ATTEST_FLAG_VALUE_IS_KEY_PREFIX) && p.head_dim_v > p.head_dim_qk,
       "head_dim_v: more columns than the latent has"},
  };
  for (const auto& [contradiction, text] : contradictions) {
    if (contradiction) return Invalid(text);
  }
  return {};
}

Finding CheckClaimed(const attest_problem_t& p) {
  const int group = p.num_q_heads / p.num_kv_heads;
  const auto wide = [](attest_dtype_t dtype) {
    return FormatOfAbi(dtype) != Format::kUnknown && dtype.bits >= 16;
  };
  const std::vector<std::pair<bool, const char*>> refusals = {
      {!wide(p.query_dtype), "query_dtype: float32, float16 or bfloat16"},
      {!wide(p.output_dtype), "output_dtype: float32, float16 or bfloat16"},
      {FormatOfAbi(p.cache_dtype) == Format::kUnknown, "cache_dtype: not offered"},
      {p.head_dim_qk > 1024 || p.head_dim_v > 1024, "head_dim: at most 1024"},
      {group > 128, "num_q_heads: groups of at most 128"},
      {p.block_size > 1024, "block_size: at most 1024"},
  };
  for (const auto& [refused, text] : refusals) {
    if (refused) return Refused(text);
  }
  return {};
}

std::int64_t Int32At(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index) {
  return *reinterpret_cast<const std::int32_t*>(AddressOf(tensor, index));
}

Finding CheckRequest(const attest_problem_t& p, const attest_forward_args_t& args, std::int64_t r) {
  const std::int64_t q_len =
      Int32At(args.query_start_loc, {r + 1}) - Int32At(args.query_start_loc, {r});
  const std::int64_t seq_len = Int32At(args.seq_lens, {r});
  if (q_len < 0) return Invalid(fmt::format("query_start_loc[{}]: falls by {}", r + 1, -q_len));
  if (seq_len < 0) return Invalid(fmt::format("seq_lens[{}]: {} is negative", r, seq_len));
  if (q_len > p.max_query_len) {
    return Invalid(fmt::format("max_query_len: {} but there is a {}", p.max_query_len, q_len));
  }
  if (seq_len > p.max_seq_len) {
    return Invalid(fmt::format("max_seq_len: {} but there is a {}", p.max_seq_len, seq_len));
  }
  if (p.attention_type == ATTEST_ENCODER_ONLY) {
    if (seq_len == q_len) return {};
    return Invalid(fmt::format("seq_lens[{}]: {} differs from q_len {}", r, seq_len, q_len));
  }
  const std::int64_t pages = (seq_len + p.block_size - 1) / p.block_size;
  if (pages > p.block_table_width) {
    return Invalid(fmt::format("seq_lens[{}]: {} needs {} pages", r, seq_len, pages));
  }
  for (std::int64_t i = 0; i < pages; ++i) {
    const std::int64_t page = Int32At(args.block_table, {r, i});
    if (page < 0 || page >= p.num_blocks) {
      return Invalid(fmt::format("block_table[{}][{}]: no page {}", r, i, page));
    }
  }
  return {};
}

// Do the sizes of the problem appear in the shapes of the tensors?
Finding CheckShapes(const attest_problem_t& p, const attest_forward_args_t& args) {
  const bool paged = p.attention_type != ATTEST_ENCODER_ONLY;
  struct Wanted {
    const char* name;
    attest_tensor_t tensor;
    std::vector<std::int64_t> last_axes;
  };
  std::vector<Wanted> wanted = {
      {"query", args.query, {p.num_q_heads, p.head_dim_qk}},
      {"out", args.out, {p.num_q_heads, p.head_dim_v}},
      {"query_start_loc", args.query_start_loc, {p.num_requests + 1}},
      {"seq_lens", args.seq_lens, {p.num_requests}},
  };
  if (!paged || p.kv_layout == ATTEST_KV_STRIDED) {
    wanted.push_back({"key", paged ? args.key_cache : args.key, {p.num_kv_heads, p.head_dim_qk}});
    wanted.push_back(
        {"value", paged ? args.value_cache : args.value, {p.num_kv_heads, p.head_dim_v}});
  }
  for (const auto& [name, tensor, axes] : wanted) {
    const auto count = static_cast<std::int32_t>(axes.size());
    if (tensor.data == nullptr || tensor.ndim < count ||
        !std::equal(axes.begin(), axes.end(), tensor.shape + tensor.ndim - count)) {
      return Invalid(fmt::format("{}: its shape is not that of the problem", name));
    }
  }
  const std::vector<std::pair<bool, std::pair<const char*, const attest_tensor_t*>>> optional = {
      {(p.flags & ATTEST_FLAG_LSE) != 0, {"lse", &args.lse}},
      {(p.flags & ATTEST_FLAG_SINKS) != 0, {"sinks", &args.sinks}},
      {(p.flags & ATTEST_FLAG_ALIBI) != 0, {"alibi_slopes", &args.alibi_slopes}},
      {(p.flags & ATTEST_FLAG_PREFIX_RANGES) != 0, {"prefix_ranges", &args.prefix_ranges}},
      {(p.flags & ATTEST_FLAG_TREE_MASK) != 0, {"tree_mask", &args.tree_mask}},
      {p.custom_mask_kind != ATTEST_MASK_NONE, {"custom_mask", &args.custom_mask}},
      {p.kv_scale_kind != ATTEST_KV_SCALE_NONE, {"key_scale", &args.key_scale}},
      {p.kv_scale_kind != ATTEST_KV_SCALE_NONE, {"value_scale", &args.value_scale}},
      {p.attention_type == ATTEST_DECODER && p.causality == ATTEST_CAUSALITY_PER_REQUEST &&
           p.num_requests > 0,
       {"request_causal", &args.request_causal}},
  };
  for (const auto& [needed, tensor] : optional) {
    if (needed && tensor.second->data == nullptr) {
      return Invalid(fmt::format("{}: absent", tensor.first));
    }
  }
  if (paged && (args.block_table.ndim != 2 || args.block_table.shape[1] != p.block_table_width)) {
    return Invalid("block_table_width: not that of block_table");
  }
  return {};
}

}  // namespace

Finding CheckMutantProblem(const attest_problem_t& problem) {
  if (problem.struct_size < sizeof(problem)) {
    return Invalid(fmt::format("struct_size: {} is too small", problem.struct_size));
  }
  for (const auto check : {CheckWords, CheckNumbers, CheckCombinations, CheckClaimed}) {
    if (Finding finding = check(problem); finding.status != ATTEST_OK) return finding;
  }
  return {};
}

Finding CheckMutantArguments(const attest_problem_t& problem, const attest_forward_args_t& args) {
  if (Finding finding = CheckShapes(problem, args); finding.status != ATTEST_OK) return finding;
  if (Int32At(args.query_start_loc, {0}) != 0) return Invalid("query_start_loc[0]: not 0");
  for (std::int64_t r = 0; r < problem.num_requests; ++r) {
    if (Finding finding = CheckRequest(problem, args, r); finding.status != ATTEST_OK) {
      return finding;
    }
  }
  const std::int64_t tokens = Int32At(args.query_start_loc, {problem.num_requests});
  if (tokens != problem.num_actual_tokens) {
    return Invalid(fmt::format("num_actual_tokens: {} but query_start_loc ends at {}",
                               problem.num_actual_tokens, tokens));
  }
  return {};
}

}  // namespace attest
