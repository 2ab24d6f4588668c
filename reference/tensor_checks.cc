// SPDX-License-Identifier: Apache-2.0
#include "reference/tensor_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cstring>
#include <string_view>
#include <utility>

namespace attest {
namespace {

Status CheckKnownFeatures(const Problem& p) {
  const std::array<std::pair<std::string_view, bool>, 9> unknown = {{
      {"softcap", p.softcap != 0.0F},
      {"alibi", p.alibi},
      {"local_block_size", p.local_block_size != 0},
      {"prefix_ranges", !p.prefix_ranges.empty()},
      {"tree_mask", p.tree_mask},
      {"custom_mask", p.custom_mask != MaskKind::kNone},
      {"kv_scale_kind", p.kv_scale_kind != KvScaleKind::kNone},
      {"cache_layout x_split", p.cache_layout == CacheLayout::kXSplit},
      {"cache_dtype below 16 bit", SizeOf(p.cache_dtype) < 2},
  }};
  for (const auto& [name, set] : unknown) {
    if (set) return BadInput(fmt::format("{}: the reference does not compute it", name));
  }
  return {};
}

Status CheckTensor(std::string_view name, const TensorView& tensor, DType dtype,
                   const std::vector<std::int64_t>& shape) {
  if (!tensor.present()) return BadInput(fmt::format("{}: missing", name));
  if (tensor.dtype != dtype) {
    return BadInput(
        fmt::format("{}: dtype {}, expected {}", name, Name(tensor.dtype), Name(dtype)));
  }
  if (tensor.shape.size() != shape.size() || tensor.strides.size() != shape.size()) {
    return BadInput(
        fmt::format("{}: {} axes, expected {}", name, tensor.shape.size(), shape.size()));
  }
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    // A negative expectation leaves the axis free, down to -1 - expectation elements.
    const bool fits = shape[axis] < 0 ? tensor.shape[axis] >= -1 - shape[axis]
                                      : tensor.shape[axis] == shape[axis];
    if (!fits) {
      return BadInput(fmt::format("{}: shape [{}], axis {} contradicts the problem", name,
                                  fmt::join(tensor.shape, ", "), axis));
    }
  }
  return {};
}

constexpr std::int64_t AtLeast(std::int64_t count) { return -1 - count; }

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

Status CheckPagedKeys(const Problem& p, const AttentionTensors& tensors) {
  if (MaxSeqLen(p) == 0) return {};  // no page is live, so no cache is read
  if (Status s = CheckTensor("key_cache", tensors.key_cache, p.cache_dtype,
                             {AtLeast(1), p.block_size, p.num_kv_heads, p.head_dim_qk});
      !s.ok()) {
    return s;
  }
  if (Status s =
          CheckTensor("value_cache", tensors.value_cache, p.cache_dtype,
                      {tensors.key_cache.shape[0], p.block_size, p.num_kv_heads, p.head_dim_v});
      !s.ok()) {
    return s;
  }
  return CheckBlockTable(p, tensors);
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
  if (!p.sinks) return {};
  return CheckTensor("sinks", tensors.sinks, DType::kFloat32, {p.num_q_heads});
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
  if (Status s = CheckKnownFeatures(problem); !s.ok()) return s;
  if (Status s = CheckLengths(problem, tensors); !s.ok()) return s;
  if (Status s = CheckQueries(problem, tensors); !s.ok()) return s;
  if (Status s = problem.uses_paged_kv() ? CheckPagedKeys(problem, tensors)
                                         : CheckPackedKeys(problem, tensors);
      !s.ok()) {
    return s;
  }
  return CheckRows(problem, rows);
}

}  // namespace attest
