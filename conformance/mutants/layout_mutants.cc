// SPDX-License-Identifier: Apache-2.0
//
// Wrong strides, wrong number formats and scales of the cache.
#include "conformance/mutants/attention.h"

namespace attest {
namespace {

bool Strided(const Call& call, const Place& place) {
  return place.page >= 0 && call.problem.kv_layout == ATTEST_KV_STRIDED;
}

std::int64_t Faithful(const Call& call, const Row& row, const Place& place, Side side,
                      std::int64_t column) {
  return ElementOffset(TensorOf(call, place, side), call, place, side, row.kv_head, column);
}

std::int64_t PageDistanceFromShape(const Call& call, const Row& row, const Place& place, Side side,
                                   std::int64_t column) {
  if (!Strided(call, place)) return Faithful(call, row, place, side, column);
  const attest_tensor_t& cache = TensorOf(call, place, side);
  const std::int64_t distance = cache.shape[1] * cache.shape[2] * cache.shape[3];
  return place.page * distance + OffsetOf(cache, {0, place.slot, row.kv_head, column});
}

std::int64_t ContiguousNhd(const Call& call, const Row& row, const Place& place, Side side,
                           std::int64_t column) {
  if (!Strided(call, place)) return Faithful(call, row, place, side, column);
  const attest_tensor_t& cache = TensorOf(call, place, side);
  return ((place.page * cache.shape[1] + place.slot) * cache.shape[2] + row.kv_head) *
             cache.shape[3] +
         column;
}

std::int64_t ValueByKeyStrides(const Call& call, const Row& row, const Place& place, Side side,
                               std::int64_t column) {
  if (!Strided(call, place)) return Faithful(call, row, place, side, column);
  return OffsetOf(call.args.key_cache, {place.page, place.slot, row.kv_head, column});
}

std::int64_t SplitByEight(const Call& call, const Row& row, const Place& place, Side side,
                          std::int64_t column) {
  if (place.page < 0 || call.problem.kv_layout != ATTEST_KV_X_SPLIT || side == Side::kValue) {
    return Faithful(call, row, place, side, column);
  }
  const attest_tensor_t& cache = call.args.key_cache;
  const std::int64_t slots = cache.shape[3];
  return OffsetOf(cache, {place.page, row.kv_head}) + (column / 8 * slots + place.slot) * 8 +
         column % 8;
}

std::int64_t OutputByQueryStrides(const Call& call, const Row& row, std::int64_t column) {
  return OffsetOf(call.args.query, {row.start + row.index, row.head, column});
}

std::int64_t QueryRowsClose(const Call& call, const Row& row, std::int64_t column) {
  const attest_tensor_t& query = call.args.query;
  return row.token * query.shape[1] * query.shape[2] + OffsetOf(query, {0, row.head, column});
}

Format OtherE4M3(const Call& /*call*/, Side /*side*/, Format format) {
  if (format == Format::kFloat8E4M3FN) return Format::kFloat8E4M3FNUZ;
  return format == Format::kFloat8E4M3FNUZ ? Format::kFloat8E4M3FN : format;
}

Format HalfAsBFloat(const Call& /*call*/, Side /*side*/, Format format) {
  return format == Format::kFloat16 ? Format::kBFloat16 : format;
}

// Through the next narrower type.
double Recoded(const Call& /*call*/, Side side, Format stored, double value) {
  if (side == Side::kKey) return value;
  if (stored == Format::kFloat32 || stored == Format::kFloat16) {
    return Through(Format::kBFloat16, value);
  }
  return stored == Format::kBFloat16 ? Through(Format::kFloat8E5M2, value) : value;
}

// This step's tokens, not yet through the cache's type.
Place RawChunk(const Call& call, const Row& row, std::int64_t key, Side /*side*/) {
  const std::int64_t token = key - (row.seq_len - row.q_len);
  const bool raw = call.problem.attention_type == ATTEST_DECODER && token >= 0 &&
                   token < row.q_len && call.args.key.data != nullptr &&
                   call.problem.cache_dtype.bits == 8;
  return raw ? Place{-1, row.start + token} : PlaceOf(call, row, key);
}

std::vector<Mutant> CacheStrideMutants() {
  return {
      {.id = "page-stride-recomputed",
       .bug_class = "layout-strides",
       .clause = "KV-14",
       .bug = "aiter-paged-stride-reconstructed",
       .hooks = {.offset = PageDistanceFromShape}},
      {.id = "value-uses-key-strides",
       .bug_class = "layout-strides",
       .clause = "KV-14",
       .hooks = {.offset = ValueByKeyStrides}},
      {.id = "cache-taken-as-nhd",
       .bug_class = "layout-strides",
       .clause = "KV-14",
       .sentence = "both caches are taken to be contiguous NHD",
       .reference = "kept as a standard mutation",
       .hooks = {.offset = ContiguousNhd}},
      {.id = "output-uses-query-strides",
       .bug_class = "layout-strides",
       .clause = "KV-15",
       .bug = "fi-persistent-out-uses-q-strides",
       .hooks = {.out_offset = OutputByQueryStrides, .whole_call = true}},
      {.id = "row-stride-recomputed",
       .bug_class = "layout-strides",
       .clause = "KV-15",
       .bug = "ggml-vk-noncontig-ignored",
       .hooks = {.query_offset = QueryRowsClose}},
      {.id = "x-split-fixed-eight",
       .bug_class = "layout-strides",
       .clause = "KV-21",
       .hooks = {.offset = SplitByEight}},
      {.id = "x-split-read-as-columns",
       .bug_class = "layout-strides",
       .clause = "KV-21",
       .sentence = "the keys of a page are read as if x were 1",
       .reference = "kept as a standard mutation",
       .hooks = {.offset =
                     [](const Call& call, const Row& row, const Place& place, Side side,
                        std::int64_t column) {
                       if (place.page < 0 || call.problem.kv_layout != ATTEST_KV_X_SPLIT ||
                           side == Side::kValue) {
                         return Faithful(call, row, place, side, column);
                       }
                       const attest_tensor_t& cache = call.args.key_cache;
                       return OffsetOf(cache, {place.page, row.kv_head}) + column * cache.shape[3] +
                              place.slot;
                     }}},
      {.id = "latent-value-from-end",
       .bug_class = "head-mapping-dims",
       .clause = "KV-22",
       .hooks = {.offset =
                     [](const Call& call, const Row& row, const Place& place, Side side,
                        std::int64_t column) {
                       const bool shared =
                           call.Has(ATTEST_FLAG_VALUE_IS_KEY_PREFIX) && Strided(call, place);
                       if (!shared || side == Side::kKey) {
                         return Faithful(call, row, place, side, column);
                       }
                       const std::int64_t shift =
                           call.problem.head_dim_qk - call.problem.head_dim_v;
                       return OffsetOf(call.args.value_cache,
                                       {place.page, place.slot, row.kv_head, column + shift});
                     }}},
  };
}

std::vector<Mutant> TypeMutants() {
  return {
      {.id = "fnuz-read-as-fn",
       .bug_class = "quant-precision",
       .clause = "KV-18",
       .hooks = {.format = OtherE4M3}},
      {.id = "value-scale-ignored",
       .bug_class = "quant-precision",
       .clause = "KV-18",
       .bug = "vllm-fi-kv-scales-asserted",
       .hooks = {.kv_scale = [](const Call&, const Row&, const Place&, Side side,
                                double scale) { return side == Side::kValue ? 1.0 : scale; }}},
      {.id = "key-scale-ignored",
       .bug_class = "quant-precision",
       .clause = "KV-18",
       .hooks = {.kv_scale = [](const Call&, const Row&, const Place&, Side side,
                                double scale) { return side == Side::kKey ? 1.0 : scale; }}},
      {.id = "int8-read-unsigned",
       .bug_class = "quant-precision",
       .clause = "KV-19",
       .hooks = {.element =
                     [](const Call&, Side, Format format, double value) {
                       return format == Format::kInt8 && value < 0 ? value + 256 : value;
                     }}},
      {.id = "raw-chunk",
       .bug_class = "quant-precision",
       .clause = "KV-20",
       .hooks = {.place = RawChunk}},
      {.id = "value-recoded",
       .bug_class = "quant-precision",
       .clause = "NUM-04",
       .hooks = {.element = Recoded}},
      {.id = "fp16-as-bf16",
       .bug_class = "quant-precision",
       .clause = "NUM-04",
       .sentence = "float16 keys and values are read as bfloat16",
       .reference = "kept as a standard mutation",
       .hooks = {.format = HalfAsBFloat}},
  };
}

}  // namespace

std::vector<Mutant> LayoutMutants() {
  std::vector<Mutant> mutants = CacheStrideMutants();
  const std::vector<Mutant> more = TypeMutants();
  mutants.insert(mutants.end(), more.begin(), more.end());
  return mutants;
}

}  // namespace attest
