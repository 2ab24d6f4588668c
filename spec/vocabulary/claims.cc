// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace attest {
namespace {

Result<std::vector<DType>> ReadDTypes(const attest_dtype_t* values, int count,
                                      std::string_view field) {
  if (count < 0 || (count > 0 && values == nullptr)) {
    return BadInput(fmt::format("claims.{}: {} entries at address {}", field, count,
                                fmt::ptr(static_cast<const void*>(values))));
  }
  std::vector<DType> dtypes;
  for (int i = 0; i < count; ++i) {
    const DType dtype = FromAbi(values[i]);
    if (dtype == DType::kNone) {
      return BadInput(fmt::format("claims.{}[{}]: unknown dtype (code {}, bits {}, lanes {})",
                                  field, i, values[i].code, values[i].bits, values[i].lanes));
    }
    dtypes.push_back(dtype);
  }
  return dtypes;
}

Result<std::vector<IntRange>> ReadRanges(const attest_range_t* values, int count,
                                         std::string_view field) {
  if (count < 0 || (count > 0 && values == nullptr)) {
    return BadInput(fmt::format("claims.{}: {} entries at address {}", field, count,
                                fmt::ptr(static_cast<const void*>(values))));
  }
  std::vector<IntRange> ranges;
  for (int i = 0; i < count; ++i) {
    const attest_range_t& range = values[i];
    if (range.first < 1 || range.last < range.first || range.step < 1) {
      return BadInput(fmt::format("claims.{}[{}]: {}..{} step {} is no range", field, i,
                                  range.first, range.last, range.step));
    }
    ranges.push_back({range.first, range.last, range.step});
  }
  return ranges;
}

bool InAny(const std::vector<IntRange>& ranges, int value) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [value](const IntRange& range) { return range.Contains(value); });
}

bool InAny(const std::vector<DType>& dtypes, DType dtype) {
  return std::find(dtypes.begin(), dtypes.end(), dtype) != dtypes.end();
}

// A head dimension and the like that the claims do not list; empty if all are listed.
std::string UnlistedSize(const Claims& claims, const Problem& problem) {
  if (!InAny(claims.query_dtypes, problem.query_dtype)) {
    return fmt::format("does not claim query dtype {}", Name(problem.query_dtype));
  }
  if (!InAny(claims.cache_dtypes, problem.cache_dtype)) {
    return fmt::format("does not claim cache dtype {}", Name(problem.cache_dtype));
  }
  if (!InAny(claims.output_dtypes, problem.output_dtype)) {
    return fmt::format("does not claim output dtype {}", Name(problem.output_dtype));
  }
  for (const int head_dim : {problem.head_dim_qk, problem.head_dim_v}) {
    if (!InAny(claims.head_dims, head_dim))
      return fmt::format("does not claim head_dim {}", head_dim);
  }
  if (!InAny(claims.group_sizes, problem.group())) {
    return fmt::format("does not claim group size {}", problem.group());
  }
  if (problem.uses_paged_kv() && !InAny(claims.block_sizes, problem.block_size)) {
    return fmt::format("does not claim block_size {}", problem.block_size);
  }
  return {};
}

bool Excludes(const Exclusion& exclusion, const Problem& problem) {
  return (RequiredFeatures(problem) & exclusion.features) == exclusion.features &&
         (exclusion.query_dtype == DType::kNone || exclusion.query_dtype == problem.query_dtype) &&
         (exclusion.cache_dtype == DType::kNone || exclusion.cache_dtype == problem.cache_dtype) &&
         (exclusion.head_dim_qk == 0 || exclusion.head_dim_qk == problem.head_dim_qk);
}

}  // namespace

