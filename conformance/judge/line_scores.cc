// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/line_scores.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "reference/float_formats.h"

namespace attest {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double Load(const TensorView& tensor, std::initializer_list<std::int64_t> index) {
  return LoadElement(tensor.dtype, tensor.At(index));
}

std::int64_t PageOf(const AttentionTensors& tensors, std::int64_t request, std::int64_t page) {
  std::int32_t entry = 0;
  std::memcpy(&entry, tensors.block_table.At({request, page}), sizeof(entry));
  return entry;
}

}  // namespace

LineReader::LineReader(const Problem& problem, const AttentionTensors& tensors)
    : problem_(problem),
      tensors_(tensors),
      mask_(problem, {.tree_mask = tensors.tree_mask, .custom_mask = tensors.custom_mask}) {
  std::int64_t token = 0;
  for (const Request& request : problem.requests) {
    first_token_.push_back(token);
    token += request.q_len;
  }
}

HeadKeys LineReader::Keys(int request, int kv_head) const {
  const Problem& p = problem_;
  const std::int64_t seq_len = p.requests[static_cast<std::size_t>(request)].seq_len;
  HeadKeys head;
  head.keys.resize(seq_len, p.head_dim_qk);
  head.values.resize(seq_len, p.head_dim_v);
  const bool split = p.cache_layout == CacheLayout::kXSplit;
  const bool scaled = p.kv_scale_kind != KvScaleKind::kNone;
  for (std::int64_t k = 0; k < seq_len; ++k) {
    if (!p.uses_paged_kv()) {
      const std::int64_t token = first_token_[static_cast<std::size_t>(request)] + k;
      for (int c = 0; c < p.head_dim_qk; ++c)
        head.keys(k, c) = Load(tensors_.key, {token, kv_head, c});
      for (int c = 0; c < p.head_dim_v; ++c)
        head.values(k, c) = Load(tensors_.value, {token, kv_head, c});
      continue;
    }
    const std::int64_t page = PageOf(tensors_, request, k / p.block_size);
    const std::int64_t slot = k % p.block_size;
    const std::int64_t x = split ? tensors_.key_cache.shape[4] : 1;
    for (int c = 0; c < p.head_dim_qk; ++c) {
      head.keys(k, c) = split ? Load(tensors_.key_cache, {page, kv_head, c / x, slot, c % x})
                              : Load(tensors_.key_cache, {page, slot, kv_head, c});
    }
    for (int c = 0; c < p.head_dim_v; ++c) {
      head.values(k, c) = split ? Load(tensors_.value_cache, {page, kv_head, c, slot})
                                : Load(tensors_.value_cache, {page, slot, kv_head, c});
    }
    if (!scaled) continue;
    head.keys.row(k) *= Load(tensors_.key_scale, {page, slot, kv_head});
    head.values.row(k) *= Load(tensors_.value_scale, {page, slot, kv_head});
  }
  return head;
}

double LineReader::Bias(QueryRow row, int q_head, std::int64_t key) const {
  double bias = 0.0;
  const auto request = static_cast<std::size_t>(row.request);
  if (problem_.alibi) {
    const std::int64_t distance = std::abs(PositionOf(problem_, request, row.row) - key);
    bias -= Load(tensors_.alibi_slopes, {q_head}) * static_cast<double>(distance);
  }
  if (problem_.custom_mask == MaskKind::kAdditive) {
    bias += Load(tensors_.custom_mask, {row.request, q_head, row.row, key});
  }
  return bias;
}

LineScores LineReader::Scores(const HeadKeys& keys, QueryRow row, int q_head) const {
  const Problem& p = problem_;
  const std::int64_t seq_len = keys.keys.rows();
  const std::int64_t token = first_token_[static_cast<std::size_t>(row.request)] + row.row;
  Eigen::VectorXd query(p.head_dim_qk);
  for (int c = 0; c < p.head_dim_qk; ++c) query[c] = Load(tensors_.query, {token, q_head, c});
  LineScores line;
  line.score = static_cast<double>(p.scale) * (keys.keys * query);
  line.visible.resize(static_cast<std::size_t>(seq_len));
  mask_.Fill(static_cast<std::size_t>(row.request), q_head, row.row, {0, seq_len},
             line.visible.data());
  const double cap = p.softcap;
  const double sink = p.sinks ? Load(tensors_.sinks, {q_head}) : -kInfinity;
  double max = sink;
  for (std::int64_t k = 0; k < seq_len; ++k) {
    if (cap > 0) line.score[k] = cap * std::tanh(line.score[k] / cap);
    line.score[k] += Bias(row, q_head, k);
    if (line.visible[static_cast<std::size_t>(k)] != 0) max = std::max(max, line.score[k]);
  }
  line.weight.setZero(seq_len);
  line.lse = -kInfinity;
  if (max == -kInfinity) return line;
  double sum = p.sinks ? std::exp(sink - max) : 0.0;
  for (std::int64_t k = 0; k < seq_len; ++k) {
    if (line.visible[static_cast<std::size_t>(k)] == 0) continue;
    line.weight[k] = std::exp(line.score[k] - max);
    sum += line.weight[k];
  }
  line.weight /= sum;
  line.lse = max + std::log(sum);
  return line;
}

}  // namespace attest
