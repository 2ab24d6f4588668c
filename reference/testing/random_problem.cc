// SPDX-License-Identifier: Apache-2.0
#include "reference/testing/random_problem.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "reference/float_formats.h"

namespace attest::testing {
namespace {

std::int64_t PagesOf(const Problem& problem, std::size_t request) {
  const std::int64_t seq_len = problem.requests[request].seq_len;
  return (seq_len + problem.block_size - 1) / problem.block_size;
}

void BuildLengths(Random* random, Call* call, bool scattered) {
  const Problem& p = call->problem;
  const auto requests = static_cast<std::int64_t>(p.requests.size());
  const auto make = [&](const Index& shape) {
    return scattered ? MakeScattered(random, DType::kInt32, shape)
                     : MakeDense(DType::kInt32, shape);
  };
  call->query_start_loc = make({requests + 1});
  call->seq_lens = make({requests});
  std::int64_t start = 0;
  for (std::int64_t r = 0; r < requests; ++r) {
    const Request& request = p.requests[static_cast<std::size_t>(r)];
    SetInt32(&call->query_start_loc, {r}, static_cast<std::int32_t>(start));
    SetInt32(&call->seq_lens, {r}, static_cast<std::int32_t>(request.seq_len));
    start += request.q_len;
  }
  SetInt32(&call->query_start_loc, {requests}, static_cast<std::int32_t>(start));
}

void BuildQuery(Random* random, const Fill& fill, bool scattered, Call* call) {
  const Problem& p = call->problem;
  const Index shape = {NumTokens(p) + p.padding_tokens, p.num_q_heads, p.head_dim_qk};
  call->query =
      scattered ? MakeScattered(random, p.query_dtype, shape) : MakeDense(p.query_dtype, shape);
  for (std::int64_t token = 0; token < NumTokens(p); ++token) {
    for (std::int64_t head = 0; head < p.num_q_heads; ++head) {
      for (std::int64_t c = 0; c < p.head_dim_qk; ++c) {
        SetFloat(&call->query, {token, head, c}, fill.query(token, head, c));
      }
    }
  }
  const auto each_head = [&p](StoredTensor* tensor, const auto& number) {
    *tensor = MakeDense(DType::kFloat32, {p.num_q_heads});
    for (std::int64_t head = 0; head < p.num_q_heads; ++head) {
      SetFloat(tensor, {head}, number(head));
    }
  };
  if (p.sinks) each_head(&call->sinks, fill.sink);
  if (p.alibi) each_head(&call->alibi_slopes, fill.slope);
}

// Where one number of a key or value goes, by its column.
using Target = std::function<std::byte*(std::int64_t column)>;

void FillLine(const Fill& fill, bool value, std::size_t request, std::int64_t key,
              std::int64_t head, int columns, double scale, DType dtype, const Target& target) {
  for (std::int64_t c = 0; c < columns; ++c) {
    const double number = (value ? fill.value : fill.key)(request, key, head, c);
    StoreElement(dtype, number / scale, target(c));
  }
}

void BuildPacked(Random* random, const Fill& fill, bool scattered, Call* call) {
  const Problem& p = call->problem;
  const auto make = [&](int width) {
    const Index shape = {NumTokens(p) + p.padding_tokens, p.num_kv_heads, width};
    return scattered ? MakeScattered(random, p.query_dtype, shape)
                     : MakeDense(p.query_dtype, shape);
  };
  call->key = make(p.head_dim_qk);
  call->value = make(p.head_dim_v);
  std::int64_t start = 0;
  for (std::size_t r = 0; r < p.requests.size(); ++r) {
    for (std::int64_t key = 0; key < p.requests[r].seq_len; ++key) {
      for (std::int64_t head = 0; head < p.num_kv_heads; ++head) {
        FillLine(fill, false, r, key, head, p.head_dim_qk, 1.0, p.query_dtype, [&](std::int64_t c) {
          return call->key.At({start + key, head, c});
        });
        FillLine(fill, true, r, key, head, p.head_dim_v, 1.0, p.query_dtype, [&](std::int64_t c) {
          return call->value.At({start + key, head, c});
        });
      }
    }
    start += p.requests[r].q_len;
  }
}

StoredTensor MakeScales(const Problem& p, std::int64_t pages) {
  const Index shape = {pages, p.block_size, p.num_kv_heads};
  switch (p.kv_scale_kind) {
    case KvScaleKind::kPerTensor:
      return MakeTensor(DType::kFloat32, shape, {0, 0, 0});
    case KvScaleKind::kPerHead:
      return MakeTensor(DType::kFloat32, shape, {0, 0, 1});
    default:
      return MakeDense(DType::kFloat32, shape);
  }
}

// Caches and scales for `pages` pages, nothing in them.
void MakeCaches(Random* random, std::int64_t pages, bool scattered, Call* call) {
  const Problem& p = call->problem;
  const auto make = [&](const Index& shape) {
    return scattered ? MakeScattered(random, p.cache_dtype, shape)
                     : MakeDense(p.cache_dtype, shape);
  };
  if (p.cache_layout == CacheLayout::kXSplit) {
    const auto x = static_cast<std::int64_t>(16 / SizeOf(p.cache_dtype));
    call->key_cache = make({pages, p.num_kv_heads, (p.head_dim_qk + x - 1) / x, p.block_size, x});
    call->value_cache = make({pages, p.num_kv_heads, p.head_dim_v, p.block_size});
  } else {
    call->key_cache = make({pages, p.block_size, p.num_kv_heads, p.head_dim_qk});
    // A shared latent has no values of its own.
    if (p.cache_layout != CacheLayout::kSharedLatent) {
      call->value_cache = make({pages, p.block_size, p.num_kv_heads, p.head_dim_v});
    }
  }
  if (p.kv_scale_kind == KvScaleKind::kNone) return;
  call->key_scale = MakeScales(p, pages);
  if (p.cache_layout != CacheLayout::kSharedLatent) call->value_scale = MakeScales(p, pages);
}

// Scales that all slots share; the others are written with their slot.
void FillSharedScales(const Fill& fill, Call* call) {
  if (call->problem.kv_scale_kind == KvScaleKind::kPerTokenHead) return;
  for (const bool value : {false, true}) {
    StoredTensor& scales = value ? call->value_scale : call->key_scale;
    for (std::size_t at = 0; at < scales.bytes.size(); at += sizeof(float)) {
      StoreElement(DType::kFloat32, fill.scale(0, 0, value), scales.bytes.data() + at);
    }
  }
}

void FillSlot(const Fill& fill, std::size_t request, std::int64_t key, std::int64_t page,
              Call* call) {
  const Problem& p = call->problem;
  const std::int64_t slot = key % p.block_size;
  const bool split = p.cache_layout == CacheLayout::kXSplit;
  const auto x = static_cast<std::int64_t>(16 / SizeOf(p.cache_dtype));
  for (std::int64_t head = 0; head < p.num_kv_heads; ++head) {
    const auto scale_of = [&](StoredTensor* scales) {
      if (scales->bytes.empty()) return 1.0;
      std::byte* at = scales->At({page, slot, head});
      if (p.kv_scale_kind == KvScaleKind::kPerTokenHead) {
        StoreElement(DType::kFloat32, fill.scale(request, key, scales == &call->value_scale), at);
      }
      return LoadElement(DType::kFloat32, at);
    };
    FillLine(fill, false, request, key, head, p.head_dim_qk, scale_of(&call->key_scale),
             p.cache_dtype, [&](std::int64_t c) {
               return split ? call->key_cache.At({page, head, c / x, slot, c % x})
                            : call->key_cache.At({page, slot, head, c});
             });
    if (p.cache_layout == CacheLayout::kSharedLatent) continue;
    FillLine(fill, true, request, key, head, p.head_dim_v, scale_of(&call->value_scale),
             p.cache_dtype, [&](std::int64_t c) {
               return split ? call->value_cache.At({page, head, c, slot})
                            : call->value_cache.At({page, slot, head, c});
             });
  }
}

void BuildPaged(Random* random, const Fill& fill, bool scattered, Call* call) {
  const Problem& p = call->problem;
  std::int64_t pages = 0;
  std::int64_t width = 0;
  for (std::size_t r = 0; r < p.requests.size(); ++r) {
    pages += PagesOf(p, r);
    width = std::max(width, PagesOf(p, r));
  }
  std::vector<std::int32_t> order(static_cast<std::size_t>(pages) + 1);
  std::iota(order.begin(), order.end(), 1);  // page 0 is never live
  random->Shuffle(&order);
  MakeCaches(random, pages + 2, scattered, call);
  FillSharedScales(fill, call);
  const Index table = {static_cast<std::int64_t>(p.requests.size()), width + p.block_table_extra};
  call->block_table =
      scattered ? MakeScattered(random, DType::kInt32, table) : MakeDense(DType::kInt32, table);
  std::size_t next = 0;
  for (std::size_t r = 0; r < p.requests.size(); ++r) {
    const auto row = static_cast<std::int64_t>(r);
    for (std::int64_t key = 0; key < p.requests[r].seq_len; ++key) {
      const std::int64_t page = key / p.block_size;
      const bool again = p.page_aliasing && page % 3 != 0;  // the page before it once more
      if (key % p.block_size == 0) {
        SetInt32(&call->block_table, {row, page}, order[again ? next - 1 : next++]);
      }
      FillSlot(fill, r, key, order[next - 1], call);
    }
  }
}

void BuildMasks(Random* random, const Fill& fill, bool scattered, Call* call) {
  const Problem& p = call->problem;
  const std::int64_t rows = MaxQueryLen(p) + random->Int(0, 2);
  if (p.tree_mask) {
    call->tree_mask = MakeDense(DType::kBool, {NumTokens(p) + p.padding_tokens, rows});
    std::int64_t token = 0;
    for (std::size_t r = 0; r < p.requests.size(); ++r) {
      for (std::int64_t row = 0; row < p.requests[r].q_len; ++row, ++token) {
        for (std::int64_t other = 0; other < p.requests[r].q_len; ++other) {
          *call->tree_mask.At({token, other}) = std::byte{fill.tree(r, row, other)};
        }
      }
    }
  }
  if (p.custom_mask == MaskKind::kNone) return;
  const DType dtype = p.custom_mask == MaskKind::kBoolean ? DType::kBool : p.additive_mask_dtype;
  const Index shape = {static_cast<std::int64_t>(p.requests.size()), p.num_q_heads, rows,
                       MaxSeqLen(p) + random->Int(0, 2)};
  StoredTensor& mask = call->custom_mask;
  const Index strides =
      scattered ? MakeScattered(random, dtype, shape).strides : DenseStrides(shape);
  const MaskBroadcast& b = p.custom_mask_broadcast;
  mask = MakeTensor(dtype, shape,
                    {b.request ? 0 : strides[0], b.head ? 0 : strides[1], b.row ? 0 : strides[2],
                     b.key ? 0 : strides[3]});
  for (std::size_t r = 0; r < p.requests.size(); ++r) {
    const auto request = static_cast<std::int64_t>(r);
    for (std::int64_t head = 0; head < p.num_q_heads; ++head) {
      for (std::int64_t row = 0; row < p.requests[r].q_len; ++row) {
        for (std::int64_t key = 0; key < p.requests[r].seq_len; ++key) {
          const double element = fill.mask(r, head, row, key);
          if (dtype == DType::kBool) {
            *mask.At({request, head, row, key}) = std::byte{element != 0.0};
          } else {
            SetFloat(&mask, {request, head, row, key}, element);
          }
        }
      }
    }
  }
}

void PickWindow(Random* random, Problem* p) {
  if (p->attention_type == AttentionType::kEncoderDecoder || random->OneIn(2)) return;
  if (!random->OneIn(4)) p->window_left = random->Int(1, 12);
  if (!random->OneIn(3)) p->window_right = random->OneIn(2) ? p->window_left : random->Int(1, 12);
}

void PickMask(Random* random, Problem* p) {
  p->attention_type = random->Pick({AttentionType::kDecoder, AttentionType::kDecoder,
                                    AttentionType::kEncoderOnly, AttentionType::kEncoderDecoder});
  p->causality = random->Pick({Causality::kCausal, Causality::kNonCausal, Causality::kPerRequest});
  const bool causal =
      p->attention_type == AttentionType::kDecoder && p->causality == Causality::kCausal;
  if (causal && random->OneIn(3)) {
    p->tree_mask = true;
  } else {
    PickWindow(random, p);
    if (causal && random->OneIn(2)) {
      p->local_block_size = random->Int(1, 9);
      p->local_block_lookback = random->Int(0, 2);
    }
  }
  if (random->OneIn(3)) {
    p->custom_mask = random->Pick({MaskKind::kBoolean, MaskKind::kAdditive});
    p->custom_mask_broadcast = {random->OneIn(3), random->OneIn(3), random->OneIn(4),
                                random->OneIn(4)};
    p->additive_mask_dtype = random->OneIn(2) ? DType::kFloat32 : p->query_dtype;
  }
}

// After requests are known.
void PickPrefixRanges(Random* random, Problem* p) {
  if (p->attention_type != AttentionType::kDecoder || p->tree_mask || !random->OneIn(3)) return;
  if (p->requests.empty()) return;
  const std::int64_t count = random->Int(1, 3);
  for (std::int64_t n = 0; n < count; ++n) {
    const std::int64_t first = random->Int(0, 20);
    p->prefix_ranges.push_back({random->Int(0, static_cast<std::int64_t>(p->requests.size()) - 1),
                                first, first + random->Int(0, 20)});
  }
  p->prefix_clamped = p->window_left > 0 && random->OneIn(2);
}

void PickCache(Random* random, Problem* p) {
  p->cache_dtype = random->OneIn(3)
                       ? random->Pick({DType::kFloat32, DType::kFloat16, DType::kBFloat16})
                       : p->query_dtype;
  if (!p->uses_paged_kv()) return;
  p->cache_layout =
      random->Pick({CacheLayout::kNhd, CacheLayout::kXSplit, CacheLayout::kSharedLatent});
  const bool shared = p->cache_layout == CacheLayout::kSharedLatent;
  if (shared) p->head_dim_v = static_cast<int>(random->Int(1, p->head_dim_qk));
  p->page_aliasing = random->OneIn(6);
  if (random->OneIn(2)) return;
  p->cache_dtype = random->Pick(
      {DType::kFloat8E4M3FN, DType::kFloat8E4M3FNUZ, DType::kFloat8E5M2, DType::kInt8});
  if (shared) {
    if (p->cache_dtype == DType::kInt8) p->cache_dtype = DType::kFloat8E4M3FN;
    p->kv_scale_kind = random->Pick({KvScaleKind::kNone, KvScaleKind::kPerTensor});
    return;
  }
  p->kv_scale_kind = random->Pick({KvScaleKind::kNone, KvScaleKind::kPerTensor,
                                   KvScaleKind::kPerHead, KvScaleKind::kPerTokenHead});
  if (p->cache_dtype == DType::kInt8) p->kv_scale_kind = KvScaleKind::kPerTokenHead;
}

void PickRequests(Random* random, Problem* p) {
  const std::int64_t count = random->Int(1, 4);
  for (std::int64_t r = 0; r < count; ++r) {
    Request request{
        .q_len = random->Pick<std::int64_t>({0, 1, 1, random->Int(1, 9)}),
        .seq_len = random->Pick<std::int64_t>({0, random->Int(1, 8), random->Int(1, 40)})};
    if (random->OneIn(2)) request.seq_len = std::max(request.seq_len, request.q_len);
    if (p->attention_type == AttentionType::kEncoderOnly) {
      request.q_len = request.seq_len = random->Int(0, 12);
    }
    p->requests.push_back(request);
    if (p->causality == Causality::kPerRequest) p->request_causal.push_back(random->OneIn(2));
  }
}

}  // namespace

TensorView StoredTensor::View() const {
  if (bytes.empty()) return {};
  return {bytes.data(), dtype, shape, strides};
}

std::byte* StoredTensor::At(const Index& index) {
  std::int64_t offset = 0;
  for (std::size_t axis = 0; axis < index.size(); ++axis) {
    offset += index[axis] * strides[axis];
  }
  return bytes.data() + offset * static_cast<std::int64_t>(SizeOf(dtype));
}

StoredTensor MakeTensor(DType dtype, const Index& shape, const Index& strides) {
  std::int64_t elements = 1;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    elements += std::max<std::int64_t>(shape[axis] - 1, 0) * strides[axis];
  }
  const std::size_t bytes = static_cast<std::size_t>(elements) * SizeOf(dtype);
  return {std::vector<std::byte>(bytes, std::byte{0xFF}), dtype, shape, strides};
}

