// SPDX-License-Identifier: Apache-2.0
//
// What an earlier call left behind, and memory that another part of the kernel has written.
#include <algorithm>
#include <cmath>

#include "conformance/mutants/triggers.h"

namespace attest {
namespace {

// The first call of this shape; nullptr before there is one.
const EarlierCall* First(const Call& call) {
  return call.memory.first ? &*call.memory.first : nullptr;
}
const EarlierCall* Last(const Call& call) {
  return call.memory.last ? &*call.memory.last : nullptr;
}

std::int32_t At(const std::vector<std::int32_t>& numbers, std::int64_t index) {
  const bool inside = index >= 0 && index < static_cast<std::int64_t>(numbers.size());
  return inside ? numbers[static_cast<std::size_t>(index)] : -1;
}

Place PageOf(std::int64_t page, std::int64_t slot) {
  return page < 0 ? Place{-1, -1} : Place{page, slot};
}

Place ByFirstTable(const Call& call, const Row& row, std::int64_t key, Side /*side*/) {
  const EarlierCall* const first = First(call);
  if (!call.paged() || first == nullptr || key < 0) return PlaceOf(call, row, key);
  const std::int64_t page = key / call.problem.block_size;
  if (page >= first->table_width) return {-1, -1};
  return PageOf(At(first->table, row.table_row * first->table_width + page),
                key % call.problem.block_size);
}

// The table is copied row by row as it is, into a buffer that is read with the pitch of the first
// call's; past what was copied lies the first call's table.
Place ByRestridedTable(const Call& call, const Row& row, std::int64_t key, Side /*side*/) {
  const EarlierCall* const first = First(call);
  const attest_tensor_t& table = call.args.block_table;
  if (!call.paged() || first == nullptr || key < 0 || first->table_width <= table.shape[1]) {
    return PlaceOf(call, row, key);
  }
  const std::int64_t size = call.problem.block_size;
  const std::int64_t flat = row.table_row * first->table_width + key / size;
  const std::int64_t width = table.shape[1];
  const std::int64_t page = flat < table.shape[0] * width
                                ? TableEntry(call, flat / width, flat % width)
                                : At(first->table, flat);
  return PageOf(page, key % size);
}

void LengthOfFirstCall(const Call& call, Row& row) {
  const EarlierCall* const first = First(call);
  if (first == nullptr || !call.paged()) return;
  row.seq_len = At(first->seq_lens, row.request);
  row.position = row.seq_len - row.q_len + row.index;
}

void QueryStartOfLastCall(const Call& call, Row& row) {
  const EarlierCall* const last = Last(call);
  if (last == nullptr || last->problem.num_requests != call.problem.num_requests) return;
  row.token = At(last->query_start_loc, row.request) + row.index;
}

bool WasPureDecode(const EarlierCall& earlier) {
  for (std::size_t r = 0; r + 1 < earlier.query_start_loc.size(); ++r) {
    if (earlier.query_start_loc[r + 1] - earlier.query_start_loc[r] != 1) return false;
  }
  return true;
}

std::int64_t ScratchOf(const attest_problem_t& problem) {
  return problem.num_q_heads * problem.num_actual_tokens;
}

bool VisibleByMaskOfPlan(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  if (!Visible(call, row, terms, key)) return false;
  const std::vector<std::byte>& mask = call.memory.mask;
  if (call.problem.custom_mask_kind != ATTEST_MASK_NONE || mask.empty()) return true;
  const auto flat = static_cast<std::size_t>(row.index * row.seq_len + key);
  return mask[flat % mask.size()] != std::byte{0};
}

// The mask of a draft gets as many elements as its context has, for each new token.
bool VisibleInSmallMask(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  if (!Visible(call, row, terms, key)) return false;
  if (call.problem.custom_mask_kind != ATTEST_MASK_BOOLEAN) return true;
  return row.index * row.seq_len + key < row.q_len * (call.problem.max_seq_len - row.q_len);
}

Format TypeOfFirstCall(const Call& call, Side /*side*/, Format format) {
  const EarlierCall* const first = First(call);
  if (first == nullptr || format != FormatOfAbi(call.problem.cache_dtype)) return format;
  const bool same_size = first->problem.cache_dtype.bits == call.problem.cache_dtype.bits;
  return same_size ? FormatOfAbi(first->problem.cache_dtype) : format;
}

void WindowOfFirstCall(const Call& call, const Row& /*row*/, Terms& terms) {
  const EarlierCall* const first = First(call);
  if (first == nullptr || !terms.causal || !IsDecoder(call)) return;
  terms.left = first->problem.window_left > 0 ? first->problem.window_left - 1 : kNoReach;
}

// A kernel without windows was chosen for the first call, whose bound fits into the window.
void WindowKernelOfFirstCall(const Call& call, const Row& /*row*/, Terms& terms) {
  const EarlierCall* const first = First(call);
  if (first == nullptr || !terms.causal || call.problem.window_left == 0) return;
  if (first->problem.max_seq_len <= call.problem.window_left) terms.left = kNoReach;
}

// Rows that do not fill a group of four run ahead and read the values of the next tile.
Place NextValueTile(const Call& call, const Row& row, std::int64_t key, Side side) {
  constexpr std::int64_t kTile = 16;
  const bool ahead = row.q_len > 4 && row.index >= row.q_len / 4 * 4 && key + kTile < row.seq_len;
  return PlaceOf(call, row, ahead && side == Side::kValue ? key + kTile : key);
}

void LoseFirstSlotOfSum(const Call& call, const Row& row, const std::vector<Scored>& scores,
                        Answer& answer) {
  if (row.seq_len <= 4096) return;
  Reweigh(
      call, row, scores, [](const Scored&, double weight) { return weight; },
      [](const Scored& scored, double weight) { return scored.key < 32 ? 0.0 : weight; }, answer);
}

std::vector<Mutant> PlansOfEarlierCalls() {
  return {
      {.id = "softcap-of-first-call",
       .bug_class = "graph-stale-metadata",
       .clause = "SCORE-03",
       .sentence = "a cached plan keeps the cap of the first call of its shape",
       .reference = "ggml-org/llama.cpp#19383",
       .bug = "ggml-cudagraph-op-params-ignored",
       .hooks = {.remembers = true,
                 .parts =
                     [](const Call& call, const Row&, std::int64_t, ScoreParts& parts) {
                       if (First(call) != nullptr) parts.softcap = First(call)->problem.softcap;
                     }}},
      {.id = "cache-type-of-first-call",
       .bug_class = "graph-stale-metadata",
       .clause = "NUM-04",
       .sentence =
           "a cached plan keeps the number format of the first call whose cache has as many "
           "bits",
       .reference = "ggml-org/llama.cpp#19186",
       .bug = "ggml-cudagraph-type-ignored",
       .hooks = {.remembers = true, .format = TypeOfFirstCall}},
      {.id = "causality-of-first-call",
       .bug_class = "graph-stale-metadata",
       .clause = "MASK-01",
       .sentence = "a cached kernel keeps the causality of the first call of its shape",
       .reference = "ml-explore/mlx#2053",
       .bug = "mlx-pipeline-cache-key-no-causal",
       .hooks = {.remembers = true,
                 .terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (First(call) == nullptr || !IsDecoder(call) || terms.tree) return;
                       terms.causal = First(call)->problem.causality == ATTEST_CAUSAL;
                     }}},
      {.id = "table-of-first-call",
       .bug_class = "graph-stale-metadata",
       .clause = "KV-01",
       .sentence = "the block table of the first call of a shape is kept",
       .reference = "flashinfer-ai/flashinfer#2185",
       .bug = "fi-graph-kv-indices-not-copied",
       .hooks = {.remembers = true, .place = ByFirstTable}},
      {.id = "persistent-table-restrided",
       .bug_class = "graph-stale-metadata",
       .clause = "KV-04",
       .sentence =
           "a narrower block table is copied with its own pitch into the buffer of the first "
           "call, which is read with that call's",
       .reference = "vllm-project/vllm#40842",
       .bug = "seed-copy-to-persistent-as-strided",
       .hooks = {.remembers = true, .place = ByRestridedTable}},
      {.id = "lengths-of-first-call",
       .bug_class = "graph-stale-metadata",
       .clause = "MASK-02",
       .sentence = "lengths of the first call of a shape are kept",
       .reference = "vllm-project/vllm#38311",
       .bug = "vllm-eagle-draft-metadata-not-rebuilt",
       .hooks = {.remembers = true, .row = LengthOfFirstCall}},
      {.id = "bound-of-first-call",
       .bug_class = "spec-decode-chunked",
       .clause = "KV-06",
       .sentence =
           "max_seq_len of the first call of a shape is kept, and keys past it are left out",
       .reference = "vllm-project/vllm#32312",
       .bug = "vllm-eagle-stale-max-seq-len",
       .hooks = {.remembers = true,
                 .terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (First(call) == nullptr || !call.paged()) return;
                       terms.last = std::min(terms.last, First(call)->problem.max_seq_len);
                     }}},
      {.id = "window-of-first-call",
       .bug_class = "sliding-window",
       .clause = "MASK-10",
       .sentence = "layers of one shape share the schedule of the first, its window included",
       .reference = "vllm-project/vllm#17574",
       .bug = "vllm-aot-schedule-single-window",
       .hooks = {.remembers = true, .terms = WindowOfFirstCall}},
      {.id = "window-kernel-of-first-call",
       .bug_class = "graph-stale-metadata",
       .clause = "MASK-10",
       .sentence = "if the first call of a shape had a bound within the window, later ones are "
                   "computed without a window",
       .reference = "vllm-project/vllm#40961",
       .bug = "vllm-ubatch-max-seqlen-capture",
       .hooks = {.remembers = true, .terms = WindowKernelOfFirstCall}},
      {.id = "mask-of-earlier-plan",
       .bug_class = "bidirectional-doc-mask",
       .clause = "MASK-25",
       .sentence =
           "a call without a custom mask is computed with the boolean one of an earlier call",
       .reference = "flashinfer-ai/flashinfer#1028",
       .bug = "fi-custom-mask-buffer-not-reset",
       .hooks = {.remembers = true, .visible = VisibleByMaskOfPlan}},
      {.id = "mask-buffer-without-draft-columns",
       .bug_class = "graph-stale-metadata",
       .clause = "MASK-25",
       .sentence =
           "the buffer of a boolean mask has no room for the columns of the new tokens, and "
           "what does not fit masks",
       .reference = "sgl-project/sglang#29450",
       .bug = "sgl-verify-mask-buffer-size",
       .hooks = {.visible = VisibleInSmallMask}},
  };
}

