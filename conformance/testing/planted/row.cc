// SPDX-License-Identifier: Apache-2.0
#include "conformance/testing/planted/row.h"

#include "conformance/testing/planted/elements.h"

namespace attest {
namespace {

std::int64_t Int32At(const attest_tensor_t& tensor, std::initializer_list<std::int64_t> index) {
  return *reinterpret_cast<const std::int32_t*>(AddressOf(tensor, index));
}

bool IsCausal(const Call& call) {
  switch (call.problem.attention_type) {
    case ATTEST_ENCODER_ONLY:
      return call.Has(Planted::kEncoderCausal);
    case ATTEST_ENCODER_DECODER:
      return call.Has(Planted::kCrossCausal);
    default:
      return call.problem.causality == ATTEST_CAUSAL || call.Has(Planted::kNoncausalIgnored);
  }
}

std::int64_t PageOf(const Call& call, const Row& row, std::int64_t key, Side side) {
  std::int64_t logical = key / call.problem.block_size;
  const bool misled = call.Has(Planted::kBlockTableEntryWrong) ||
                      (call.Has(Planted::kValuePageWrong) && side == Side::kValue) ||
                      (call.Has(Planted::kKeyPageWrong) && side == Side::kKey);
  if (misled && logical == 1) logical = 0;
  return Int32At(call.args.block_table, {row.request, logical});
}

// A tensor whose strides a kernel would make up from the shape.
std::int64_t NhdOffset(const attest_tensor_t& cache, std::int64_t page, std::int64_t slot,
                       std::int64_t head) {
  return ((page * cache.shape[1] + slot) * cache.shape[2] + head) * cache.shape[3];
}

std::vector<double> LoadLine(ElementType type, const std::byte* first, std::int64_t step,
                             std::int64_t count, int bytes) {
  std::vector<double> line(static_cast<std::size_t>(count));
  for (double& value : line) {
    value = LoadAs(type, first);
    first += step * bytes;
  }
  return line;
}

}  // namespace

Row MakeRow(const Call& call, std::int64_t request, std::int64_t index, std::int64_t head) {
  const attest_problem_t& p = call.problem;
  const std::int64_t group = p.num_q_heads / p.num_kv_heads;
  Row row;
  row.request = request;
  row.start = Int32At(call.args.query_start_loc, {request});
  row.index = index;
  row.q_len = Int32At(call.args.query_start_loc, {request + 1}) - row.start;
  row.seq_len = Int32At(call.args.seq_lens, {request});
  if (call.Has(Planted::kMaxSeqLenMatters) && call.paged()) row.seq_len = p.max_seq_len;
  row.head = head;
  row.kv_head = call.Has(Planted::kWrongKvHead) ? head % p.num_kv_heads : head / group;
  return row;
}

bool Sees(const Call& call, const Row& row, std::int64_t key) {
  const attest_problem_t& p = call.problem;
  if (call.Has(Planted::kRequestLeak) && !call.paged()) return true;
  if (call.Has(Planted::kOneKeyPastSeqLen) && key == row.seq_len) return true;
  if (call.Has(Planted::kLastKeyMissing) && key == row.seq_len - 1) return false;
  if (call.Has(Planted::kFirstKeyMissing) && key == 0) return false;
  if (key < 0 || key >= row.seq_len) return false;

  const bool top_left = call.Has(Planted::kCausalTopLeft) && IsCausal(call);
  const std::int64_t position = top_left ? row.index : row.seq_len - row.q_len + row.index;
  std::int64_t causal_reach = position;
  if (call.Has(Planted::kCausalPlusOne)) causal_reach += 1;
  if (call.Has(Planted::kCausalMinusOne)) causal_reach -= 1;
  if (IsCausal(call) && key > causal_reach) return false;

  std::int64_t longer = 0;
  if (call.Has(Planted::kWindowPlusOne)) longer = 1;
  if (call.Has(Planted::kWindowMinusOne)) longer = -1;
  if (p.window_left > 0 && position - key >= p.window_left + longer) return false;
  if (call.Has(Planted::kWindowLeftOnly)) return true;
  return p.window_right == 0 || key - position < p.window_right + longer;
}

Candidates CandidatesOf(const Call& call, const Row& row) {
  if (!call.paged()) return {-row.start, call.problem.num_actual_tokens - row.start};
  return {0, row.seq_len + 1};
}

bool InMemory(const Call& call, const Row& row, std::int64_t key) {
  if (!call.paged()) {
    return row.start + key >= 0 && row.start + key < call.args.key.shape[0];
  }
  const std::int64_t logical = key / call.problem.block_size;
  if (key < 0 || logical >= call.args.block_table.shape[1]) return false;
  const std::int64_t page = Int32At(call.args.block_table, {row.request, logical});
  return page >= 0 && page < call.args.key_cache.shape[0];
}

std::vector<double> Load(const Call& call, const Row& row, std::int64_t key, Side side) {
  const attest_problem_t& p = call.problem;
  const attest_forward_args_t& a = call.args;
  const bool is_key = side == Side::kKey;
  const std::int64_t count = is_key ? p.head_dim_qk : p.head_dim_v;
  const attest_dtype_t dtype = call.paged() ? p.cache_dtype : p.query_dtype;
  ElementType type = ElementTypeOf(dtype);
  if (call.Has(Planted::kFp16AsBf16) && type == ElementType::kFloat16)
    type = ElementType::kBFloat16;
  const int bytes = dtype.bits / 8;
  if (!call.paged()) {
    const attest_tensor_t& packed = is_key ? a.key : a.value;
    return LoadLine(type, AddressOf(packed, {row.start + key, row.kv_head}), packed.strides[2],
                    count, bytes);
  }
  const attest_tensor_t& cache = is_key ? a.key_cache : a.value_cache;
  const std::int64_t page = PageOf(call, row, key, side);
  const std::int64_t slot = key % p.block_size;
  if (call.Has(Planted::kIgnoresStrides)) {
    const std::int64_t offset = NhdOffset(cache, page, slot, row.kv_head);
    return LoadLine(type, AddressOf(cache, {}) + offset * bytes, 1, count, bytes);
  }
  return LoadLine(type, AddressOf(cache, {page, slot, row.kv_head}), cache.strides[3], count,
                  bytes);
}

std::vector<double> LoadQuery(const Call& call, const Row& row) {
  const attest_tensor_t& query = call.args.query;
  return LoadLine(ElementTypeOf(query.dtype), AddressOf(query, {row.start + row.index, row.head}),
                  query.strides[2], call.problem.head_dim_qk, query.dtype.bits / 8);
}

}  // namespace attest
