// SPDX-License-Identifier: Apache-2.0
//
// What lies inside the claims is computed; what lies outside is refused with a reason, by
// `supports` and by forward, and nothing is written.
#include <fmt/format.h>

#include "conformance/judge/run_kinds.h"
#include "property_tests/generators/scope.h"
#include "property_tests/laws/subject.h"

namespace attest {
namespace {

constexpr int kLargestHeadDim = 4096;  // of a valid problem
constexpr int kLargestSize = 1024;

// The least size that is not claimed, if there is one up to `most`; 0 otherwise.
int Unclaimed(const std::vector<IntRange>& ranges, int most) {
  for (int size = 1; size <= most; ++size) {
    bool claimed = false;
    for (const IntRange& range : ranges) claimed = claimed || range.Contains(size);
    if (!claimed) return size;
  }
  return 0;
}

// A plain call of one token, so that a refused size is all there is to refuse.
void MakePlain(const Claims& claims, Sample& sample) {
  Problem plain;
  plain.query_dtype = plain.output_dtype = DType::kFloat32;
  plain.cache_dtype = DType::kFloat32;
  if (!claims.query_dtypes.empty()) plain.query_dtype = claims.query_dtypes.front();
  if (!claims.cache_dtypes.empty()) plain.cache_dtype = claims.cache_dtypes.front();
  if (!claims.output_dtypes.empty()) plain.output_dtype = claims.output_dtypes.front();
  if (plain.cache_dtype == DType::kInt8) plain.kv_scale_kind = KvScaleKind::kPerTokenHead;
  const auto least = [](const std::vector<IntRange>& ranges) {
    return ranges.empty() ? 1 : ClaimedSizes(ranges, 1).front();
  };
  plain.num_q_heads = least(claims.group_sizes);
  plain.num_kv_heads = 1;
  plain.head_dim_qk = plain.head_dim_v = least(claims.head_dims);
  plain.block_size = least(claims.block_sizes);
  plain.lse = false;
  plain.requests = {{1, 2}};
  sample.problem = plain;
  sample.recipe = Recipe::kGeneric;
}

void Fit(const Claims& claims, Dice& dice, Sample& sample) {
  if (dice.OneIn(2)) return;
  const int head_dim = Unclaimed(claims.head_dims, kLargestHeadDim);
  const int group = Unclaimed(claims.group_sizes, kLargestSize);
  const int block = Unclaimed(claims.block_sizes, kLargestSize);
  std::vector<int> ways;
  if (head_dim > 0) ways.push_back(0);
  if (group > 0) ways.push_back(1);
  if (block > 0) ways.push_back(2);
  if (ways.empty()) return;
  const int way = dice.Pick(ways);
  MakePlain(claims, sample);
  if (way == 0) sample.problem.head_dim_qk = sample.problem.head_dim_v = head_dim;
  if (way == 1) sample.problem.num_q_heads = group;
  if (way == 2) sample.problem.block_size = block;
}

void CheckRefusal(Subject& subject, const Sample& sample, const std::string& outside) {
  const Record record =
      RunRefusalCase(subject.session(), CaseOf(sample), Subject::Build(sample), {});
  if (record.verdict == Verdict::kPass) return;
  EndAsBroken(fmt::format("{}: {}", outside, record.reason));
}

void Check(Subject& subject, const Sample& sample) {
  const ScopeAnswer scope = ScopeOf(subject.claims(), sample.problem);
  switch (scope.scope) {
    case ClaimScope::kInside:
      subject.Ask(sample.problem, Subject::Build(sample), "inside the claims");
      return;
    case ClaimScope::kOutside:
      return CheckRefusal(subject, sample, scope.reason);
    case ClaimScope::kExcluded:
      EndAsForeign(scope.reason);
  }
}

}  // namespace

Law HonestSupportsLaw() {
  return {.name = "honest-supports",
          .sentence =
              "What is claimed is computed, and what is not claimed is refused with a "
              "reason.",
          .fit = Fit,
          .check = Check,
          .beyond_claims = true};
}

}  // namespace attest
