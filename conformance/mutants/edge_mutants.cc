// SPDX-License-Identifier: Apache-2.0
//
// Where a window, a partition or a page ends, worked out for one row and used for others.
#include <algorithm>
#include <cmath>

#include "conformance/mutants/triggers.h"

namespace attest {
namespace {

constexpr std::int64_t kSplit = 64;        // keys
constexpr double kLargestExponent = 88.7;  // e^x is finite in float32

bool HasCausalWindow(const Call& call, const Terms& terms) {
  return terms.causal && call.problem.window_left > 0;
}

// The longest request of the batch says how many pages a window covers.
void CountPagesByLongest(const Call& call, const Row& row, Terms& terms) {
  if (!HasCausalWindow(call, terms) || row.q_len != 1) return;
  const std::int64_t size = call.problem.block_size;
  const std::int64_t window = call.problem.window_left;
  const std::int64_t pages = CeilDiv(window, size) + (LongestRequest(call) % size != 0 ? 1 : 0);
  const std::int64_t first = std::max<std::int64_t>(0, row.seq_len - window) / size;
  terms.last = std::min(terms.last, (first + pages) * size);
}

// Cached keys are dropped as the first new token allows, for all of them.
bool VisibleByFirstRow(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  Terms edited = terms;
  if (HasCausalWindow(call, terms) && key < row.seq_len - row.q_len) {
    edited.left_from = row.seq_len - row.q_len;
  }
  return Visible(call, row, edited, key);
}

void KeepLastWindow(const Call& call, const Row& row, Terms& terms) {
  if (!HasCausalWindow(call, terms) || row.q_len < 2) return;
  terms.first = std::max<std::int64_t>(terms.first, row.seq_len - call.problem.window_left);
}

bool IsWithinFirstWindow(const Call& call, const Row& row) {
  const bool prompt = row.q_len > 1 && TermsOf(call, row).causal;
  return !prompt || call.problem.window_left == 0 || row.index < call.problem.window_left;
}

void LoseWindowOfPrompt(const Call& call, const Row& row, Terms& terms) {
  if (HasCausalWindow(call, terms) && row.q_len == row.seq_len) terms.left = kNoReach;
}

// Blocks of 32 keys are skipped, and nothing is masked inside of the first one.
void BeginWindowAtBlock(const Call& call, const Row& /*row*/, Terms& terms) {
  constexpr std::int64_t kBlock = 32;
  if (!HasCausalWindow(call, terms)) return;
  const std::int64_t first = std::max<std::int64_t>(0, terms.left_from - terms.left);
  terms.left = terms.left_from - first / kBlock * kBlock;
}

// Sums are cleared at block 0 of 32 keys, which a windowed row may never visit.
void KeepSumOfRequestBefore(const Call& call, const Row& row, const std::vector<Scored>& scores,
                            Answer& answer) {
  constexpr std::int64_t kBlock = 32;
  const Terms terms = TermsOf(call, row);
  if (scores.empty() || row.request == 0 || !HasCausalWindow(call, terms)) return;
  if (terms.left_from - terms.left < kBlock || QueryLen(call, row.request - 1) == 0) return;
  const double sum =
      answer.denominator + DenominatorOf(call, MakeRow(call, row.request - 1, 0, row.head));
  for (double& value : answer.out) value *= answer.denominator / sum;
  answer.lse = answer.maximum + std::log(sum);
}

// Keys to the right are visited up to the end of the row's tile.
void CutRightSideAtTile(const Call& call, const Row& row, Terms& terms) {
  constexpr std::int64_t kTile = 64;
  if (terms.causal || call.problem.window_right == 0) return;
  const std::int64_t end = row.seq_len - row.q_len + RoundUp(row.index + 1, kTile);
  terms.last = std::min(terms.last, end);
}

// A single new token multiplies the weights 0 of the rest of its last page, windowed rows alone.
void MultiplyPageTail(const Call& call, const Row& row, const std::vector<Scored>& /*scores*/,
                      Answer& answer) {
  if (row.q_len != 1 || !HasCausalWindow(call, TermsOf(call, row))) return;
  const std::int64_t end = RoundUp(row.seq_len, call.problem.block_size);
  for (std::int64_t key = row.seq_len; key < end; ++key) {
    if (!HasSlot(call, row, key)) continue;
    const std::vector<double> value = LoadLine(call, row, key, Side::kValue);
    for (std::size_t d = 0; d < value.size(); ++d) answer.out[d] += 0 * value[d];
  }
}

Place PageOf128(const Call& call, const Row& row, std::int64_t key, Side /*side*/) {
  Place place = PlaceOf(call, row, key);
  if (place.page >= 0) place.slot %= 128;
  return place;
}

// ---- Splits

// Partial outputs are weighed by e^lse, without the largest taken out.
void OverflowWeightsOfLatent(const Call& call, const Row& row,
                             const std::vector<Scored>& /*scores*/, Answer& answer) {
  const bool large = answer.visible > 0 && answer.lse > kLargestExponent;
  if (IsLatent(call) && row.seq_len > 2 * kSplit && large) MakeNan(answer);
}

void LoseTailOfEvenSplits(const Call& call, const Row& row, Terms& terms) {
  constexpr std::int64_t kSplits = 8;
  if (!call.paged() || row.q_len != 1 || row.seq_len < kSplits) return;
  terms.last = std::min(terms.last, row.seq_len / kSplits * kSplits);
}

// Sum of weights of each split of a row, relative to `maximum`.
std::vector<double> SumsOfSplits(const Call& call, const Row& row, double maximum) {
  std::vector<double> sums(static_cast<std::size_t>(CeilDiv(row.seq_len, kSplit)), 0.0);
  const Terms terms = TermsOf(call, row);
  for (std::int64_t key = terms.first; key < terms.last; ++key) {
    if (!Visible(call, row, terms, key) || !HasSlot(call, row, key)) continue;
    sums[static_cast<std::size_t>(key / kSplit)] += std::exp(ScoreOf(call, row, key) - maximum);
  }
  return sums;
}

// Splits are weighed by the LSE that the same head of the first group has.
void WeighSplitsByFirstGroup(const Call& call, const Row& row, const std::vector<Scored>& scores,
                             Answer& answer) {
  if (!call.paged() || row.q_len != 1 || row.seq_len <= kSplit || row.kv_head == 0) return;
  const std::int64_t other = row.head % call.group();
  const std::vector<double> own = SumsOfSplits(call, row, answer.maximum);
  const std::vector<double> first =
      SumsOfSplits(call, MakeRow(call, row.request, row.index, other), answer.maximum);
  Reweigh(
      call, row, scores,
      [&](const Scored& scored, double weight) {
        const auto split = static_cast<std::size_t>(scored.key / kSplit);
        return own[split] > 0 ? weight * first[split] / own[split] : 0.0;
      },
      answer);
}

std::vector<Mutant> WindowEdges() {
  return {
      {.id = "window-pages-of-longest",
       .bug_class = "sliding-window",
       .clause = "MASK-10",
       .sentence = "how many pages the window of a single new token covers is worked out for the "
                   "longest request, and where that one ends with its page, others lose their last "
                   "keys",
       .reference = "openvinotoolkit/openvino#38034",
       .bug = "openvino-window-partitions-of-longest",
       .hooks = {.terms = CountPagesByLongest}},
      {.id = "context-windowed-by-first-row",
       .bug_class = "sliding-window",
       .clause = "MASK-10",
       .sentence = "all rows of a chunk see the cached keys that its first row sees",
       .reference = "pytorch/executorch#21857",
       .bug = "et-window-per-chunk",
       .hooks = {.visible = VisibleByFirstRow}},
      {.id = "keys-before-last-window-dropped",
       .bug_class = "sliding-window",
       .clause = "MASK-10",
       .sentence = "several new tokens see none but the keys in the window of the last of them",
       .reference = "lablup/mlxcel#412",
       .bug = "mlxcel-prefill-longer-than-window",
       .hooks = {.terms = KeepLastWindow}},
      {.id = "rows-past-window-unwritten",
       .bug_class = "sliding-window",
       .clause = "ABI-08",
       .sentence = "of several new tokens under a window, no more are computed than it has keys",
       .reference = "nntrainer/nntrainer#3989",
       .bug = "nntrainer-rows-up-to-window",
       .hooks = {.writes = IsWithinFirstWindow}},
      {.id = "window-lost-in-prompt",
       .bug_class = "sliding-window",
       .clause = "MASK-10",
       .sentence = "a request without cached context has no window",
       .reference = "pytorch/executorch#21384",
       .bug = "et-single-chunk-without-window",
       .hooks = {.terms = LoseWindowOfPrompt}},
      {.id = "window-begins-at-block",
       .bug_class = "sliding-window",
       .clause = "MASK-10",
       .sentence = "a window reaches back to the start of a block of 32 keys",
       .reference = "vllm-project/tpu-inference#1185",
       .bug = "tpu-window-without-token-mask",
       .hooks = {.terms = BeginWindowAtBlock}},
      {.id = "window-sum-not-cleared",
       .bug_class = "race-workspace-uninit",
       .clause = "MASK-10",
       .sentence =
           "a row whose window begins behind the first 32 keys keeps the denominator of the "
           "request before",
       .reference = "vllm-project/tpu-inference#1954",
       .bug = "tpu-window-accumulator-init",
       .hooks = {.finish = KeepSumOfRequestBefore}},
      {.id = "right-window-cut-at-row-tile",
       .bug_class = "sliding-window",
       .clause = "MASK-13",
       .sentence = "keys to the right are visited up to the end of the row's tile of 64",
       .reference = "tile-ai/TileOPs#1616",
       .bug = "tileops-right-window-loop-end",
       .hooks = {.terms = CutRightSideAtTile}},
      {.id = "window-decode-page-tail-multiplied",
       .bug_class = "key-row-bounds",
       .clause = "KV-11",
       .sentence =
           "a single new token under a window multiplies the values of the rest of its last "
           "page by 0 instead of leaving them out",
       .reference = "openvinotoolkit/openvino#37377",
       .bug = "openvino-window-tail-of-page",
       .hooks = {.finish = MultiplyPageTail}},
      {.id = "page-of-128-repeated",
       .bug_class = "block-table-slots",
       .clause = "KV-10",
       .sentence =
           "slots of a page past 128 are looked for in its first 128 (where they are looked "
           "for is not public)",
       .reference = "flashinfer-ai/flashinfer#4347",
       .bug = "fi-trtllmgen-page-past-128",
       .hooks = {.place = PageOf128}},
  };
}

std::vector<Mutant> SplitEdges() {
  return {
      {.id = "latent-merge-overflows",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-08",
       .sentence = "with a shared latent and more than 128 keys, partial results are weighed by "
                   "e^lse and overflow where it is past 88",
       .reference = "NVIDIA/cutlass#2274",
       .bug = "cutlass-mla-split-lse-overflow",
       .hooks = {.finish = OverflowWeightsOfLatent}},
      {.id = "tail-behind-even-splits-lost",
       .bug_class = "splitkv-merge-lse",
       .clause = "KV-02",
       .sentence = "a single new token sees as many keys as eight equal splits hold",
       .reference = "tile-ai/TileOPs#101",
       .bug = "tileops-decode-even-splits",
       .hooks = {.terms = LoseTailOfEvenSplits}},
      {.id = "splits-weighed-by-first-group",
       .bug_class = "splitkv-merge-lse",
       .clause = "SOFT-01",
       .sentence =
           "decoding more than 64 keys, the splits of each KV head are weighed by the LSE of "
           "the first one's",
       .reference = "Tencent/hpc-ops#6",
       .bug = "hpc-splitk-lse-without-kv-head",
       .hooks = {.finish = WeighSplitsByFirstGroup}},
  };
}

}  // namespace

std::vector<Mutant> EdgeMutants() { return Joined({WindowEdges, SplitEdges}); }

}  // namespace attest
