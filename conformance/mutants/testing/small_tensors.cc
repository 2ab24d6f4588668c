// SPDX-License-Identifier: Apache-2.0
#include "conformance/mutants/testing/small_tensors.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace attest::testing {
namespace {

std::int64_t Pages(const Problem& problem, std::int64_t seq_len) {
  return (seq_len + problem.block_size - 1) / problem.block_size;
}

template <typename T>
void Put(const TensorView& view, std::initializer_list<std::int64_t> index, T value) {
  std::memcpy(const_cast<std::byte*>(view.At(index)), &value, sizeof(value));
}

std::int64_t NumPages(const Problem& problem) {
  std::int64_t pages = 3;  // page 0, and two that nobody owns
  for (const Request& request : problem.requests) pages += Pages(problem, request.seq_len);
  return pages;
}

}  // namespace

SmallTensors::SmallTensors(const Problem& problem, const SmallOptions& options)
    : problem_(problem), options_(options) {
  AddTokens();
  if (problem.uses_paged_kv()) {
    AddCache();
    AddTable();
    FillCache();
  }
  AddExtras();
}

std::byte* SmallTensors::Add(TensorView& view, DType dtype, const std::vector<std::int64_t>& shape,
                             const std::vector<std::int64_t>& strides) {
  std::int64_t last = 0;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    last += std::max<std::int64_t>(0, shape[axis] - 1) * strides[axis];
  }
  buffers_.emplace_back(static_cast<std::size_t>(last + 1) * SizeOf(dtype));
  view = {.data = buffers_.back().data(), .dtype = dtype, .shape = shape, .strides = strides};
  return buffers_.back().data();
}

double SmallTensors::Random(double low, double high) {
  state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
  return low + (high - low) * static_cast<double>(state_ >> 33) / 2147483648.0;
}

void SmallTensors::Fill(const TensorView& view, const std::vector<std::int64_t>& index, double low,
                        double high) {
  std::int64_t offset = 0;
  for (std::size_t axis = 0; axis < index.size(); ++axis)
    offset += index[axis] * view.strides[axis];
  Encode(
      FormatOfAbi(ToAbi(view.dtype)), Random(low, high),
      const_cast<std::byte*>(view.data) + offset * static_cast<std::int64_t>(SizeOf(view.dtype)));
}

void SmallTensors::AddTokens() {
  const Problem& p = problem_;
  const std::int64_t rows = NumTokens(p) + p.padding_tokens;
  const bool gaps = p.token_layout != TokenLayout::kDense;
  const auto add = [&](TensorView& view, DType dtype, std::int64_t heads, std::int64_t columns,
                       std::int64_t gap) {
    Add(view, dtype, {rows, heads, columns}, {heads * columns + (gaps ? gap : 0), columns, 1});
  };
  add(tensors_.query, p.query_dtype, p.num_q_heads, p.head_dim_qk, 5);
  add(outputs_.out, p.output_dtype, p.num_q_heads, p.head_dim_v, 3);
  const std::size_t bytes = SizeOf(p.output_dtype);
  for (std::size_t at = 0; at + bytes <= buffers_.back().size(); at += bytes) {
    Encode(FormatOfAbi(ToAbi(p.output_dtype)), options_.output, buffers_.back().data() + at);
  }
  Add(outputs_.lse, DType::kFloat32, {rows, p.num_q_heads}, {p.num_q_heads, 1});
  const double low = options_.key_shift == 0 ? -options_.query_size : 0.5 * options_.query_size;
  for (std::int64_t t = 0; t < rows; ++t) {
    for (std::int64_t h = 0; h < p.num_q_heads; ++h) {
      for (std::int64_t d = 0; d < p.head_dim_qk; ++d) {
        Fill(tensors_.query, {t, h, d}, low, options_.query_size);
      }
    }
  }
  if (p.attention_type == AttentionType::kEncoderDecoder) return;
  add(tensors_.key, p.query_dtype, p.num_kv_heads, p.head_dim_qk, 7);
  add(tensors_.value, p.query_dtype, p.num_kv_heads, p.head_dim_v, 2);
  for (std::int64_t t = 0; t < rows; ++t) {
    for (std::int64_t h = 0; h < p.num_kv_heads; ++h) {
      for (std::int64_t d = 0; d < p.head_dim_qk; ++d) Fill(tensors_.key, {t, h, d}, -1, 1);
      for (std::int64_t d = 0; d < p.head_dim_v; ++d) Fill(tensors_.value, {t, h, d}, -1, 1);
    }
  }
}

