// SPDX-License-Identifier: Apache-2.0
#include "conformance/diagnose/class_of_needs.h"

#include <algorithm>
#include <vector>

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

bool HasPagingFeature(const Problem& p) {
  return p.page_aliasing || p.shared_prefix > 0 || p.hybrid_split > 1 || p.block_table_extra > 0;
}

bool HasLayout(const Problem& p) {
  const bool cache =
      p.cache_layout != CacheLayout::kNhd && p.cache_layout != CacheLayout::kSharedLatent;
  return cache || p.token_layout != TokenLayout::kDense;
}

// The features that are needed, each with its class; a mistake that needs two of them may be of
// either.
std::vector<std::string_view> ClassesOfFeatures(const Case& value) {
  const Problem& p = value.problem;
  std::vector<std::string_view> classes;
  const auto add = [&classes](bool needed, std::string_view name) {
    if (needed) classes.push_back(name);
  };
  add(p.alibi || p.sinks, "alibi-bias-sink");
  add(p.softcap > 0, "scale-softcap");
  add(p.tree_mask, "spec-decode-chunked");
  add(!p.prefix_ranges.empty(), "bidirectional-doc-mask");
  add(p.local_block_size > 0 || p.window_left > 0 || p.window_right > 0, "sliding-window");
  add(HasPagingFeature(p), "block-table-slots");
  add(SizeOf(p.cache_dtype) == 1, "quant-precision");
  add(HasLayout(p), "layout-strides");
  add(p.group() > 1 || p.num_kv_heads > 1, "head-mapping-dims");
  add(p.custom_mask != MaskKind::kNone, "");
  add(value.poison != Poison::kLoud, "");
  add(p.padding_tokens > 0 || p.max_seq_len_slack > 0 || p.max_query_len_slack > 0, "");
  return classes;
}

}  // namespace

std::string_view ClassOfNeeds(const Case& smallest, const Record& record) {
  const Problem& p = smallest.problem;
  if (record.rule == "bitwise") {
    return smallest.kind == CaseKind::kDeterminism ? "" : "batch-invariance";
  }
  // Eager calls of the same problems have cases of their own.
  if (smallest.kind == CaseKind::kGraph || smallest.kind == CaseKind::kCopyToPersistent) {
    return "graph-stale-metadata";
  }
  if (!HasNumbers(smallest.kind) || (record.rule != "bound" && record.rule != "exact")) return {};
  const std::vector<std::string_view> classes = ClassesOfFeatures(smallest);
  const bool more_pages = p.block_size > 0 && MaxSeqLen(p) > p.block_size;
  if (classes.size() == 1) {
    // Pages, tiles and splits are other suspects than the feature; only prefix ranges, the local
    // blocks and shared pages cannot be had without.
    const bool needs_pages =
        classes[0] == "bidirectional-doc-mask" || p.local_block_size > 0 || HasPagingFeature(p);
    return more_pages && !needs_pages ? "" : classes[0];
  }
  if (!classes.empty() || p.causality != Causality::kCausal ||
      p.attention_type != AttentionType::kDecoder) {
    return {};
  }
  // A causal decoder without any feature.
  if (!SeesAKey(p)) return {};
  if (OnlyTheLse(record)) return "splitkv-merge-lse";
  const bool second_page = more_pages && MaxSeqLen(p) <= 2 * p.block_size;
  if (second_page && p.requests.size() == 1 && !p.lse) return "block-table-slots";
  return {};
}

}  // namespace attest
