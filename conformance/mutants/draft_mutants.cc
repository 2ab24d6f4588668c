// SPDX-License-Identifier: Apache-2.0
//
// Drafts, chunks of a prefill, and how the rows and keys of a batch are found.
#include <algorithm>
#include <cmath>

#include "conformance/mutants/triggers.h"

namespace attest {
namespace {

// Every request has the same few new tokens.
bool IsUniformDraft(const Call& call) {
  const std::int64_t q_len = UniformQueryLen(call);
  return q_len >= 2 && q_len <= 8;
}

void NanOfShortTail(const Call& call, const Row& row, const std::vector<Scored>& scores,
                    Answer& answer) {
  constexpr std::int64_t kSplit = 64;
  const std::int64_t tail = row.seq_len % kSplit;
  const bool short_tail = tail > 0 && tail < row.q_len && row.q_len <= 16;
  if (!short_tail || scores.empty() || !TermsOf(call, row).causal) return;
  if (row.position < row.seq_len - tail) MakeNan(answer);
}

constexpr std::int64_t kLongestBlock = 32;

// Non-causal rows behind a context see the first of their block and themselves.
bool MasksApart(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  if (!Visible(call, row, terms, key)) return false;
  const std::int64_t context = row.seq_len - row.q_len;
  const bool draft = IsDecoder(call) && !terms.causal && !terms.tree && context > 0 &&
                     row.q_len >= 2 && row.q_len <= kLongestBlock;
  return !draft || key <= context || key == row.position;
}

void DraftStepNotCausal(const Call& call, const Row& row, Terms& terms) {
  const std::int64_t rows = UniformQueryLen(call);
  if (!IsDecoder(call) || rows < 2 || rows > kLongestBlock || row.seq_len <= row.q_len) return;
  terms.causal = false;
}

void SeeNewTokensOnly(const Row& row, Terms& terms) {
  terms.first = std::max<std::int64_t>(terms.first, row.seq_len - row.q_len);
}

// Does the first request have keys in the cache? Then all are taken to have.
void AskFirstRequest(const Call& call, const Row& row, Terms& terms) {
  if (IsDecoder(call) && row.q_len > 1 && ContextLen(call, 0) <= 0) SeeNewTokensOnly(row, terms);
}

void BoundKeysByRowTile(const Call& /*call*/, const Row& row, Terms& terms) {
  constexpr std::int64_t kRows = 64;
  if (terms.causal && row.q_len > 1) {
    terms.last = std::min(terms.last, RoundUp(row.index + 1, kRows));
  }
}

// Keys of all requests are gathered one behind the other; those of a prefill are looked for where
// its queries begin.
Place GatheredByQueryStart(const Call& call, const Row& row, std::int64_t key, Side /*side*/) {
  if (!IsDecoder(call) || row.q_len < 2 || key < 0) return PlaceOf(call, row, key);
  std::int64_t flat = row.start + key;
  for (std::int64_t r = 0; r < call.problem.num_requests; ++r) {
    const std::int64_t keys = SeqLen(call, r);
    if (flat < keys) {
      Row other = row;
      other.table_row = r;
      return PlaceOf(call, other, flat);
    }
    flat -= keys;
  }
  return {-1, -1};
}

// The batch is planned as the new tokens of request 0.
void TakeBatchForRows(const Call& call, Row& row) {
  if (!IsDecoder(call) || call.problem.num_requests < 2 || !IsPureDecode(call)) return;
  row.table_row = 0;
  row.seq_len = SeqLen(call, 0);
  row.position = row.seq_len - call.problem.num_requests + row.request;
}

void RowsAsLongAsTheFirst(const Call& call, Row& row) {
  const std::int64_t first = QueryLen(call, 0);
  if (first > 0 && row.q_len <= 16) row.token = row.request * first + row.index;
}

// The table is read from the page of the first new token on, and wraps.
Place TableFromNewTokens(const Call& call, const Row& row, std::int64_t key, Side /*side*/) {
  if (!IsDecoder(call) || key < 0 || row.seq_len <= row.q_len) return PlaceOf(call, row, key);
  const std::int64_t size = call.problem.block_size;
  const std::int64_t pages = CeilDiv(row.seq_len, size);
  const std::int64_t page = (key / size + (row.seq_len - row.q_len) / size) % pages;
  return PlaceOf(call, row, page * size + key % size);
}

// Positions of keys in the buffer of gathered indices, which has room for a page instead of a key.
Place IndexBufferOfPages(const Call& call, const Row& row, std::int64_t key, Side /*side*/) {
  if (!call.paged() || key < 0) return PlaceOf(call, row, key);
  const std::int64_t size = call.problem.block_size;
  const std::int64_t room =
      call.problem.num_requests * CeilDiv(std::max<std::int64_t>(LongestRequest(call), 1), size);
  std::int64_t flat = key;
  for (std::int64_t r = 0; r < row.request; ++r) flat += SeqLen(call, r);
  // Past its end lie zeros: the first slot of page 0.
  return size == 1 || flat < room * (size - 1) ? PlaceOf(call, row, key) : Place{0, 0};
}

Place WindowAsRing(const Call& call, const Row& row, std::int64_t key, Side /*side*/) {
  const std::int64_t window = call.problem.window_left;
  if (!IsDecoder(call) || window == 0 || key < 0) return PlaceOf(call, row, key);
  return PlaceOf(call, row, key % RoundUp(window + row.q_len, call.problem.block_size));
}

// Pages are counted against a bound in tokens, so those behind the last are loaded too, up to a
// tile of 64 keys; their values are multiplied by 0.
void LoadLatentTailPages(const Call& call, const Row& row, const std::vector<Scored>& /*scores*/,
                         Answer& answer) {
  const std::int64_t size = call.problem.block_size;
  if (!IsLatent(call) || size == 1) return;
  for (std::int64_t page = CeilDiv(row.seq_len, size); page * size < RoundUp(row.seq_len, 64);
       ++page) {
    if (page >= call.args.block_table.shape[1]) return;
    const std::int64_t entry = TableEntry(call, row.table_row, page);
    if (entry < 0 || entry >= call.problem.num_blocks) return MakeNan(answer);
    const std::vector<double> value = LoadLine(call, row, page * size, Side::kValue);
    for (std::size_t d = 0; d < answer.out.size(); ++d) answer.out[d] += 0.0 * value[d];
  }
}

// A kernel of 16 heads takes more of them as further requests.
void FoldHeadsIntoBatch(const Call& call, Row& row) {
  constexpr std::int64_t kHeads = 16;
  const std::int64_t heads = call.problem.num_q_heads;
  if (!call.paged() || heads <= kHeads || heads % kHeads != 0) return;
  const std::int64_t folded = row.request * (heads / kHeads) + row.head / kHeads;
  row.table_row = folded % call.problem.num_requests;
}

void ComputePaddingRows(const Call& call, const Put& put) {
  const attest_tensor_t& out = call.args.out;
  for (std::int64_t t = call.problem.num_actual_tokens; t < out.shape[0]; ++t) {
    for (std::int64_t h = 0; h < out.shape[1]; ++h) {
      for (std::int64_t d = 0; d < out.shape[2]; ++d)
        put(Output::kOut, OffsetOf(out, {t, h, d}), 1);
    }
  }
}

// The last slot of a page is read when the copy of the next page has begun.
Place NextPageEarly(const Call& call, const Row& row, std::int64_t key, Side side) {
  const std::int64_t size = call.problem.block_size;
  const bool last_slot = call.paged() && key >= 0 && key % size == size - 1;
  if (!last_slot || side == Side::kValue || key + size >= row.seq_len) {
    return PlaceOf(call, row, key);
  }
  return PlaceOf(call, row, key + size);
}

std::vector<Mutant> DraftRows() {
  return {
      {.id = "multi-token-decode-noncausal",
       .bug_class = "spec-decode-chunked",
       .clause = "MASK-01",
       .sentence = "where every request has the same two to eight new tokens, all of them see all "
                   "keys",
       .reference = "flashinfer-ai/flashinfer#3871",
       .bug = "fi-uniform-multitoken-decode-noncausal",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (IsUniformDraft(call)) terms.causal = false;
                     }}},
      {.id = "expanded-rows-unwritten",
       .bug_class = "spec-decode-chunked",
       .clause = "ABI-08",
       .sentence = "where every request has the same two to eight new tokens, as many rows are "
                   "computed as there are requests",
       .reference = "ROCm/aiter#3782",
       .bug = "aiter-mtp-batch-from-context-lens",
       .hooks = {.writes =
                     [](const Call& call, const Row& row) {
                       return !IsUniformDraft(call) || row.token < call.problem.num_requests;
                     }}},
      {.id = "split-tail-shorter-than-rows",
       .bug_class = "spec-decode-chunked",
       .clause = "SOFT-09",
       .sentence = "where the last split of 64 keys is shorter than a draft, the rows that end "
                   "before it are NaN",
       .reference = "ROCm/aiter#2319",
       .bug = "aiter-split-tail-shorter-than-qlen",
       .hooks = {.finish = NanOfShortTail}},
      {.id = "prefill-ignores-context",
       .bug_class = "spec-decode-chunked",
       .clause = "MASK-01",
       .sentence = "a causal request of several new tokens sees none of its cached context",
       .reference = "vllm-project/vllm#7284",
       .bug = "vllm-fi-prefill-ignores-cached-pages",
       .hooks = {.terms =
                     [](const Call&, const Row& row, Terms& terms) {
                       if (terms.causal && row.q_len > 1) SeeNewTokensOnly(row, terms);
                     }}},
      {.id = "context-of-first-request-decides",
       .bug_class = "spec-decode-chunked",
       .clause = "MASK-09",
       .sentence =
           "if request 0 has no cached context, no request of several new tokens sees its own",
       .reference = "vllm-project/vllm#7018",
       .bug = "vllm-block-table-prefix-hit-flag",
       .hooks = {.terms = AskFirstRequest}},
      {.id = "row-tile-bounds-keys",
       .bug_class = "spec-decode-chunked",
       .clause = "MASK-01",
       .sentence = "keys of a causal chunk are visited up to the end of its tile of 64 rows, its "
                   "context not added",
       .reference = "ModelTC/lightllm#227",
       .bug = "light-splitfuse-loop-bound",
       .hooks = {.terms = BoundKeysByRowTile}},
      {.id = "gathered-keys-by-query-start",
       .bug_class = "spec-decode-chunked",
       .clause = "MASK-09",
       .sentence = "gathered keys of a request of several new tokens are looked for where its "
                   "queries begin",
       .reference = "ModelTC/lightllm#743",
       .bug = "light-kv-start-loc",
       .hooks = {.place = GatheredByQueryStart}},
      {.id = "decode-batch-planned-as-rows",
       .bug_class = "api-plumbing",
       .clause = "MASK-09",
       .sentence =
           "when every request has one new token, the batch is taken for so many new tokens "
           "of request 0",
       .reference = "flashinfer-ai/flashinfer#640",
       .bug = "fi-plan-args-swapped",
       .hooks = {.row = TakeBatchForRows}},
      {.id = "query-rows-as-first-request",
       .bug_class = "block-table-slots",
       .clause = "KV-12",
       .sentence = "rows of up to 16 new tokens are found as if every request had as many as the "
                   "first",
       .reference = "vllm-project/vllm-ascend#8547",
       .bug = "ascend-uniform-decode-slots",
       .hooks = {.row = RowsAsLongAsTheFirst}},
      {.id = "padding-rows-computed",
       .bug_class = "block-table-slots",
       .clause = "KV-13",
       .sentence = "rows of the table past the batch are computed as requests, into the padding",
       .reference = "vllm-project/vllm-ascend#1446",
       .bug = "ascend-block-table-extra-rows",
       .hooks = {.after = ComputePaddingRows}},
  };
}

