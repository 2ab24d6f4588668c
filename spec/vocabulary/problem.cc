// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace attest {
namespace {

template <typename Enum, std::size_t kCount>
std::string_view WordAt(const std::array<std::string_view, kCount>& words, Enum value) {
  return words.at(static_cast<std::size_t>(value));
}

bool IsFloatingPoint(DType dtype) { return FormatOf(dtype).has_value(); }

Status CheckShapes(const Problem& p) {
  if (p.num_q_heads < 1)
    return BadInput(fmt::format("num_q_heads: {} is not positive", p.num_q_heads));
  if (p.num_kv_heads < 1) {
    return BadInput(fmt::format("num_kv_heads: {} is not positive", p.num_kv_heads));
  }
  if (p.num_q_heads % p.num_kv_heads != 0) {
    return BadInput(fmt::format("num_kv_heads: {} does not divide num_q_heads {}", p.num_kv_heads,
                                p.num_q_heads));
  }
  if (p.head_dim_qk < 1 || p.head_dim_qk > 4096) {
    return BadInput(fmt::format("head_dim_qk: {} is not in 1..4096", p.head_dim_qk));
  }
  if (p.head_dim_v < 1 || p.head_dim_v > 4096) {
    return BadInput(fmt::format("head_dim_v: {} is not in 1..4096", p.head_dim_v));
  }
  if (p.cache_layout == CacheLayout::kSharedLatent && p.head_dim_v > p.head_dim_qk) {
    return BadInput(fmt::format("head_dim_v: {} is more than head_dim_qk {} of a shared latent",
                                p.head_dim_v, p.head_dim_qk));
  }
  return {};
}

Status CheckDTypes(const Problem& p) {
  if (!IsFloatingPoint(p.query_dtype) || SizeOf(p.query_dtype) < 2) {
    return BadInput(fmt::format("query_dtype: {} is not a query type", Name(p.query_dtype)));
  }
  if (!IsFloatingPoint(p.output_dtype) || SizeOf(p.output_dtype) < 2) {
    return BadInput(fmt::format("output_dtype: {} is not an output type", Name(p.output_dtype)));
  }
  if (!IsFloatingPoint(p.cache_dtype) && p.cache_dtype != DType::kInt8) {
    return BadInput(fmt::format("cache_dtype: {} is not a cache type", Name(p.cache_dtype)));
  }
  return {};
}

Status CheckScoresAndMask(const Problem& p) {
  if (!std::isfinite(p.scale) || p.scale == 0.0F) {
    return BadInput(fmt::format("scale: {} is not finite and nonzero", p.scale));
  }
  if (!std::isfinite(p.softcap) || p.softcap < 0.0F) {
    return BadInput(fmt::format("softcap: {} is not finite and >= 0", p.softcap));
  }
  const bool cross = p.attention_type == AttentionType::kEncoderDecoder;
  const std::array<std::pair<std::string_view, std::int64_t>, 4> counts = {{
      {"window_left", p.window_left},
      {"window_right", p.window_right},
      {"local_block_size", p.local_block_size},
      {"local_block_lookback", p.local_block_lookback},
  }};
  for (const auto& [name, value] : counts) {
    if (value < 0) return BadInput(fmt::format("{}: {} is negative", name, value));
    // Positions are added to it: 2^40 keys are more than anyone has, and far from overflow.
    if (value > (std::int64_t{1} << 40)) {
      return BadInput(fmt::format("{}: {} is more than 2^40", name, value));
    }
    if (value > 0 && cross) return BadInput(fmt::format("{}: cross attention has no window", name));
  }
  if (p.causality == Causality::kPerRequest && p.request_causal.size() != p.requests.size()) {
    return BadInput(fmt::format("request_causal: {} entries for {} requests",
                                p.request_causal.size(), p.requests.size()));
  }
  return {};
}

// Masks that only some attention types have, and masks that exclude one another.
Status CheckSpecialMasks(const Problem& p) {
  const bool causal =
      p.attention_type == AttentionType::kDecoder && p.causality == Causality::kCausal;
  if (p.local_block_size > 0 && !causal) {
    return BadInput(
        fmt::format("local_block_size: {} outside a causal decoder", p.local_block_size));
  }
  if (p.local_block_lookback > 0 && p.local_block_size == 0) {
    return BadInput(
        fmt::format("local_block_lookback: {} without local_block_size", p.local_block_lookback));
  }
  if (p.tree_mask && !causal) return BadInput("tree_mask: outside a causal decoder");
  const bool bounded = p.window_left > 0 || p.window_right > 0 || p.local_block_size > 0;
  if (p.tree_mask && (bounded || !p.prefix_ranges.empty())) {
    return BadInput("tree_mask: together with a window, local blocks or prefix ranges");
  }
  if (!p.prefix_ranges.empty() && p.attention_type != AttentionType::kDecoder) {
    return BadInput(fmt::format("prefix_ranges: in {} attention", Name(p.attention_type)));
  }
  if (p.prefix_clamped && (p.prefix_ranges.empty() || p.window_left == 0)) {
    return BadInput("prefix_clamped: without prefix_ranges and window_left");
  }
  if (p.alibi && p.attention_type == AttentionType::kEncoderDecoder) {
    return BadInput("alibi: cross attention has no distance of row and key");
  }
  const DType additive = p.additive_mask_dtype;
  if (additive != DType::kFloat32 && additive != p.query_dtype) {
    return BadInput(
        fmt::format("additive_mask_dtype: {} is neither float32 nor the query's", Name(additive)));
  }
  return {};
}

// Only 8-bit caches have scales, and integers mean nothing without them.
Status CheckScales(const Problem& p) {
  if (p.cache_dtype == DType::kInt8 && p.kv_scale_kind != KvScaleKind::kPerTokenHead) {
    return BadInput(fmt::format("kv_scale_kind: {} with an int8 cache", Name(p.kv_scale_kind)));
  }
  if (p.kv_scale_kind == KvScaleKind::kNone) return {};
  if (SizeOf(p.cache_dtype) != 1 || !p.uses_paged_kv()) {
    return BadInput(fmt::format("kv_scale_kind: {} without an 8-bit cache", Name(p.kv_scale_kind)));
  }
  if (p.cache_layout == CacheLayout::kSharedLatent && p.kv_scale_kind != KvScaleKind::kPerTensor) {
    return BadInput(fmt::format("kv_scale_kind: {} of a shared latent", Name(p.kv_scale_kind)));
  }
  return {};
}

Status CheckMemory(const Problem& p) {
  if (p.uses_paged_kv() ? p.block_size < 1 : p.block_size != 0) {
    return BadInput(
        fmt::format("block_size: {} ({} attention)", p.block_size, Name(p.attention_type)));
  }
  const std::array<std::pair<std::string_view, std::int64_t>, 5> counts = {{
      {"padding_tokens", p.padding_tokens},
      {"block_table_extra", p.block_table_extra},
      {"max_seq_len_slack", p.max_seq_len_slack},
      {"max_query_len_slack", p.max_query_len_slack},
      {"shared_prefix", p.shared_prefix},
  }};
  for (const auto& [name, value] : counts) {
    if (value < 0) return BadInput(fmt::format("{}: {} is negative", name, value));
  }
  if (p.hybrid_split < 1 || (p.hybrid_split > 1 && !p.uses_paged_kv())) {
    return BadInput(
        fmt::format("hybrid_split: {} ({} attention)", p.hybrid_split, Name(p.attention_type)));
  }
  if (p.shared_prefix > 0) {
    if (!p.uses_paged_kv())
      return BadInput("shared_prefix: encoder-only attention has no pages to share");
    if (p.shared_prefix % p.block_size != 0) {
      return BadInput(fmt::format("shared_prefix: {} is not a multiple of block_size {}",
                                  p.shared_prefix, p.block_size));
    }
    // What is shared is a page of the memory manager: hybrid_split pages of the kernel.
    if (p.shared_prefix / p.block_size % p.hybrid_split != 0) {
      return BadInput(fmt::format("shared_prefix: {} is not a multiple of hybrid_split {} pages",
                                  p.shared_prefix, p.hybrid_split));
    }
  }
  return {};
}

Status CheckRequests(const Problem& p) {
  for (std::size_t r = 0; r < p.requests.size(); ++r) {
    const Request& request = p.requests[r];
    if (request.q_len < 0)
      return BadInput(fmt::format("requests[{}].q_len: {} is negative", r, request.q_len));
    if (request.seq_len < 0) {
      return BadInput(fmt::format("requests[{}].seq_len: {} is negative", r, request.seq_len));
    }
    if (p.attention_type == AttentionType::kEncoderOnly && request.q_len != request.seq_len) {
      return BadInput(
          fmt::format("requests[{}].seq_len: {} differs from q_len {} of an encoder-only request",
                      r, request.seq_len, request.q_len));
    }
    if (p.shared_prefix > request.seq_len) {
      return BadInput(fmt::format("shared_prefix: {} is longer than requests[{}].seq_len {}",
                                  p.shared_prefix, r, request.seq_len));
    }
  }
  for (const PrefixRange& range : p.prefix_ranges) {
    if (range.request < 0 || range.request >= static_cast<std::int64_t>(p.requests.size())) {
      return BadInput(fmt::format("prefix_ranges: no request {}", range.request));
    }
    if (range.first < 0 || range.last < range.first) {
      return BadInput(fmt::format("prefix_ranges: {}..{} is no range", range.first, range.last));
    }
  }
  return {};
}

}  // namespace

