// SPDX-License-Identifier: Apache-2.0
//
// Strides that one path honours and another makes up.
#include <algorithm>
#include <cmath>

#include "conformance/mutants/triggers.h"

namespace attest {
namespace {

// As if the rows of the query lay without gaps.
std::int64_t PackedQuery(const Call& call, const Row& row, std::int64_t column) {
  const attest_tensor_t& query = call.args.query;
  return (row.token * query.shape[1] + row.head) * query.shape[2] + column;
}

std::int64_t GivenQuery(const Call& call, const Row& row, std::int64_t column) {
  return OffsetOf(call.args.query, {row.token, row.head, column});
}

std::int64_t PackedQueryAt256(const Call& call, const Row& row, std::int64_t column) {
  return call.problem.head_dim_qk == 256 ? PackedQuery(call, row, column)
                                         : GivenQuery(call, row, column);
}

std::int64_t PackedQueryUnderMask(const Call& call, const Row& row, std::int64_t column) {
  return call.problem.custom_mask_kind != ATTEST_MASK_NONE ? PackedQuery(call, row, column)
                                                           : GivenQuery(call, row, column);
}

std::int64_t PackedQueryOfShortRequest(const Call& call, const Row& row, std::int64_t column) {
  const bool short_and_wide = call.problem.head_dim_qk >= 64 && row.seq_len <= 32;
  return short_and_wide ? PackedQuery(call, row, column) : GivenQuery(call, row, column);
}

// The distance of rows is taken for the number of heads times the distance of heads, which says
// nothing where there is one head.
std::int64_t RowsByHeadStride(const Call& call, const Row& row, std::int64_t column) {
  const attest_tensor_t& query = call.args.query;
  if (query.shape[1] != 1) return GivenQuery(call, row, column);
  return row.token * query.strides[1] + column * query.strides[2];
}

// Pages as far apart as their own elements need.
std::int64_t ClosePages(const Call& call, const Row& row, const Place& place, Side side,
                        std::int64_t column) {
  const attest_tensor_t& cache = TensorOf(call, place, side);
  return place.page * cache.shape[1] * cache.shape[2] * cache.shape[3] +
         OffsetOf(cache, {0, place.slot, row.kv_head, column});
}

std::int64_t CloseNarrowPages(const Call& call, const Row& row, const Place& place, Side side,
                              std::int64_t column) {
  if (!Strided(call, place) || !HasNarrowCache(call)) {
    return FaithfulOffset(call, row, place, side, column);
  }
  return ClosePages(call, row, place, side, column);
}

// Pages that hold nothing but context, seen from several new tokens.
std::int64_t ClosePagesOfContext(const Call& call, const Row& row, const Place& place, Side side,
                                 std::int64_t column) {
  if (!Strided(call, place) || row.q_len < 2 || !IsDecoder(call)) {
    return FaithfulOffset(call, row, place, side, column);
  }
  const std::int64_t pages = (row.seq_len - row.q_len) / call.problem.block_size;
  for (std::int64_t n = 0; n < pages; ++n) {
    if (TableEntry(call, row.table_row, n) == place.page) {
      return ClosePages(call, row, place, side, column);
    }
  }
  return FaithfulOffset(call, row, place, side, column);
}

// Packed keys and values get the whole tensor as the distance of requests.
std::int64_t RequestsFarApart(const Call& call, const Row& row, const Place& place, Side side,
                              std::int64_t column) {
  const std::int64_t offset = FaithfulOffset(call, row, place, side, column);
  if (!IsEncoder(call)) return offset;
  return offset + row.request * (LastOffset(TensorOf(call, place, side)) + 1);
}

// Do keys and values share each page, as halves of one row?
bool SharesPages(const Call& call) {
  const attest_tensor_t& key = call.args.key_cache;
  const attest_tensor_t& value = call.args.value_cache;
  if (!call.paged() || call.problem.kv_layout != ATTEST_KV_STRIDED || IsLatent(call)) return false;
  const auto* const from = static_cast<const std::byte*>(key.data) + key.byte_offset;
  const auto* const to = static_cast<const std::byte*>(value.data) + value.byte_offset;
  const std::int64_t page = key.strides[0] * call.problem.cache_dtype.bits / 8;
  return to > from && to - from < page && call.problem.head_dim_v <= call.problem.head_dim_qk;
}

void ValueFromKey(const Call& call, const Row& row, const std::vector<Scored>& scores,
                  Answer& answer) {
  if (scores.empty() || !SharesPages(call)) return;
  std::vector<double> out(answer.out.size(), 0.0);
  for (const Scored& scored : scores) {
    const double weight = std::exp(scored.score - answer.maximum) / answer.denominator;
    const std::vector<double> key = LoadLine(call, row, scored.key, Side::kKey);
    for (std::size_t d = 0; d < out.size(); ++d) out[d] += weight * key[d];
  }
  answer.out = out;
}

// The mean of the queries of block 0, instead of the row's own block of 128, is added back.
void MeanOfFirstBlock(const Call& call, const Row& row, std::vector<double>& query) {
  constexpr std::int64_t kRows = 128;
  const std::int64_t block = row.index / kRows;
  if (block == 0) return;
  const attest_tensor_t& tensor = call.args.query;
  const Format format = FormatOfAbi(tensor.dtype);
  const auto mean = [&](std::int64_t number, std::int64_t column) {
    const std::int64_t first = number * kRows;
    const std::int64_t last = std::min(first + kRows, row.q_len);
    double sum = 0;
    for (std::int64_t i = first; i < last; ++i) {
      sum += Decode(format, AddressOf(tensor, {row.start + i, row.head, column}));
    }
    return sum / static_cast<double>(last - first);
  };
  for (std::size_t d = 0; d < query.size(); ++d) {
    const auto column = static_cast<std::int64_t>(d);
    query[d] += mean(0, column) - mean(block, column);
  }
}

// Four copies are made where three were planned for: query, key, value, and a broadcast mask.
bool MakesFourCopies(const Call& call) {
  if (call.problem.custom_mask_kind == ATTEST_MASK_NONE) return false;
  const attest_tensor_t& query = call.args.query;
  const attest_tensor_t& mask = call.args.custom_mask;
  const bool gaps = query.shape[0] > 1 && query.strides[0] != query.shape[1] * query.strides[1];
  return gaps && (mask.strides[0] == 0 || mask.strides[1] == 0 || mask.strides[2] == 0);
}

std::vector<Mutant> QueryStrides() {
  return {
      {.id = "head-256-packed",
       .bug_class = "layout-strides",
       .clause = "KV-15",
       .sentence = "queries of 256 columns are read as if their rows lay without gaps",
       .reference = "Dao-AILab/flash-attention#2666",
       .bug = "fa-hd256-hardcoded-contiguous",
       .hooks = {.query_offset = PackedQueryAt256}},
      {.id = "masked-query-packed",
       .bug_class = "layout-strides",
       .clause = "KV-15",
       .sentence = "with a custom mask, queries are read as if their rows lay without gaps",
       .reference = "pytorch/pytorch#112577",
       .bug = "pt-memeff-noncontig-mask",
       .hooks = {.query_offset = PackedQueryUnderMask}},
      {.id = "short-query-packed",
       .bug_class = "layout-strides",
       .clause = "KV-15",
       .sentence = "up to 32 keys of 64 columns and more, queries are read as if their rows lay "
                   "without gaps",
       .reference = "pytorch/pytorch#181133",
       .bug = "pt-mps-noncontig-permute",
       .hooks = {.query_offset = PackedQueryOfShortRequest}},
      {.id = "single-head-row-pitch",
       .bug_class = "layout-strides",
       .clause = "KV-15",
       .sentence = "with one query head, rows are taken to lie as far apart as heads do",
       .reference = "vllm-project/vllm#32417",
       .bug = "vllm-degenerate-strides",
       .hooks = {.query_offset = RowsByHeadStride}},
      {.id = "block-mean-of-first-block",
       .bug_class = "layout-strides",
       .clause = "SCORE-01",
       .sentence =
           "of blocks of 128 queries whose mean is taken out, all get the mean of the first "
           "back",
       .reference = "flashinfer-ai/flashinfer#3838",
       .bug = "fi-nvfp4-correction-compact-vs-expanded",
       .hooks = {.query = MeanOfFirstBlock}},
      {.id = "fourth-copy-loses-query",
       .bug_class = "race-workspace-uninit",
       .clause = "KV-15",
       .sentence = "where rows have gaps and a custom mask is broadcast too, the copy of the query "
                   "is gone: its numbers are 0",
       .reference = "ml-explore/mlx#2563",
       .bug = "mlx-copies-vector-realloc",
       .hooks = {.query =
                     [](const Call& call, const Row&, std::vector<double>& query) {
                       if (MakesFourCopies(call)) query.assign(query.size(), 0.0);
                     }}},
  };
}

std::vector<Mutant> CacheStrides() {
  return {
      {.id = "narrow-pages-packed",
       .bug_class = "layout-strides",
       .clause = "KV-14",
       .sentence = "pages of 8-bit caches are taken to lie without gaps",
       .reference = "ggml-org/llama.cpp#14822",
       .bug = "ggml-quant-kv-multi-seq-contiguous",
       .hooks = {.offset = CloseNarrowPages}},
      {.id = "context-pages-packed",
       .bug_class = "layout-strides",
       .clause = "KV-14",
       .sentence = "several new tokens read pages of mere context as if pages lay without gaps",
       .reference = "vllm-project/vllm#37228",
       .bug = "vllm-rocm-gather-stride-hybrid",
       .hooks = {.offset = ClosePagesOfContext}},
      {.id = "packed-requests-far-apart",
       .bug_class = "layout-strides",
       .clause = "KV-12",
       .sentence = "packed keys and values of request r are looked for r whole tensors further on, "
                   "where there is nothing",
       .reference = "flashinfer-ai/flashinfer#3779",
       .bug = "fi-ragged-batch-stride-numel",
       .hooks = {.offset = RequestsFarApart}},
      {.id = "value-is-key-in-shared-page",
       .bug_class = "layout-strides",
       .clause = "KV-14",
       .sentence = "where keys and values share each page, the key is taken for the value",
       .reference = "ggml-org/llama.cpp#19145",
       .bug = "ggml-v-is-k-view-offset",
       .hooks = {.finish = ValueFromKey}},
  };
}

std::vector<Mutant> MaskedTail() {
  return {
      {.id = "mask-tail-of-one-key-lost",
       .bug_class = "layout-strides",
       .clause = "MASK-25",
       .sentence =
           "with a boolean mask and grouped heads, the last key is lost where it stands alone "
           "in a tile of 32",
       .reference = "pytorch/pytorch#191937",
       .bug = "pt-memeff-stride0-kv-mod32",
       .hooks = {.terms =
                     [](const Call& call, const Row& row, Terms& terms) {
                       const bool boolean = call.problem.custom_mask_kind == ATTEST_MASK_BOOLEAN;
                       if (boolean && call.group() > 1 && row.seq_len % 32 == 1) --terms.last;
                     }}},
  };
}

}  // namespace

std::vector<Mutant> StrideMutants() { return Joined({QueryStrides, CacheStrides, MaskedTail}); }

}  // namespace attest
