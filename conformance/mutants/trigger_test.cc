// SPDX-License-Identifier: Apache-2.0
//
// Each mutant computes what the faithful attention computes on a problem without its trigger, bit
// for bit, and something else on one that has it.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <string>
#include <utility>

#include "conformance/mutants/attention.h"
#include "conformance/mutants/testing/small_tensors.h"

namespace attest {
namespace {

using testing::SmallOptions;
using testing::SmallTensors;

struct Setting {
  Problem problem;
  SmallOptions options;
};

// Three requests with cached context; nothing but causality.
Setting Plain() {
  Setting s;
  s.problem.query_dtype = s.problem.cache_dtype = s.problem.output_dtype = DType::kFloat32;
  s.problem.num_q_heads = 4;
  s.problem.num_kv_heads = 2;
  s.problem.head_dim_qk = s.problem.head_dim_v = 8;
  s.problem.scale = 0.25F;
  s.problem.block_size = 4;
  s.problem.requests = {{5, 11}, {2, 7}, {1, 18}};
  return s;
}

using Edit = void (*)(Problem& p, SmallOptions& o);

void AsItIs(Problem& /*p*/, SmallOptions& /*o*/) {}
void NoContext(Problem& p, SmallOptions& /*o*/) { p.requests = {{5, 5}, {7, 7}}; }
void NoRows(Problem& p, SmallOptions& /*o*/) { p.requests = {{0, 5}}; }
void NoKeys(Problem& p, SmallOptions& /*o*/) { p.requests = {{2, 0}, {1, 0}}; }
void Decode1(Problem& p, SmallOptions& /*o*/) { p.requests = {{1, 11}, {1, 18}}; }
void NonCausal(Problem& p, SmallOptions& /*o*/) { p.causality = Causality::kNonCausal; }
void Window(Problem& p, SmallOptions& /*o*/) { p.window_left = 3; }
void WindowOfOne(Problem& p, SmallOptions& /*o*/) { p.window_left = 1; }
void LongWindow(Problem& p, SmallOptions& /*o*/) { p.window_left = 64; }
void EndlessWindow(Problem& p, SmallOptions& /*o*/) { p.window_left = 2147483647; }
void BlockWindow(Problem& p, SmallOptions& o) {
  NonCausal(p, o);
  p.window_left = p.window_right = 3;
}
void AsymmetricWindow(Problem& p, SmallOptions& o) {
  NonCausal(p, o);
  p.window_left = 4;
  p.window_right = 2;
}
void Encoder(Problem& p, SmallOptions& /*o*/) {
  p.attention_type = AttentionType::kEncoderOnly;
  p.block_size = 0;
  p.requests = {{5, 5}, {7, 7}};
}
void EncoderAlone(Problem& p, SmallOptions& o) {
  Encoder(p, o);
  p.requests = {{7, 7}};
}
void EncoderWindow(Problem& p, SmallOptions& o) {
  Encoder(p, o);
  p.window_left = p.window_right = 3;
}
void Cross(Problem& p, SmallOptions& /*o*/) { p.attention_type = AttentionType::kEncoderDecoder; }
void CrossDecode(Problem& p, SmallOptions& o) {
  Cross(p, o);
  p.requests = {{1, 9}, {1, 6}};
}
void RowsBeforeKeys(Problem& p, SmallOptions& /*o*/) { p.requests = {{5, 2}, {3, 3}}; }
void WholePages(Problem& p, SmallOptions& /*o*/) { p.requests = {{5, 12}, {2, 8}, {1, 16}}; }
void Sinks(Problem& p, SmallOptions& /*o*/) { p.sinks = true; }
void Alibi(Problem& p, SmallOptions& /*o*/) { p.alibi = true; }
void Softcap(Problem& p, SmallOptions& o) {
  p.softcap = 0.5F;
  o.query_size = 2;
}
void Boolean(Problem& p, SmallOptions& /*o*/) { p.custom_mask = MaskKind::kBoolean; }
void Additive(Problem& p, SmallOptions& /*o*/) { p.custom_mask = MaskKind::kAdditive; }
void Tree(Problem& p, SmallOptions& /*o*/) { p.tree_mask = true; }
void Ranges(Problem& p, SmallOptions& /*o*/) { p.prefix_ranges = {{0, 7, 10}, {2, 1, 4}}; }
void TwoRanges(Problem& p, SmallOptions& /*o*/) { p.prefix_ranges = {{0, 7, 7}, {0, 9, 10}}; }
void Alone(Problem& p, SmallOptions& o) {
  Tree(p, o);
  p.requests = {{5, 11}};
}
void Chunks(Problem& p, SmallOptions& /*o*/) { p.local_block_size = 4; }
void ChunksWithLookback(Problem& p, SmallOptions& /*o*/) {
  p.local_block_size = 3;
  p.local_block_lookback = 1;
}
void PerRequest(Problem& p, SmallOptions& /*o*/) {
  p.causality = Causality::kPerRequest;
  p.request_causal = {true, false, true};
}
void AllRequestsAlike(Problem& p, SmallOptions& o) {
  PerRequest(p, o);
  p.request_causal = {true, true, true};
}
void DeadNan(Problem& /*p*/, SmallOptions& o) { o.dead = std::nan(""); }
void HeadsFirst(Problem& p, SmallOptions& /*o*/) { p.cache_layout = CacheLayout::kHnd; }
void PaddedPages(Problem& p, SmallOptions& /*o*/) { p.cache_layout = CacheLayout::kPaddedPages; }
void PaddedRows(Problem& p, SmallOptions& /*o*/) { p.token_layout = TokenLayout::kPaddedRows; }
void XSplit(Problem& p, SmallOptions& /*o*/) { p.cache_layout = CacheLayout::kXSplit; }
void XSplitHalf(Problem& p, SmallOptions& o) {
  XSplit(p, o);
  p.query_dtype = p.cache_dtype = DType::kFloat16;
}
void Latent(Problem& p, SmallOptions& /*o*/) {
  p.cache_layout = CacheLayout::kSharedLatent;
  p.head_dim_v = 5;
}
void WholeLatent(Problem& p, SmallOptions& o) {
  Latent(p, o);
  p.head_dim_v = 8;
}
void WideKeys(Problem& p, SmallOptions& /*o*/) { p.head_dim_v = 5; }
void Float8(Problem& p, SmallOptions& /*o*/) {
  p.cache_dtype = DType::kFloat8E4M3FN;
  p.kv_scale_kind = KvScaleKind::kPerHead;
}
void Float8Unscaled(Problem& p, SmallOptions& /*o*/) { p.cache_dtype = DType::kFloat8E5M2; }
void Int8(Problem& p, SmallOptions& /*o*/) {
  p.cache_dtype = DType::kInt8;
  p.kv_scale_kind = KvScaleKind::kPerTokenHead;
}
void Half(Problem& p, SmallOptions& /*o*/) { p.query_dtype = p.cache_dtype = DType::kFloat16; }
void SharedPrefix(Problem& p, SmallOptions& /*o*/) {
  p.requests = {{3, 11}, {2, 9}};
  p.shared_prefix = 8;
}
void SharedPrefixAndSinks(Problem& p, SmallOptions& o) {
  SharedPrefix(p, o);
  p.sinks = true;
}
void Shorter(Problem& p, SmallOptions& /*o*/) { p.requests = {{5, 11}, {2, 8}, {3, 15}}; }
void HugeScores(Problem& /*p*/, SmallOptions& o) { o.query_size = 1e4; }
void VeryNegative(Problem& p, SmallOptions& o) {
  o.query_size = 1e5;
  o.key_shift = -2;
  p.scale = 1;
}
void NegativeAfterEmptyTile(Problem& p, SmallOptions& o) {
  VeryNegative(p, o);
  p.requests = {{2, 40}};
  p.window_left = 5;
}
void EmptyFirstTile(Problem& p, SmallOptions& /*o*/) {
  p.requests = {{2, 40}};
  p.window_left = 5;
}
void OneHead(Problem& p, SmallOptions& /*o*/) { p.num_q_heads = p.num_kv_heads = 1; }
void OnePage(Problem& p, SmallOptions& /*o*/) { p.requests = {{2, 4}, {1, 3}}; }
void Padding(Problem& p, SmallOptions& /*o*/) { p.padding_tokens = 2; }

void Lengths(Problem& p, std::vector<Request> requests) { p.requests = std::move(requests); }
void OneRequest(Problem& p, SmallOptions& /*o*/) { Lengths(p, {{5, 11}}); }
void AnEmptyRequest(Problem& p, SmallOptions& /*o*/) { Lengths(p, {{2, 0}, {3, 9}}); }
void LatentAndAnEmptyRequest(Problem& p, SmallOptions& o) {
  Latent(p, o);
  AnEmptyRequest(p, o);
}
void AcrossASplit(Problem& p, SmallOptions& /*o*/) { Lengths(p, {{4, 66}}); }
void TwoSplits(Problem& p, SmallOptions& /*o*/) { Lengths(p, {{2, 70}}); }
void SameDraft(Problem& p, SmallOptions& /*o*/) { Lengths(p, {{3, 11}, {3, 9}}); }
void DecodePast1024(Problem& p, SmallOptions& /*o*/) { Lengths(p, {{1, 1100}}); }
void DecodePast4096(Problem& p, SmallOptions& /*o*/) { Lengths(p, {{1, 5000}}); }
void BigMask(Problem& p, SmallOptions& o) {
  Boolean(p, o);
  Lengths(p, {{5, 11}, {20, 900}});
}
void Past32768(Problem& p, SmallOptions& o) {
  OneHead(p, o);
  Lengths(p, {{2, 32780}});
}
void PaddedRowsAndMask(Problem& p, SmallOptions& o) {
  PaddedRows(p, o);
  Boolean(p, o);
}
void LongerTable(Problem& p, SmallOptions& /*o*/) { Lengths(p, {{5, 11}, {2, 7}, {1, 30}}); }

struct Trigger {
  const char* id;
  Edit without;
  Edit with;
  Edit earlier = nullptr;  // a call before the one with the trigger
};

// clang-format off
const Trigger kTriggers[] = {
    {"causal-top-left", NoContext, AsItIs},
    {"causal-dropped", Decode1, AsItIs},
    {"causal-one-more", Decode1, AsItIs},
    {"first-key-missing", NoKeys, AsItIs},
    {"own-key-missing", NonCausal, AsItIs},
    {"last-key-missing", NoKeys, AsItIs},
    {"noncausal-ignored", AsItIs, NonCausal},
    {"noncausal-unpaged", AsItIs, NonCausal},
    {"negative-position-unwritten", AsItIs, RowsBeforeKeys},
    {"causality-of-first-request", AllRequestsAlike, PerRequest},
    {"tile-overhang-in-denominator", AsItIs, NonCausal},
    {"page-tail-visible", AsItIs, NonCausal},
    {"one-key-past-the-end", NoRows, NonCausal},
    {"keys-of-wrong-request", Decode1, AsItIs},
    {"empty-query-overwrites-neighbour", AsItIs,
     [](Problem& p, SmallOptions&) { p.requests = {{3, 9}, {0, 6}, {2, 8}}; }},
    {"empty-request-unwritten", AsItIs,
     [](Problem& p, SmallOptions&) { p.requests = {{3, 9}, {2, 0}}; }},
    {"mask-finite-fill", CrossDecode, RowsBeforeKeys},
    {"encoder-sees-neighbours", EncoderAlone, Encoder},
    {"encoder-causal", NonCausal, Encoder},
    {"encoder-paged", EncoderAlone, Encoder},
    {"cross-bottom-right", CrossDecode, Cross},
    {"chunk-mask-dropped", AsItIs, Chunks},
    {"lookback-ignored", Chunks, ChunksWithLookback},
    {"lookback-in-keys", AsItIs, ChunksWithLookback},
    {"prefix-range-clipped-causal", [](Problem& p, SmallOptions& o) { NonCausal(p, o); Ranges(p, o); },
     Ranges},
    {"prefix-range-past-end", Ranges,
     [](Problem& p, SmallOptions&) { p.prefix_ranges = {{0, 7, 30}}; }},
    {"prefix-clamp-ignored", Ranges,
     [](Problem& p, SmallOptions&) {
       p.prefix_ranges = {{0, 5, 10}};
       p.window_left = 3;
       p.prefix_clamped = true;
     }},
    {"tree-mask-replaced-by-causal", AsItIs, Tree},
    {"mask-broadcast-misread", Boolean,
     [](Problem& p, SmallOptions& o) { Boolean(p, o); p.custom_mask_broadcast.head = true; }},
    {"mask-stale", Additive, Boolean},

    {"chunk-as-window", AsItIs, Chunks},
    {"chunk-counted-from-new-tokens", NoContext, [](Problem& p, SmallOptions&) { p.local_block_size = 3; }},
    {"lookback-one-more", Chunks, ChunksWithLookback},
    {"request-causality-drops-window", PerRequest,
     [](Problem& p, SmallOptions& o) { PerRequest(p, o); p.window_left = p.window_right = 3; }},
    {"request-causality-lost-in-window", PerRequest,
     [](Problem& p, SmallOptions& o) { PerRequest(p, o); p.window_left = p.window_right = 3; }},
    {"prefix-range-exclusive", AsItIs, Ranges},
    {"prefix-ranges-joined", Ranges, TwoRanges},
    {"prefix-ranges-of-first-request", AsItIs,
     [](Problem& p, SmallOptions&) { p.requests = {{5, 11}, {6, 11}}; p.prefix_ranges = {{0, 7, 10}}; }},
    {"prefix-clamp-both-sides", Ranges,
     [](Problem& p, SmallOptions&) {
       p.prefix_ranges = {{0, 5, 10}};
       p.window_left = 2;
       p.prefix_clamped = true;
     }},
    {"prefix-single-token-ends-list", Ranges,
     [](Problem& p, SmallOptions&) { p.prefix_ranges = {{0, 0, 0}, {0, 7, 10}}; }},
    {"prefix-range-inside-window", Ranges,
     [](Problem& p, SmallOptions& o) { Ranges(p, o); p.window_left = 2; }},
    {"tree-mask-over-context", AsItIs, Tree},
    {"tree-mask-and-causal", AsItIs, Tree},
    {"tree-keys-bounded-by-row", AsItIs, Tree},
    {"tree-mask-of-first-request", Alone,
     [](Problem& p, SmallOptions& o) { Tree(p, o); p.requests = {{5, 11}, {4, 9}}; }},
    {"tree-mask-pitch-assumed", Alone,
     [](Problem& p, SmallOptions& o) { Tree(p, o); p.requests = {{5, 11}, {4, 9}}; }},
    {"mask-replaces-causality", AsItIs, Boolean},
    {"mask-of-first-head", Additive, Boolean},
    {"bias-of-first-head", Boolean, Additive},
    {"mask-tail-opens-keys", AsItIs, Boolean},
    {"masked-row-unmasked", Additive,
     [](Problem& p, SmallOptions& o) { Boolean(p, o); p.requests = {{3, 1}, {9, 1}}; NonCausal(p, o); }},
    {"scales-swapped", Float8Unscaled, Float8},
    {"subnormals-read-as-zero", AsItIs,
     [](Problem& p, SmallOptions& o) { Float8(p, o); o.cache_size = 0.01; }},
    {"scale-of-page-start", Float8Unscaled, Int8},
    {"scale-of-first-head", Float8Unscaled, Float8},
    {"scale-by-query-head", Float8Unscaled, Float8},
    {"masked-scale-multiplied", Float8,
     [](Problem& p, SmallOptions& o) { Float8(p, o); o.dead_scale = std::nan(""); }},
    {"x-split-value-as-key", AsItIs, XSplit},
    {"alibi-off-by-one", AsItIs, Alibi},
    {"alibi-top-left", AsItIs, Alibi},
    {"alibi-by-kv-head", AsItIs, Alibi},
    {"alibi-scaled", AsItIs, Alibi},
    {"alibi-sign-is-causality", Alibi,
     [](Problem& p, SmallOptions& o) { Alibi(p, o); o.slope = -0.25; }},
    {"bias-as-boolean", Boolean, Additive},
    {"bias-infinity-clamped", Additive,
     [](Problem& p, SmallOptions& o) { Additive(p, o); o.whole_rows_masked = true; }},
    {"softcap-ignored-in-decode", AsItIs, Softcap},
    {"softcap-clips", AsItIs, Softcap},
    {"scale-after-softcap-twice", AsItIs, Softcap},
    {"heads-as-rows", AsItIs, Window},
    {"hybrid-null-page-visible", AsItIs,
     [](Problem& p, SmallOptions& o) { p.window_left = 2; o.page_zero_past_window = true; o.page_zero = 1; }},

    {"window-one-short", AsItIs, Window},
    {"window-one-long", LongWindow, Window},
    {"window-ignored", LongWindow, Window},
    {"window-from-last-row", Decode1, Window},
    {"window-one-means-none", Window, WindowOfOne},
    {"window-clipped-to-query",
     [](Problem& p, SmallOptions&) { p.window_left = 3; p.requests = {{5, 11}, {7, 20}}; }, LongWindow},
    {"window-end-wraps", LongWindow, EndlessWindow},
    {"encoder-window-left-only", BlockWindow, EncoderWindow},
    {"encoder-window-ignored", Encoder, EncoderWindow},
    {"window-left-only", Window, BlockWindow},
    {"window-silently-causal", EncoderWindow, BlockWindow},
    {"window-top-left", EncoderWindow, BlockWindow},
    {"window-anchored-at-block", EncoderWindow, BlockWindow},
    {"window-right-ignored", BlockWindow, AsymmetricWindow},
    {"window-right-one-short", Window, AsymmetricWindow},
    {"window-right-one-long", Window, BlockWindow},
    {"window-both-one-short", AsItIs, BlockWindow},

    {"head-interleaved", OneHead, AsItIs},
    {"head-identity", OneHead, AsItIs},
    {"group-scores-shared", OneHead, AsItIs},
    {"packed-group-bound", AsItIs,
     [](Problem& p, SmallOptions&) { p.num_q_heads = 6; p.requests = {{9, 13}}; }},
    {"group-tail-missing", AsItIs, [](Problem& p, SmallOptions&) { p.num_q_heads = 10; }},
    {"value-width-from-key", AsItIs, WideKeys},
    {"last-column-not-scored", NoKeys, AsItIs},
    {"last-column-zero", NoKeys, AsItIs},
    {"head-tail-dropped", AsItIs, [](Problem& p, SmallOptions&) { p.head_dim_qk = 12; }},

    {"value-page-stale", OnePage, AsItIs},
    {"table-identity", OnePage, AsItIs},
    {"second-page-is-first", OnePage, AsItIs},
    {"second-page-values-of-first", OnePage, AsItIs},
    {"second-page-keys-of-first", OnePage, AsItIs},
    {"table-tail-dereferenced", AsItIs,
     [](Problem&, SmallOptions& o) { o.table_gap = 2; o.garbage = -7; }},
    {"table-pitch-assumed", AsItIs, [](Problem&, SmallOptions& o) { o.table_gap = 2; }},
    {"null-page-visible", Window,
     [](Problem& p, SmallOptions& o) { p.window_left = 2; o.page_zero_past_window = true; }},
    {"shared-pages-of-first-request", AsItIs, SharedPrefix},
    {"physical-order-mask", Cross, AsItIs},
    {"block-size-mismatch", [](Problem& p, SmallOptions&) { p.block_size = 16; }, AsItIs},
    {"latest-wins", AsItIs, [](Problem&, SmallOptions& o) { o.alias_first_page = true; }},
    {"hybrid-pages-unsplit", OnePage, AsItIs},
    {"last-page-skipped", WholePages, AsItIs},
    {"bound-taken-as-length", [](Problem& p, SmallOptions&) { p.requests = {{5, 11}, {2, 11}}; },
     Shorter},
    {"rejected-drafts-visible", WholePages, AsItIs},
    {"masked-value-multiplied", AsItIs, DeadNan},
    {"masked-score-added", AsItIs, DeadNan},
    {"uniform-query-length", Decode1, AsItIs},
    {"padding-rows-written", AsItIs, Padding},

    {"page-stride-recomputed", AsItIs, PaddedPages},
    {"value-uses-key-strides", AsItIs, PaddedPages},
    {"cache-taken-as-nhd", AsItIs, HeadsFirst},
    {"output-uses-query-strides", AsItIs, PaddedRows},
    {"row-stride-recomputed", AsItIs, PaddedRows},
    {"x-split-fixed-eight", XSplitHalf, XSplit},
    {"x-split-read-as-columns", AsItIs, XSplit},
    {"latent-value-from-end", WholeLatent, Latent},
    {"fnuz-read-as-fn", Float8Unscaled, Float8},
    {"value-scale-ignored", Float8Unscaled, Float8},
    {"key-scale-ignored", Float8Unscaled, Float8},
    {"int8-read-unsigned", Float8, Int8},
    {"raw-chunk", AsItIs, Float8},
    {"value-recoded", Float8, AsItIs},
    {"fp16-as-bf16", AsItIs, Half},

    {"scale-assumed", NoKeys, AsItIs},
    {"scale-of-first-call", NoKeys, AsItIs},
    {"scale-three-percent", NoKeys, AsItIs},
    {"scale-dropped", [](Problem& p, SmallOptions&) { p.scale = 1; }, AsItIs},
    {"scale-twice", [](Problem& p, SmallOptions&) { p.scale = 1; }, AsItIs},
    {"weights-base-two", NoKeys, AsItIs},
    {"scores-in-bf16", NoKeys, AsItIs},
    {"scores-in-fp16", NoKeys, AsItIs},
    {"softcap-ignored", AsItIs, Softcap},
    {"softcap-base-two", NoKeys, Softcap},
    {"softcap-before-scale", AsItIs, Softcap},
    {"softcap-after-bias", Softcap, [](Problem& p, SmallOptions& o) { Softcap(p, o); p.alibi = true; }},
    {"softcap-after-mask", AsItIs, Softcap},
    {"softcap-overflow", Softcap,
     [](Problem& p, SmallOptions& o) { Softcap(p, o); o.query_size = 500; }},
    {"alibi-signed", AsItIs, [](Problem& p, SmallOptions& o) { NonCausal(p, o); p.alibi = true; }},
    {"alibi-row-shifted", AsItIs, Alibi},
    {"alibi-drops-window", Window, [](Problem& p, SmallOptions& o) { Window(p, o); p.alibi = true; }},
    {"alibi-ignored", AsItIs, Alibi},
    {"bias-scaled", AsItIs, Additive},

    {"accumulator-not-rescaled", OnePage, AsItIs},
    {"denominator-missing", OnePage, AsItIs},
    {"maximum-starts-finite", AsItIs, VeryNegative},
    {"maximum-not-subtracted", NoKeys, HugeScores},
    {"empty-tile-nan", AsItIs, EmptyFirstTile},
    {"maximum-clamped-at-zero", AsItIs, NegativeAfterEmptyTile},
    {"empty-row-nan", AsItIs, RowsBeforeKeys},
    {"empty-row-mean", AsItIs, RowsBeforeKeys},
    {"output-cut-to-ten-bits", [](Problem& p, SmallOptions&) { p.output_dtype = DType::kFloat16; },
     AsItIs},
    {"output-is-zero", NoKeys, AsItIs},
    {"output-counts-a-key-twice", NoKeys, AsItIs},
    {"lse-base-two", NoKeys, AsItIs},
    {"lse-of-last-split", OnePage, AsItIs},
    {"lse-without-maximum", NoKeys, AsItIs},
    {"lse-one-percent", NoKeys, AsItIs},
    {"empty-row-lse-plus-infinity", AsItIs, RowsBeforeKeys},
    {"sink-ignored", AsItIs, Sinks},
    {"sink-per-split", AsItIs, Sinks},
    {"sink-on-first-key", AsItIs, Sinks},
    {"sink-scaled", AsItIs, Sinks},
    {"lse-without-sink", AsItIs, Sinks},
    {"cascade-sink-missing", Sinks, SharedPrefixAndSinks},
    {"cascade-prefix-twice", AsItIs, SharedPrefix},

    {"rows-left-unwritten", NoRows, AsItIs},
    {"output-and-lse-swapped", [](Problem& p, SmallOptions&) { p.lse = false; }, AsItIs},

    {"splits-past-head-size-lost", AsItIs, [](Problem& p, SmallOptions&) { Lengths(p, {{1, 300}}); }},
    {"masked-split-nan", AsItIs, AcrossASplit},
    {"empty-last-split-counted", [](Problem& p, SmallOptions&) { Lengths(p, {{1, 32}}); }, AsItIs},
    {"last-split-miscounted", AsItIs, [](Problem& p, SmallOptions&) { Lengths(p, {{8, 130}}); }},
    {"rows-padded-to-four", [](Problem& p, SmallOptions&) { Lengths(p, {{5, 300}}); },
     [](Problem& p, SmallOptions&) { Lengths(p, {{5, 300}, {5, 20}}); }},
    {"chunk-count-floors", NoContext,
     [](Problem& p, SmallOptions&) { p.num_q_heads = 6; Lengths(p, {{9, 68}}); }},
    {"denominator-of-two-rows", Decode1, AsItIs},
    {"combined-rows-as-padded", AsItIs,
     [](Problem& p, SmallOptions&) { Lengths(p, {{1, 9}, {3, 150}}); }},
    {"split-rows-unwritten", AsItIs, [](Problem& p, SmallOptions&) { Lengths(p, {{1, 9}, {2, 600}}); }},
    {"lse-transposed-in-split-decode", AsItIs,
     [](Problem& p, SmallOptions&) { Lengths(p, {{1, 70}, {1, 9}}); }},
    {"latent-lse-transposed", AsItIs, Latent},
    {"maximum-of-first-keys", AsItIs,
     [](Problem& p, SmallOptions& o) { HugeScores(p, o); Lengths(p, {{1, 2100}}); }},
    {"two-pass-last-block-twice", AsItIs, DecodePast1024},
    {"split-buffer-reused", AsItIs, TwoSplits},
    {"invariant-mode-runs-one-split", TwoSplits,
     [](Problem& p, SmallOptions& o) { TwoSplits(p, o); p.batch_invariant = true; }},

    {"empty-request-clears-followers", AsItIs, AnEmptyRequest},
    {"tile-rows-overwrite-next", AsItIs,
     [](Problem& p, SmallOptions&) { Lengths(p, {{9, 12}, {2, 7}}); }},
    {"tail-lanes-unmasked", [](Problem& p, SmallOptions&) { Lengths(p, {{5, 32}, {1, 64}}); }, AsItIs},
    {"last-row-tile-reads-past-end", AsItIs, [](Problem& p, SmallOptions&) { Lengths(p, {{9, 16}}); }},
    {"new-token-tile-overhang", AsItIs, NonCausal},
    {"decode-tail-unchecked", AsItIs, [](Problem& p, SmallOptions&) { Lengths(p, {{1, 130}}); }},
    {"value-tile-tail-multiplied", DeadNan,
     [](Problem& p, SmallOptions& o) { DeadNan(p, o); p.head_dim_v = 64; }},
    {"first-query-row-zero", Decode1, AsItIs},
    {"last-key-missing-from-4096", AsItIs, [](Problem& p, SmallOptions&) { Lengths(p, {{1, 4096}}); }},
    {"query-rows-zeroed-in-large-batch", AsItIs,
     [](Problem& p, SmallOptions&) { p.requests.assign(512, {1, 3}); }},
    {"empty-request-sees-a-page", AsItIs, AnEmptyRequest},
    {"empty-request-lse-unwritten", AsItIs, AnEmptyRequest},
    {"latent-empty-request-unwritten", AnEmptyRequest, LatentAndAnEmptyRequest},
    {"masked-tile-wraps", RowsBeforeKeys, [](Problem& p, SmallOptions&) { Lengths(p, {{20, 3}}); }},
    {"maximum-starts-at-half-range", AsItIs, VeryNegative},
    {"mask-infinity-spreads",
     [](Problem& p, SmallOptions& o) { Additive(p, o); o.whole_rows_masked = true; },
     [](Problem& p, SmallOptions& o) {
       Additive(p, o);
       Half(p, o);
       p.additive_mask_dtype = DType::kFloat16;
       o.whole_rows_masked = true;
     }},
    {"warp-without-keys-nan", AsItIs, EmptyFirstTile},
    {"empty-row-nan-without-window", AsItIs, RowsBeforeKeys},
    {"empty-row-lse-finite", AsItIs, RowsBeforeKeys},

    {"multi-token-decode-noncausal", AsItIs, SameDraft},
    {"expanded-rows-unwritten", AsItIs, SameDraft},
    {"split-tail-shorter-than-rows", AsItIs, AcrossASplit},
    {"prefill-ignores-context", NoContext, AsItIs},
    {"context-of-first-request-decides", AsItIs,
     [](Problem& p, SmallOptions&) { Lengths(p, {{5, 5}, {2, 7}}); }},
    {"row-tile-bounds-keys", AsItIs, [](Problem& p, SmallOptions&) { Lengths(p, {{5, 80}}); }},
    {"gathered-keys-by-query-start", OneRequest, AsItIs},
    {"decode-batch-planned-as-rows", AsItIs, Decode1},
    {"query-rows-as-first-request", SameDraft, AsItIs},
    {"padding-rows-computed", AsItIs, Padding},
    {"table-starts-at-new-tokens", NoContext, AsItIs},
    {"index-buffer-counted-in-pages", AsItIs,
     [](Problem& p, SmallOptions&) { Lengths(p, {{5, 18}, {2, 18}, {1, 18}}); }},
    {"window-as-ring", LongWindow, Window},
    {"latent-tail-pages-loaded", Latent,
     [](Problem& p, SmallOptions& o) { Latent(p, o); DeadNan(p, o); o.table_gap = 2; }},
    {"folded-batch-index", AsItIs, [](Problem& p, SmallOptions&) { p.num_q_heads = 32; }},
    {"page-copied-early", OnePage, AsItIs},

    {"prefix-range-cut-at-tile", Ranges,
     [](Problem& p, SmallOptions&) { Lengths(p, {{20, 30}}); p.prefix_ranges = {{0, 10, 28}}; }},
    {"padding-mask-on-rows", Boolean,
     [](Problem& p, SmallOptions& o) { Boolean(p, o); NoContext(p, o); p.custom_mask_broadcast.row = true; }},
    {"mask-cut-at-causal-tile", Boolean,
     [](Problem& p, SmallOptions& o) { Boolean(p, o); NonCausal(p, o); Lengths(p, {{10, 70}}); }},
    {"tree-mask-ignored-in-fp8", Tree, [](Problem& p, SmallOptions& o) { Tree(p, o); Float8(p, o); }},
    {"lookback-blocks-partial", Chunks, ChunksWithLookback},
    {"local-blocks-drop-causality", AsItIs, Chunks},
    {"full-tiles-masked-top-left", NoContext, [](Problem& p, SmallOptions&) { Lengths(p, {{5, 40}}); }},
    {"causal-per-four-rows", AsItIs, Half},
    {"rows-counted-from-keys", AsItIs, RowsBeforeKeys},
    {"noncausal-claim-inherited", AsItIs, NonCausal},
    {"plain-problem-noncausal", Window, AsItIs},
    {"window-lost-in-batch", [](Problem& p, SmallOptions& o) { Window(p, o); OneRequest(p, o); }, Window},
    {"value-outside-window-multiplied", Window,
     [](Problem& p, SmallOptions& o) { p.window_left = 2; o.page_zero_past_window = true; DeadNan(p, o); }},
    {"window-ignored-in-decode", [](Problem& p, SmallOptions& o) { Window(p, o); OneRequest(p, o); },
     Window},
    {"window-aligned-to-longest", [](Problem& p, SmallOptions& o) { Window(p, o); OneRequest(p, o); },
     Window},
    {"window-loses-page-at-history", Window, [](Problem& p, SmallOptions&) { p.window_left = 6; }},
    {"window-one-long-in-extend", [](Problem& p, SmallOptions& o) { Window(p, o); Decode1(p, o); }, Window},
    {"window-pair-inclusive", Window, BlockWindow},
    {"window-without-past", [](Problem& p, SmallOptions& o) { Window(p, o); NoContext(p, o); }, Window},
    {"window-rolls-at-its-length", Window, [](Problem& p, SmallOptions&) { p.window_left = 11; }},

    {"head-remap-off-by-one", AsItIs, [](Problem& p, SmallOptions&) { p.num_q_heads = 16; }},
    {"alibi-head-size-power-of-two", Alibi,
     [](Problem& p, SmallOptions& o) { Alibi(p, o); p.head_dim_qk = 12; }},
    {"paged-value-cut-to-key-width", WideKeys, [](Problem& p, SmallOptions&) { p.head_dim_v = 12; }},
    {"alibi-drops-head-map", AsItIs, Alibi},
    {"head-size-taken-as-128", AsItIs, [](Problem& p, SmallOptions&) { p.head_dim_qk = 136; }},
    {"keys-past-block-dropped", AsItIs, DecodePast1024},
    {"alibi-by-row-number", AsItIs, Alibi},
    {"cascade-alibi-shifted", Alibi,
     [](Problem& p, SmallOptions& o) {
       Alibi(p, o);
       Lengths(p, {{3, 11}, {2, 9}, {1, 10}, {2, 12}});
       p.shared_prefix = 8;
     }},
    {"absent-bias-reads-output", AsItIs, [](Problem&, SmallOptions& o) { o.output = std::nan(""); }},
    {"softcap-lost-in-tree", Softcap, [](Problem& p, SmallOptions& o) { Softcap(p, o); Tree(p, o); }},
    {"output-rebound", AsItIs, [](Problem& p, SmallOptions&) { p.lse = false; }},

    {"head-256-packed", PaddedRows,
     [](Problem& p, SmallOptions& o) { PaddedRows(p, o); p.head_dim_qk = 256; }},
    {"masked-query-packed", PaddedRows, PaddedRowsAndMask},
    {"short-query-packed", PaddedRows,
     [](Problem& p, SmallOptions& o) { PaddedRows(p, o); p.head_dim_qk = 64; }},
    {"single-head-row-pitch", PaddedRows,
     [](Problem& p, SmallOptions& o) { PaddedRows(p, o); OneHead(p, o); }},
    {"block-mean-of-first-block", AsItIs,
     [](Problem& p, SmallOptions& o) { OneHead(p, o); Lengths(p, {{140, 140}}); }},
    {"fourth-copy-loses-query", PaddedRowsAndMask,
     [](Problem& p, SmallOptions& o) { PaddedRowsAndMask(p, o); p.custom_mask_broadcast.head = true; }},
    {"narrow-pages-packed", PaddedPages,
     [](Problem& p, SmallOptions& o) { PaddedPages(p, o); Float8(p, o); }},
    {"context-pages-packed", [](Problem& p, SmallOptions& o) { PaddedPages(p, o); NoContext(p, o); },
     PaddedPages},
    {"packed-requests-far-apart", EncoderAlone, Encoder},
    {"value-is-key-in-shared-page", AsItIs,
     [](Problem& p, SmallOptions&) { p.cache_layout = CacheLayout::kPackedKv; }},
    {"mask-tail-of-one-key-lost", Boolean,
     [](Problem& p, SmallOptions& o) { Boolean(p, o); Lengths(p, {{5, 33}}); }},

    {"mask-offset-wraps", Boolean, BigMask},
    {"mask-row-offset-wraps", Boolean, BigMask},
    {"latent-offset-wraps", Latent, [](Problem& p, SmallOptions& o) { Latent(p, o); DecodePast4096(p, o); }},
    {"far-pages-read-zero", AsItIs, [](Problem& p, SmallOptions&) { Lengths(p, {{1, 9000}}); }},
    {"address-width-from-size", PaddedPages,
     [](Problem& p, SmallOptions& o) { PaddedPages(p, o); Lengths(p, {{1, 790}}); }},
    {"decode-offset-wraps", AsItIs, DecodePast4096},
    {"far-rows-dropped", AsItIs,
     [](Problem& p, SmallOptions&) { p.head_dim_v = 1024; Lengths(p, {{40, 40}}); }},
    {"page-number-of-16-bits", AsItIs,
     [](Problem& p, SmallOptions& o) { OneHead(p, o); p.block_size = 1; Lengths(p, {{1, 65600}}); }},
    {"key-number-of-16-bits", AsItIs, Past32768},
    {"position-of-16-bits", AsItIs, Past32768},

    {"weights-saturate", AsItIs,
     [](Problem& p, SmallOptions& o) { Float8(p, o); o.query_size = 2; Lengths(p, {{1, 40}}); }},
    {"sums-in-fp16", AsItIs, Half},
    {"scale-in-half", AsItIs, Half},
    {"products-in-fp16", NoKeys, AsItIs},
    {"scores-cut-to-five-bits", NoKeys, AsItIs},
    {"value-scale-ignored-in-prefill", [](Problem& p, SmallOptions& o) { Float8(p, o); Decode1(p, o); },
     Float8},
    {"dynamic-scales-ignored", Float8, Int8},
    {"scale-without-page", Float8Unscaled, Int8},

    {"softcap-of-first-call", Softcap, Softcap, AsItIs},
    {"cache-type-of-first-call", Half, Half,
     [](Problem& p, SmallOptions&) { p.query_dtype = p.cache_dtype = DType::kBFloat16; }},
    {"causality-of-first-call", AsItIs, AsItIs, NonCausal},
    {"table-of-first-call", AsItIs, AsItIs, LongerTable},
    {"persistent-table-restrided", AsItIs, AsItIs, LongerTable},
    {"lengths-of-first-call", AsItIs, AsItIs,
     [](Problem& p, SmallOptions&) { Lengths(p, {{5, 12}, {2, 6}, {1, 18}}); }},
    {"bound-of-first-call", AsItIs, AsItIs,
     [](Problem& p, SmallOptions&) { Lengths(p, {{5, 9}, {2, 6}, {1, 8}}); }},
    {"window-of-first-call", Window, Window, AsItIs},
    {"window-kernel-of-first-call", Window, [](Problem& p, SmallOptions&) { p.window_left = 6; },
     [](Problem& p, SmallOptions&) { Lengths(p, {{5, 5}, {2, 2}, {1, 1}}); }},
    {"mask-of-earlier-plan", AsItIs, AsItIs, Boolean},
    {"mask-buffer-without-draft-columns", Additive, Boolean},
    {"draft-masks-apart", AsItIs, NonCausal},
    {"draft-step-not-causal", AsItIs,
     [](Problem& p, SmallOptions&) { p.requests = {{3, 11}, {3, 7}}; }},
    {"second-call-unwritten", AsItIs, AsItIs, AsItIs},
    {"workspace-of-other-phase", AsItIs, AsItIs, Decode1},
    {"semaphores-in-scratch", TwoSplits, TwoSplits, AsItIs},
    {"query-starts-of-last-call", AsItIs, AsItIs,
     [](Problem& p, SmallOptions&) { Lengths(p, {{1, 11}, {2, 7}, {5, 18}}); }},
    {"scale-lost-past-1024", AsItIs, DecodePast1024},
    {"sum-slot-lost", AsItIs, DecodePast4096},
    {"logits-buffer-half-sized", AsItIs,
     [](Problem& p, SmallOptions& o) { Half(p, o); Lengths(p, {{1, 600}}); }},
    {"accumulator-starts-unclean", OneRequest, AsItIs},
    {"value-tile-overtaken", AsItIs, [](Problem& p, SmallOptions&) { Lengths(p, {{5, 40}}); }},

    {"sink-lost-with-narrow-cache", Sinks, [](Problem& p, SmallOptions& o) { Sinks(p, o); Float8(p, o); }},
    {"sink-twice-behind-empty-split", Sinks,
     [](Problem& p, SmallOptions& o) { Sinks(p, o); Window(p, o); Lengths(p, {{2, 90}}); }},
    {"sink-lost-in-empty-row", Sinks, [](Problem& p, SmallOptions& o) { Sinks(p, o); RowsBeforeKeys(p, o); }},
    {"sink-capped", Softcap, [](Problem& p, SmallOptions& o) { Softcap(p, o); Sinks(p, o); }},
    {"value-scale-lost-in-latent", Latent,
     [](Problem& p, SmallOptions& o) { Latent(p, o); Float8(p, o); p.kv_scale_kind = KvScaleKind::kPerTensor; }},
    {"scale-of-packed-page", Int8, [](Problem& p, SmallOptions& o) { Int8(p, o); PaddedPages(p, o); }},
    {"int8-decode-cut-at-128", Int8,
     [](Problem& p, SmallOptions& o) { Int8(p, o); p.head_dim_qk = p.head_dim_v = 160; }},
    {"mask-lost-beside-window", Boolean, [](Problem& p, SmallOptions& o) { Boolean(p, o); Window(p, o); }},
    {"mask-transposed", AsItIs, Boolean},
    {"tree-unmasked-before-row-tile", Tree,
     [](Problem& p, SmallOptions& o) { Tree(p, o); Lengths(p, {{20, 30}}); }},
    {"decode-one-late-in-mixed-batch", AsItIs, Window},
    {"cross-keys-bounded-by-rows", AsItIs, Cross},
    {"heads-dealt-by-group-size", AsItIs, [](Problem& p, SmallOptions&) { p.num_q_heads = 6; }},
    {"decode-query-packed", PaddedRows, [](Problem& p, SmallOptions& o) { PaddedRows(p, o); Decode1(p, o); }},
    {"query-offset-wraps", AsItIs,
     [](Problem& p, SmallOptions&) { p.head_dim_qk = 256; Lengths(p, {{70, 70}}); }},
    {"batch-past-grid", AsItIs,
     [](Problem& p, SmallOptions&) { Lengths(p, std::vector<Request>(130, Request{1, 3})); }},

    {"window-pages-of-longest", Window,
     [](Problem& p, SmallOptions& o) { Window(p, o); Lengths(p, {{1, 10}, {1, 16}}); }},
    {"context-windowed-by-first-row", AsItIs, Window},
    {"keys-before-last-window-dropped", AsItIs, Window},
    {"rows-past-window-unwritten", AsItIs, Window},
    {"window-lost-in-prompt", Window, [](Problem& p, SmallOptions& o) { Window(p, o); NoContext(p, o); }},
    {"window-begins-at-block", AsItIs, Window},
    {"window-sum-not-cleared", Window,
     [](Problem& p, SmallOptions& o) { Window(p, o); Lengths(p, {{2, 7}, {1, 50}}); }},
    {"right-window-cut-at-row-tile", BlockWindow,
     [](Problem& p, SmallOptions& o) { BlockWindow(p, o); Lengths(p, {{70, 80}}); }},
    {"window-decode-page-tail-multiplied", Window,
     [](Problem& p, SmallOptions& o) { Window(p, o); DeadNan(p, o); }},
    {"page-of-128-repeated", AsItIs,
     [](Problem& p, SmallOptions&) { p.block_size = 256; Lengths(p, {{2, 200}}); }},
    {"latent-merge-overflows", Latent,
     [](Problem& p, SmallOptions& o) { Latent(p, o); HugeScores(p, o); Lengths(p, {{2, 140}}); }},
    {"tail-behind-even-splits-lost", NoContext, AsItIs},
    {"splits-weighed-by-first-group", AsItIs, [](Problem& p, SmallOptions&) { Lengths(p, {{1, 100}}); }},
};
// clang-format on

Setting Edited(const Mutant& mutant, Edit edit) {
  Setting setting = Plain();
  edit(setting.problem, setting.options);
  const Status status = Validate(setting.problem);
  EXPECT_TRUE(status.ok()) << mutant.id << ": " << status.message();
  return setting;
}

// What the mutant remembers of a call of `earlier`, and of nothing where that is null.
Memory MemoryOf(const Mutant& mutant, Edit earlier, const Problem& problem) {
  if (earlier == nullptr) return {};
  const Setting setting = Edited(mutant, earlier);
  const SmallTensors small(setting.problem, setting.options);
  CallMemories memories;
  RememberCall(setting.problem, small.tensors(), memories);
  return MemoryAt(problem, memories);
}

MutantAnswer AnswerOf(const Mutant& mutant, Edit edit, Edit earlier = nullptr) {
  const Setting setting = Edited(mutant, edit);
  const SmallTensors small(setting.problem, setting.options);
  std::vector<MutantLine> lines;
  for (std::size_t r = 0; r < setting.problem.requests.size(); ++r) {
    for (std::int64_t row = 0; row < setting.problem.requests[r].q_len; ++row) {
      for (int head = 0; head < setting.problem.num_q_heads; ++head) {
        lines.push_back({static_cast<int>(r), row, head});
      }
    }
  }
  return RunMutant(setting.problem, small.tensors(), small.outputs(), mutant, lines,
                   MemoryOf(mutant, earlier, setting.problem));
}

bool SameNumbers(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

bool Same(const MutantAnswer& a, const MutantAnswer& b) {
  return SameNumbers(a.out, b.out) && SameNumbers(a.lse, b.lse) &&
         a.forbidden_write == b.forbidden_write;
}

TEST(Triggers, AreKnownForEveryMutantThatComputesRows) {
  std::set<std::string_view> known;
  for (const Trigger& trigger : kTriggers) {
    EXPECT_TRUE(known.insert(trigger.id).second) << trigger.id;
    EXPECT_NE(FindMutant(trigger.id), nullptr) << trigger.id;
  }
  for (const Mutant& mutant : Mutants()) {
    if (mutant.clause.empty()) continue;
    EXPECT_EQ(known.count(mutant.id) == 1, mutant.hooks.no_arithmetic.empty()) << mutant.id;
  }
}

class TriggerHonesty : public ::testing::TestWithParam<Trigger> {};

TEST_P(TriggerHonesty, IsFaithfulWithoutAndWrongWith) {
  const auto& [id, without, with, earlier] = GetParam();
  const Mutant& faithful = *FindMutant("faithful");
  const Mutant& mutant = *FindMutant(id);
  EXPECT_TRUE(Same(AnswerOf(faithful, without), AnswerOf(mutant, without)))
      << "without its trigger";
  EXPECT_FALSE(Same(AnswerOf(faithful, with, earlier), AnswerOf(mutant, with, earlier)))
      << "with its trigger";
}

std::string NameOf(const ::testing::TestParamInfo<Trigger>& info) {
  std::string name = info.param.id;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Shelf, TriggerHonesty, ::testing::ValuesIn(kTriggers), NameOf);

// ---- Mutants that compute no rows

TEST(WriteKvMutants, MoveSlots) {
  const Hooks& wraps = FindMutant("negative-slot-wraps")->hooks;
  EXPECT_EQ(wraps.slot({.slot = 5, .num_slots = 12}), 5);
  EXPECT_EQ(wraps.slot({.slot = -1, .num_slots = 12}), 11);
  const Hooks& late = FindMutant("slot-one-late")->hooks;
  EXPECT_EQ(late.slot({.slot = -1, .num_slots = 12}), -1);
  EXPECT_EQ(late.slot({.slot = 5, .num_slots = 12}), 6);
}

TEST(MergeMutants, WeighOtherwise) {
  const std::vector<PartLine> parts = {{{1.0}, std::log(3.0)}, {{5.0}, 0.0}};
  const MergedLine right = MergeLine(parts, {});
  EXPECT_NEAR(right.out[0], 2.0, 1e-12);  // (3 * 1 + 1 * 5) / 4
  EXPECT_NEAR(right.lse, std::log(4.0), 1e-12);
  const MergedLine wrong = MergeLine(parts, FindMutant("merge-base-two")->hooks);
  EXPECT_GT(std::abs(wrong.out[0] - 2.0), 0.1);

  const std::vector<PartLine> empty(2, PartLine{.out = {0.0}});
  const MergedLine nothing = MergeLine(empty, {});
  EXPECT_EQ(nothing.out[0], 0.0);
  EXPECT_EQ(nothing.lse, -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(MergeLine(empty, FindMutant("merge-empty-nan")->hooks).out[0]));
  // One empty part changes nothing.
  const MergedLine one = MergeLine({parts[0], empty[0]}, {});
  EXPECT_EQ(one.out[0], 1.0);
}

// ---- The faithful attention itself, where the answer can be written down

// All weights are equal, so a row is the mean of what it sees and its LSE the logarithm of how
// many.
TEST(ScalarAttention, CountsVisibleKeys) {
  Setting setting = Plain();
  setting.problem.scale = 1e-20F;
  setting.problem.window_left = 5;
  setting.problem.requests = {{3, 6}};
  const SmallTensors small(setting.problem, setting.options);
  const MutantAnswer answer = RunMutant(setting.problem, small.tensors(), small.outputs(),
                                        *FindMutant("faithful"), {{0, 0, 1}, {0, 1, 1}, {0, 2, 1}});
  const double expected[] = {4, 5, 5};  // positions 3, 4, 5
  for (std::size_t row = 0; row < 3; ++row) {
    EXPECT_NEAR(answer.lse[row], std::log(expected[row]), 1e-12) << row;
  }
}

// Nobody has to say where the outputs lie.
TEST(ScalarAttention, WritesIntoOutputsOfItsOwn) {
  const Setting setting = Plain();
  const SmallTensors small(setting.problem, setting.options);
  const Mutant& faithful = *FindMutant("faithful");
  const std::vector<MutantLine> lines = {{0, 4, 3}, {2, 0, 0}};
  EXPECT_TRUE(Same(RunMutant(setting.problem, small.tensors(), small.outputs(), faithful, lines),
                   RunMutant(setting.problem, small.tensors(), {}, faithful, lines)));
}

}  // namespace
}  // namespace attest
