// SPDX-License-Identifier: Apache-2.0
//
// Offsets and positions in numbers that are too narrow. Where a call of the true size cannot be
// run, the limit is lowered, and the sentence says so.
#include <algorithm>
#include <cmath>

#include "conformance/mutants/triggers.h"

namespace attest {
namespace {

constexpr std::int64_t kLimit = std::int64_t{1} << 16;  // elements; 2^31 and 2^32 in the originals
constexpr std::int64_t kFarLimit = std::int64_t{1} << 17;

std::int64_t Int16(std::int64_t value) { return static_cast<std::int16_t>(value); }

std::int64_t WrappedMaskOffset(const Call& call, const Row& row, std::int64_t key) {
  return OffsetOf(call.args.custom_mask, {row.request, row.head, row.index, key}) % kLimit;
}

std::int64_t WrappedMaskRow(const Call& call, const Row& row, std::int64_t key) {
  const attest_tensor_t& mask = call.args.custom_mask;
  constexpr std::int64_t kRowLimit = std::int64_t{1} << 13;
  return OffsetOf(mask, {row.request, row.head, 0, key}) + row.index * mask.strides[2] % kRowLimit;
}

std::int64_t WrappedLatent(const Call& call, const Row& row, const Place& place, Side side,
                           std::int64_t column) {
  const std::int64_t offset = FaithfulOffset(call, row, place, side, column);
  return IsLatent(call) && place.page >= 0 ? offset % kLimit : offset;
}

// Past the limit there is nothing: the load gives 0.
std::int64_t NothingFarAway(const Call& call, const Row& row, const Place& place, Side side,
                            std::int64_t column) {
  const std::int64_t offset = FaithfulOffset(call, row, place, side, column);
  return place.page >= 0 && offset >= kFarLimit ? -1 : offset;
}

std::int64_t ElementsOf(const attest_tensor_t& tensor) {
  std::int64_t count = 1;
  for (int axis = 0; axis < tensor.ndim; ++axis) count *= tensor.shape[axis];
  return count;
}

// The width of addresses follows the number of elements, not the span of the strides.
std::int64_t WrappedWhereSmall(const Call& call, const Row& row, const Place& place, Side side,
                               std::int64_t column) {
  const std::int64_t offset = FaithfulOffset(call, row, place, side, column);
  const attest_tensor_t& cache = TensorOf(call, place, side);
  constexpr std::int64_t kSmall = std::int64_t{1} << 14;
  return Strided(call, place) && ElementsOf(cache) < kSmall ? offset % kSmall : offset;
}

std::int64_t WrappedInDecode(const Call& call, const Row& row, const Place& place, Side side,
                             std::int64_t column) {
  const std::int64_t offset = FaithfulOffset(call, row, place, side, column);
  return Strided(call, place) && row.q_len == 1 ? offset % kLimit : offset;
}

Place PageOf16Bits(const Call& call, const Row& row, std::int64_t key, Side /*side*/) {
  Place place = PlaceOf(call, row, key);
  if (place.page >= 0) place.page &= 0xffff;
  return place;
}

bool VisibleByNarrowKey(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  if (!terms.causal) return Visible(call, row, terms, key);
  Terms rest = terms;
  rest.causal = false;
  return Int16(key) <= terms.position && Visible(call, row, rest, key);
}

std::vector<Mutant> OffsetMutants() {
  return {
      {.id = "mask-offset-wraps",
       .bug_class = "int-overflow",
       .clause = "MASK-25",
       .sentence = "offsets into a custom mask wrap at 65536 elements (2^31 in the original)",
       .reference = "flashinfer-ai/flashinfer#1290",
       .bug = "fi-custom-mask-offset-int32",
       .hooks = {.mask_offset = WrappedMaskOffset}},
      {.id = "mask-row-offset-wraps",
       .bug_class = "int-overflow",
       .clause = "MASK-25",
       .sentence = "the offset of a row in its plane of a custom mask wraps at 8192 elements (2^31 "
                   "in the original)",
       .reference = "ml-explore/mlx#2903",
       .bug = "mlx-mask-stride-int32",
       .hooks = {.mask_offset = WrappedMaskRow}},
      {.id = "latent-offset-wraps",
       .bug_class = "int-overflow",
       .clause = "KV-22",
       .sentence = "offsets into a shared latent wrap at 65536 elements (2^32 in the original)",
       .reference = "flashinfer-ai/flashinfer#3136",
       .bug = "fi-mla-page-times-stride-int32",
       .hooks = {.offset = WrappedLatent}},
      {.id = "far-pages-read-zero",
       .bug_class = "int-overflow",
       .clause = "KV-01",
       .sentence = "numbers from offset 131072 of a cache on are read as 0 (2^31 in the original)",
       .reference = "ROCm/aiter#4774",
       .bug = "aiter-buffer-offset-32bit-zero",
       .hooks = {.offset = NothingFarAway}},
      {.id = "address-width-from-size",
       .bug_class = "int-overflow",
       .clause = "KV-14",
       .sentence = "a cache of less than 16384 numbers gets addresses that wrap there, though its "
                   "strides reach further (2^31 in the original)",
       .reference = "ROCm/aiter#4673",
       .bug = "aiter-32bit-choice-by-logical-size",
       .hooks = {.offset = WrappedWhereSmall}},
      {.id = "decode-offset-wraps",
       .bug_class = "int-overflow",
       .clause = "KV-01",
       .sentence =
           "a single new token reads the cache at offsets that wrap at 65536 elements (2^31 "
           "in the original)",
       .reference = "facebookresearch/xformers@89d3014f",
       .bug = "xf-splitk-int32",
       .hooks = {.offset = WrappedInDecode}},
      {.id = "far-rows-dropped",
       .bug_class = "int-overflow",
       .clause = "ABI-08",
       .sentence = "rows of the output from offset 131072 on are not stored (2^31 bytes in the "
                   "original)",
       .reference = "ROCm/aiter#4244",
       .bug = "aiter-logits-tail-rows-dropped",
       .hooks = {.writes =
                     [](const Call& call, const Row& row) {
                       const std::int64_t token = row.start + row.index;
                       return OffsetOf(call.args.out, {token, row.head}) < kFarLimit;
                     }}},
      {.id = "write-offset-wraps",
       .bug_class = "int-overflow",
       .clause = "KV-16",
       .sentence = "write_kv finds its slots at offsets that wrap at 16384 elements (2^31 in the "
                   "original)",
       .reference = "ModelTC/lightllm#907",
       .bug = "light-dest-index-int32",
       .hooks = {.write = [](WriteRules& rules) { rules.offset_modulus = 16384; },
                 .no_arithmetic = "write_kv: no row is computed"}},
  };
}

std::vector<Mutant> PositionMutants() {
  return {
      {.id = "page-number-of-16-bits",
       .bug_class = "int-overflow",
       .clause = "KV-01",
       .sentence = "of a page's number the lowest 16 bits are used",
       .reference = "ROCm/aiter#3211",
       .bug = "aiter-block-id-24bit",
       .hooks = {.place = PageOf16Bits}},
      {.id = "key-number-of-16-bits",
       .bug_class = "int-overflow",
       .clause = "MASK-01",
       .sentence = "keys from 32768 on have negative numbers in the causal test",
       .reference = "ml-explore/mlx#3361",
       .bug = "mlx-int16-mask-index",
       .hooks = {.visible = VisibleByNarrowKey}},
      {.id = "position-of-16-bits",
       .bug_class = "int-overflow",
       .clause = "MASK-01",
       .sentence = "positions from 32768 on are negative",
       .reference = "vllm-project/tpu-inference#2756",
       .bug = "tpu-int16-positions",
       .hooks = {.terms =
                     [](const Call&, const Row& row, Terms& terms) {
                       if (terms.causal) terms.position = terms.left_from = Int16(row.position);
                     }}},
  };
}

}  // namespace

std::vector<Mutant> WideMutants() { return Joined({OffsetMutants, PositionMutants}); }

}  // namespace attest
