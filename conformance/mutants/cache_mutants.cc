// SPDX-License-Identifier: Apache-2.0
//
// Wrong scales of a quantised cache, and what write_kv leaves in it.
#include <cmath>

#include "conformance/mutants/triggers.h"

namespace attest {
namespace {

constexpr std::string_view kWriteKv = "write_kv: no row is computed";

double ScaleAt(const Call& call, Side side, std::int64_t page, std::int64_t slot,
               std::int64_t head) {
  const attest_tensor_t& scales = side == Side::kKey ? call.args.key_scale : call.args.value_scale;
  return Decode(Format::kFloat32, AddressOf(scales, {page, slot, head}));
}

double SmallestNormal(Format format) {
  switch (format) {
    case Format::kFloat8E4M3FN:
      return std::ldexp(1.0, -6);
    case Format::kFloat8E4M3FNUZ:
      return std::ldexp(1.0, -7);
    case Format::kFloat8E5M2:
      return std::ldexp(1.0, -14);
    default:
      return 0.0;
  }
}

std::vector<Mutant> ScaleMutants() {
  return {
      {.id = "scales-swapped",
       .bug_class = "quant-precision",
       .clause = "KV-18",
       .hooks = {.kv_scale =
                     [](const Call& call, const Row& row, const Place& place, Side side, double) {
                       return ScaleAt(call, side == Side::kKey ? Side::kValue : Side::kKey,
                                      place.page, place.slot, row.kv_head);
                     }}},
      {.id = "subnormals-read-as-zero",
       .bug_class = "quant-precision",
       .clause = "KV-18",
       .hooks = {.element =
                     [](const Call&, Side, Format format, double value) {
                       return std::fabs(value) < SmallestNormal(format) ? 0.0 : value;
                     }}},
      {.id = "scale-of-page-start",
       .bug_class = "quant-precision",
       .clause = "KV-19",
       .hooks = {.kv_scale =
                     [](const Call& call, const Row& row, const Place& place, Side side, double) {
                       return ScaleAt(call, side, place.page, 0, row.kv_head);
                     }}},
      {.id = "scale-of-first-head",
       .bug_class = "quant-precision",
       .clause = "KV-29",
       .hooks = {.kv_scale =
                     [](const Call& call, const Row&, const Place& place, Side side, double) {
                       return ScaleAt(call, side, place.page, place.slot, 0);
                     }}},
      {.id = "scale-by-query-head",
       .bug_class = "quant-precision",
       .clause = "KV-29",
       .hooks = {.kv_scale =
                     [](const Call& call, const Row& row, const Place& place, Side side, double) {
                       return ScaleAt(call, side, place.page, place.slot,
                                      row.head % call.problem.num_kv_heads);
                     }}},
      {.id = "masked-scale-multiplied",
       .bug_class = "quant-precision",
       .clause = "KV-30",
       .hooks = {
           .terms =
               [](const Call& call, const Row&, Terms& terms) {
                 if (!call.paged()) return;
                 const std::int64_t size = call.problem.block_size;
                 terms.last = (terms.last + size - 1) / size * size;
               },
           .visible =
               [](const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
                 return key < row.seq_len && Visible(call, row, terms, key);
               },
           .masked =
               [](const Call& call, const Row& row, std::int64_t key, std::vector<Scored>& scores) {
                 if (std::isfinite(ValueScale(call, row, key))) return;
                 scores.push_back({key, -std::numeric_limits<double>::infinity()});
               }}},
      {.id = "x-split-value-as-key",
       .bug_class = "layout-strides",
       .clause = "KV-21",
       .hooks = {.offset =
                     [](const Call& call, const Row& row, const Place& place, Side side,
                        std::int64_t column) {
                       const attest_tensor_t& tensor = TensorOf(call, place, side);
                       if (place.page < 0 || call.problem.kv_layout != ATTEST_KV_X_SPLIT ||
                           side == Side::kKey) {
                         return ElementOffset(tensor, call, place, side, row.kv_head, column);
                       }
                       const std::int64_t x = 16 / (call.problem.cache_dtype.bits / 8);
                       return OffsetOf(tensor, {place.page, row.kv_head}) +
                              (column / x * tensor.shape[3] + place.slot) * x + column % x;
                     }}},
  };
}

std::vector<Mutant> WriteMutants() {
  return {
      {.id = "write-strides-recomputed",
       .bug_class = "layout-strides",
       .clause = "KV-16",
       .bug = "fi-append-ignores-cache-strides",
       .hooks = {.write = [](WriteRules& rules) { rules.dense_strides = true; },
                 .no_arithmetic = kWriteKv}},
      {.id = "write-one-too-many",
       .bug_class = "block-table-slots",
       .clause = "KV-16",
       .bug = "vllm-slot-pad-from-padded-count",
       .hooks = {.write = [](WriteRules& rules) { rules.one_too_many = true; },
                 .no_arithmetic = kWriteKv}},
      {.id = "write-value-from-key",
       .bug_class = "block-table-slots",
       .clause = "KV-16",
       .hooks = {.write = [](WriteRules& rules) { rules.value_from_key = true; },
                 .no_arithmetic = kWriteKv}},
      {.id = "negative-slot-is-zero",
       .bug_class = "block-table-slots",
       .clause = "KV-17",
       .bug = "vllm-dummy-run-writes-null-block",
       .hooks = {.slot = [](const SlotAsked& asked) { return asked.slot < 0 ? 0 : asked.slot; },
                 .no_arithmetic = kWriteKv}},
      {.id = "write-truncates",
       .bug_class = "quant-precision",
       .clause = "KV-25",
       .hooks = {.write = [](WriteRules& rules) { rules.truncates = true; },
                 .no_arithmetic = kWriteKv}},
      {.id = "write-scale-multiplied",
       .bug_class = "quant-precision",
       .clause = "KV-26",
       .hooks = {.write = [](WriteRules& rules) { rules.multiplies_scale = true; },
                 .no_arithmetic = kWriteKv}},
      {.id = "write-overflow-nan",
       .bug_class = "quant-precision",
       .clause = "KV-26",
       .hooks = {.write = [](WriteRules& rules) { rules.overflow_is_nan = true; },
                 .no_arithmetic = kWriteKv}},
      {.id = "write-absmax-over-128",
       .bug_class = "quant-precision",
       .clause = "KV-27",
       .hooks = {.write = [](WriteRules& rules) { rules.largest = 128; },
                 .no_arithmetic = kWriteKv}},
      {.id = "write-int8-truncates",
       .bug_class = "quant-precision",
       .clause = "KV-27",
       .hooks = {.write = [](WriteRules& rules) { rules.truncates = true; },
                 .no_arithmetic = kWriteKv}},
      {.id = "write-zero-token-nan",
       .bug_class = "quant-precision",
       .clause = "KV-27",
       .hooks = {.write = [](WriteRules& rules) { rules.zero_token_is_nan = true; },
                 .no_arithmetic = kWriteKv}},
      {.id = "write-absmax-over-448",
       .bug_class = "quant-precision",
       .clause = "KV-28",
       .hooks = {.write = [](WriteRules& rules) { rules.largest = 448; },
                 .no_arithmetic = kWriteKv}},
  };
}

std::vector<Mutant> SlotMutants() {
  return {
      {.id = "slots-of-pages-of-sixteen",
       .bug_class = "block-table-slots",
       .clause = "KV-16",
       .sentence = "slots are found as if pages had 16 tokens",
       .reference = "vllm-project/vllm#31540",
       .bug = "vllm-eagle-slot-block-size",
       .hooks = {.slot =
                     [](const SlotAsked& asked) {
                       if (asked.slot < 0) return asked.slot;
                       return (asked.slot / asked.block_size * 16 + asked.slot % asked.block_size) %
                              asked.num_slots;
                     },
                 .no_arithmetic = kWriteKv}},
      {.id = "negative-slot-keeps-old",
       .bug_class = "block-table-slots",
       .clause = "KV-17",
       .sentence =
           "a negative entry of slot_mapping is not stored in a reused buffer, so the token "
           "goes to the slot that stood there: the one behind the entry before it",
       .reference = "vllm-project/vllm-ascend#5647",
       .bug = "ascend-padded-slot-buffer-stale",
       .hooks = {.slot =
                     [](const SlotAsked& asked) {
                       if (asked.slot >= 0 || asked.before < 0) return asked.slot;
                       return (asked.before + 1) % asked.num_slots;
                     },
                 .no_arithmetic = kWriteKv}},
      {.id = "slots-cut-to-requests",
       .bug_class = "graph-stale-metadata",
       .clause = "KV-16",
       .sentence = "as many tokens are written as there are requests",
       .reference = "vllm-project/vllm#21228",
       .bug = "vllm-fullgraph-slot-mapping-slice",
       .hooks = {.write = [](WriteRules& rules) { rules.only_first_requests = true; },
                 .no_arithmetic = kWriteKv}},
  };
}

}  // namespace

std::vector<Mutant> CacheMutants() { return Joined({ScaleMutants, WriteMutants, SlotMutants}); }

}  // namespace attest
