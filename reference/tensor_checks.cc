// SPDX-License-Identifier: Apache-2.0
#include "reference/tensor_checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include "reference/gather.h"
#include "reference/tensor_shape.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

std::int32_t ReadInt32(const std::byte* address) {
  std::int32_t value = 0;
  std::memcpy(&value, address, sizeof(value));
  return value;
}

Status CheckLengths(const Problem& p, const AttentionTensors& tensors) {
  const auto requests = static_cast<std::int64_t>(p.requests.size());
  if (Status s =
          CheckTensor("query_start_loc", tensors.query_start_loc, DType::kInt32, {requests + 1});
      !s.ok()) {
    return s;
  }
  if (requests > 0) {
    if (Status s = CheckTensor("seq_lens", tensors.seq_lens, DType::kInt32, {requests}); !s.ok()) {
      return s;
    }
  }
  std::int64_t start = 0;
  for (std::int64_t r = 0; r <= requests; ++r) {
    if (const std::int32_t given = ReadInt32(tensors.query_start_loc.At({r})); given != start) {
      return BadInput(fmt::format("query_start_loc[{}]: {}, the problem says {}", r, given, start));
    }
    if (r == requests) break;
    const Request& request = p.requests[static_cast<std::size_t>(r)];
    if (const std::int32_t given = ReadInt32(tensors.seq_lens.At({r})); given != request.seq_len) {
      return BadInput(
          fmt::format("seq_lens[{}]: {}, the problem says {}", r, given, request.seq_len));
    }
    start += request.q_len;
  }
  return {};
}

Status CheckBlockTable(const Problem& p, const AttentionTensors& tensors) {
  const auto requests = static_cast<std::int64_t>(p.requests.size());
  const std::int64_t widest = (MaxSeqLen(p) + p.block_size - 1) / p.block_size;
  if (Status s = CheckTensor("block_table", tensors.block_table, DType::kInt32,
                             {requests, AtLeast(widest)});
      !s.ok()) {
    return s;
  }
  const std::int64_t pages = tensors.key_cache.shape[0];
  for (std::int64_t r = 0; r < requests; ++r) {
    const std::int64_t seq_len = p.requests[static_cast<std::size_t>(r)].seq_len;
    for (std::int64_t page = 0; page * p.block_size < seq_len; ++page) {
      const std::int32_t entry = ReadInt32(tensors.block_table.At({r, page}));
      if (entry < 0 || entry >= pages) {
        return BadInput(
            fmt::format("block_table[{}][{}]: {} is not one of {} pages", r, page, entry, pages));
      }
    }
  }
  return {};
}

Status CheckCaches(const Problem& p, const AttentionTensors& tensors) {
  if (Status s =
          CheckTensor("key_cache", tensors.key_cache, p.cache_dtype, KeyCacheShape(p, AtLeast(1)));
      !s.ok()) {
    return s;
  }
  if (p.cache_layout == CacheLayout::kSharedLatent && !tensors.value_cache.present()) return {};
  return CheckTensor("value_cache", tensors.value_cache, p.cache_dtype,
                     ValueCacheShape(p, tensors.key_cache.shape[0]));
}

// live[k]: some row of the request sees key k, as far as ranges say.
std::vector<bool> LiveKeys(const Problem& p, std::size_t request) {
  const auto [q_len, seq_len] = p.requests[request];
  std::vector<std::int64_t> change(static_cast<std::size_t>(seq_len) + 1, 0);
  for (std::int64_t row = 0; row < q_len; ++row) {
    const KeyRange hull = VisibleHull(p, request, row);
    if (hull.first >= hull.last) continue;
    ++change[static_cast<std::size_t>(hull.first)];
    --change[static_cast<std::size_t>(hull.last)];
  }
  std::vector<bool> live(static_cast<std::size_t>(seq_len));
  std::int64_t rows = 0;
  for (std::size_t key = 0; key < live.size(); ++key) {
    rows += change[key];
    live[key] = rows > 0;
  }
  return live;
}

// Does any row of the heads that read `kv_head` see the key?
bool IsSeen(const Problem& p, const Mask& mask, std::size_t request, int kv_head,
            std::int64_t key) {
  for (int head = kv_head * p.group(); head < (kv_head + 1) * p.group(); ++head) {
    for (std::int64_t row = 0; row < p.requests[request].q_len; ++row) {
      if (mask.Visible(request, head, row, key)) return true;
    }
  }
  return false;
}

Status CheckScaleValues(const Problem& p, const AttentionTensors& tensors, std::string_view name,
                        const TensorView& scales) {
  const Mask mask(p, {tensors.tree_mask, tensors.custom_mask});
  for (std::size_t r = 0; r < p.requests.size(); ++r) {
    const std::vector<bool> live = LiveKeys(p, r);
    for (std::int64_t key = 0; key < p.requests[r].seq_len; ++key) {
      if (!live[static_cast<std::size_t>(key)]) continue;
      const std::int64_t page =
          ReadInt32(tensors.block_table.At({static_cast<std::int64_t>(r), key / p.block_size}));
      for (int head = 0; head < p.num_kv_heads; ++head) {
        const double scale = LoadScale(scales, page, key % p.block_size, head);
        // Masks that are no ranges are asked only where it matters.
        if (std::isfinite(scale) || !IsSeen(p, mask, r, head, key)) continue;
        return BadInput(fmt::format("{}[{}][{}][{}]: {} is the scale of a live slot", name, page,
                                    key % p.block_size, head, scale));
      }
    }
  }
  return {};
}