const std::vector<FeatureName>& FeatureNames() {
  static const std::vector<FeatureName> kNames = {
      {ATTEST_CLAIM_DECODER_CAUSAL, "decoder-causal"},
      {ATTEST_CLAIM_DECODER_NON_CAUSAL, "decoder-non-causal"},
      {ATTEST_CLAIM_PER_REQUEST_CAUSALITY, "per-request-causality"},
      {ATTEST_CLAIM_ENCODER_ONLY, "encoder-only"},
      {ATTEST_CLAIM_ENCODER_DECODER, "encoder-decoder"},
      {ATTEST_CLAIM_WINDOW_CAUSAL, "window-causal"},
      {ATTEST_CLAIM_WINDOW_SYMMETRIC, "window-symmetric"},
      {ATTEST_CLAIM_WINDOW_ASYMMETRIC, "window-asymmetric"},
      {ATTEST_CLAIM_SOFTCAP, "softcap"},
      {ATTEST_CLAIM_ALIBI, "alibi"},
      {ATTEST_CLAIM_SINKS, "sinks"},
      {ATTEST_CLAIM_PREFIX_RANGES, "prefix-ranges"},
      {ATTEST_CLAIM_PREFIX_CLAMPED, "prefix-clamped"},
      {ATTEST_CLAIM_LOCAL_BLOCKS, "local-blocks"},
      {ATTEST_CLAIM_LOCAL_LOOKBACK, "local-lookback"},
      {ATTEST_CLAIM_TREE_MASK, "tree-mask"},
      {ATTEST_CLAIM_BOOLEAN_MASK, "boolean-mask"},
      {ATTEST_CLAIM_ADDITIVE_MASK, "additive-mask"},
      {ATTEST_CLAIM_LSE, "lse"},
      {ATTEST_CLAIM_KV_X_SPLIT, "kv-x-split"},
      {ATTEST_CLAIM_KV_STRIDES, "kv-strides"},
      {ATTEST_CLAIM_TOKEN_STRIDES, "token-strides"},
      {ATTEST_CLAIM_SHARED_LATENT, "shared-latent"},
      {ATTEST_CLAIM_PAGE_ALIASING, "page-aliasing"},
      {ATTEST_CLAIM_DETERMINISTIC, "deterministic"},
      {ATTEST_CLAIM_BATCH_INVARIANT, "batch-invariant"},
      {ATTEST_CLAIM_CHUNK_INVARIANT, "chunk-invariant"},
      {ATTEST_CLAIM_UNEQUAL_HEAD_DIMS, "unequal-head-dims"},
      {ATTEST_CLAIM_KV_SCALE_PER_TENSOR, "kv-scale-per-tensor"},
      {ATTEST_CLAIM_KV_SCALE_PER_HEAD, "kv-scale-per-head"},
      {ATTEST_CLAIM_KV_SCALE_PER_TOKEN_HEAD, "kv-scale-per-token-head"},
      {ATTEST_CLAIM_WRITE_KV, "write-kv"},
      {ATTEST_CLAIM_MERGE, "merge"},
      {ATTEST_CLAIM_COPY_TO_PERSISTENT, "copy-to-persistent"},
  };
  return kNames;
}

std::string DescribeFeatures(std::uint64_t features) {
  std::string text;
  for (const FeatureName& feature : FeatureNames()) {
    if ((features & feature.bit) == 0) continue;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", feature.name);
  }
  return text.empty() ? "none" : text;
}

namespace {

std::uint64_t UnknownFeatures(std::uint64_t features) {
  for (const FeatureName& feature : FeatureNames()) features &= ~feature.bit;
  return features;
}

// kNone for a zeroed dtype, which does not narrow; nullopt for one that attest does not know.
std::optional<DType> ReadNarrowing(attest_dtype_t dtype) {
  if (dtype.code == 0 && dtype.bits == 0 && dtype.lanes == 0) return DType::kNone;
  const DType known = FromAbi(dtype);
  return known == DType::kNone ? std::nullopt : std::optional(known);
}

Result<Exclusion> ReadExclusion(const attest_exclusion_t& abi, const std::string& where) {
  if (abi.reason == nullptr || *abi.reason == '\0') return BadInput(where + ".reason: missing");
  if (const std::uint64_t unknown = UnknownFeatures(abi.features); unknown != 0) {
    return BadInput(fmt::format("{}.features: unknown bits {:#x}", where, unknown));
  }
  const std::optional<DType> query = ReadNarrowing(abi.query_dtype);
  const std::optional<DType> cache = ReadNarrowing(abi.cache_dtype);
  if (!query || !cache) {
    const attest_dtype_t dtype = query ? abi.cache_dtype : abi.query_dtype;
    return BadInput(
        fmt::format("{}: unknown dtype (code {}, bits {})", where, dtype.code, dtype.bits));
  }
  return Exclusion{abi.features, *query, *cache, abi.head_dim_qk, abi.reason};
}

Result<std::vector<Exclusion>> ReadExclusions(const attest_claims_t& abi) {
  if (abi.num_exclusions < 0 || (abi.num_exclusions > 0 && abi.exclusions == nullptr)) {
    return BadInput(
        fmt::format("claims.exclusions: {} entries without an array", abi.num_exclusions));
  }
  std::vector<Exclusion> exclusions;
  for (int i = 0; i < abi.num_exclusions; ++i) {
    Result<Exclusion> exclusion =
        ReadExclusion(abi.exclusions[i], fmt::format("claims.exclusions[{}]", i));
    if (!exclusion.ok()) return exclusion.status();
    exclusions.push_back(std::move(*exclusion));
  }
  return exclusions;
}

}  // namespace

