// SPDX-License-Identifier: Apache-2.0
#include "conformance/diagnose/class_of_needs.h"

#include <algorithm>
#include <cstdint>

namespace attest {
namespace {

bool HasNumbers(CaseKind kind) {
  return kind == CaseKind::kForward || kind == CaseKind::kDeterminism ||
         kind == CaseKind::kNeighbours || kind == CaseKind::kBatchInvariance ||
         kind == CaseKind::kChunkInvariance;
}

bool OnlyTheLse(const Record& record) {
  return !record.worst.empty() &&
         std::all_of(record.worst.begin(), record.worst.end(),
                     [](const Element& element) { return element.dim < 0; });
}

bool SeesAKey(const Problem& p) {
  return std::all_of(p.requests.begin(), p.requests.end(),
                     [](const Request& r) { return r.seq_len >= r.q_len && r.seq_len > 0; });
}

bool HasMask(const Problem& p) {
  return p.window_left > 0 || p.window_right > 0 || p.local_block_size > 0 || p.tree_mask ||
         !p.prefix_ranges.empty() || p.custom_mask != MaskKind::kNone ||
         p.causality != Causality::kCausal || p.attention_type != AttentionType::kDecoder;
}

bool HasPagingFeature(const Problem& p) {
  return p.page_aliasing || p.shared_prefix > 0 || p.hybrid_split > 1 || p.block_table_extra > 0;
}

bool HasLayout(const Problem& p) {
  const bool cache =
      p.cache_layout != CacheLayout::kNhd && p.cache_layout != CacheLayout::kSharedLatent;
  return cache || p.token_layout != TokenLayout::kDense;
}

// A window and nothing that another class could come from.
bool IsPlainWindow(const Case& value) {
  const Problem& p = value.problem;
  if (p.window_left == 0 && p.window_right == 0) return false;
  return value.poison == Poison::kLoud && p.group() == 1 && !HasPagingFeature(p) &&
         MaxSeqLen(p) <= p.block_size + (p.block_size == 0 ? MaxSeqLen(p) : 0);
}

}  // namespace

std::string_view ClassOfNeeds(const Case& smallest, const Record& record) {
  const Problem& p = smallest.problem;
  if (record.rule == "bitwise") {
    return smallest.kind == CaseKind::kDeterminism ? "" : "batch-invariance";
  }
  if (!HasNumbers(smallest.kind) || (record.rule != "bound" && record.rule != "exact")) return {};
  if (p.custom_mask != MaskKind::kNone) return {};
  if (p.alibi || p.sinks) return "alibi-bias-sink";
  if (p.softcap > 0) return "scale-softcap";
  if (p.tree_mask) return "spec-decode-chunked";
  if (!p.prefix_ranges.empty()) return "bidirectional-doc-mask";
  if (p.local_block_size > 0) return "sliding-window";
  if (IsPlainWindow(smallest)) return "sliding-window";
  if (HasPagingFeature(p)) return "block-table-slots";
  if (SizeOf(p.cache_dtype) == 1) return "quant-precision";
  if (HasLayout(p)) return "layout-strides";
  if (HasMask(p) || smallest.poison != Poison::kLoud || p.padding_tokens > 0 ||
      p.max_seq_len_slack > 0 || p.max_query_len_slack > 0) {
    return {};
  }
  // A causal decoder without any feature.
  if (!SeesAKey(p)) return {};
  if (OnlyTheLse(record)) return "splitkv-merge-lse";
  const std::int64_t longest = MaxSeqLen(p);
  if (p.group() > 1 && p.requests.size() == 1 && longest == 1) return "head-mapping-dims";
  const bool second_page = longest > p.block_size && longest <= 2 * p.block_size;
  if (second_page && p.requests.size() == 1 && !p.lse) return "block-table-slots";
  return {};
}

}  // namespace attest
