// SPDX-License-Identifier: Apache-2.0
#include "property_tests/generators/scope.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "property_tests/generators/samples.h"
#include "spec/cases/constraints.h"

namespace attest {

std::vector<int> ClaimedSizes(const std::vector<IntRange>& ranges, int most) {
  std::vector<int> sizes;
  int least = 0;
  for (const IntRange& range : ranges) {
    if (least == 0 || range.first < least) least = range.first;
    for (int value = range.first; value <= std::min(range.last, most); value += range.step) {
      sizes.push_back(value);
    }
  }
  if (sizes.empty() && least > 0) sizes.push_back(least);
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

int NextClaimedBelow(const std::vector<IntRange>& ranges, int value) {
  int best = 0;
  for (const IntRange& range : ranges) {
    if (range.first >= value) continue;
    const int top = std::min(range.last, value - 1);
    best = std::max(best, range.first + (top - range.first) / range.step * range.step);
  }
  return best;
}

bool ClaimsType(const std::vector<DType>& dtypes, DType dtype) {
  return std::find(dtypes.begin(), dtypes.end(), dtype) != dtypes.end();
}

bool ClaimsAll(const Claims& claims, std::uint64_t features) {
  return (claims.features & features) == features;
}

Claims EverythingClaims() {
  Claims claims;
  claims.name = "everything";
  for (const FeatureName& feature : FeatureNames()) claims.features |= feature.bit;
  claims.query_dtypes = {DType::kFloat32, DType::kFloat16, DType::kBFloat16};
  claims.output_dtypes = claims.query_dtypes;
  claims.cache_dtypes = {DType::kFloat32,      DType::kFloat16,        DType::kBFloat16,
                         DType::kFloat8E4M3FN, DType::kFloat8E4M3FNUZ, DType::kFloat8E5M2,
                         DType::kInt8};
  claims.head_dims = {{1, 4096, 1}};
  claims.group_sizes = {{1, 4096, 1}};
  claims.block_sizes = {{1, 4096, 1}};
  return claims;
}

std::string WhyNothingToDraw(const Claims& claims) {
  constexpr std::uint64_t kTypes = ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_DECODER_NON_CAUSAL |
                                   ATTEST_CLAIM_ENCODER_ONLY | ATTEST_CLAIM_ENCODER_DECODER;
  if ((claims.features & kTypes) == 0) return "claims no attention type";
  if (claims.query_dtypes.empty()) return "claims no query dtype";
  if (claims.cache_dtypes.empty()) return "claims no cache dtype";
  if (claims.output_dtypes.empty()) return "claims no output dtype";
  if (claims.head_dims.empty()) return "claims no head_dim";
  if (claims.group_sizes.empty()) return "claims no group size";
  const bool packed = (claims.features & ATTEST_CLAIM_ENCODER_ONLY) != 0;
  if (claims.block_sizes.empty() && !packed) return "claims no block_size";
  return {};
}

std::string WhyOutside(const Aim& aim, const Sample& sample) {
  const Problem& p = sample.problem;
  if (Status status = Validate(p); !status.ok()) return status.message();
  if (p.requests.empty()) return "no request";
  if (const ScopeAnswer scope = ScopeOf(aim.claims, p); scope.scope != ClaimScope::kInside) {
    return scope.reason;
  }
  if (p.cache_layout == CacheLayout::kXSplit && p.uses_paged_kv() &&
      p.head_dim_qk % static_cast<int>(16 / SizeOf(p.cache_dtype)) != 0) {
    return fmt::format("head_dim_qk {} is not cut into 16 bytes", p.head_dim_qk);
  }
  // A packed call has no cache that could have a layout.
  if (!p.uses_paged_kv() && p.cache_layout != CacheLayout::kNhd) return "a layout without a cache";
  // Pages of a request that stand for one another, and pages that requests or a manager share, are
  // promises of their own.
  if (p.page_aliasing && (p.hybrid_split > 1 || p.shared_prefix > 0)) {
    return "page_aliasing with another rule of pages";
  }
  // The parents of a tree are new tokens, and a new token is a key.
  for (const Request& request : p.requests) {
    if (p.tree_mask && request.q_len > request.seq_len) return "a tree with more tokens than keys";
  }
  const Constraint* range = FindConstraint("float16-range");
  if (std::string broken = range->broken_by(CaseOf(sample)); !broken.empty()) return broken;
  if (MultiplyAdds(p) > aim.budget) return "over the budget";
  if (aim.applies && !aim.applies(sample)) return "not in the law's domain";
  return {};
}

}  // namespace attest