Result<Claims> FromAbi(const attest_claims_t& abi) {
  Claims claims;
  if (abi.name == nullptr || *abi.name == '\0') return BadInput("claims.name: missing");
  claims.name = abi.name;
  claims.version = abi.version == nullptr ? "" : abi.version;
  claims.vendor = abi.vendor == nullptr ? "" : abi.vendor;
  claims.device_name = abi.device_name == nullptr ? "" : abi.device_name;

  if (const std::uint64_t unknown = UnknownFeatures(abi.features); unknown != 0) {
    return BadInput(fmt::format("claims.features: unknown bits {:#x}", unknown));
  }
  claims.features = abi.features;
  if (abi.graph_level < ATTEST_GRAPH_NONE || abi.graph_level > ATTEST_GRAPH_ALWAYS) {
    return BadInput(fmt::format("claims.graph_level: unknown value {}", abi.graph_level));
  }
  claims.graph_level = abi.graph_level;

  auto query = ReadDTypes(abi.query_dtypes, abi.num_query_dtypes, "query_dtypes");
  if (!query.ok()) return query.status();
  claims.query_dtypes = *query;
  auto cache = ReadDTypes(abi.cache_dtypes, abi.num_cache_dtypes, "cache_dtypes");
  if (!cache.ok()) return cache.status();
  claims.cache_dtypes = *cache;
  auto output = ReadDTypes(abi.output_dtypes, abi.num_output_dtypes, "output_dtypes");
  if (!output.ok()) return output.status();
  claims.output_dtypes = *output;
  auto head_dims = ReadRanges(abi.head_dims, abi.num_head_dims, "head_dims");
  if (!head_dims.ok()) return head_dims.status();
  claims.head_dims = *head_dims;
  auto group_sizes = ReadRanges(abi.group_sizes, abi.num_group_sizes, "group_sizes");
  if (!group_sizes.ok()) return group_sizes.status();
  claims.group_sizes = *group_sizes;
  auto block_sizes = ReadRanges(abi.block_sizes, abi.num_block_sizes, "block_sizes");
  if (!block_sizes.ok()) return block_sizes.status();
  claims.block_sizes = *block_sizes;

  auto exclusions = ReadExclusions(abi);
  if (!exclusions.ok()) return exclusions.status();
  claims.exclusions = std::move(*exclusions);
  const std::optional<Arithmetic> arithmetic = FromAbi(abi.arithmetic);
  if (!arithmetic) return BadInput("claims.arithmetic: unknown class, or a parameter out of range");
  claims.arithmetic = *arithmetic;
  return claims;
}

ScopeAnswer ScopeOf(const Claims& claims, const Problem& problem) {
  const std::uint64_t missing = RequiredFeatures(problem) & ~claims.features;
  if (missing != 0) return {ClaimScope::kOutside, "does not claim " + DescribeFeatures(missing)};
  if (std::string unlisted = UnlistedSize(claims, problem); !unlisted.empty()) {
    return {ClaimScope::kOutside, std::move(unlisted)};
  }
  for (const Exclusion& exclusion : claims.exclusions) {
    if (Excludes(exclusion, problem))
      return {ClaimScope::kExcluded, "excluded: " + exclusion.reason};
  }
  return {};
}

}  // namespace attest
