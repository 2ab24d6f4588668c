// SPDX-License-Identifier: Apache-2.0
//
// Keys in splits: how many there are, who computes which, and how their partial states come
// together again.
#include <algorithm>
#include <cmath>

#include "conformance/mutants/triggers.h"

namespace attest {
namespace {

constexpr std::int64_t kSplit = 64;        // keys
constexpr std::int64_t kWideSplit = 128;   // keys
constexpr std::int64_t kLongRow = 1024;    // keys that one pass of a kernel takes
constexpr double kLargestExponent = 88.7;  // e^x is finite in float32
constexpr std::string_view kMergeOnly = "merge: no row is computed";
constexpr std::string_view kSameValues =
    "every result is within the bound: only bits differ from call to call";

bool HasSplits(const Row& row) { return row.seq_len > kSplit; }

void LoseSplitsPastHeadSize(const Call& call, const Row& /*row*/, Terms& terms) {
  const std::int64_t most = std::max<std::int64_t>(1, call.problem.head_dim_v / 2);
  terms.last = std::min(terms.last, most * kSplit);
}

// The last split lies past the frontier of some of the rows of a draft.
void NanOfMaskedSplit(const Call& call, const Row& row, const std::vector<Scored>& /*scores*/,
                      Answer& answer) {
  const bool draft = row.q_len > 1 && row.q_len <= 16;
  if (!draft || !HasSplits(row) || !TermsOf(call, row).causal || answer.visible == 0) return;
  if ((row.seq_len - 1) / kSplit * kSplit > row.position) MakeNan(answer);
}

void CountEmptyLastSplit(const Call& /*call*/, const Row& row, const Terms& /*terms*/,
                         SoftmaxRules& rules) {
  constexpr std::int64_t kSplits = 16;
  if (row.q_len != 1 || row.seq_len < kSplits) return;
  if ((kSplits - 1) * CeilDiv(row.seq_len, kSplits) >= row.seq_len) ++rules.phantoms;
}

// Four tokens of a draft in a work item: its splits are counted as if they stood so many places
// further back.
void CountSplitsByWorkItem(const Call& /*call*/, const Row& row, Terms& terms) {
  if (!terms.causal || row.q_len < 2 || row.q_len > 32) return;
  const std::int64_t extent = row.seq_len - (row.q_len - 1 - row.index / 4);
  if (extent > 0) terms.last = std::min(terms.last, RoundUp(extent, kWideSplit));
}

void PadRowsToFour(const Call& call, Row& row) {
  const std::int64_t q_len = UniformQueryLen(call);
  if (q_len < 5 || call.problem.num_requests < 2 || LongestRequest(call) <= 256) return;
  row.token = row.request * RoundUp(q_len, 4) + row.index;
}

void AddNeighboursSum(const Call& call, const Row& row, const std::vector<Scored>& scores,
                      Answer& answer) {
  const std::int64_t other = row.index ^ 1;
  if (scores.empty() || other >= row.q_len) return;
  const double more = DenominatorOf(call, MakeRow(call, row.request, other, row.head));
  const double sum = answer.denominator + more;
  for (double& value : answer.out) value *= answer.denominator / sum;
  answer.lse = answer.maximum + std::log(sum);
}

void FloorChunksOfPackedTile(const Call& call, const Row& row, Terms& terms) {
  constexpr std::int64_t kRowTile = 16;  // rows (token, head of a group)
  if (!terms.causal || row.q_len < 2) return;
  const std::int64_t group = call.group();
  const std::int64_t first = (row.index * group + row.head % group) / kRowTile * kRowTile;
  const std::int64_t end = std::min(first + kRowTile, row.q_len * group);
  const std::int64_t keys = std::min(row.seq_len - row.q_len + end / group, row.seq_len);
  terms.last = std::min(terms.last, RoundUp(std::max<std::int64_t>(keys, 0), kSplit));
}

bool IsRagged(const Call& call) {
  return call.problem.num_requests > 1 && UniformQueryLen(call) == 0;
}

// Partial rows lie as if every request had as many as the longest; they are taken as packed.
std::int64_t RowsAsPadded(const Call& call, const Row& row, std::int64_t column) {
  const attest_tensor_t& out = call.args.out;
  std::int64_t token = row.start + row.index;
  if (call.paged() && IsRagged(call) && LongestRequest(call) > kWideSplit) {
    token = row.request * LongestQuery(call) + row.index;
    if (token >= call.problem.num_actual_tokens) return -1;
  }
  return OffsetOf(out, {token, row.head, column});
}

// Element number `flat` of the LSE, in its own order.
std::int64_t LseAt(const Call& call, std::int64_t flat) {
  const std::int64_t heads = call.problem.num_q_heads;
  return OffsetOf(call.args.lse, {flat / heads, flat % heads});
}

std::int64_t TransposedLseOfDecode(const Call& call, const Row& row) {
  const std::int64_t token = row.start + row.index;
  const bool swapped = IsPureDecode(call) && call.group() > 1 && LongestRequest(call) > kSplit;
  if (!swapped) return OffsetOf(call.args.lse, {token, row.head});
  return LseAt(call, row.head * call.problem.num_actual_tokens + token);
}

std::int64_t TransposedLseOfLatent(const Call& call, const Row& row) {
  const std::int64_t heads = call.problem.num_q_heads;
  if (!IsLatent(call) || row.q_len < 2) {
    return OffsetOf(call.args.lse, {row.start + row.index, row.head});
  }
  return LseAt(call, row.start * heads + row.head * row.q_len + row.index);
}

// Weights are relative to the largest score of the first pass and overflow behind it.
void MaximumOfFirstPass(const Call& /*call*/, const Row& row, const std::vector<Scored>& scores,
                        Answer& answer) {
  if (row.seq_len <= kLongRow || scores.empty()) return;
  double maximum = answer.sink;
  for (const Scored& scored : scores) {
    if (scored.key < kLongRow) maximum = std::max(maximum, scored.score);
  }
  if (answer.maximum - maximum > kLargestExponent) MakeNan(answer);
}

void CountLastPassTwice(const Call& call, const Row& row, const std::vector<Scored>& scores,
                        Answer& answer) {
  if (row.q_len != 1 || row.seq_len <= kLongRow || call.group() == 1) return;
  const std::int64_t last = (row.seq_len - 1) / kWideSplit;
  Reweigh(
      call, row, scores,
      [last](const Scored& scored, double weight) {
        return scored.key / kWideSplit == last ? 2 * weight : weight;
      },
      answer);
}

// The buffer of the first partial output holds the last one when they are merged.
void ReuseFirstBuffer(const Call& call, const Row& row, const std::vector<Scored>& scores,
                      Answer& answer) {
  if (!HasSplits(row) || scores.empty()) return;
  const std::int64_t first = scores.front().key / kSplit;
  const std::int64_t last = scores.back().key / kSplit;
  double first_sum = 0;
  double last_sum = 0;
  for (const Scored& scored : scores) {
    const double weight = std::exp(scored.score - answer.maximum);
    if (scored.key / kSplit == first) first_sum += weight;
    if (scored.key / kSplit == last) last_sum += weight;
  }
  if (first == last || last_sum == 0) return;
  const auto value_weight = [&](const Scored& scored, double weight) {
    if (scored.key / kSplit == first) return 0.0;
    return scored.key / kSplit == last ? weight * (1 + first_sum / last_sum) : weight;
  };
  Reweigh(
      call, row, scores, value_weight, [](const Scored&, double weight) { return weight; }, answer);
}

// Where there are many requests, keys are summed from the last one on.
void SumBackwardsInACrowd(const Call& call, const Row& row, const std::vector<Scored>& scores,
                          Answer& answer) {
  if (call.problem.num_requests <= 2) return;
  const std::vector<Scored> backwards(scores.rbegin(), scores.rend());
  const auto same = [](const Scored&, double weight) { return weight; };
  Reweigh(call, row, backwards, same, answer);
}

std::vector<Mutant> CountMutants() {
  return {
      {.id = "splits-past-head-size-lost",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-01",
       .sentence = "of the splits of 64 keys, those from number head_dim_v / 2 on are not merged",
       .reference = "ggml-org/llama.cpp#13852",
       .bug = "ggml-combine-meta-truncated",
       .hooks = {.terms = LoseSplitsPastHeadSize}},
      {.id = "masked-split-nan",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-09",
       .sentence = "a causal draft row whose frontier lies before the last split of 64 keys is NaN",
       .reference = "ROCm/aiter#4711",
       .bug = "aiter-reduce-nan-times-zero",
       .hooks = {.finish = NanOfMaskedSplit}},
      {.id = "empty-last-split-counted",
       .bug_class = "splitkv-merge-lse",
       .clause = "MASK-04",
       .sentence = "decoding in 16 splits of equal length counts a key of score 0 where the last "
                   "split has none",
       .reference = "ROCm/aiter#3641",
       .bug = "aiter-empty-last-split",
       .hooks = {.softmax = CountEmptyLastSplit}},
      {.id = "last-split-miscounted",
       .bug_class = "splitkv-merge-lse",
       .clause = "MASK-01",
       .sentence =
           "with four draft tokens in a work item, the splits of 128 keys are counted up to "
           "a token before the last, so a split that begins at the frontier is left out",
       .reference = "flashinfer-ai/flashinfer#4382",
       .bug = "fi-trtllmgen-reduction-causal-extent-from-cta",
       .hooks = {.terms = CountSplitsByWorkItem}},
      {.id = "rows-padded-to-four",
       .bug_class = "splitkv-merge-lse",
       .clause = "KV-12",
       .sentence = "past 256 keys, requests of five and more new tokens each are looked for at "
                   "multiples of four rows",
       .reference = "flashinfer-ai/flashinfer#4382",
       .bug = "fi-trtllmgen-reduction-padded-q-offset",
       .hooks = {.row = PadRowsToFour}},
      {.id = "chunk-count-floors",
       .bug_class = "splitkv-merge-lse",
       .clause = "HEAD-03",
       .sentence = "the chunks of 64 keys of a tile of 16 packed rows are counted for the token "
                   "before its last where the group does not divide the tile",
       .reference = "flashinfer-ai/flashinfer#1614",
       .bug = "fi-causal-num-chunks-floor",
       .hooks = {.terms = FloorChunksOfPackedTile}},
  };
}

std::vector<Mutant> PartMutants() {
  return {
      {.id = "denominator-of-two-rows",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-01",
       .sentence = "the denominators of rows 2n and 2n + 1 of a request are added up for both",
       .reference = "flashinfer-ai/flashinfer#3838",
       .bug = "fi-nvfp4-rowsum-folds-neighbour",
       .hooks = {.finish = AddNeighboursSum}},
      {.id = "combined-rows-as-padded",
       .bug_class = "splitkv-merge-lse",
       .clause = "KV-12",
       .sentence =
           "past 128 paged keys, rows of a ragged batch are written where they would lie if "
           "every request had as many as the longest",
       .reference = "Dao-AILab/flash-attention#2550",
       .bug = "fa-varlen-paged-splitkv-layout",
       .hooks = {.out_offset = RowsAsPadded, .whole_call = true}},
      {.id = "split-rows-unwritten",
       .bug_class = "splitkv-merge-lse",
       .clause = "ABI-08",
       .sentence = "in a ragged batch, rows of a request of more than 512 keys are not written",
       .reference = "Dao-AILab/flash-attention#1578",
       .bug = "fa-valid-tile-check-after-packing",
       .hooks = {.writes = [](const Call& call,
                              const Row& row) { return !IsRagged(call) || row.seq_len <= 512; }}},
      {.id = "lse-transposed-in-split-decode",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-02",
       .sentence = "when every request has one new token and some more than 64 keys, grouped heads "
                   "get their LSE as [Hq, T] in the memory of [T, Hq]",
       .reference = "vllm-project/flash-attention#87",
       .bug = "vfa-lse-transposed-under-splitkv",
       .hooks = {.lse_offset = TransposedLseOfDecode, .whole_call = true}},
      {.id = "latent-lse-transposed",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-02",
       .sentence = "with a shared latent, a request of several new tokens gets its LSE as "
                   "[Hq, q_len] in the memory of [q_len, Hq]",
       .reference = "vllm-project/vllm#26063",
       .bug = "vllm-fi-mla-prefill-lse-layout",
       .hooks = {.lse_offset = TransposedLseOfLatent, .whole_call = true}},
      {.id = "maximum-of-first-keys",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-08",
       .sentence = "weights are relative to the largest score of the first 1024 keys and overflow "
                   "where a later one is 88 larger",
       .reference = "ggml-org/llama.cpp#24451",
       .bug = "ggml-sycl-softmax-partial-max",
       .hooks = {.finish = MaximumOfFirstPass}},
      {.id = "two-pass-last-block-twice",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-01",
       .sentence = "decoding more than 1024 keys with grouped heads counts the last block of 128 "
                   "keys twice (which partial result was read is not public)",
       .reference = "pytorch/pytorch#174861",
       .bug = "pt-mps-2pass-oob",
       .hooks = {.finish = CountLastPassTwice}},
      {.id = "split-buffer-reused",
       .bug_class = "race-workspace-uninit",
       .clause = "SOFT-01",
       .sentence = "the partial output of the first of several splits of 64 keys is gone when it "
                   "is merged, and the last one is found in its place",
       .reference = "Dao-AILab/flash-attention#1085",
       .bug = "fa-split-accum-freed",
       .hooks = {.finish = ReuseFirstBuffer}},
  };
}

std::vector<Mutant> BatchMutants() {
  return {
      {.id = "splits-follow-total-pages",
       .bug_class = "batch-invariance",
       .clause = "DET-03",
       .sentence = "how keys are cut into partial states follows the number of pages of the batch",
       .reference = "vllm-project/vllm#36059",
       .bug = "vllm-fa4-not-batch-invariant",
       .hooks = {.softmax = [](const Call& call, const Row&, const Terms&,
                               SoftmaxRules& rules) { rules.split = 3 + TotalKeys(call) / 16 % 8; },
                 .no_arithmetic = kSameValues}},
      {.id = "splits-only-in-pure-decode",
       .bug_class = "batch-invariance",
       .clause = "DET-03",
       .sentence =
           "keys are cut into partial states only where no more than four requests have one "
           "new token each",
       .reference = "vllm-project/vllm#33688",
       .bug = "vllm-triton-2d-3d-by-batch",
       .hooks = {.softmax =
                     [](const Call& call, const Row&, const Terms&, SoftmaxRules& rules) {
                       const bool few = call.problem.num_requests <= 4 && IsPureDecode(call);
                       rules.split = few ? 5 : 0;
                     },
                 .no_arithmetic = kSameValues}},
      {.id = "splits-follow-total-keys",
       .bug_class = "batch-invariance",
       .clause = "DET-03",
       .sentence = "keys are cut into as many as fill a grid with the whole batch",
       .reference = "flashinfer-ai/flashinfer#1675",
       .bug = "fi-split-size-depends-on-batch",
       .hooks = {.softmax =
                     [](const Call& call, const Row&, const Terms&, SoftmaxRules& rules) {
                       rules.split = std::max<std::int64_t>(2, CeilDiv(TotalKeys(call), 8));
                     },
                 .no_arithmetic = kSameValues}},
      {.id = "common-prefix-apart",
       .bug_class = "batch-invariance",
       .clause = "DET-03",
       .sentence = "a prefix that all requests of the batch share is a partial state of its own",
       .reference = "kept as a standard mutation; vLLM v1/attention/backends/flash_attn.py "
                    "(use_cascade_attention)",
       .hooks = {.softmax = [](const Call& call, const Row&, const Terms&,
                               SoftmaxRules& rules) { rules.split = SharedPrefix(call); },
                 .no_arithmetic = kSameValues}},
      {.id = "long-requests-split-by-batch",
       .bug_class = "batch-invariance",
       .clause = "DET-03",
       .sentence = "beyond 1024 keys the number of splits depends on how many requests there are",
       .reference = "kept as a standard mutation; the class is vllm-project/flash-attention#110",
       .hooks = {.softmax =
                     [](const Call& call, const Row& row, const Terms&, SoftmaxRules& rules) {
                       if (row.seq_len <= 1024) return;
                       rules.split = CeilDiv(row.seq_len, 2 + call.problem.num_requests % 7);
                     },
                 .no_arithmetic = kSameValues}},
      {.id = "sum-order-follows-batch",
       .bug_class = "batch-invariance",
       .clause = "DET-03",
       .sentence = "in a batch of more than two requests keys are summed from the last one on, in "
                   "sums so wide that only what cancels shows it",
       .reference = "kept as a standard mutation; the class is vllm-project/flash-attention#110",
       .hooks = {.finish = SumBackwardsInACrowd, .no_arithmetic = kSameValues}},
      {.id = "invariant-mode-runs-one-split",
       .bug_class = "batch-invariance",
       .clause = "DET-03",
       .sentence = "in batch-invariant mode one of the planned splits of 64 keys is computed",
       .reference = "vllm-project/vllm#27884",
       .bug = "vllm-mla-num-splits-set-after-schedule",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (!call.Has(ATTEST_FLAG_BATCH_INVARIANT)) return;
                       terms.last = std::min(terms.last, kSplit);
                     }}},
  };
}