StoredTensor MakeDense(DType dtype, const Index& shape) {
  return MakeTensor(dtype, shape, DenseStrides(shape));
}

StoredTensor MakeScattered(Random* random, DType dtype, const Index& shape) {
  std::vector<std::size_t> axes(shape.size());
  std::iota(axes.begin(), axes.end(), std::size_t{0});
  random->Shuffle(&axes);
  Index strides(shape.size());
  std::int64_t step = random->Int(1, 2);
  for (const std::size_t axis : axes) {
    strides[axis] = step;
    step = step * std::max<std::int64_t>(shape[axis], 1) + random->Int(0, 3);
  }
  return MakeTensor(dtype, shape, strides);
}

void SetInt32(StoredTensor* tensor, const Index& index, std::int32_t value) {
  std::memcpy(tensor->At(index), &value, sizeof(value));
}

void SetFloat(StoredTensor* tensor, const Index& index, double value) {
  StoreElement(tensor->dtype, value, tensor->At(index));
}

AttentionTensors Call::Tensors() const {
  return {.query = query.View(),
          .key = key.View(),
          .value = value.View(),
          .key_cache = key_cache.View(),
          .value_cache = value_cache.View(),
          .query_start_loc = query_start_loc.View(),
          .seq_lens = seq_lens.View(),
          .block_table = block_table.View(),
          .sinks = sinks.View(),
          .alibi_slopes = alibi_slopes.View(),
          .tree_mask = tree_mask.View(),
          .custom_mask = custom_mask.View(),
          .key_scale = key_scale.View(),
          .value_scale = value_scale.View()};
}

