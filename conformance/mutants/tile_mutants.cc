// SPDX-License-Identifier: Apache-2.0
//
// Masks that go wrong by tiles, by call paths, or at one length alone.
#include <algorithm>
#include <cmath>

#include "conformance/mutants/triggers.h"

namespace attest {
namespace {

constexpr std::int64_t kTile = 16;      // rows and keys
constexpr std::int64_t kWideTile = 64;  // keys

bool HasWindow(const Call& call) { return call.problem.window_left > 0; }

void BoundRangesByRowTile(const Call& /*call*/, const Row& row, Terms& terms) {
  if (!terms.prefix || !terms.causal) return;
  const std::int64_t last_row = std::min(RoundUp(row.index + 1, kTile), row.q_len) - 1;
  terms.last = std::min(terms.last, row.position + last_row - row.index + 1);
}

// A mask that all rows share is read along its rows where there are as many as keys.
std::int64_t KeyMaskByRow(const Call& call, const Row& row, std::int64_t key) {
  const attest_tensor_t& mask = call.args.custom_mask;
  const bool keys_only = mask.strides[2] == 0 && mask.strides[3] != 0;
  const bool square = keys_only && row.q_len == row.seq_len;
  return OffsetOf(mask, {row.request, row.head, row.index, square ? row.index : key});
}

void BoundMaskByRowTile(const Call& /*call*/, const Row& row, Terms& terms) {
  if (!terms.custom || terms.causal) return;
  terms.last =
      std::min(terms.last, std::max<std::int64_t>(0, RoundUp(row.position + 1, kWideTile)));
}

bool VisibleInPartialBlocks(const Call& call, const Row& row, const Terms& terms,
                            std::int64_t key) {
  if (!Visible(call, row, terms, key)) return false;
  if (terms.local_block == 0 || terms.local_lookback == 0 || terms.position < 0) return true;
  return key % terms.local_block <= terms.position % terms.local_block;
}

bool VisibleInFullTiles(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  if (!Visible(call, row, terms, key)) return false;
  const bool full = terms.causal && row.q_len > 1 && key / kTile < row.position / kTile;
  return !full || key <= row.index + kTile;
}

void SeeFourRowsOfKeys(const Call& call, const Row& row, Terms& terms) {
  if (!terms.causal || !HasHalfQuery(call)) return;
  terms.causal_reach = std::min<std::int64_t>(3 - row.index % 4, row.q_len - 1 - row.index);
}

// Values of the tile that the window begins in are multiplied by 0 instead of left out.
void MultiplyBeforeWindow(const Call& call, const Row& row, std::int64_t key,
                          std::vector<Scored>& scores) {
  const std::int64_t first = row.position - call.problem.window_left + 1;
  if (!call.paged() || !HasWindow(call) || key >= first || key < first / kTile * kTile) return;
  scores.push_back({key, -std::numeric_limits<double>::infinity()});
}

void AlignWindowToLongest(const Call& call, const Row& row, Terms& terms) {
  if (!IsDecoder(call) || !HasWindow(call)) return;
  terms.left_from = row.index + LongestRequest(call) - LongestQuery(call);
}

void DropFirstPageOfWindow(const Call& call, const Row& row, Terms& terms) {
  const std::int64_t context = row.seq_len - row.q_len;
  if (!terms.causal || !HasWindow(call) || context != call.problem.window_left) return;
  terms.first = call.problem.block_size;
}

bool TreeAsCausal(const Call& call, const Row& row) {
  return HasNarrowCache(call) && row.q_len * call.group() <= 32;
}

std::vector<Mutant> MaskTiles() {
  return {
      {.id = "prefix-range-cut-at-tile",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-22",
       .sentence = "keys of a prefix range are visited up to the causal end of the tile of 16 rows",
       .reference = "vllm-project/vllm#30974",
       .bug = "vllm-mmprefix-tile-range-causal",
       .hooks = {.terms = BoundRangesByRowTile}},
      {.id = "padding-mask-on-rows",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-25",
       .sentence = "a mask of keys that all rows share masks rows instead where a request has as "
                   "many new tokens as keys",
       .reference = "keras-team/keras#21595",
       .bug = "keras-padding-mask-2d",
       .hooks = {.mask_offset = KeyMaskByRow}},
      {.id = "mask-cut-at-causal-tile",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-25",
       .sentence =
           "with a custom mask, keys are visited up to the end of the row's tile of 64, also "
           "where nothing is causal",
       .reference = "sgl-project/sglang#39703",
       .bug = "sgl-custom-mask-tile-bound",
       .hooks = {.terms = BoundMaskByRowTile}},
      {.id = "tree-mask-ignored-in-fp8",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-24",
       .sentence = "with an 8-bit cache and no more than 32 rows in a group, a draft is causal "
                   "whatever its tree mask",
       .reference = "flashinfer-ai/flashinfer#4199",
       .bug = "fi-xqa-fp8-hardcoded-causal-draft-mask",
       .hooks = {.terms =
                     [](const Call& call, const Row& row, Terms& terms) {
                       if (!terms.tree || !TreeAsCausal(call, row)) return;
                       terms.tree = false;
                       terms.causal = true;
                     }}},
      {.id = "lookback-blocks-partial",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-21",
       .sentence = "blocks behind the row's own are masked as its own is, up to the row's place in "
                   "it (which blocks went wrong is not public)",
       .reference = "pytorch/pytorch#141126",
       .bug = "pt-flex-block-sparse-wrong",
       .hooks = {.visible = VisibleInPartialBlocks}},
      {.id = "local-blocks-drop-causality",
       .bug_class = "api-plumbing",
       .clause = "MASK-20",
       .sentence = "local blocks are computed without their causal side",
       .reference = "vllm-project/flash-attention#60",
       .bug = "vfa-sparse-causal-window-hardcoded",
       .hooks = {.terms =
                     [](const Call&, const Row&, Terms& terms) {
                       if (terms.local_block > 0) terms.causal = false;
                     }}},
      {.id = "full-tiles-masked-top-left",
       .bug_class = "causal-alignment",
       .clause = "MASK-01",
       .sentence = "key tiles of 16 that lie wholly before the diagonal are masked too, by a "
                   "diagonal that begins at the top left",
       .reference = "ROCm/aiter#294",
       .bug = "aiter-full-blocks-causal-masked",
       .hooks = {.visible = VisibleInFullTiles}},
      {.id = "causal-per-four-rows",
       .bug_class = "causal-alignment",
       .clause = "MASK-01",
       .sentence = "with 16-bit queries, four rows share the causal mask of the last of them",
       .reference = "pytorch/pytorch#195910",
       .bug = "pt-mps-causal-per-4-rows",
       .hooks = {.terms = SeeFourRowsOfKeys}},
      {.id = "rows-counted-from-keys",
       .bug_class = "api-plumbing",
       .clause = "ABI-08",
       .sentence = "no more rows of a request are computed than it has keys, where it has any",
       .reference = "ggml-org/llama.cpp#9374",
       .bug = "ggml-q-is-k",
       .hooks = {.writes =
                     [](const Call&, const Row& row) {
                       return row.seq_len == 0 || row.index < row.seq_len;
                     }}},
      {.id = "plain-problem-noncausal",
       .bug_class = "api-plumbing",
       .clause = "ABI-01",
       .sentence = "a problem whose mask and score fields are all zero is computed non-causal",
       .reference = "kept as a standard mutation",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       const attest_problem_t& p = call.problem;
                       const bool plain = p.window_left == 0 && p.window_right == 0 &&
                                          p.local_block_size == 0 && p.custom_mask_kind == 0 &&
                                          p.softcap == 0 && (p.flags & ~ATTEST_FLAG_LSE) == 0;
                       if (plain) terms.causal = false;
                     }}},
      {.id = "noncausal-claim-inherited",
       .bug_class = "selector-capability",
       .clause = "MASK-03",
       .sentence = "non-causal decoders are claimed and computed causal, windows included",
       .reference = "vllm-project/vllm#40176",
       .bug = "seed-aiter-unified-inherits-noncausal",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (!IsDecoder(call) || call.problem.causality != ATTEST_NON_CAUSAL) return;
                       terms.causal = true;
                       terms.right = std::min<std::int64_t>(terms.right, 0);
                     }}},
  };
}

