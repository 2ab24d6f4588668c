// SPDX-License-Identifier: Apache-2.0
//
// Ends of requests and of row tiles, and rows that see nothing.
#include <algorithm>
#include <cmath>

#include "conformance/mutants/triggers.h"

namespace attest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Rows [first, last) of packed tokens become 0.
void ClearRows(const Call& call, std::int64_t first, std::int64_t last, const Put& put) {
  const attest_tensor_t& out = call.args.out;
  for (std::int64_t t = first; t < std::min(last, call.problem.num_actual_tokens); ++t) {
    for (std::int64_t h = 0; h < out.shape[1]; ++h) {
      for (std::int64_t d = 0; d < out.shape[2]; ++d)
        put(Output::kOut, OffsetOf(out, {t, h, d}), 0);
    }
  }
}

void ClearBehindEmptyRequest(const Call& call, const Put& put) {
  constexpr std::int64_t kTile = 64;
  for (std::int64_t r = 0; r < call.problem.num_requests; ++r) {
    if (SeqLen(call, r) > 0) continue;
    const std::int64_t first = QueryStart(call, r);
    ClearRows(call, first + QueryLen(call, r), first + RoundUp(QueryLen(call, r), kTile), put);
  }
}

void ClearRestOfTile(const Call& call, const Put& put) {
  constexpr std::int64_t kTile = 64;
  for (std::int64_t r = 0; r < call.problem.num_requests; ++r) {
    const std::int64_t first = QueryStart(call, r);
    const std::int64_t q_len = QueryLen(call, r);
    if (q_len > 8) ClearRows(call, first + q_len, first + RoundUp(q_len, kTile), put);
  }
}

void CountTailLanes(const Call& /*call*/, const Row& row, const Terms& /*terms*/,
                    SoftmaxRules& rules) {
  rules.phantoms += RoundUp(row.seq_len, 32) - row.seq_len;
}

// The causal limit of the last row tile is that of a whole tile, a block past the last key.
void CountBlockPastTheEnd(const Call& /*call*/, const Row& row, const Terms& terms,
                          SoftmaxRules& rules) {
  constexpr std::int64_t kRows = 32;
  constexpr std::int64_t kKeys = 16;
  const bool in_last = row.q_len > 8 && row.index >= row.q_len / kRows * kRows;
  if (terms.causal && in_last && row.seq_len % kKeys == 0) rules.phantoms += kKeys;
}

void CountNewTokenTile(const Call& call, const Row& row, const Terms& terms, SoftmaxRules& rules) {
  if (!IsDecoder(call) || terms.causal || terms.tree) return;
  rules.phantoms += RoundUp(row.q_len, 32) - row.q_len;
}

void DecodeToTheEndOfTile(const Call& call, const Row& row, Terms& terms) {
  if (call.paged() && row.q_len == 1 && row.seq_len > 128) terms.last = RoundUp(terms.last, 32);
}

bool VisibleOrPastTheEnd(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  return key >= row.seq_len || Visible(call, row, terms, key);
}

void LookAtWholeTiles(const Call& call, const Row& /*row*/, Terms& terms) {
  if (call.paged() && call.problem.head_dim_v % 64 == 0) terms.last = RoundUp(terms.last, 64);
}

bool VisibleBelowTheEnd(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  return key < row.seq_len && Visible(call, row, terms, key);
}

void MultiplyPastTheEnd(const Call& /*call*/, const Row& row, std::int64_t key,
                        std::vector<Scored>& scores) {
  if (key >= row.seq_len) scores.push_back({key, -kInfinity});
}

bool IsEmpty(const Call& call, const Row& row) { return SeqLen(call, row.request) == 0; }

void SeeAPage(const Call& call, Row& row) {
  if (call.paged() && row.seq_len == 0) row.seq_len = call.problem.block_size;
}

bool VisibleInEmptyRequest(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  return IsEmpty(call, row) || Visible(call, row, terms, key);
}