Status CheckScales(const Problem& p, const AttentionTensors& tensors) {
  if (p.kv_scale_kind == KvScaleKind::kNone) return {};
  const Shape shape = {tensors.key_cache.shape[0], p.block_size, p.num_kv_heads};
  const auto check = [&](std::string_view name, const TensorView& scales) -> Status {
    if (Status s = CheckTensor(name, scales, DType::kFloat32, shape); !s.ok()) return s;
    return CheckScaleValues(p, tensors, name, scales);
  };
  if (Status s = check("key_scale", tensors.key_scale); !s.ok()) return s;
  const bool shared = p.cache_layout == CacheLayout::kSharedLatent;
  if (shared && !tensors.value_scale.present()) return {};
  return check("value_scale", tensors.value_scale);
}

Status CheckPagedKeys(const Problem& p, const AttentionTensors& tensors) {
  if (MaxSeqLen(p) == 0) return {};  // no page is live, so no cache is read
  if (Status s = CheckCaches(p, tensors); !s.ok()) return s;
  if (Status s = CheckBlockTable(p, tensors); !s.ok()) return s;
  return CheckScales(p, tensors);
}

Status CheckPackedKeys(const Problem& p, const AttentionTensors& tensors) {
  if (NumTokens(p) == 0) return {};
  if (Status s = CheckTensor("key", tensors.key, p.query_dtype,
                             {AtLeast(NumTokens(p)), p.num_kv_heads, p.head_dim_qk});
      !s.ok()) {
    return s;
  }
  return CheckTensor("value", tensors.value, p.query_dtype,
                     {AtLeast(NumTokens(p)), p.num_kv_heads, p.head_dim_v});
}

Status CheckQueries(const Problem& p, const AttentionTensors& tensors) {
  if (NumTokens(p) == 0) return {};
  if (Status s = CheckTensor("query", tensors.query, p.query_dtype,
                             {AtLeast(NumTokens(p)), p.num_q_heads, p.head_dim_qk});
      !s.ok()) {
    return s;
  }
  if (p.sinks) {
    if (Status s = CheckTensor("sinks", tensors.sinks, DType::kFloat32, {p.num_q_heads}); !s.ok()) {
      return s;
    }
  }
  if (!p.alibi) return {};
  return CheckTensor("alibi_slopes", tensors.alibi_slopes, DType::kFloat32, {p.num_q_heads});
}

Status CheckMasks(const Problem& p, const AttentionTensors& tensors) {
  if (NumTokens(p) == 0) return {};
  if (p.tree_mask) {
    if (Status s = CheckTensor("tree_mask", tensors.tree_mask, DType::kBool,
                               {AtLeast(NumTokens(p)), AtLeast(MaxQueryLen(p))});
        !s.ok()) {
      return s;
    }
  }
  if (p.custom_mask == MaskKind::kNone) return {};
  const DType dtype = p.custom_mask == MaskKind::kBoolean ? DType::kBool : p.additive_mask_dtype;
  return CheckTensor("custom_mask", tensors.custom_mask, dtype,
                     {AtLeast(static_cast<std::int64_t>(p.requests.size())), p.num_q_heads,
                      AtLeast(MaxQueryLen(p)), AtLeast(MaxSeqLen(p))});
}

Status CheckRows(const Problem& p, const std::vector<QueryRow>& rows) {
  for (std::size_t n = 0; n < rows.size(); ++n) {
    const auto [request, row] = rows[n];
    if (request < 0 || request >= static_cast<std::int64_t>(p.requests.size())) {
      return BadInput(fmt::format("rows[{}]: no request {}", n, request));
    }
    if (row < 0 || row >= p.requests[static_cast<std::size_t>(request)].q_len) {
      return BadInput(fmt::format("rows[{}]: request {} has no row {}", n, request, row));
    }
  }
  return {};
}

}  // namespace

Status CheckTensors(const Problem& problem, const AttentionTensors& tensors,
                    const std::vector<QueryRow>& rows) {
  if (Status s = Validate(problem); !s.ok()) return s;
  if (Status s = CheckLengths(problem, tensors); !s.ok()) return s;
  if (Status s = CheckQueries(problem, tensors); !s.ok()) return s;
  if (Status s = CheckMasks(problem, tensors); !s.ok()) return s;
  if (Status s = problem.uses_paged_kv() ? CheckPagedKeys(problem, tensors)
                                         : CheckPackedKeys(problem, tensors);
      !s.ok()) {
    return s;
  }
  return CheckRows(problem, rows);
}

}  // namespace attest