void SmallTensors::AddCache() {
  const Problem& p = problem_;
  const std::int64_t pages = NumPages(p);
  const std::int64_t n = p.block_size;
  const std::int64_t h = p.num_kv_heads;
  if (p.cache_layout == CacheLayout::kXSplit) {
    const auto x = static_cast<std::int64_t>(16 / SizeOf(p.cache_dtype));
    const std::vector<std::int64_t> keys = {pages, h, p.head_dim_qk / x, n, x};
    const std::vector<std::int64_t> values = {pages, h, p.head_dim_v, n};
    Add(tensors_.key_cache, p.cache_dtype, keys, DenseStrides(keys));
    Add(tensors_.value_cache, p.cache_dtype, values, DenseStrides(values));
    return;
  }
  const auto add = [&](TensorView& view, std::int64_t columns, std::int64_t gap) {
    std::vector<std::int64_t> strides = {n * h * columns, h * columns, columns, 1};
    if (p.cache_layout == CacheLayout::kHnd) strides = {n * h * columns, columns, n * columns, 1};
    if (p.cache_layout == CacheLayout::kPaddedPages) strides[0] += gap;
    if (p.cache_layout == CacheLayout::kPackedKv) {
      const std::int64_t both = p.head_dim_qk + p.head_dim_v;
      strides = {n * h * both, h * both, both, 1};
    }
    Add(view, p.cache_dtype, {pages, n, h, columns}, strides);
  };
  add(tensors_.key_cache, p.head_dim_qk, 8);
  if (p.cache_layout == CacheLayout::kSharedLatent) {
    tensors_.value_cache = tensors_.key_cache;
    tensors_.value_cache.shape[3] = p.head_dim_v;
    return;
  }
  if (p.cache_layout == CacheLayout::kPackedKv) {
    const auto bytes = static_cast<std::int64_t>(SizeOf(p.cache_dtype));
    buffers_.back().resize(buffers_.back().size() + static_cast<std::size_t>(p.head_dim_v * bytes));
    tensors_.key_cache.data = buffers_.back().data();
    tensors_.value_cache = tensors_.key_cache;
    tensors_.value_cache.data += p.head_dim_qk * bytes;
    tensors_.value_cache.shape[3] = p.head_dim_v;
    return;
  }
  add(tensors_.value_cache, p.head_dim_v, 24);
}

// Pages from the last one down, so that neighbours in a request are none in memory.
void SmallTensors::AddTable() {
  const Problem& p = problem_;
  const auto requests = static_cast<std::int64_t>(p.requests.size());
  const std::int64_t width = std::max<std::int64_t>(1, Pages(p, MaxSeqLen(p))) + options_.table_gap;
  Add(tensors_.block_table, DType::kInt32, {requests, width}, {width + options_.table_gap, 1});
  auto page = static_cast<std::int32_t>(NumPages(p) - 2);
  for (std::int64_t r = 0; r < requests; ++r) {
    const Request& request = p.requests[static_cast<std::size_t>(r)];
    for (std::int64_t i = 0; i < width; ++i) {
      const bool live = i < Pages(p, request.seq_len);
      std::int32_t entry = live ? page-- : options_.garbage;
      const bool shared = r > 0 && live && (i + 1) * p.block_size <= p.shared_prefix;
      if (shared) std::memcpy(&entry, tensors_.block_table.At({0, i}), sizeof(entry));
      if (options_.alias_first_page && i == 1) {
        std::memcpy(&entry, tensors_.block_table.At({r, 0}), sizeof(entry));
      }
      const std::int64_t reach = request.seq_len - request.q_len - p.window_left;
      if (options_.page_zero_past_window && (i + 1) * p.block_size <= reach)
        entry = options_.page_zero;
      Put(tensors_.block_table, {r, i}, entry);
    }
  }
}

void SmallTensors::FillCache() {
  const Problem& p = problem_;
  const std::int64_t pages = NumPages(p);
  live_.assign(static_cast<std::size_t>(pages * p.block_size), false);
  for (std::size_t r = 0; r < p.requests.size(); ++r) {
    for (std::int64_t k = 0; k < p.requests[r].seq_len; ++k) {
      std::int32_t page = 0;
      const std::byte* at =
          tensors_.block_table.At({static_cast<std::int64_t>(r), k / p.block_size});
      std::memcpy(&page, at, sizeof(page));
      live_[static_cast<std::size_t>(page * p.block_size + k % p.block_size)] = page > 0;
    }
  }
  const bool x_split = p.cache_layout == CacheLayout::kXSplit;
  const auto x = static_cast<std::int64_t>(16 / SizeOf(p.cache_dtype));
  const double usual = SizeOf(p.cache_dtype) == 1 ? 4.0 : 1.0;
  const double size = options_.cache_size > 0 ? options_.cache_size : usual;
  for (std::int64_t page = 0; page < pages; ++page) {
    for (std::int64_t slot = 0; slot < p.block_size; ++slot) {
      const bool owned = live_[static_cast<std::size_t>(page * p.block_size + slot)];
      const double low = owned ? -size : options_.dead;
      const double high = owned ? size : options_.dead;
      const double shift = owned ? options_.key_shift : 0;
      for (std::int64_t h = 0; h < p.num_kv_heads; ++h) {
        for (std::int64_t d = 0; d < p.head_dim_qk; ++d) {
          const std::vector<std::int64_t> at =
              x_split ? std::vector<std::int64_t>{page, h, d / x, slot, d % x}
                      : std::vector<std::int64_t>{page, slot, h, d};
          Fill(tensors_.key_cache, at, low + shift, high + shift);
        }
        for (std::int64_t d = 0; d < p.head_dim_v; ++d) {
          if (p.cache_layout == CacheLayout::kSharedLatent) break;
          const std::vector<std::int64_t> at = x_split
                                                   ? std::vector<std::int64_t>{page, h, d, slot}
                                                   : std::vector<std::int64_t>{page, slot, h, d};
          Fill(tensors_.value_cache, at, low, high);
        }
      }
    }
  }
}