// Does any row of the tile of 16 that `row` stands in see a key?
bool TileSees(const Call& call, const Row& row) {
  constexpr std::int64_t kRows = 16;
  const std::int64_t first = row.index / kRows * kRows;
  for (std::int64_t i = std::min(first + kRows, row.q_len) - 1; i >= first; --i) {
    const Row other = MakeRow(call, row.request, i, row.head);
    const Terms terms = TermsOf(call, other);
    for (std::int64_t back = 0; back < terms.last; ++back) {
      // From the row's own key down: nearly always the first look is enough.
      const std::int64_t key = (other.position - back + 2 * terms.last) % terms.last;
      if (Visible(call, other, terms, key)) return true;
    }
  }
  return false;
}

void UnmaskBlindTile(const Call& call, const Row& row, Terms& terms) {
  if (row.seq_len == 0 || TileSees(call, row)) return;
  terms.causal = terms.tree = terms.custom = terms.prefix = false;
  terms.left = terms.right = kNoReach;
  terms.local_block = 0;
}

void StartAtHalfRange(const Call& /*call*/, const Row& /*row*/, const Terms& /*terms*/,
                      SoftmaxRules& rules) {
  rules.maximum_floor = -32752;
  rules.float_weights = true;
}

// Rows without a key are looked after apart.
void GuardEmptyRow(const Call& /*call*/, const Row& /*row*/, const std::vector<Scored>& /*scores*/,
                   Answer& answer) {
  if (answer.visible > 0 || std::isfinite(answer.sink)) return;
  answer.out.assign(answer.out.size(), 0.0);
  answer.lse = -kInfinity;
}

// A mask of 16 bits goes through a product with 0 for all keys of the row.
void SpreadInfinity(const Call& call, const Row& row, const std::vector<Scored>& /*scores*/,
                    Answer& answer) {
  const attest_tensor_t& mask = call.args.custom_mask;
  if (call.problem.custom_mask_kind != ATTEST_MASK_ADDITIVE || mask.dtype.bits != 16) return;
  for (std::int64_t key = 0; key < row.seq_len; ++key) {
    const std::byte* const at = AddressOf(mask, {row.request, row.head, row.index, key});
    if (std::isinf(Decode(FormatOfAbi(mask.dtype), at))) return MakeNan(answer);
  }
}

// Keys are dealt to 32 warps in turn.
void NanOfIdleWarp(const Call& /*call*/, const Row& row, const std::vector<Scored>& scores,
                   Answer& answer) {
  constexpr std::uint64_t kAll = (std::uint64_t{1} << 32) - 1;
  if (row.q_len > 8 || row.seq_len < 32 || scores.empty()) return;
  std::uint64_t busy = 0;
  for (const Scored& scored : scores) busy |= std::uint64_t{1} << (scored.key % 32);
  if (busy != kAll) MakeNan(answer);
}

