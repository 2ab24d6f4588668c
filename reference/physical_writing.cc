// SPDX-License-Identifier: Apache-2.0
#include "reference/physical_writing.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "reference/float_formats.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::int32_t ReadInt32(const std::byte* address) {
  std::int32_t value = 0;
  std::memcpy(&value, address, sizeof(value));
  return value;
}

std::int64_t LivePages(const Problem& p, int request) {
  const std::int64_t seq_len = p.requests[static_cast<std::size_t>(request)].seq_len;
  return (seq_len + p.block_size - 1) / p.block_size;
}

// The numbers of one slot of one KV head.
struct Slot {
  std::vector<double> key;
  std::vector<double> value;
};

Slot ReadSlot(const Problem& p, const AttentionTensors& t, std::int64_t page, std::int64_t slot,
              std::int64_t head) {
  const bool split = p.cache_layout == CacheLayout::kXSplit;
  const bool shared = p.cache_layout == CacheLayout::kSharedLatent;
  const bool scaled = p.kv_scale_kind != KvScaleKind::kNone;
  const auto number = [&](const TensorView& cache, const TensorView& scales, const std::byte* at) {
    const double stored = LoadElement(cache.dtype, at);
    return scaled ? stored * LoadElement(DType::kFloat32, scales.At({page, slot, head})) : stored;
  };
  const std::int64_t x = split ? t.key_cache.shape[4] : 1;
  Slot result;
  for (std::int64_t c = 0; c < p.head_dim_qk; ++c) {
    const std::byte* at = split ? t.key_cache.At({page, head, c / x, slot, c % x})
                                : t.key_cache.At({page, slot, head, c});
    result.key.push_back(number(t.key_cache, t.key_scale, at));
  }
  for (std::int64_t c = 0; c < p.head_dim_v && !shared; ++c) {
    const std::byte* at =
        split ? t.value_cache.At({page, head, c, slot}) : t.value_cache.At({page, slot, head, c});
    result.value.push_back(number(t.value_cache, t.value_scale, at));
  }
  if (shared) result.value.assign(result.key.begin(), result.key.begin() + p.head_dim_v);
  return result;
}

// Online softmax of one line.
struct State {
  double max = -kInfinity;
  double sum = 0.0;
  std::vector<double> out;

  void Add(double score, const std::vector<double>& value) {
    if (score > max) {
      const double shrink = std::exp(max - score);
      sum *= shrink;
      for (double& x : out) x *= shrink;
      max = score;
    }
    const double weight = std::exp(score - max);
    sum += weight;
    for (std::size_t c = 0; c < value.size(); ++c) out[c] += weight * value[c];
  }
};

class Walk {
 public:
  Walk(const Problem& problem, const AttentionTensors& tensors, QueryRow row)
      : p_(problem),
        t_(tensors),
        mask_(problem, {tensors.tree_mask, tensors.custom_mask}),
        row_(row),
        inverse_(InversePageTable(problem, tensors, row.request)) {}

  State Line(int head) const {
    State state;
    state.out.assign(static_cast<std::size_t>(p_.head_dim_v), 0.0);
    for (std::size_t page = 0; page < inverse_.size(); ++page) {
      if (inverse_[page] < 0) continue;
      if (!PageMayMatter(p_, row_.request, row_.row, inverse_[page])) continue;
      for (std::int64_t slot = 0; slot < p_.block_size; ++slot) {
        const std::int64_t key = inverse_[page] * p_.block_size + slot;
        const auto request = static_cast<std::size_t>(row_.request);
        if (!mask_.Visible(request, head, row_.row, key)) continue;
        const Slot stored =
            ReadSlot(p_, t_, static_cast<std::int64_t>(page), slot, head / p_.group());
        state.Add(Score(head, key, stored.key), stored.value);
      }
    }
    if (p_.sinks) state.Add(LoadElement(DType::kFloat32, t_.sinks.At({head})), {});
    return state;
  }

 private:
  double Score(int head, std::int64_t key, const std::vector<double>& column) const {
    const std::int64_t token = ReadInt32(t_.query_start_loc.At({row_.request})) + row_.row;
    double score = 0.0;
    for (std::size_t c = 0; c < column.size(); ++c) {
      const auto at = static_cast<std::int64_t>(c);
      score += LoadElement(p_.query_dtype, t_.query.At({token, head, at})) * column[c];
    }
    score *= static_cast<double>(p_.scale);
    const auto cap = static_cast<double>(p_.softcap);
    if (cap > 0.0) score = cap * std::tanh(score / cap);
    if (p_.custom_mask == MaskKind::kAdditive) {
      score +=
          LoadElement(t_.custom_mask.dtype, t_.custom_mask.At({row_.request, head, row_.row, key}));
    }
    if (p_.alibi) {
      const std::int64_t p = PositionOf(p_, static_cast<std::size_t>(row_.request), row_.row);
      score -= LoadElement(DType::kFloat32, t_.alibi_slopes.At({head})) *
               static_cast<double>(std::abs(p - key));
    }
    return score;
  }

  const Problem& p_;
  const AttentionTensors& t_;
  Mask mask_;
  QueryRow row_;
  std::vector<std::int64_t> inverse_;
};

}  // namespace

std::vector<std::int64_t> InversePageTable(const Problem& problem, const AttentionTensors& tensors,
                                           int request) {
  const std::int64_t pages = tensors.key_cache.present() ? tensors.key_cache.shape[0] : 0;
  std::vector<std::int64_t> inverse(static_cast<std::size_t>(pages), -1);
  for (std::int64_t page = 0; page < LivePages(problem, request); ++page) {
    const std::int32_t entry = ReadInt32(tensors.block_table.At({request, page}));
    inverse[static_cast<std::size_t>(entry)] = page;
  }
  return inverse;
}

bool PageMayMatter(const Problem& problem, int request, std::int64_t row, std::int64_t page) {
  const KeyRange hull = VisibleHull(problem, static_cast<std::size_t>(request), row);
  return hull.first < hull.last && page >= hull.first / problem.block_size &&
         page <= (hull.last - 1) / problem.block_size;
}

bool HasDistinctPages(const Problem& problem, const AttentionTensors& tensors) {
  for (int request = 0; request < static_cast<int>(problem.requests.size()); ++request) {
    std::set<std::int32_t> named;
    for (std::int64_t page = 0; page < LivePages(problem, request); ++page) {
      if (!named.insert(ReadInt32(tensors.block_table.At({request, page}))).second) return false;
    }
  }
  return true;
}

PhysicalWriting ComputePhysicalWriting(const Problem& problem, const AttentionTensors& tensors,
                                       const std::vector<QueryRow>& rows) {
  PhysicalWriting result;
  for (const QueryRow& row : rows) {
    const Walk walk(problem, tensors, row);
    for (int head = 0; head < problem.num_q_heads; ++head) {
      const State state = walk.Line(head);
      for (const double x : state.out) result.out.push_back(state.sum > 0.0 ? x / state.sum : 0.0);
      result.lse.push_back(state.sum > 0.0 ? state.max + std::log(state.sum) : -kInfinity);
    }
  }
  return result;
}

}  // namespace attest