Call BuildCall(Random* random, const Problem& problem, const Fill& fill, bool scattered) {
  Call call;
  call.problem = problem;
  BuildLengths(random, &call, scattered);
  BuildQuery(random, fill, scattered, &call);
  if (problem.uses_paged_kv()) {
    BuildPaged(random, fill, scattered, &call);
  } else {
    BuildPacked(random, fill, scattered, &call);
  }
  BuildMasks(random, fill, scattered, &call);
  return call;
}

Problem RandomProblem(Random* random) {
  Problem p;
  p.query_dtype = random->Pick({DType::kFloat32, DType::kFloat16, DType::kBFloat16});
  PickMask(random, &p);
  p.output_dtype = p.query_dtype;
  p.num_kv_heads = static_cast<int>(random->Int(1, 3));
  p.num_q_heads = p.num_kv_heads * static_cast<int>(random->Int(1, 8));
  p.head_dim_qk = static_cast<int>(random->Int(1, 12));
  p.head_dim_v = random->OneIn(2) ? p.head_dim_qk : static_cast<int>(random->Int(1, 12));
  PickCache(random, &p);
  p.scale = random->Pick({1.0F, 0.3F, -0.7F, 2.5F});
  if (random->OneIn(3)) p.softcap = random->Pick({0.5F, 5.0F, 30.0F});
  p.alibi = p.attention_type != AttentionType::kEncoderDecoder && random->OneIn(4);
  p.sinks = random->OneIn(3);
  p.block_size = p.uses_paged_kv() ? static_cast<int>(random->Int(1, 33)) : 0;
  if (p.page_aliasing) p.block_size = static_cast<int>(random->Int(1, 6));
  p.block_table_extra = random->Int(0, 2);
  p.padding_tokens = random->Int(0, 2);
  PickRequests(random, &p);
  PickPrefixRanges(random, &p);
  return p;
}

Fill RandomFill(Random* random) {
  const double size = random->Pick({0.01, 1.0, 1.0, 4.0});
  const std::int64_t hidden = random->Int(2, 6);
  const auto number = [random, size](auto...) { return size * random->Normal(); };
  Fill fill;
  fill.query = number;
  fill.key = fill.value = number;
  fill.sink = [random](std::int64_t) { return 3.0 * random->Normal(); };
  fill.slope = [random](std::int64_t) { return random->Normal(); };
  fill.tree = [random](std::size_t, std::int64_t row, std::int64_t token) {
    return token <= row && random->OneIn(2);
  };
  fill.mask = [random, hidden](auto...) {
    if (random->OneIn(hidden)) return -std::numeric_limits<double>::infinity();
    return random->OneIn(3) ? 0.0 : 2.0 * random->Normal();
  };
  fill.scale = [random, size](auto, auto, bool value) {
    return (value ? 0.02 : 0.03) * size * (0.5 + random->Uniform());
  };
  return fill;
}

}  // namespace attest::testing