void SmallTensors::AddExtras() {
  const Problem& p = problem_;
  const auto requests = static_cast<std::int64_t>(p.requests.size());
  const std::int64_t rows = NumTokens(p) + p.padding_tokens;
  const std::int64_t heads = p.num_q_heads;
  Add(tensors_.query_start_loc, DType::kInt32, {requests + 1}, {1});
  Add(tensors_.seq_lens, DType::kInt32, {requests}, {1});
  std::int32_t start = 0;
  Put(tensors_.query_start_loc, {0}, start);
  for (std::int64_t r = 0; r < requests; ++r) {
    start += static_cast<std::int32_t>(p.requests[static_cast<std::size_t>(r)].q_len);
    Put(tensors_.query_start_loc, {r + 1}, start);
    Put(tensors_.seq_lens, {r},
        static_cast<std::int32_t>(p.requests[static_cast<std::size_t>(r)].seq_len));
  }
  Add(tensors_.sinks, DType::kFloat32, {heads}, {1});
  Add(tensors_.alibi_slopes, DType::kFloat32, {heads}, {1});
  for (std::int64_t h = 0; h < heads; ++h) {
    Put(tensors_.sinks, {h}, 0.5F + 0.25F * static_cast<float>(h));
    const float slope = 0.25F / static_cast<float>(h + 1);
    Put(tensors_.alibi_slopes, {h},
        options_.slope == 0 ? slope : static_cast<float>(options_.slope));
  }
  const std::int64_t most = std::max<std::int64_t>(1, MaxQueryLen(p) + p.max_query_len_slack);
  Add(tensors_.tree_mask, DType::kBool, {rows, most}, {most, 1});
  for (std::int64_t t = 0; t < rows; ++t) {
    for (std::int64_t j = 0; j < most; ++j) {
      Put(tensors_.tree_mask, {t, j}, static_cast<std::uint8_t>((t + j) % 2 == 0 ? 1 : 0));
    }
  }
  const std::int64_t keys = std::max<std::int64_t>(1, MaxSeqLen(p) + p.max_seq_len_slack);
  const MaskBroadcast& same = p.custom_mask_broadcast;
  const bool boolean = p.custom_mask == MaskKind::kBoolean;
  std::vector<std::int64_t> strides =
      DenseStrides({same.request ? 1 : requests, same.head ? 1 : heads, same.row ? 1 : most,
                    same.key ? 1 : keys});
  const bool constant[] = {same.request, same.head, same.row, same.key};
  for (int axis = 0; axis < 4; ++axis) strides[axis] = constant[axis] ? 0 : strides[axis];
  const DType type = boolean ? DType::kBool : p.additive_mask_dtype;
  Add(tensors_.custom_mask, type, {requests, heads, most, keys}, strides);
  for (std::size_t i = 0; i < buffers_.back().size() / SizeOf(type); ++i) {
    std::byte* const at = buffers_.back().data() + i * SizeOf(type);
    if (boolean) {
      *at = std::byte{Random(0, 1) < 0.7 ? std::uint8_t{1} : std::uint8_t{0}};
    } else {
      const bool removed =
          options_.whole_rows_masked && i / static_cast<std::size_t>(keys) % 2 == 0;
      Encode(FormatOfAbi(ToAbi(type)), removed ? -HUGE_VAL : Random(-2, 2), at);
    }
  }
  if (p.kv_scale_kind == KvScaleKind::kNone) return;
  const std::vector<std::int64_t> shape = {NumPages(p), p.block_size, p.num_kv_heads};
  for (TensorView* scales : {&tensors_.key_scale, &tensors_.value_scale}) {
    std::vector<std::int64_t> strides = DenseStrides(shape);
    const auto slots = static_cast<std::size_t>(p.block_size);
    const auto heads = static_cast<std::size_t>(p.num_kv_heads);
    if (p.cache_layout == CacheLayout::kPaddedPages) strides[0] += p.num_kv_heads;  // one slot more
    Add(*scales, DType::kFloat32, shape, strides);
    const std::size_t count = buffers_.back().size() / 4;
    const auto page = static_cast<std::size_t>(strides[0]);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t slot = i / page * slots + std::min(i % page / heads, slots - 1);
      const bool dead = options_.dead_scale != 0 && !live_[slot];
      Encode(Format::kFloat32, dead ? options_.dead_scale : Random(0.25, 0.75),
             buffers_.back().data() + i * 4);
    }
  }
}

}  // namespace attest::testing
