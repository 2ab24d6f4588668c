// SPDX-License-Identifier: Apache-2.0
//
// What one path of a kernel lost and the others kept: a sink, a scale, a mask, the width of a head.
#include <algorithm>
#include <cmath>
#include <limits>

#include "conformance/mutants/triggers.h"

namespace attest {
namespace {

constexpr std::int64_t kSplit = 64;  // keys
constexpr double kNothing = -std::numeric_limits<double>::infinity();

// ---- Sinks

void LoseSinkOfNarrowCache(const Call& call, const Row& /*row*/, const Terms& /*terms*/,
                           SoftmaxRules& rules) {
  if (HasNarrowCache(call)) rules.sink = kNothing;
}

// The first split counts the sink though all of its keys lie before the window, and the first split
// with a key counts it again.
void CountSinkOfEmptySplit(const Call& call, const Row& /*row*/, const Terms& terms,
                           SoftmaxRules& rules) {
  if (call.problem.window_left > 0 && terms.left_from - terms.left >= kSplit) rules.sink_count = 2;
}

void LoseSinkOfEmptyRow(const Call& /*call*/, const Row& /*row*/, const std::vector<Scored>& scores,
                        Answer& answer) {
  if (scores.empty()) answer.lse = kNothing;
}

void CapSink(const Call& call, const Row& /*row*/, const Terms& /*terms*/, SoftmaxRules& rules) {
  const double cap = call.problem.softcap;
  if (cap > 0 && std::isfinite(rules.sink)) rules.sink = cap * std::tanh(rules.sink / cap);
}

// ---- Scales

double LoseValueScaleOfLatent(const Call& call, const Row& /*row*/, const Place& /*place*/,
                              Side side, double scale) {
  return IsLatent(call) && side == Side::kValue ? 1.0 : scale;
}

// Scales by token and head as if pages lay without gaps.
double ScaleOfPackedPage(const Call& call, const Row& row, const Place& place, Side side,
                         double scale) {
  const attest_tensor_t& scales = side == Side::kKey ? call.args.key_scale : call.args.value_scale;
  if (call.problem.kv_scale_kind != ATTEST_KV_SCALE_PER_TOKEN_HEAD) return scale;
  const std::int64_t offset =
      (place.page * scales.shape[1] + place.slot) * scales.shape[2] + row.kv_head;
  return InSpan(scales, offset) ? Decode(Format::kFloat32, AtOffset(scales, offset)) : 1.0;
}

// ---- Masks and positions

void LoseMaskBesideWindow(const Call& call, const Row& /*row*/, Terms& terms) {
  if (call.problem.window_left > 0) terms.custom = false;
}

std::int64_t TransposedMask(const Call& call, const Row& row, std::int64_t key) {
  return OffsetOf(call.args.custom_mask, {row.request, row.head, key, row.index});
}

// Tiles of 16 draft tokens that lie wholly before the tile of the row are not looked up.
bool VisibleBeforeTreeTile(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  constexpr std::int64_t kTile = 16;
  if (terms.tree && key < row.seq_len - row.q_len + row.index / kTile * kTile) return true;
  return Visible(call, row, terms, key);
}

void PutDecodeOneLate(const Call& call, Row& row) {
  if (IsDecoder(call) && row.q_len == 1 && LongestQuery(call) > 1) ++row.position;
}

void BoundKeysByRows(const Call& call, const Row& row, Terms& terms) {
  if (IsCross(call)) terms.last = std::min(terms.last, row.q_len);
}

// ---- Heads, rows and requests

void CutQueryOfInt8Decode(const Call& call, const Row& row, std::vector<double>& query) {
  constexpr std::size_t kWidth = 128;
  const bool wide = query.size() > kWidth && row.q_len == 1 && call.paged();
  if (!wide || FormatOfAbi(call.problem.cache_dtype) != Format::kInt8) return;
  std::fill(query.begin() + kWidth, query.end(), 0.0);
}

// Work item n takes head n % group * group + n / group, which are all heads only where there are as
// many KV heads as heads in a group.
bool DealsHead(const Call& call, const Row& row) {
  const std::int64_t group = call.group();
  for (std::int64_t n = 0; n < call.problem.num_q_heads; ++n) {
    if (n % group * group + n / group == row.head) return true;
  }
  return false;
}

std::int64_t PackedQueryOfDecode(const Call& call, const Row& row, std::int64_t column) {
  const attest_tensor_t& query = call.args.query;
  if (!call.paged() || !IsPureDecode(call)) return OffsetOf(query, {row.token, row.head, column});
  return (row.token * query.shape[1] + row.head) * query.shape[2] + column;
}

std::int64_t WrappedQuery(const Call& call, const Row& row, std::int64_t column) {
  constexpr std::int64_t kLimit = std::int64_t{1} << 16;
  return OffsetOf(call.args.query, {row.token, row.head, column}) % kLimit;
}

bool FitsGrid(const Call& call, const Row& /*row*/) { return call.problem.num_requests <= 128; }

std::vector<Mutant> SinkMutants() {
  return {
      {.id = "sink-lost-with-narrow-cache",
       .bug_class = "alibi-bias-sink",
       .clause = "SOFT-05",
       .sentence = "with an 8-bit cache there is no sink",
       .reference = "kekzl/imp#1346",
       .bug = "imp-sinks-not-on-fp8-decode",
       .hooks = {.softmax = LoseSinkOfNarrowCache}},
      {.id = "sink-twice-behind-empty-split",
       .bug_class = "alibi-bias-sink",
       .clause = "SOFT-05",
       .sentence = "the sink counts twice where a window begins behind the first 64 keys",
       .reference = "ROCm/rocm-libraries#12227",
       .bug = "ck-splitkv-sink-twice",
       .hooks = {.softmax = CountSinkOfEmptySplit}},
      {.id = "sink-lost-in-empty-row",
       .bug_class = "alibi-bias-sink",
       .clause = "SOFT-07",
       .sentence = "a row that sees no key has no sink in its LSE",
       .reference = "ROCm/rocm-libraries#12229",
       .bug = "ck-splitkv-sink-empty-range",
       .hooks = {.finish = LoseSinkOfEmptyRow}},
      {.id = "sink-capped",
       .bug_class = "alibi-bias-sink",
       .clause = "SOFT-06",
       .sentence = "a sink goes through the cap as scores do",
       .reference = "ROCm/rocm-libraries#12227",
       .bug = "ck-splitkv-sink-under-softcap",
       .hooks = {.softmax = CapSink}},
  };
}

std::vector<Mutant> ScaleMutants() {
  return {
      {.id = "value-scale-lost-in-latent",
       .bug_class = "quant-precision",
       .clause = "KV-18",
       .sentence = "values that are the head of a key are read without their scale",
       .reference = "sgl-project/sglang#34765",
       .bug = "sgl-mla-fp8-value-scale",
       .hooks = {.kv_scale = LoseValueScaleOfLatent}},
      {.id = "scale-of-packed-page",
       .bug_class = "layout-strides",
       .clause = "KV-29",
       .sentence = "scales by token and head are found as if pages lay without gaps",
       .reference = "vllm-project/vllm#49716",
       .bug = "vllm-scale-views-from-shape",
       .hooks = {.kv_scale = ScaleOfPackedPage}},
      {.id = "int8-decode-cut-at-128",
       .bug_class = "head-mapping-dims",
       .clause = "HEAD-05",
       .sentence = "a single new token over an int8 cache has queries of 128 columns at most",
       .reference = "gittensor-ai-lab/sparkinfer#330",
       .bug = "spark-int8-decode-hardcoded-128",
       .hooks = {.query = CutQueryOfInt8Decode}},
  };
}

std::vector<Mutant> MaskMutantsOfPaths() {
  return {
      {.id = "mask-lost-beside-window",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-25",
       .sentence = "with a window a custom mask is not looked at",
       .reference = "NVIDIA/Megatron-LM#7039",
       .bug = "megatron-window-discards-mask",
       .hooks = {.terms = LoseMaskBesideWindow}},
      {.id = "mask-transposed",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-25",
       .sentence = "rows and keys of a custom mask are swapped",
       .reference = "leejet/stable-diffusion.cpp#1625",
       .bug = "sdcpp-mask-transposed",
       .hooks = {.mask_offset = TransposedMask}},
      {.id = "tree-unmasked-before-row-tile",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-24",
       .sentence = "draft tokens before the row's tile of 16 are visible whatever the tree mask",
       .reference = "PaddlePaddle/FastDeploy#3514",
       .bug = "fastdeploy-tree-checked-on-diagonal",
       .hooks = {.visible = VisibleBeforeTreeTile}},
      {.id = "decode-one-late-in-mixed-batch",
       .bug_class = "spec-decode-chunked",
       .clause = "MASK-10",
       .sentence = "a single new token beside longer requests stands one position too far",
       .reference = "sgl-project/sglang#37505",
       .bug = "sgl-decode-to-extend-prefix",
       .hooks = {.row = PutDecodeOneLate}},
      {.id = "cross-keys-bounded-by-rows",
       .bug_class = "key-row-bounds",
       .clause = "MASK-08",
       .sentence = "cross attention visits as many keys as there are rows",
       .reference = "jax-ml/jax#24495",
       .bug = "jax-pallas-keys-from-query-length",
       .hooks = {.terms = BoundKeysByRows}},
  };
}

std::vector<Mutant> WorkMutants() {
  return {
      {.id = "heads-dealt-by-group-size",
       .bug_class = "head-mapping-dims",
       .clause = "HEAD-01",
       .sentence = "work is dealt to heads as if there were as many KV heads as heads in a group, "
                   "and heads that nobody is dealt are not written",
       .reference = "HazyResearch/HipKittens#22",
       .bug = "hipkittens-head-swizzle-group",
       .hooks = {.writes = DealsHead}},
      {.id = "decode-query-packed",
       .bug_class = "layout-strides",
       .clause = "KV-15",
       .sentence = "where every request has one new token, queries are read as if their rows lay "
                   "without gaps",
       .reference = "flashinfer-ai/flashinfer#4625",
       .bug = "fi-cudnn-decode-contiguous-query",
       .hooks = {.query_offset = PackedQueryOfDecode}},
      {.id = "query-offset-wraps",
       .bug_class = "int-overflow",
       .clause = "KV-15",
       .sentence = "offsets into the query wrap at 65536 elements (2^31 in the original)",
       .reference = "thu-ml/SageAttention#386",
       .bug = "sage-query-offset-int32",
       .hooks = {.query_offset = WrappedQuery}},
      {.id = "batch-past-grid",
       .bug_class = "int-overflow",
       .clause = "ABI-08",
       .sentence = "a batch of more than 128 requests is not computed (65535 in the original)",
       .reference = "flashinfer-ai/flashinfer#3125",
       .bug = "fi-batch-past-grid-z",
       .hooks = {.writes = FitsGrid}},
  };
}

}  // namespace

std::vector<Mutant> PathMutants() {
  return Joined({SinkMutants, ScaleMutants, MaskMutantsOfPaths, WorkMutants});
}

}  // namespace attest
