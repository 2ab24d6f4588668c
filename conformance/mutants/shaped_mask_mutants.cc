// SPDX-License-Identifier: Apache-2.0
//
// Wrong masks that come from tensors or lists: chunks, prefix ranges, trees, custom masks, and
// causality by request.
#include <algorithm>
#include <utility>

#include "conformance/mutants/attention.h"

namespace attest {
namespace {

using Range = std::pair<std::int64_t, std::int64_t>;

std::vector<Range> RangesOf(const Call& call, std::int64_t request) {
  const attest_tensor_t& ranges = call.args.prefix_ranges;
  std::vector<Range> found;
  for (std::int64_t n = 0; n < ranges.shape[0]; ++n) {
    if (LoadAt<std::int64_t>(ranges, {n, 0}) != request) continue;
    found.push_back({LoadAt<std::int64_t>(ranges, {n, 1}), LoadAt<std::int64_t>(ranges, {n, 2})});
  }
  return found;
}

bool Holds(const Range& range, std::int64_t position) {
  return range.first <= position && position <= range.second;
}

// Without its prefix ranges.
bool VisibleInBand(const Call& call, const Row& row, Terms terms, std::int64_t key) {
  terms.prefix = false;
  return Visible(call, row, terms, key);
}

bool Clamped(const Call& call, const Terms& terms, std::int64_t key) {
  return terms.prefix_clamped && terms.position - key >= call.problem.window_left;
}

// The band, or a range of `ranges` that holds row and key.
bool VisibleByRanges(const Call& call, const Row& row, const Terms& terms, std::int64_t key,
                     const std::vector<Range>& ranges) {
  if (VisibleInBand(call, row, terms, key)) return true;
  if (Clamped(call, terms, key)) return false;
  return std::any_of(ranges.begin(), ranges.end(), [&](const Range& range) {
    return Holds(range, terms.position) && Holds(range, key);
  });
}

bool VisibleInOpenRanges(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  if (!terms.prefix) return Visible(call, row, terms, key);
  std::vector<Range> ranges = RangesOf(call, row.request);
  for (Range& range : ranges) --range.second;
  return VisibleByRanges(call, row, terms, key, ranges);
}

bool VisibleInJoinedRanges(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  if (Visible(call, row, terms, key) || !terms.prefix || Clamped(call, terms, key)) {
    return Visible(call, row, terms, key);
  }
  const std::vector<Range> ranges = RangesOf(call, row.request);
  const auto held = [&](std::int64_t position) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [position](const Range& range) { return Holds(range, position); });
  };
  return held(terms.position) && held(key);
}

bool VisibleInRangesOfFirst(const Call& call, const Row& row, const Terms& terms,
                            std::int64_t key) {
  if (!terms.prefix) return Visible(call, row, terms, key);
  return VisibleByRanges(call, row, terms, key, RangesOf(call, 0));
}

bool VisibleBeforeShortRange(const Call& call, const Row& row, const Terms& terms,
                             std::int64_t key) {
  if (!terms.prefix) return Visible(call, row, terms, key);
  std::vector<Range> ranges = RangesOf(call, row.request);
  const auto end = std::find_if(ranges.begin(), ranges.end(),
                                [](const Range& range) { return range.first == range.second; });
  ranges.erase(end, ranges.end());
  return VisibleByRanges(call, row, terms, key, ranges);
}

bool VisibleWithinWindow(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  if (!Visible(call, row, terms, key)) return false;
  return !terms.prefix ||
         (terms.position - key <= terms.left && key - terms.position <= terms.right);
}

bool VisibleClampedOnBothSides(const Call& call, const Row& row, const Terms& terms,
                               std::int64_t key) {
  if (!Visible(call, row, terms, key)) return false;
  if (!terms.prefix_clamped || VisibleInBand(call, row, terms, key)) return true;
  return key - terms.position < call.problem.window_left;
}