std::vector<Mutant> EndMutants() {
  return {
      {.id = "empty-request-clears-followers",
       .bug_class = "key-row-bounds",
       .clause = "MASK-18",
       .sentence = "the zeros of a request without keys fill a tile of 64 rows, over the requests "
                   "behind it",
       .reference = "Dao-AILab/flash-attention@a3a257c7",
       .bug = "fa-zero-len-kv-store-zero-overwrites",
       .hooks = {.after = ClearBehindEmptyRequest}},
      {.id = "tile-rows-overwrite-next",
       .bug_class = "key-row-bounds",
       .clause = "KV-12",
       .sentence = "a request of more than eight new tokens writes whole tiles of 64 rows, with "
                   "zeros over the requests behind it",
       .reference = "ROCm/aiter#3391",
       .bug = "aiter-tile-rows-overwrite-next",
       .hooks = {.after = ClearRestOfTile}},
      {.id = "tail-lanes-unmasked",
       .bug_class = "key-row-bounds",
       .clause = "MASK-04",
       .sentence = "lanes past seq_len, up to a multiple of 32, count as keys of score 0 in every "
                   "row",
       .reference = "ggml-org/llama.cpp#16540",
       .bug = "ggml-tile-oob-lane-in-max",
       .hooks = {.softmax = CountTailLanes}},
      {.id = "last-row-tile-reads-past-end",
       .bug_class = "key-row-bounds",
       .clause = "MASK-04",
       .sentence = "rows of an unfinished tile of 32 also count a block of 16 keys past the end, "
                   "where the keys fill their blocks",
       .reference = "ml-explore/mlx#1999",
       .bug = "mlx-causal-limit-not-clamped",
       .hooks = {.softmax = CountBlockPastTheEnd}},
      {.id = "new-token-tile-overhang",
       .bug_class = "key-row-bounds",
       .clause = "MASK-04",
       .sentence = "in a non-causal decoder the new tokens fill a tile of 32 keys, of which those "
                   "that do not exist have score 0",
       .reference = "vllm-project/vllm#40176",
       .bug = "seed-prefix-prefill-noncausal-rows-past-qlen",
       .hooks = {.softmax = CountNewTokenTile}},
      {.id = "decode-tail-unchecked",
       .bug_class = "key-row-bounds",
       .clause = "KV-02",
       .sentence = "a single new token with more than 128 keys sees slots up to a multiple of 32",
       .reference = "facebookresearch/xformers@3e4a1b4b",
       .bug = "xf-bounds-check-heuristic",
       .hooks = {.terms = DecodeToTheEndOfTile, .visible = VisibleOrPastTheEnd}},
      {.id = "value-tile-tail-multiplied",
       .bug_class = "key-row-bounds",
       .clause = "KV-11",
       .sentence = "with values of a multiple of 64 columns, those of a tile of 64 keys past "
                   "seq_len are multiplied by 0 instead of left out",
       .reference = "vllm-project/vllm#44850",
       .bug = "vllm-td-load-no-tile-mask",
       .hooks = {.terms = LookAtWholeTiles,
                 .visible = VisibleBelowTheEnd,
                 .masked = MultiplyPastTheEnd}},
      {.id = "first-query-row-zero",
       .bug_class = "key-row-bounds",
       .clause = "KV-12",
       .sentence = "the first of three and more rows of a request has a query of zeros",
       .reference = "ggml-org/llama.cpp#7904",
       .bug = "ggml-oob-q-check-truthiness",
       .hooks = {.query =
                     [](const Call&, const Row& row, std::vector<double>& query) {
                       if (row.index == 0 && row.q_len > 2) query.assign(query.size(), 0.0);
                     }}},
      {.id = "last-key-missing-from-4096",
       .bug_class = "key-row-bounds",
       .clause = "KV-02",
       .sentence = "requests of 4096 keys and more lose the last one",
       .reference = "kept as a standard mutation",
       .hooks = {.terms = [](const Call&, const Row& row,
                             Terms& terms) { terms.last -= row.seq_len >= 4096 ? 1 : 0; }}},
      {.id = "query-rows-zeroed-in-large-batch",
       .bug_class = "key-row-bounds",
       .clause = "KV-12",
       .sentence = "from 512 requests on, the queries of tokens 0 to 3 are zeros",
       .reference = "kept as a standard mutation",
       .hooks = {.query =
                     [](const Call& call, const Row& row, std::vector<double>& query) {
                       if (call.problem.num_requests < 512 || row.token >= 4) return;
                       query.assign(query.size(), 0.0);
                     }}},
  };
}