std::vector<Mutant> WorkspaceMutants() {
  return {
      {.id = "second-call-unwritten",
       .bug_class = "graph-stale-metadata",
       .clause = "ABI-08",
       .sentence = "a counter is not set back when the lengths are those of the first call of the "
                   "shape, and nothing is written",
       .reference = "Dao-AILab/flash-attention@1a58058a",
       .bug = "fa-semaphore-not-reset-on-metadata-reuse",
       .hooks = {.remembers = true,
                 .writes =
                     [](const Call& call, const Row& row) {
                       const EarlierCall* const first = First(call);
                       return first == nullptr || At(first->seq_lens, row.request) != row.seq_len ||
                              At(first->query_start_loc, row.request) != row.start;
                     }}},
      {.id = "workspace-of-other-phase",
       .bug_class = "race-workspace-uninit",
       .clause = "ABI-08",
       .sentence =
           "the kernels of prefill and decode share a workspace, and the first request after "
           "a change is not written",
       .reference = "vllm-project/vllm#25520",
       .bug = "vllm-shared-workspace-two-kernels",
       .hooks = {.remembers = true,
                 .writes =
                     [](const Call& call, const Row& row) {
                       const EarlierCall* const last = Last(call);
                       return last == nullptr || row.request > 0 ||
                              WasPureDecode(*last) == IsPureDecode(call);
                     }}},
      {.id = "semaphores-in-scratch",
       .bug_class = "race-workspace-uninit",
       .clause = "SOFT-01",
       .sentence = "after a call of another size, counters lie in its scratch, and only the first "
                   "split of 64 keys is merged",
       .reference = "flashinfer-ai/flashinfer#1584",
       .bug = "fi-trtllmgen-semaphores-move",
       .hooks = {.remembers = true,
                 .terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       const EarlierCall* const last = Last(call);
                       if (last == nullptr) return;
                       if (ScratchOf(last->problem) == ScratchOf(call.problem)) return;
                       terms.last = std::min<std::int64_t>(terms.last, 64);
                     }}},
      {.id = "query-starts-of-last-call",
       .bug_class = "race-workspace-uninit",
       .clause = "KV-12",
       .sentence =
           "rows of the queries are found by the starts of the call before, if it had as many "
           "requests",
       .reference = "vllm-project/vllm#23737",
       .bug = "vllm-fi-pinned-indptr-race",
       .hooks = {.remembers = true, .row = QueryStartOfLastCall}},
      {.id = "scale-lost-past-1024",
       .bug_class = "race-workspace-uninit",
       .clause = "SCORE-01",
       .sentence = "beyond 1024 keys the scale is read from recycled memory, as 0",
       .reference = "ggml-org/llama.cpp#25880",
       .bug = "ggml-sycl-scale-use-after-return",
       .hooks = {.parts =
                     [](const Call&, const Row& row, std::int64_t, ScoreParts& parts) {
                       if (row.seq_len > 1024) parts.scale = 0;
                     }}},
      {.id = "sum-slot-lost",
       .bug_class = "race-workspace-uninit",
       .clause = "SOFT-01",
       .sentence = "beyond 4096 keys the first 32 are lost from the denominator",
       .reference = "ml-explore/mlx#2042",
       .bug = "mlx-softmax-missing-barrier",
       .hooks = {.finish = LoseFirstSlotOfSum}},
      {.id = "logits-buffer-half-sized",
       .bug_class = "race-workspace-uninit",
       .clause = "SOFT-01",
       .sentence =
           "decoding more than 512 keys with 16-bit queries, products of the second half of "
           "the keys are overwritten, by 0",
       .reference = "vllm-project/vllm#68",
       .bug = "vllm-logits-smem-dtype",
       .hooks = {.parts =
                     [](const Call& call, const Row& row, std::int64_t key, ScoreParts& parts) {
                       const bool spills =
                           HasHalfQuery(call) && row.q_len == 1 && row.seq_len > 512;
                       if (spills && key >= CeilDiv(row.seq_len, 2)) parts.scale = 0;
                     }}},
      {.id = "accumulator-starts-unclean",
       .bug_class = "race-workspace-uninit",
       .clause = "MASK-09",
       .sentence =
           "a request that begins inside of a block of 32 rows starts with a denominator of 1 "
           "at score 0",
       .reference = "jax-ml/jax@08c2a36e28",
       .bug = "jax-rpa-masked-init",
       .hooks = {.softmax =
                     [](const Call&, const Row& row, const Terms&, SoftmaxRules& rules) {
                       rules.phantoms += row.start % 32 != 0 ? 1 : 0;
                     }}},
      {.id = "value-tile-overtaken",
       .bug_class = "race-workspace-uninit",
       .clause = "MASK-01",
       .sentence = "rows past the last four that fill a group read values 16 keys further on",
       .reference = "ggml-org/llama.cpp#26434",
       .bug = "ggml-opencl-war-race",
       .hooks = {.place = NextValueTile}},
  };
}

}  // namespace

std::vector<Mutant> StaleMutants() { return Joined({PlansOfEarlierCalls, WorkspaceMutants}); }

}  // namespace attest
