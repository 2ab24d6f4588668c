// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/claims.h"

#include <cstdint>
#include <iterator>
#include <utility>

#include "backends/gpu/dtype.h"

namespace attest::gpu {
namespace {

struct NamedFeature {
  std::uint64_t bit;
  const char* name;
};
constexpr NamedFeature kNames[] = {
    {ATTEST_CLAIM_DECODER_CAUSAL, "causal decoders"},
    {ATTEST_CLAIM_DECODER_NON_CAUSAL, "non-causal decoders"},
    {ATTEST_CLAIM_PER_REQUEST_CAUSALITY, "causality per request"},
    {ATTEST_CLAIM_ENCODER_ONLY, "encoder-only attention"},
    {ATTEST_CLAIM_ENCODER_DECODER, "encoder-decoder attention"},
    {ATTEST_CLAIM_WINDOW_CAUSAL, "a left window under a causal mask"},
    {ATTEST_CLAIM_WINDOW_SYMMETRIC, "symmetric windows"},
    {ATTEST_CLAIM_WINDOW_ASYMMETRIC, "asymmetric windows"},
    {ATTEST_CLAIM_SOFTCAP, "softcap"},
    {ATTEST_CLAIM_ALIBI, "ALiBi"},
    {ATTEST_CLAIM_SINKS, "sinks"},
    {ATTEST_CLAIM_PREFIX_RANGES, "prefix ranges"},
    {ATTEST_CLAIM_PREFIX_CLAMPED, "clamped prefix ranges"},
    {ATTEST_CLAIM_LOCAL_BLOCKS, "local blocks"},
    {ATTEST_CLAIM_LOCAL_LOOKBACK, "local blocks with look-back"},
    {ATTEST_CLAIM_TREE_MASK, "tree masks"},
    {ATTEST_CLAIM_BOOLEAN_MASK, "boolean masks"},
    {ATTEST_CLAIM_ADDITIVE_MASK, "additive masks"},
    {ATTEST_CLAIM_LSE, "an LSE"},
    {ATTEST_CLAIM_KV_X_SPLIT, "x-split caches"},
    {ATTEST_CLAIM_SHARED_LATENT, "a shared latent"},
    {ATTEST_CLAIM_PAGE_ALIASING, "page aliasing"},
    {ATTEST_CLAIM_BATCH_INVARIANT, "batch-invariant mode"},
    {ATTEST_CLAIM_UNEQUAL_HEAD_DIMS, "unequal head sizes"},
    {ATTEST_CLAIM_KV_SCALE_PER_TENSOR, "scales per tensor"},
    {ATTEST_CLAIM_KV_SCALE_PER_HEAD, "scales per head"},
    {ATTEST_CLAIM_KV_SCALE_PER_TOKEN_HEAD, "scales per token and head"},
};

std::uint64_t WindowFeature(const attest_problem_t& p, bool causal) {
  if (p.window_left == 0 && p.window_right == 0) return 0;
  const bool symmetric = p.window_left == p.window_right;
  if (causal && p.window_left > 0 && (symmetric || p.window_right == 0)) {
    return ATTEST_CLAIM_WINDOW_CAUSAL;
  }
  return symmetric && !causal ? ATTEST_CLAIM_WINDOW_SYMMETRIC : ATTEST_CLAIM_WINDOW_ASYMMETRIC;
}

std::uint64_t TypeFeature(const attest_problem_t& p) {
  if (p.attention_type == ATTEST_ENCODER_ONLY) return ATTEST_CLAIM_ENCODER_ONLY;
  if (p.attention_type == ATTEST_ENCODER_DECODER) return ATTEST_CLAIM_ENCODER_DECODER;
  if (p.causality == ATTEST_CAUSALITY_PER_REQUEST) return ATTEST_CLAIM_PER_REQUEST_CAUSALITY;
  return p.causality == ATTEST_CAUSAL ? ATTEST_CLAIM_DECODER_CAUSAL
                                      : ATTEST_CLAIM_DECODER_NON_CAUSAL;
}

std::uint64_t FlagFeatures(const attest_problem_t& p) {
  constexpr std::pair<std::uint32_t, std::uint64_t> kFlags[] = {
      {ATTEST_FLAG_LSE, ATTEST_CLAIM_LSE},
      {ATTEST_FLAG_SINKS, ATTEST_CLAIM_SINKS},
      {ATTEST_FLAG_ALIBI, ATTEST_CLAIM_ALIBI},
      {ATTEST_FLAG_PREFIX_RANGES, ATTEST_CLAIM_PREFIX_RANGES},
      {ATTEST_FLAG_PREFIX_CLAMPED, ATTEST_CLAIM_PREFIX_CLAMPED},
      {ATTEST_FLAG_TREE_MASK, ATTEST_CLAIM_TREE_MASK},
      {ATTEST_FLAG_BATCH_INVARIANT, ATTEST_CLAIM_BATCH_INVARIANT},
      {ATTEST_FLAG_PAGE_ALIASING, ATTEST_CLAIM_PAGE_ALIASING},
      {ATTEST_FLAG_VALUE_IS_KEY_PREFIX, ATTEST_CLAIM_SHARED_LATENT},
  };
  std::uint64_t features = 0;
  for (const auto& [flag, feature] : kFlags) {
    if ((p.flags & flag) != 0) features |= feature;
  }
  return features;
}

// What a problem needs, as far as the problem alone says it: strides are the tensors' own.
std::uint64_t Needed(const attest_problem_t& p) {
  constexpr std::uint64_t kScales[] = {0, ATTEST_CLAIM_KV_SCALE_PER_TENSOR,
                                       ATTEST_CLAIM_KV_SCALE_PER_HEAD,
                                       ATTEST_CLAIM_KV_SCALE_PER_TOKEN_HEAD};
  constexpr std::uint64_t kMasks[] = {0, ATTEST_CLAIM_BOOLEAN_MASK, ATTEST_CLAIM_ADDITIVE_MASK};
  const bool causal = p.attention_type == ATTEST_DECODER && p.causality == ATTEST_CAUSAL;
  const bool paged = p.attention_type != ATTEST_ENCODER_ONLY;
  std::uint64_t needed = TypeFeature(p) | WindowFeature(p, causal) | FlagFeatures(p) |
                         kScales[p.kv_scale_kind] | kMasks[p.custom_mask_kind];
  if (p.softcap > 0.0F) needed |= ATTEST_CLAIM_SOFTCAP;
  if (p.local_block_size > 0) needed |= ATTEST_CLAIM_LOCAL_BLOCKS;
  if (p.local_block_lookback > 0) needed |= ATTEST_CLAIM_LOCAL_LOOKBACK;
  if (paged && p.kv_layout == ATTEST_KV_X_SPLIT) needed |= ATTEST_CLAIM_KV_X_SPLIT;
  if (p.head_dim_qk != p.head_dim_v) needed |= ATTEST_CLAIM_UNEQUAL_HEAD_DIMS;
  return needed;
}

bool Holds(const attest_range_t& range, std::int32_t value) {
  return value >= range.first && value <= range.last && (value - range.first) % range.step == 0;
}

Answer RefusedSize(const Family& family, const char* field, std::int32_t value,
                   const attest_range_t& range) {
  if (Holds(range, value)) return {};
  return Refused(std::string(field) + ": " + std::to_string(value) + ", " + family.name + " has " +
                 std::to_string(range.first) + " to " + std::to_string(range.last));
}

Answer RefusedDType(const char* field, attest_dtype_t dtype,
                    const std::vector<attest_dtype_t>& offered) {
  for (const attest_dtype_t one : offered) {
    if (SameDType(one, dtype)) return {};
  }
  const auto element = ElementOf(dtype);
  const std::string name =
      element ? kElements[static_cast<int>(*element)].name
              : "code " + std::to_string(dtype.code) + " bits " + std::to_string(dtype.bits);
  return Refused(std::string(field) + ": " + name + " is not claimed");
}

std::string ReasonOf(const Family& family, std::uint64_t missing) {
  for (const FeatureReason& reason : family.reasons) {
    if ((missing & reason.feature) != 0) return std::string(family.name) + ": " + reason.reason;
  }
  std::string text = std::string(family.name) + " does not do ";
  const char* separator = "";
  for (const NamedFeature& feature : kNames) {
    if ((missing & feature.bit) == 0) continue;
    text += separator;
    text += feature.name;
    separator = ", ";
  }
  return text;
}

}  // namespace

ClaimTable::ClaimTable(const Family& family, std::string device_name)
    : family_(family), device_name_(std::move(device_name)) {
  for (const NamedElement& named : kElements) {
    const bool of_tokens = static_cast<int>(named.element) < kNumTokenElements;
    if (of_tokens) token_dtypes_.push_back(named.dtype);
    if (of_tokens || family.cache_of_bytes) cache_dtypes_.push_back(named.dtype);
  }
  if (!family.cache_of_query_type_only) return;
  for (const attest_dtype_t query : token_dtypes_) {
    for (const attest_dtype_t cache : token_dtypes_) {
      if (SameDType(query, cache)) continue;
      exclusions_.push_back({.features = 0,
                             .query_dtype = query,
                             .cache_dtype = cache,
                             .head_dim_qk = 0,
                             .reserved0 = 0,
                             .reason = "the cache has the type of the query"});
    }
  }
}

void ClaimTable::Fill(attest_claims_t& claims) const {
  const std::uint32_t size = claims.struct_size;
  claims = {};
  claims.struct_size = size;
  claims.graph_level = ATTEST_GRAPH_ALWAYS;
  claims.features = family_.features;
  claims.name = family_.name;
  claims.version = "0.1";
  claims.vendor = "attest";
  claims.device_name = device_name_.c_str();
  claims.query_dtypes = claims.output_dtypes = token_dtypes_.data();
  claims.num_query_dtypes = claims.num_output_dtypes =
      static_cast<std::int32_t>(token_dtypes_.size());
  claims.cache_dtypes = cache_dtypes_.data();
  claims.num_cache_dtypes = static_cast<std::int32_t>(cache_dtypes_.size());
  claims.head_dims = &family_.head_dims;
  claims.group_sizes = &family_.group_sizes;
  claims.block_sizes = &family_.block_sizes;
  claims.num_head_dims = claims.num_group_sizes = claims.num_block_sizes = 1;
  claims.exclusions = exclusions_.data();
  claims.num_exclusions = static_cast<std::int32_t>(exclusions_.size());
  claims.arithmetic.struct_size = sizeof(claims.arithmetic);
  claims.arithmetic.arithmetic_class = ATTEST_ARITHMETIC_DEFAULT;
}

Answer ClaimTable::Offers(const attest_problem_t& p) const {
  if (const std::uint64_t missing = Needed(p) & ~family_.features; missing != 0) {
    return Refused(ReasonOf(family_, missing));
  }
  const Answer answers[] = {
      RefusedDType("query_dtype", p.query_dtype, token_dtypes_),
      RefusedDType("cache_dtype", p.cache_dtype, cache_dtypes_),
      RefusedDType("output_dtype", p.output_dtype, token_dtypes_),
      RefusedSize(family_, "head_dim_qk", p.head_dim_qk, family_.head_dims),
      RefusedSize(family_, "head_dim_v", p.head_dim_v, family_.head_dims),
      RefusedSize(family_, "num_q_heads / num_kv_heads", p.num_q_heads / p.num_kv_heads,
                  family_.group_sizes),
      p.attention_type == ATTEST_ENCODER_ONLY
          ? Answer{}
          : RefusedSize(family_, "block_size", p.block_size, family_.block_sizes),
  };
  for (const Answer& answer : answers) {
    if (!answer.ok()) return answer;
  }
  for (const attest_exclusion_t& exclusion : exclusions_) {
    if (SameDType(exclusion.query_dtype, p.query_dtype) &&
        SameDType(exclusion.cache_dtype, p.cache_dtype)) {
      return Refused(std::string(family_.name) + ": " + exclusion.reason);
    }
  }
  return {};
}

}  // namespace attest::gpu