std::vector<Mutant> BlockMutants() {
  return {
      {.id = "draft-masks-apart",
       .bug_class = "spec-decode-chunked",
       .clause = "DFLASH-01",
       .hooks = {.visible = MasksApart}},
      {.id = "draft-step-not-causal",
       .bug_class = "spec-decode-chunked",
       .clause = "DFLASH-02",
       .hooks = {.terms = DraftStepNotCausal}},
  };
}

std::vector<Mutant> PageMutants() {
  return {
      {.id = "table-starts-at-new-tokens",
       .bug_class = "block-table-slots",
       .clause = "KV-01",
       .sentence = "the first entry of the table is taken for the page of the first new token",
       .reference = "vllm-project/vllm-ascend#2714",
       .bug = "ascend-scheduler-only-new-blocks",
       .hooks = {.place = TableFromNewTokens}},
      {.id = "index-buffer-counted-in-pages",
       .bug_class = "block-table-slots",
       .clause = "KV-01",
       .sentence =
           "gathered key indices have room for one slot less than a page has, and those that "
           "do not fit are 0 (the original had room for one a page, which no batch fits)",
       .reference = "sgl-project/sglang#24587",
       .bug = "sgl-kv-indices-buffer-page-granular",
       .hooks = {.place = IndexBufferOfPages}},
      {.id = "window-as-ring",
       .bug_class = "block-table-slots",
       .clause = "KV-01",
       .sentence =
           "behind a window, keys are looked for in a ring as long as window and new tokens "
           "in whole pages",
       .reference = "ggml-org/llama.cpp#25297",
       .bug = "lc-swa-state-ring-geometry",
       .hooks = {.place = WindowAsRing}},
      {.id = "latent-tail-pages-loaded",
       .bug_class = "block-table-slots",
       .clause = "KV-03",
       .sentence =
           "with a shared latent, pages past the last key are loaded up to a tile of 64 keys "
           "and multiplied by 0",
       .reference = "flashinfer-ai/flashinfer#810",
       .bug = "fi-mla-bound-tokens-vs-pages",
       .hooks = {.finish = LoadLatentTailPages}},
      {.id = "folded-batch-index",
       .bug_class = "block-table-slots",
       .clause = "MASK-09",
       .sentence = "heads past 16 are folded into the batch, and the number of the folded request "
                   "picks the row of the table",
       .reference = "ROCm/aiter#3310",
       .bug = "aiter-folded-batch-index",
       .hooks = {.row = FoldHeadsIntoBatch}},
      {.id = "page-copied-early",
       .bug_class = "race-workspace-uninit",
       .clause = "KV-01",
       .sentence = "the key in the last slot of a page is that of the next page, whose copy was "
                   "taken for finished",
       .reference = "jax-ml/jax@0e690c1a88",
       .bug = "jax-paged-single-semaphore-race",
       .hooks = {.place = NextPageEarly}},
  };
}

}  // namespace

std::vector<Mutant> DraftMutants() { return Joined({DraftRows, BlockMutants, PageMutants}); }

}  // namespace attest