std::vector<Mutant> MergeMutants() {
  return {
      {.id = "merge-columns-spill",
       .bug_class = "head-mapping-dims",
       .clause = "SOFT-10",
       .sentence = "a merged row is filled up with zeros to the next power of two of columns, over "
                   "the head behind it",
       .reference = "facebookresearch/xformers@4c82fc33",
       .bug = "xf-merge-headdim-pow2",
       .hooks = {.merge = [](MergeRules& rules) { rules.spills_columns = true; },
                 .no_arithmetic = kMergeOnly}},
      {.id = "merge-reads-packed-columns",
       .bug_class = "layout-strides",
       .clause = "SOFT-10",
       .sentence = "partial outputs are read as if no row had a gap behind it",
       .reference = "vllm-project/vllm#18807",
       .bug = "vllm-merge-states-strided-slice",
       .hooks = {.merge = [](MergeRules& rules) { rules.packed_columns = true; },
                 .no_arithmetic = kMergeOnly}},
      {.id = "merge-lse-transposed",
       .bug_class = "layout-strides",
       .clause = "SOFT-10",
       .sentence = "the LSE of every part but the first is read as [Hq, T]",
       .reference = "vllm-project/vllm#22003",
       .bug = "vllm-merge-noncontig-lse",
       .hooks = {.merge = [](MergeRules& rules) { rules.transposed_lse = true; },
                 .no_arithmetic = kMergeOnly}},
  };
}

}  // namespace

std::vector<Mutant> SplitMutants() {
  return Joined({CountMutants, PartMutants, BatchMutants, MergeMutants});
}

}  // namespace attest