std::vector<Mutant> WindowPaths() {
  return {
      {.id = "window-lost-in-batch",
       .bug_class = "api-plumbing",
       .clause = "MASK-10",
       .sentence = "a causal window is not passed on for more than one request",
       .reference = "jax-ml/jax@ccabd21084",
       .bug = "jax-vmap-drops-window",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (terms.causal && call.problem.num_requests > 1) terms.left = kNoReach;
                     }}},
      {.id = "value-outside-window-multiplied",
       .bug_class = "sliding-window",
       .clause = "KV-11",
       .sentence = "values before a window, back to the start of a tile of 16, are multiplied by 0 "
                   "instead of left out",
       .reference = "vllm-project/vllm#30887",
       .bug = "vllm-triton-v-outside-window",
       .hooks = {.masked = MultiplyBeforeWindow}},
      {.id = "window-ignored-in-decode",
       .bug_class = "sliding-window",
       .clause = "MASK-10",
       .sentence = "a single new token sees all keys whatever its window",
       .reference = "vllm-project/vllm-ascend#12605",
       .bug = "ascend-decode-mask-dropped",
       .hooks = {.terms =
                     [](const Call&, const Row& row, Terms& terms) {
                       if (terms.causal && row.q_len == 1) terms.left = kNoReach;
                     }}},
      {.id = "window-aligned-to-longest",
       .bug_class = "sliding-window",
       .clause = "MASK-10",
       .sentence = "the window of every request is placed by the longest of all lengths",
       .reference = "NVIDIA/TransformerEngine#1281",
       .bug = "te-swa-mask-padding-alignment",
       .hooks = {.terms = AlignWindowToLongest}},
      {.id = "window-loses-page-at-history",
       .bug_class = "sliding-window",
       .clause = "MASK-10",
       .sentence = "a request whose context is as long as the window loses its first page",
       .reference = "InternLM/lmdeploy#3302",
       .bug = "lmd-window-block-boundary",
       .hooks = {.terms = DropFirstPageOfWindow}},
      {.id = "window-one-long-in-extend",
       .bug_class = "sliding-window",
       .clause = "MASK-10",
       .sentence = "several new tokens behind a context see one key more than the window has",
       .reference = "sgl-project/sglang#34273",
       .bug = "sgl-extend-window-plus-one",
       .hooks = {.terms =
                     [](const Call& call, const Row& row, Terms& terms) {
                       const bool extends = row.q_len > 1 && row.seq_len > row.q_len;
                       if (terms.causal && HasWindow(call) && extends) ++terms.left;
                     }}},
      {.id = "window-pair-inclusive",
       .bug_class = "sliding-window",
       .clause = "MASK-13",
       .sentence = "both sides of a non-causal window have one key more",
       .reference = "huggingface/transformers#39408",
       .bug = "hf-fa-window-inclusive",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (terms.causal || call.problem.window_left == 0) return;
                       if (call.problem.window_right == 0) return;
                       ++terms.left;
                       ++terms.right;
                     }}},
      {.id = "window-without-past",
       .bug_class = "sliding-window",
       .clause = "MASK-10",
       .sentence = "the window is measured from the row's number among the new tokens",
       .reference = "huggingface/transformers#26792",
       .bug = "hf-mistral-triu-diagonal",
       .hooks = {.terms =
                     [](const Call& call, const Row& row, Terms& terms) {
                       if (terms.causal && HasWindow(call)) terms.left_from = row.index;
                     }}},
      {.id = "window-rolls-at-its-length",
       .bug_class = "block-table-slots",
       .clause = "MASK-10",
       .sentence = "a request exactly as long as its window has lost its oldest key",
       .reference = "huggingface/transformers#37574",
       .bug = "hf-swa-cache-at-window",
       .hooks = {.terms =
                     [](const Call& call, const Row& row, Terms& terms) {
                       if (terms.causal && row.seq_len == call.problem.window_left) terms.first = 1;
                     }}},
  };
}

}  // namespace

std::vector<Mutant> TileMutants() { return Joined({MaskTiles, WindowPaths}); }

}  // namespace attest