bool VisibleInChunksOfNewTokens(const Call& call, const Row& row, const Terms& terms,
                                std::int64_t key) {
  if (terms.local_block == 0) return Visible(call, row, terms, key);
  Terms without = terms;
  without.local_block = 0;
  if (!Visible(call, row, without, key)) return false;
  // Far enough to the left that no number is negative.
  const std::int64_t first = row.seq_len - row.q_len;
  const std::int64_t origin = (first / terms.local_block + 2) * terms.local_block - first;
  return (terms.position + origin) / terms.local_block - (key + origin) / terms.local_block <=
         terms.local_lookback;
}

bool VisibleByMaskPastTheEnd(const Call& call, const Row& row, const Terms& terms,
                             std::int64_t key) {
  if (key < row.seq_len) return Visible(call, row, terms, key);
  Terms mask_alone;
  mask_alone.custom = true;
  mask_alone.position = mask_alone.left_from = terms.position;
  return Visible(call, row, mask_alone, key);
}

// A row that its mask removes whole loses the mask.
void UnmaskEmptyRow(const Call& call, const Row& row, Terms& terms) {
  if (!terms.custom) return;
  for (std::int64_t key = 0; key < terms.last; ++key) {
    if (Visible(call, row, terms, key)) return;
  }
  terms.custom = false;
}

std::int64_t OfFirstHead(const Call& call, const Row& row, std::int64_t key, int kind) {
  const std::int64_t head = call.problem.custom_mask_kind == kind ? 0 : row.head;
  return OffsetOf(call.args.custom_mask, {row.request, head, row.index, key});
}

std::vector<Mutant> ChunkMutants() {
  return {
      {.id = "chunk-as-window",
       .bug_class = "sliding-window",
       .clause = "MASK-20",
       .hooks = {.terms =
                     [](const Call&, const Row&, Terms& terms) {
                       if (terms.local_block == 0 || terms.local_lookback > 0) return;
                       terms.left = std::min(terms.left, terms.local_block - 1);
                       terms.local_block = 0;
                     }}},
      {.id = "chunk-counted-from-new-tokens",
       .bug_class = "sliding-window",
       .clause = "MASK-20",
       .hooks = {.visible = VisibleInChunksOfNewTokens}},
      {.id = "lookback-one-more",
       .bug_class = "sliding-window",
       .clause = "MASK-21",
       .hooks = {.terms = [](const Call&, const Row&,
                             Terms& terms) { terms.local_lookback += terms.local_lookback > 0; }}},
      {.id = "request-causality-drops-window",
       .bug_class = "sliding-window",
       .clause = "MASK-31",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       const bool mixed = call.problem.causality == ATTEST_CAUSALITY_PER_REQUEST;
                       if (mixed && !terms.causal) terms.left = terms.right = kNoReach;
                     }}},
      {.id = "request-causality-lost-in-window",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-31",
       .bug = "vfa-dynamic-causal-ignored-in-local-branch",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       const bool mixed = call.problem.causality == ATTEST_CAUSALITY_PER_REQUEST;
                       const bool bounded =
                           call.problem.window_left > 0 || call.problem.window_right > 0;
                       if (mixed && bounded) terms.causal = false;
                     }}},
  };
}

std::vector<Mutant> RangeMutants() {
  return {
      {.id = "prefix-range-exclusive",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-22",
       .hooks = {.visible = VisibleInOpenRanges}},
      {.id = "prefix-ranges-joined",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-22",
       .hooks = {.visible = VisibleInJoinedRanges}},
      {.id = "prefix-ranges-of-first-request",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-22",
       .hooks = {.visible = VisibleInRangesOfFirst}},
      {.id = "prefix-clamp-both-sides",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-23",
       .hooks = {.visible = VisibleClampedOnBothSides}},
      {.id = "prefix-single-token-ends-list",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-29",
       .hooks = {.visible = VisibleBeforeShortRange}},
      {.id = "prefix-range-inside-window",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-30",
       .hooks = {.visible = VisibleWithinWindow}},
  };
}