std::int64_t NumTokens(const Problem& problem) {
  std::int64_t sum = 0;
  for (const Request& request : problem.requests) sum += request.q_len;
  return sum;
}

std::int64_t MaxQueryLen(const Problem& problem) {
  std::int64_t longest = 0;
  for (const Request& request : problem.requests) longest = std::max(longest, request.q_len);
  return longest;
}

std::int64_t MaxSeqLen(const Problem& problem) {
  std::int64_t longest = 0;
  for (const Request& request : problem.requests) longest = std::max(longest, request.seq_len);
  return longest;
}

double MultiplyAdds(const Problem& problem) {
  double pairs = 0;
  for (const Request& request : problem.requests) {
    pairs += static_cast<double>(request.q_len) * static_cast<double>(request.seq_len);
  }
  return pairs * problem.num_q_heads * (problem.head_dim_qk + problem.head_dim_v);
}

Status Validate(const Problem& problem) {
  for (const auto check : {CheckShapes, CheckDTypes, CheckScoresAndMask, CheckSpecialMasks,
                           CheckScales, CheckMemory, CheckRequests}) {
    if (Status status = check(problem); !status.ok()) return status;
  }
  return {};
}

attest_problem_t ToAbi(const Problem& problem) {
  attest_problem_t abi = {};
  abi.struct_size = sizeof(abi);
  abi.attention_type = static_cast<attest_attention_type_t>(problem.attention_type);
  abi.causality = static_cast<attest_causality_t>(problem.causality);
  const std::array<std::pair<bool, std::uint32_t>, 9> flags = {{
      {problem.lse, ATTEST_FLAG_LSE},
      {problem.sinks, ATTEST_FLAG_SINKS},
      {problem.alibi, ATTEST_FLAG_ALIBI},
      {!problem.prefix_ranges.empty(), ATTEST_FLAG_PREFIX_RANGES},
      {problem.prefix_clamped, ATTEST_FLAG_PREFIX_CLAMPED},
      {problem.tree_mask, ATTEST_FLAG_TREE_MASK},
      {problem.batch_invariant, ATTEST_FLAG_BATCH_INVARIANT},
      {problem.page_aliasing, ATTEST_FLAG_PAGE_ALIASING},
      {problem.cache_layout == CacheLayout::kSharedLatent, ATTEST_FLAG_VALUE_IS_KEY_PREFIX},
  }};
  for (const auto& [set, bit] : flags) abi.flags |= set ? bit : 0U;
  abi.query_dtype = ToAbi(problem.query_dtype);
  abi.cache_dtype = ToAbi(problem.cache_dtype);
  abi.output_dtype = ToAbi(problem.output_dtype);
  abi.kv_scale_kind = static_cast<attest_kv_scale_kind_t>(problem.kv_scale_kind);
  abi.num_q_heads = problem.num_q_heads;
  abi.num_kv_heads = problem.num_kv_heads;
  abi.head_dim_qk = problem.head_dim_qk;
  abi.head_dim_v = problem.head_dim_v;
  abi.scale = problem.scale;
  abi.softcap = problem.softcap;
  abi.window_left = problem.window_left;
  abi.window_right = problem.window_right;
  abi.local_block_size = problem.local_block_size;
  abi.local_block_lookback = problem.local_block_lookback;
  abi.kv_layout =
      problem.cache_layout == CacheLayout::kXSplit ? ATTEST_KV_X_SPLIT : ATTEST_KV_STRIDED;
  abi.block_size = problem.block_size;
  abi.custom_mask_kind = static_cast<attest_mask_kind_t>(problem.custom_mask);
  abi.num_requests = static_cast<std::int64_t>(problem.requests.size());
  abi.num_actual_tokens = NumTokens(problem);
  abi.max_query_len = MaxQueryLen(problem) + problem.max_query_len_slack;
  abi.max_seq_len = MaxSeqLen(problem) + problem.max_seq_len_slack;
  return abi;
}

