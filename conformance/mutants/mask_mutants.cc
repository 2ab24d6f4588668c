// SPDX-License-Identifier: Apache-2.0
//
// Wrong masks but for the windows: causality, ends of requests, ranges, trees, custom masks.
#include <algorithm>

#include "conformance/mutants/attention.h"

namespace attest {
namespace {

constexpr std::int64_t kTile = 64;  // keys that a kernel takes at a time

bool IsDecoder(const Call& call) { return call.problem.attention_type == ATTEST_DECODER; }
bool IsEncoder(const Call& call) { return call.problem.attention_type == ATTEST_ENCODER_ONLY; }
bool IsCross(const Call& call) { return call.problem.attention_type == ATTEST_ENCODER_DECODER; }

std::int64_t RoundUp(std::int64_t value, std::int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

// Keys past the end that the band lets pass, up to the end of the tile.
void CountTileOverhang(const Call& /*call*/, const Row& row, const Terms& terms,
                       SoftmaxRules& rules) {
  for (std::int64_t key = row.seq_len; key < RoundUp(row.seq_len, kTile); ++key) {
    if (terms.causal && key > terms.position) continue;
    if (terms.left_from - key > terms.left || key - terms.position > terms.right) continue;
    ++rules.phantoms;
  }
}

// Keys of the row's prefix ranges past the end.
void CountRangesPastTheEnd(const Call& call, const Row& row, const Terms& terms,
                           SoftmaxRules& rules) {
  if (!terms.prefix) return;
  for (std::int64_t key = row.seq_len; key < row.seq_len + kTile; ++key) {
    if (InPrefixRange(call, row, terms, key)) ++rules.phantoms;
  }
}

// The mask as if no axis were broadcast; what lies past its memory wraps round.
std::int64_t ExpandedMaskOffset(const Call& call, const Row& row, std::int64_t key) {
  const attest_tensor_t& mask = call.args.custom_mask;
  std::int64_t elements = 1;
  std::int64_t last = 0;
  for (int axis = 0; axis < 4; ++axis) {
    last += (mask.shape[axis] - 1) * mask.strides[axis];
    elements *= mask.shape[axis];
  }
  if (last + 1 >= elements) return OffsetOf(mask, {row.request, row.head, row.index, key});
  const std::int64_t dense =
      ((row.request * mask.shape[1] + row.head) * mask.shape[2] + row.index) * mask.shape[3] + key;
  return dense % (last + 1);
}

bool VisibleByAnEarlierMask(const Call& call, const Row& row, const Terms& terms,
                            std::int64_t key) {
  Terms without = terms;
  without.custom = false;
  if (call.problem.custom_mask_kind != ATTEST_MASK_BOOLEAN) without.custom = terms.custom;
  if (!Visible(call, row, without, key)) return false;
  if (call.memory.mask.empty() || call.problem.custom_mask_kind != ATTEST_MASK_BOOLEAN) return true;
  const std::int64_t offset =
      OffsetOf(call.args.custom_mask, {row.request, row.head, row.index, key});
  const auto size = static_cast<std::int64_t>(call.memory.mask.size());
  return call.memory.mask[static_cast<std::size_t>(offset % size)] != std::byte{0};
}

std::vector<Mutant> CausalMutants() {
  return {
      {.id = "causal-top-left",
       .bug_class = "causal-alignment",
       .clause = "MASK-01",
       .bug = "fa-causal-top-left",
       .hooks = {.terms =
                     [](const Call& /*call*/, const Row& row, Terms& terms) {
                       if (terms.causal) terms.causal_reach = row.index - row.position;
                     }}},
      {.id = "causal-dropped",
       .bug_class = "spec-decode-chunked",
       .clause = "MASK-01",
       .bug = "seed-dflash-causal-hardcoded",
       .hooks = {.terms = [](const Call&, const Row&, Terms& terms) { terms.causal = false; }}},
      {.id = "causal-one-more",
       .bug_class = "causal-alignment",
       .clause = "MASK-01",
       .sentence = "a causal row sees the key after its own",
       .reference = "kept as a standard mutation",
       .hooks = {.terms = [](const Call&, const Row&, Terms& terms) { terms.causal_reach = 1; }}},
      {.id = "first-key-missing",
       .bug_class = "key-row-bounds",
       .clause = "MASK-01",
       .sentence = "no row sees key 0",
       .reference = "kept as a standard mutation",
       .hooks = {.terms = [](const Call&, const Row&, Terms& terms) { terms.first = 1; }}},
      {.id = "own-key-missing",
       .bug_class = "causal-alignment",
       .clause = "MASK-02",
       .hooks = {.terms = [](const Call&, const Row&, Terms& terms) { terms.causal_reach = -1; }}},
      {.id = "last-key-missing",
       .bug_class = "key-row-bounds",
       .clause = "MASK-02",
       .sentence = "no row sees key seq_len - 1",
       .reference = "kept as a standard mutation",
       .hooks = {.terms = [](const Call&, const Row&, Terms& terms) { --terms.last; }}},
      {.id = "noncausal-ignored",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-03",
       .bug = "seed-causal-flag-not-in-metadata",
       .hooks = {.terms = [](const Call& call, const Row&,
                             Terms& terms) { terms.causal |= IsDecoder(call) && !terms.tree; }}},
      {.id = "noncausal-unpaged",
       .bug_class = "selector-capability",
       .clause = "MASK-03",
       .bug = "seed-flex-paged-flag-derived-from-causal",
       .hooks = {.terms =
                     [](const Call& call, const Row& row, Terms& terms) {
                       if (!IsDecoder(call) || terms.causal || terms.tree) return;
                       terms.first = std::max<std::int64_t>(0, row.seq_len - row.q_len);
                     }}},
      {.id = "negative-position-unwritten",
       .bug_class = "empty-or-fully-masked",
       .clause = "MASK-16",
       .bug = "fi-persistent-negative-remaining-rows-skipped",
       .hooks = {.writes = [](const Call& call,
                              const Row& row) { return IsCross(call) || row.position >= 0; }}},
      {.id = "causality-of-first-request",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-26",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (!IsDecoder(call) ||
                           call.problem.causality != ATTEST_CAUSALITY_PER_REQUEST)
                         return;
                       terms.causal =
                           LoadAt<std::uint8_t>(call.args.request_causal, {0}) != 0 && !terms.tree;
                     }}},
  };
}