std::vector<Mutant> EmptyMutants() {
  return {
      {.id = "empty-request-sees-a-page",
       .bug_class = "empty-or-fully-masked",
       .clause = "MASK-18",
       .sentence =
           "the length of a request without pages underflows, and a page's worth of keys is "
           "read for it without a mask",
       .reference = "flashinfer-ai/flashinfer#353",
       .bug = "fi-empty-kv-len-from-pages",
       .hooks = {.row = SeeAPage, .visible = VisibleInEmptyRequest}},
      {.id = "empty-request-lse-unwritten",
       .bug_class = "empty-or-fully-masked",
       .clause = "SOFT-04",
       .sentence = "no LSE is written for a request without keys",
       .reference = "flashinfer-ai/flashinfer#440",
       .bug = "fi-empty-kv-lse-skipped",
       .hooks = {.writes_lse = [](const Call& call,
                                  const Row& row) { return !IsEmpty(call, row); }}},
      {.id = "latent-empty-request-unwritten",
       .bug_class = "empty-or-fully-masked",
       .clause = "MASK-18",
       .sentence = "with a shared latent, rows of a request without keys are not written",
       .reference = "flashinfer-ai/flashinfer#868",
       .bug = "fi-mla-plan-zero-kv-no-work",
       .hooks = {.writes = [](const Call& call,
                              const Row& row) { return !IsLatent(call) || !IsEmpty(call, row); }}},
      {.id = "masked-tile-wraps",
       .bug_class = "empty-or-fully-masked",
       .clause = "SOFT-03",
       .sentence = "where no row of a tile of 16 sees a key, the last key of the tile is found "
                   "below 0, and its rows see all keys",
       .reference = "ggml-org/llama.cpp#15321",
       .bug = "ggml-kvmax-negative",
       .hooks = {.terms = UnmaskBlindTile}},
      {.id = "maximum-starts-at-half-range",
       .bug_class = "empty-or-fully-masked",
       .clause = "SOFT-08",
       .sentence = "the running maximum starts at half the range of float16, so rows below -32752 "
                   "lose all weight",
       .reference = "ggml-org/llama.cpp#13090",
       .bug = "ggml-metal-init-max-fp16-min",
       .hooks = {.softmax = StartAtHalfRange, .finish = GuardEmptyRow}},
      {.id = "mask-infinity-spreads",
       .bug_class = "empty-or-fully-masked",
       .clause = "SCORE-08",
       .sentence = "a row is NaN if its additive mask is of 16 bits and holds minus infinity",
       .reference = "ggml-org/llama.cpp#7434",
       .bug = "ggml-metal-mask-inf-times-zero",
       .hooks = {.finish = SpreadInfinity}},
      {.id = "warp-without-keys-nan",
       .bug_class = "empty-or-fully-masked",
       .clause = "SOFT-09",
       .sentence = "up to eight new tokens deal their keys to 32 warps in turn, and a warp whose "
                   "keys are all masked makes the row NaN",
       .reference = "ml-explore/mlx#2608",
       .bug = "mlx-init-max-neg-inf-nan",
       .hooks = {.finish = NanOfIdleWarp}},
      {.id = "empty-row-nan-without-window",
       .bug_class = "empty-or-fully-masked",
       .clause = "SOFT-03",
       .sentence = "a row that sees no key is NaN unless there is a window",
       .reference = "ROCm/aiter#2158",
       .bug = "aiter-sage-fully-masked-only-swa",
       .hooks = {.finish =
                     [](const Call& call, const Row&, const std::vector<Scored>&, Answer& answer) {
                       const bool window =
                           call.problem.window_left > 0 || call.problem.window_right > 0;
                       if (!window && answer.visible == 0) {
                         answer.out.assign(answer.out.size(), std::nan(""));
                       }
                     }}},
      {.id = "empty-row-lse-finite",
       .bug_class = "key-row-bounds",
       .clause = "SOFT-04",
       .sentence =
           "a row that sees no key gets the LSE of the lanes past seq_len, up to a multiple "
           "of 4, whose score is -65504",
       .reference = "ml-explore/mlx#2213",
       .bug = "mlx-softmax-oob-default-finite-min",
       .hooks = {.finish =
                     [](const Call&, const Row& row, const std::vector<Scored>&, Answer& answer) {
                       const std::int64_t lanes = RoundUp(row.seq_len, 4) - row.seq_len;
                       if (answer.visible > 0 || lanes == 0 || std::isfinite(answer.sink)) return;
                       answer.lse = std::log(static_cast<double>(lanes)) - 65504;
                     }}},
  };
}

}  // namespace

std::vector<Mutant> BoundsMutants() { return Joined({EndMutants, EmptyMutants}); }

}  // namespace attest