std::vector<Mutant> TreeMutants() {
  return {
      {.id = "tree-mask-over-context",
       .bug_class = "spec-decode-chunked",
       .clause = "MASK-24",
       .hooks = {.visible =
                     [](const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
                       if (!terms.tree) return Visible(call, row, terms, key);
                       const attest_tensor_t& mask = call.args.tree_mask;
                       if (key < 0 || key >= mask.shape[1]) return false;
                       return LoadAt<std::uint8_t>(mask, {row.start + row.index, key}) != 0;
                     }}},
      {.id = "tree-mask-and-causal",
       .bug_class = "spec-decode-chunked",
       .clause = "MASK-27",
       .hooks = {.terms = [](const Call&, const Row&,
                             Terms& terms) { terms.causal |= terms.tree; }}},
      {.id = "tree-keys-bounded-by-row",
       .bug_class = "spec-decode-chunked",
       .clause = "MASK-27",
       .hooks = {.terms =
                     [](const Call&, const Row& row, Terms& terms) {
                       constexpr std::int64_t kRows = 4;  // of a tile
                       if (!terms.tree) return;
                       const std::int64_t end = (row.index / kRows + 1) * kRows;
                       terms.last = std::min(terms.last, row.seq_len - row.q_len + end);
                     }}},
      {.id = "tree-mask-of-first-request",
       .bug_class = "spec-decode-chunked",
       .clause = "MASK-28",
       .hooks = {.tree_offset =
                     [](const Call& call, const Row& row, std::int64_t token) {
                       return OffsetOf(call.args.tree_mask, {row.index, token});
                     }}},
      {.id = "tree-mask-pitch-assumed",
       .bug_class = "layout-strides",
       .clause = "MASK-28",
       .hooks = {.tree_offset =
                     [](const Call& call, const Row& row, std::int64_t token) {
                       return OffsetOf(call.args.tree_mask, {row.start}) + row.index * row.q_len +
                              token;
                     }}},
  };
}

std::vector<Mutant> CustomMutants() {
  return {
      {.id = "mask-replaces-causality",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-25",
       .hooks = {.terms =
                     [](const Call&, const Row&, Terms& terms) {
                       if (!terms.custom) return;
                       terms.causal = false;
                       terms.left = terms.right = kNoReach;
                     }}},
      {.id = "mask-of-first-head",
       .bug_class = "layout-strides",
       .clause = "MASK-25",
       .hooks = {.mask_offset =
                     [](const Call& call, const Row& row, std::int64_t key) {
                       return OfFirstHead(call, row, key, ATTEST_MASK_BOOLEAN);
                     }}},
      {.id = "bias-of-first-head",
       .bug_class = "head-mapping-dims",
       .clause = "SCORE-07",
       .bug = "xf-merge-heads-with-mask",
       .hooks = {.mask_offset =
                     [](const Call& call, const Row& row, std::int64_t key) {
                       return OfFirstHead(call, row, key, ATTEST_MASK_ADDITIVE);
                     }}},
      {.id = "mask-tail-opens-keys",
       .bug_class = "key-row-bounds",
       .clause = "MASK-32",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (terms.custom) terms.last = call.args.custom_mask.shape[3];
                     },
                 .visible = VisibleByMaskPastTheEnd}},
      {.id = "masked-row-unmasked",
       .bug_class = "empty-or-fully-masked",
       .clause = "MASK-33",
       .hooks = {.terms = UnmaskEmptyRow}},
  };
}

}  // namespace

std::vector<Mutant> ShapedMaskMutants() {
  std::vector<Mutant> mutants;
  for (const auto part : {ChunkMutants, RangeMutants, TreeMutants, CustomMutants}) {
    const std::vector<Mutant> some = part();
    mutants.insert(mutants.end(), some.begin(), some.end());
  }
  return mutants;
}

}  // namespace attest