std::uint64_t RequiredFeatures(const Problem& p) {
  std::uint64_t needed = 0;
  const auto need = [&needed](bool condition, std::uint64_t bit) { needed |= condition ? bit : 0; };
  const bool decoder = p.attention_type == AttentionType::kDecoder;
  const bool causal = decoder && p.causality == Causality::kCausal;
  const bool per_request = decoder && p.causality == Causality::kPerRequest;
  const auto any = [&p](bool wanted) {
    return std::any_of(p.request_causal.begin(), p.request_causal.end(),
                       [wanted](bool value) { return value == wanted; });
  };
  need(causal || (per_request && any(true)), ATTEST_CLAIM_DECODER_CAUSAL);
  need((decoder && p.causality == Causality::kNonCausal) || (per_request && any(false)),
       ATTEST_CLAIM_DECODER_NON_CAUSAL);
  need(per_request, ATTEST_CLAIM_PER_REQUEST_CAUSALITY);
  need(p.attention_type == AttentionType::kEncoderOnly, ATTEST_CLAIM_ENCODER_ONLY);
  need(p.attention_type == AttentionType::kEncoderDecoder, ATTEST_CLAIM_ENCODER_DECODER);

  const bool windowed = p.window_left > 0 || p.window_right > 0;
  const bool symmetric = windowed && p.window_left == p.window_right;
  const bool left_under_causal = causal && p.window_left > 0 && (symmetric || p.window_right == 0);
  need(left_under_causal, ATTEST_CLAIM_WINDOW_CAUSAL);
  need(symmetric && !causal, ATTEST_CLAIM_WINDOW_SYMMETRIC);
  need(windowed && !symmetric && !left_under_causal, ATTEST_CLAIM_WINDOW_ASYMMETRIC);

  need(p.softcap > 0, ATTEST_CLAIM_SOFTCAP);
  need(p.alibi, ATTEST_CLAIM_ALIBI);
  need(p.sinks, ATTEST_CLAIM_SINKS);
  need(!p.prefix_ranges.empty(), ATTEST_CLAIM_PREFIX_RANGES);
  need(p.prefix_clamped, ATTEST_CLAIM_PREFIX_CLAMPED);
  need(p.local_block_size > 0, ATTEST_CLAIM_LOCAL_BLOCKS);
  need(p.local_block_lookback > 0, ATTEST_CLAIM_LOCAL_LOOKBACK);
  need(p.tree_mask, ATTEST_CLAIM_TREE_MASK);
  need(p.custom_mask == MaskKind::kBoolean, ATTEST_CLAIM_BOOLEAN_MASK);
  need(p.custom_mask == MaskKind::kAdditive, ATTEST_CLAIM_ADDITIVE_MASK);
  need(p.lse, ATTEST_CLAIM_LSE);
  need(p.cache_layout == CacheLayout::kXSplit, ATTEST_CLAIM_KV_X_SPLIT);
  need(p.cache_layout != CacheLayout::kNhd && p.cache_layout != CacheLayout::kXSplit,
       ATTEST_CLAIM_KV_STRIDES);
  need(p.token_layout != TokenLayout::kDense, ATTEST_CLAIM_TOKEN_STRIDES);
  need(p.cache_layout == CacheLayout::kSharedLatent, ATTEST_CLAIM_SHARED_LATENT);
  need(p.page_aliasing, ATTEST_CLAIM_PAGE_ALIASING);
  need(p.batch_invariant, ATTEST_CLAIM_BATCH_INVARIANT);
  need(p.head_dim_qk != p.head_dim_v, ATTEST_CLAIM_UNEQUAL_HEAD_DIMS);
  need(p.kv_scale_kind == KvScaleKind::kPerTensor, ATTEST_CLAIM_KV_SCALE_PER_TENSOR);
  need(p.kv_scale_kind == KvScaleKind::kPerHead, ATTEST_CLAIM_KV_SCALE_PER_HEAD);
  need(p.kv_scale_kind == KvScaleKind::kPerTokenHead, ATTEST_CLAIM_KV_SCALE_PER_TOKEN_HEAD);
  return needed;
}

std::string_view Name(AttentionType value) {
  return WordAt(std::array<std::string_view, 3>{"decoder", "encoder_only", "encoder_decoder"},
                value);
}
std::string_view Name(Causality value) {
  return WordAt(std::array<std::string_view, 3>{"causal", "non_causal", "per_request"}, value);
}
std::string_view Name(KvScaleKind value) {
  return WordAt(std::array<std::string_view, 4>{"none", "per_tensor", "per_head", "per_token_head"},
                value);
}
std::string_view Name(MaskKind value) {
  return WordAt(std::array<std::string_view, 3>{"none", "boolean", "additive"}, value);
}
std::string_view Name(CacheLayout value) {
  return WordAt(std::array<std::string_view, 7>{"nhd", "hnd", "packed_kv", "kv_first",
                                                "padded_pages", "x_split", "shared_latent"},
                value);
}
std::string_view Name(TokenLayout value) {
  return WordAt(std::array<std::string_view, 3>{"dense", "qkv_fused", "padded_rows"}, value);
}

}  // namespace attest
