// SPDX-License-Identifier: Apache-2.0
//
// What a backend says it does, as a value, and the one rule that decides whether a problem lies
// inside it.
#ifndef ATTEST_SPEC_VOCABULARY_CLAIMS_H_
#define ATTEST_SPEC_VOCABULARY_CLAIMS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/abi/attest.h"
#include "spec/vocabulary/arithmetic.h"
#include "spec/vocabulary/dtype.h"
#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"

namespace attest {

struct IntRange {
  int first = 0;
  int last = 0;
  int step = 1;
  bool Contains(int value) const {
    return value >= first && value <= last && (value - first) % step == 0;
  }
  bool operator==(const IntRange&) const = default;
};

struct Exclusion {
  std::uint64_t features = 0;
  DType query_dtype = DType::kNone;  // kNone: any
  DType cache_dtype = DType::kNone;
  int head_dim_qk = 0;  // 0: any
  std::string reason;
  bool operator==(const Exclusion&) const = default;
};

struct Claims {
  std::string name;
  std::string version;
  std::string vendor;
  std::string device_name;
  std::uint64_t features = 0;  // ATTEST_CLAIM_ bits
  int graph_level = ATTEST_GRAPH_NONE;
  std::vector<DType> query_dtypes;
  std::vector<DType> cache_dtypes;
  std::vector<DType> output_dtypes;
  std::vector<IntRange> head_dims;
  std::vector<IntRange> group_sizes;
  std::vector<IntRange> block_sizes;
  std::vector<Exclusion> exclusions;
  Arithmetic arithmetic;
  bool operator==(const Claims&) const = default;
};

// One row for each ATTEST_CLAIM_ bit: the bit and its word ("decoder-causal", "window-symmetric",
// ...).
struct FeatureName {
  std::uint64_t bit;
  std::string_view name;
};
const std::vector<FeatureName>& FeatureNames();
// "decoder-causal, sinks"; "none" for 0.
std::string DescribeFeatures(std::uint64_t features);

// Reads a filled attest_claims_t. Bad input: unknown enum value or dtype, negative count, NULL
// array with a count, range without a positive step, missing name.
Result<Claims> FromAbi(const attest_claims_t& abi);

enum class ClaimScope : std::uint8_t { kInside, kExcluded, kOutside };
struct ScopeAnswer {
  ClaimScope scope = ClaimScope::kInside;
  std::string
      reason;  // "does not claim sinks", "head_dim 40", or the exclusion's own reason; empty inside
};
ScopeAnswer ScopeOf(const Claims& claims, const Problem& problem);

}  // namespace attest

#endif  // ATTEST_SPEC_VOCABULARY_CLAIMS_H_