std::vector<Mutant> BoundMutants() {
  return {
      {.id = "tile-overhang-in-denominator",
       .bug_class = "key-row-bounds",
       .clause = "MASK-04",
       .bug = "fi-cutedsl-decode-noncausal-tail",
       .hooks = {.softmax = CountTileOverhang}},
      {.id = "page-tail-visible",
       .bug_class = "key-row-bounds",
       .clause = "MASK-04",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (call.paged()) terms.last = RoundUp(terms.last, call.problem.block_size);
                     }}},
      {.id = "one-key-past-the-end",
       .bug_class = "key-row-bounds",
       .clause = "MASK-04",
       .sentence = "every row also sees slot seq_len, if it exists in memory",
       .reference = "kept as a standard mutation",
       .hooks = {.terms = [](const Call&, const Row&, Terms& terms) { ++terms.last; },
                 .visible =
                     [](const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
                       return key == row.seq_len || Visible(call, row, terms, key);
                     }}},
      {.id = "keys-of-wrong-request",
       .bug_class = "block-table-slots",
       .clause = "MASK-09",
       .hooks = {.row =
                     [](const Call& call, Row& row) {
                       if (!call.paged() || row.q_len < 2) return;
                       row.table_row = (row.request + 1) % call.problem.num_requests;
                       row.seq_len = LoadAt<std::int32_t>(call.args.seq_lens, {row.table_row});
                       row.position = row.seq_len - row.q_len + row.index;
                     },
                 .terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       // Masks by tensor know nothing of the other request's length.
                       if (call.problem.custom_mask_kind == ATTEST_MASK_NONE) return;
                       terms.last = std::min(terms.last, call.args.custom_mask.shape[3]);
                     }}},
      {.id = "empty-query-overwrites-neighbour",
       .bug_class = "empty-or-fully-masked",
       .clause = "MASK-17",
       .hooks = {.after =
                     [](const Call& call, const Put& put) {
                       for (std::int64_t r = 0; r < call.problem.num_requests; ++r) {
                         const Row row = MakeRow(call, r, 0, 0);
                         if (row.q_len > 0 || row.start >= call.problem.num_actual_tokens) continue;
                         for (std::int64_t h = 0; h < call.problem.num_q_heads; ++h) {
                           ComputeLine(call, r, 0, h, put);
                         }
                       }
                     }}},
      {.id = "empty-request-unwritten",
       .bug_class = "empty-or-fully-masked",
       .clause = "MASK-18",
       .bug = "fi-decode-empty-kv-no-chunk",
       .hooks = {.writes = [](const Call&, const Row& row) { return row.seq_len > 0; }}},
      {.id = "mask-finite-fill",
       .bug_class = "empty-or-fully-masked",
       .clause = "MASK-19",
       .hooks = {.masked =
                     [](const Call&, const Row&, std::int64_t key, std::vector<Scored>& scores) {
                       scores.push_back({key, -1e4});
                     }}},
  };
}

