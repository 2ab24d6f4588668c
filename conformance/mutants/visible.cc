// SPDX-License-Identifier: Apache-2.0
//
// Rows, and which keys they see.
#include "conformance/mutants/attention.h"

namespace attest {
namespace {

bool IsCausal(const Call& call, std::int64_t request) {
  if (call.problem.attention_type != ATTEST_DECODER) return false;
  if (call.problem.causality != ATTEST_CAUSALITY_PER_REQUEST) {
    return call.problem.causality == ATTEST_CAUSAL;
  }
  return LoadAt<std::uint8_t>(call.args.request_causal, {request}) != 0;
}

bool InBand(const Terms& terms, std::int64_t key) {
  const std::int64_t p = terms.position;
  if (terms.causal && key > p + terms.causal_reach) return false;
  if (terms.left_from - key > terms.left) return false;
  if (key - p > terms.right) return false;
  if (terms.local_block == 0) return true;
  return p / terms.local_block - key / terms.local_block <= terms.local_lookback;
}

bool TreeLetsPass(const Call& call, const Row& row, std::int64_t key) {
  const std::int64_t token = key - (row.seq_len - row.q_len);
  if (token < 0) return true;
  const attest_tensor_t& mask = call.args.tree_mask;
  const std::int64_t offset = call.hooks.tree_offset != nullptr
                                  ? call.hooks.tree_offset(call, row, token)
                                  : OffsetOf(mask, {row.start + row.index, token});
  return InSpan(mask, offset) && *AtOffset(mask, offset) != std::byte{0};
}

bool CustomLetsPass(const Call& call, const Row& row, std::int64_t key) {
  const attest_tensor_t& mask = call.args.custom_mask;
  const std::int64_t offset = call.hooks.mask_offset != nullptr
                                  ? call.hooks.mask_offset(call, row, key)
                                  : OffsetOf(mask, {row.request, row.head, row.index, key});
  if (!InSpan(mask, offset)) return true;
  if (call.problem.custom_mask_kind == ATTEST_MASK_BOOLEAN) {
    return *AtOffset(mask, offset) != std::byte{0};
  }
  return Decode(FormatOfAbi(mask.dtype), AtOffset(mask, offset)) !=
         -std::numeric_limits<double>::infinity();
}

}  // namespace

std::int64_t QueryLen(const Call& call, std::int64_t request) {
  const attest_tensor_t& starts = call.args.query_start_loc;
  return LoadAt<std::int32_t>(starts, {request + 1}) - LoadAt<std::int32_t>(starts, {request});
}

Row MakeRow(const Call& call, std::int64_t request, std::int64_t index, std::int64_t head) {
  Row row;
  row.request = row.table_row = request;
  row.index = index;
  row.start = LoadAt<std::int32_t>(call.args.query_start_loc, {request});
  row.token = row.start + index;
  row.q_len = QueryLen(call, request);
  row.seq_len = LoadAt<std::int32_t>(call.args.seq_lens, {request});
  row.position = row.seq_len - row.q_len + index;
  row.head = head;
  row.kv_head = head / call.group();
  if (call.hooks.row != nullptr) call.hooks.row(call, row);
  return row;
}

Terms TermsOf(const Call& call, const Row& row) {
  const attest_problem_t& p = call.problem;
  Terms terms;
  terms.last = row.seq_len;
  terms.position = terms.left_from = row.position;
  terms.custom = p.custom_mask_kind != ATTEST_MASK_NONE;
  if (p.attention_type == ATTEST_ENCODER_DECODER) return terms;
  terms.tree = call.Has(ATTEST_FLAG_TREE_MASK);
  terms.causal = IsCausal(call, row.request) && !terms.tree;
  terms.causal_reach = 0;
  if (p.window_left > 0) terms.left = p.window_left - 1;
  if (p.window_right > 0) terms.right = p.window_right - 1;
  terms.local_block = p.local_block_size;
  terms.local_lookback = p.local_block_lookback;
  terms.prefix = call.Has(ATTEST_FLAG_PREFIX_RANGES);
  terms.prefix_clamped = call.Has(ATTEST_FLAG_PREFIX_CLAMPED);
  return terms;
}

bool InPrefixRange(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  const attest_tensor_t& ranges = call.args.prefix_ranges;
  const std::int64_t p = terms.position;
  if (terms.prefix_clamped && p - key >= call.problem.window_left) return false;
  if (terms.prefix_causal && key > p) return false;
  for (std::int64_t n = 0; n < ranges.shape[0]; ++n) {
    if (LoadAt<std::int64_t>(ranges, {n, 0}) != row.request) continue;
    const auto first = LoadAt<std::int64_t>(ranges, {n, 1});
    const auto last = LoadAt<std::int64_t>(ranges, {n, 2});
    if (first <= p && p <= last && first <= key && key <= last) return true;
  }
  return false;
}

bool Visible(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  if (!InBand(terms, key) && !(terms.prefix && InPrefixRange(call, row, terms, key))) return false;
  if (terms.tree && !TreeLetsPass(call, row, key)) return false;
  return !terms.custom || CustomLetsPass(call, row, key);
}

}  // namespace attest
