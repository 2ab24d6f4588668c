// SPDX-License-Identifier: Apache-2.0
//
// Where keys and values lie, and what they are.
#include "conformance/mutants/attention.h"

namespace attest {
namespace {

Place PlaceOfSide(const Call& call, const Row& row, std::int64_t key, Side side) {
  if (call.hooks.place != nullptr) return call.hooks.place(call, row, key, side);
  return PlaceOf(call, row, key);
}

bool InMemory(const Call& call, const Place& place, Side side) {
  const attest_tensor_t& tensor = TensorOf(call, place, side);
  if (tensor.data == nullptr) return false;
  if (place.page < 0) return place.slot >= 0 && place.slot < tensor.shape[0];
  return place.page < call.problem.num_blocks && place.slot >= 0;
}

double ScaleOfSlot(const Call& call, const Row& row, const Place& place, Side side) {
  if (call.problem.kv_scale_kind == ATTEST_KV_SCALE_NONE || place.page < 0) return 1.0;
  const attest_tensor_t& scales = side == Side::kKey ? call.args.key_scale : call.args.value_scale;
  const std::int64_t offset = OffsetOf(scales, {place.page, place.slot, row.kv_head});
  const double scale =
      InSpan(scales, offset) ? Decode(Format::kFloat32, AtOffset(scales, offset)) : 1.0;
  return call.hooks.kv_scale != nullptr ? call.hooks.kv_scale(call, row, place, side, scale)
                                        : scale;
}

}  // namespace

double ValueScale(const Call& call, const Row& row, std::int64_t key) {
  return ScaleOfSlot(call, row, PlaceOfSide(call, row, key, Side::kValue), Side::kValue);
}

std::int64_t TableEntry(const Call& call, std::int64_t table_row, std::int64_t column) {
  const attest_tensor_t& table = call.args.block_table;
  if (table_row < 0 || table_row >= table.shape[0]) return -1;
  if (column < 0 || column >= table.shape[1]) return -1;
  return LoadAt<std::int32_t>(table, {table_row, column});
}

Place PlaceOf(const Call& call, const Row& row, std::int64_t key) {
  if (!call.paged()) return {-1, row.start + key};
  const std::int64_t size = call.problem.block_size;
  if (key < 0) return {-1, -1};
  const std::int64_t page = TableEntry(call, row.table_row, key / size);
  return page < 0 ? Place{-1, -1} : Place{page, key % size};
}

bool HasSlot(const Call& call, const Row& row, std::int64_t key) {
  return InMemory(call, PlaceOfSide(call, row, key, Side::kKey), Side::kKey) &&
         InMemory(call, PlaceOfSide(call, row, key, Side::kValue), Side::kValue);
}

const attest_tensor_t& TensorOf(const Call& call, const Place& place, Side side) {
  const attest_forward_args_t& args = call.args;
  if (place.page < 0) return side == Side::kKey ? args.key : args.value;
  return side == Side::kKey ? args.key_cache : args.value_cache;
}

std::int64_t ElementOffset(const attest_tensor_t& tensor, const Call& call, const Place& place,
                           Side side, std::int64_t kv_head, std::int64_t column) {
  if (place.page < 0) return OffsetOf(tensor, {place.slot, kv_head, column});
  if (call.problem.kv_layout == ATTEST_KV_STRIDED) {
    return OffsetOf(tensor, {place.page, place.slot, kv_head, column});
  }
  if (side == Side::kValue) return OffsetOf(tensor, {place.page, kv_head, column, place.slot});
  const std::int64_t x = 16 / (call.problem.cache_dtype.bits / 8);
  return OffsetOf(tensor, {place.page, kv_head, column / x, place.slot, column % x});
}

std::vector<double> LoadLine(const Call& call, const Row& row, std::int64_t key, Side side) {
  const Hooks& hooks = call.hooks;
  const Place place = PlaceOfSide(call, row, key, side);
  const attest_tensor_t& tensor = TensorOf(call, place, side);
  const double scale = ScaleOfSlot(call, row, place, side);
  Format format = FormatOfAbi(tensor.dtype);
  if (hooks.format != nullptr) format = hooks.format(call, side, format);
  const bool is_key = side == Side::kKey;
  const std::int64_t last = LastOffset(tensor);
  std::vector<double> line(
      static_cast<std::size_t>(is_key ? call.problem.head_dim_qk : call.problem.head_dim_v));
  for (std::size_t i = 0; i < line.size(); ++i) {
    const auto column = static_cast<std::int64_t>(i);
    const std::int64_t offset = hooks.offset != nullptr
                                    ? hooks.offset(call, row, place, side, column)
                                    : ElementOffset(tensor, call, place, side, row.kv_head, column);
    const bool inside = offset >= 0 && offset <= last;
    double stored = inside ? Decode(format, AtOffset(tensor, offset)) : 0.0;
    if (hooks.element != nullptr) stored = hooks.element(call, side, format, stored);
    line[i] = scale * stored;
  }
  return line;
}

}  // namespace attest