std::vector<Mutant> EncoderMutants() {
  return {
      {.id = "encoder-sees-neighbours",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-05",
       .bug = "seed-flex-bidirectional-mod-all-noncausal",
       .hooks = {.terms =
                     [](const Call& call, const Row& row, Terms& terms) {
                       if (!IsEncoder(call)) return;
                       terms.first = -row.start;
                       terms.last = call.problem.num_actual_tokens - row.start;
                       terms.custom = false;
                     }}},
      {.id = "encoder-causal",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-06",
       .hooks = {.terms = [](const Call& call, const Row&,
                             Terms& terms) { terms.causal |= IsEncoder(call); }}},
      {.id = "encoder-paged",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-07",
       // A request is taken to begin at a page of 16 tokens.
       .bug = "vllm-flex-direct-mask-encoder",
       .hooks = {.place =
                     [](const Call& call, const Row& row, std::int64_t key, Side) {
                       if (call.paged()) return PlaceOf(call, row, key);
                       return Place{-1, row.start / 16 * 16 + key};
                     }}},
      {.id = "cross-bottom-right",
       .bug_class = "causal-alignment",
       .clause = "MASK-08",
       .bug = "trt-cross-attn-q-start",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (!IsCross(call)) return;
                       terms.causal = true;
                       terms.causal_reach = 0;
                     }}},
  };
}

std::vector<Mutant> ShapedMutants() {
  return {
      {.id = "chunk-mask-dropped",
       .bug_class = "sliding-window",
       .clause = "MASK-20",
       .bug = "vllm-local-attn-shared-spec-metadata",
       .hooks = {.terms = [](const Call&, const Row&, Terms& terms) { terms.local_block = 0; }}},
      {.id = "lookback-ignored",
       .bug_class = "sliding-window",
       .clause = "MASK-21",
       .hooks = {.terms = [](const Call&, const Row&, Terms& terms) { terms.local_lookback = 0; }}},
      {.id = "lookback-in-keys",
       .bug_class = "sliding-window",
       .clause = "MASK-21",
       .hooks = {.terms =
                     [](const Call&, const Row&, Terms& terms) {
                       if (terms.local_lookback == 0) return;
                       terms.left = terms.local_block * terms.local_lookback;
                       terms.local_block = 0;
                     }}},
      {.id = "prefix-range-clipped-causal",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-22",
       .hooks = {.terms = [](const Call&, const Row&,
                             Terms& terms) { terms.prefix_causal = terms.causal; }}},
      {.id = "prefix-range-past-end",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-22",
       .hooks = {.softmax = CountRangesPastTheEnd}},
      {.id = "prefix-clamp-ignored",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-23",
       .hooks = {.terms = [](const Call&, const Row&,
                             Terms& terms) { terms.prefix_clamped = false; }}},
      {.id = "tree-mask-replaced-by-causal",
       .bug_class = "spec-decode-chunked",
       .clause = "MASK-24",
       .hooks = {.terms =
                     [](const Call&, const Row&, Terms& terms) {
                       terms.causal |= terms.tree;
                       terms.tree = false;
                     }}},
      {.id = "mask-broadcast-misread",
       .bug_class = "layout-strides",
       .clause = "MASK-25",
       .bug = "pt-mps-mask-broadcast-offset",
       .hooks = {.mask_offset = ExpandedMaskOffset}},
      {.id = "mask-stale",
       .bug_class = "graph-stale-metadata",
       .clause = "MASK-25",
       .hooks = {.remembers = true, .visible = VisibleByAnEarlierMask}},
  };
}

}  // namespace

std::vector<Mutant> MaskMutants() {
  std::vector<Mutant> mutants;
  for (const auto part : {CausalMutants, BoundMutants, EncoderMutants, ShapedMutants}) {
    const std::vector<Mutant> some = part();
    mutants.insert(mutants.end(), some.begin(), some.end());
  }
  return mutants;
}

}  // namespace attest
