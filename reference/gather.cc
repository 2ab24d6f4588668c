// SPDX-License-Identifier: Apache-2.0
#include "reference/gather.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include "reference/float_formats.h"

namespace attest {
namespace {

std::int32_t ReadInt32(const std::byte* address) {
  std::int32_t value = 0;
  std::memcpy(&value, address, sizeof(value));
  return value;
}

// Where the elements of one key lie: runs of `run` elements `step` bytes apart, and runs `jump`
// bytes apart. And what a stored number is multiplied by.
struct Line {
  const std::byte* address;
  std::int64_t step;
  std::int64_t run;
  std::int64_t jump;
  double scale;
};

std::int64_t BytesOf(const TensorView& tensor, std::size_t axis) {
  return tensor.strides[axis] * static_cast<std::int64_t>(SizeOf(tensor.dtype));
}

// All elements of the last axis.
Line LineAt(const TensorView& tensor, const std::byte* address, double scale) {
  return {address, BytesOf(tensor, tensor.strides.size() - 1),
          std::numeric_limits<std::int64_t>::max(), 0, scale};
}

// Finds key lines of one request and head, in pages or in the packed tokens of the step.
class KeyFinder {
 public:
  KeyFinder(const Problem& problem, const AttentionTensors& tensors, int request, int kv_head)
      : problem_(problem), tensors_(tensors), request_(request), kv_head_(kv_head) {
    if (!problem.uses_paged_kv()) start_ = ReadInt32(tensors.query_start_loc.At({request}));
  }

  Line Key(std::int64_t key) const {
    if (!problem_.uses_paged_kv()) return Packed(tensors_.key, key);
    const Slot at = SlotOf(key);
    const TensorView& cache = tensors_.key_cache;
    const double scale = Scale(tensors_.key_scale, at);
    if (problem_.cache_layout == CacheLayout::kXSplit) {
      return {cache.At({at.page, kv_head_, 0, at.slot, 0}), BytesOf(cache, 4), cache.shape[4],
              BytesOf(cache, 2), scale};
    }
    return LineAt(cache, cache.At({at.page, at.slot, kv_head_, 0}), scale);
  }

  Line Value(std::int64_t key) const {
    if (!problem_.uses_paged_kv()) return Packed(tensors_.value, key);
    const Slot at = SlotOf(key);
    // The value of a shared latent is the front of the key, also for a caller who names it once.
    const bool shared = !tensors_.value_cache.present();
    const TensorView& cache = shared ? tensors_.key_cache : tensors_.value_cache;
    const double scale = ValueScale(key);
    if (problem_.cache_layout == CacheLayout::kXSplit) {
      return Line{cache.At({at.page, kv_head_, 0, at.slot}), BytesOf(cache, 2),
                  std::numeric_limits<std::int64_t>::max(), 0, scale};
    }
    return LineAt(cache, cache.At({at.page, at.slot, kv_head_, 0}), scale);
  }

  double ValueScale(std::int64_t key) const {
    const bool shared = !tensors_.value_scale.present();
    return Scale(shared ? tensors_.key_scale : tensors_.value_scale, SlotOf(key));
  }

 private:
  struct Slot {
    std::int64_t page;
    std::int64_t slot;
  };
  Slot SlotOf(std::int64_t key) const {
    return {ReadInt32(tensors_.block_table.At({request_, key / problem_.block_size})),
            key % problem_.block_size};
  }
  double Scale(const TensorView& scales, Slot at) const {
    if (problem_.kv_scale_kind == KvScaleKind::kNone) return 1.0;
    return LoadScale(scales, at.page, at.slot, kv_head_);
  }
  Line Packed(const TensorView& tensor, std::int64_t key) const {
    return LineAt(tensor, tensor.At({start_ + key, kv_head_, 0}), 1.0);
  }

  const Problem& problem_;
  const AttentionTensors& tensors_;
  std::int64_t request_;
  std::int64_t kv_head_;
  std::int64_t start_ = 0;
};

void LoadLine(DType dtype, Line line, std::int64_t key, Eigen::Ref<Eigen::RowVectorXd> target,
              std::vector<NonFinite>* odd) {
  const auto size = static_cast<Eigen::Index>(SizeOf(dtype));
  if (line.step == size && line.run >= target.size() && line.scale == 1.0 &&
      LoadNormals(dtype, line.address, static_cast<std::size_t>(target.size()), target.data())) {
    return;
  }
  for (Eigen::Index first = 0; first < target.size(); line.address += line.jump) {
    const Eigen::Index last = first + std::min<Eigen::Index>(line.run, target.size() - first);
    for (Eigen::Index column = first; column < last; ++column) {
      const double value =
          LoadElement(dtype, line.address + (column - first) * line.step) * line.scale;
      const bool keep = odd == nullptr || std::isfinite(value);
      target[column] = keep ? value : 0.0;
      if (!keep) odd->push_back({key, column, value});
    }
    first = last;
  }
}

DType StoredType(const Problem& problem) {
  return problem.uses_paged_kv() ? problem.cache_dtype : problem.query_dtype;
}

void Reset(KeyRange range, int head_dim, Gathered* gathered) {
  gathered->range = range;
  gathered->lines.resize(range.last - range.first, head_dim);
  gathered->odd.clear();
}

}  // namespace

void GatherKeyTile(const KeySource& source, KeyRange range, Gathered* keys) {
  const Problem& problem = source.problem;
  Reset(range, problem.head_dim_qk, keys);
  const KeyFinder finder(problem, source.tensors, source.request, source.kv_head);
  for (std::int64_t key = range.first; key < range.last; ++key) {
    LoadLine(StoredType(problem), finder.Key(key), key, keys->lines.row(key - range.first),
             &keys->odd);
  }
}

void GatherValueTile(const KeySource& source, KeyRange range, GatheredValues* values) {
  const Problem& problem = source.problem;
  Reset(range, problem.head_dim_v, values);
  const KeyFinder finder(problem, source.tensors, source.request, source.kv_head);
  const bool weighted = problem.kv_scale_kind != KvScaleKind::kNone;
  values->weight_scale.resize(weighted ? range.last - range.first : 0);
  for (std::int64_t key = range.first; key < range.last; ++key) {
    LoadLine(StoredType(problem), finder.Value(key), key, values->lines.row(key - range.first),
             &values->odd);
    if (!weighted) continue;
    const double scale = std::abs(finder.ValueScale(key));
    values->weight_scale[key - range.first] = scale <= 1.0 ? scale : 1.0;  // NaN in a dead slot
  }
}

KeysAndValues GatherKeys(const Problem& problem, const AttentionTensors& tensors, int request,
                         int kv_head, KeyRange range) {
  const KeySource source{problem, tensors, request, kv_head};
  Gathered keys;
  GatherKeyTile(source, range, &keys);
  GatheredValues values;
  GatherValueTile(source, range, &values);
  return {.range = range,
          .keys = std::move(keys.lines),
          .values = std::move(values.lines),
          .odd_keys = std::move(keys.odd),
          .odd_values = std::move(values.odd)};
}

void GatherQuery(const Problem& problem, const AttentionTensors& tensors, QueryRow row, int q_head,
                 Eigen::Ref<Eigen::RowVectorXd> line) {
  const std::int64_t token = ReadInt32(tensors.query_start_loc.At({row.request})) + row.row;
  LoadLine(problem.query_dtype, LineAt(tensors.query, tensors.query.At({token, q_head, 0}), 1.0), 0,
           line, nullptr);
}

double LineBias::Additive(std::int64_t key) const {
  return additive == nullptr ? 0.0 : LoadElement(dtype, additive + key * step);
}

double LineBias::Distance(std::int64_t key) const {
  return -slope * static_cast<double>(std::abs(position - key));
}

bool HasBias(const Problem& problem) {
  return problem.alibi || problem.custom_mask == MaskKind::kAdditive;
}

LineBias GatherBias(const Problem& problem, const AttentionTensors& tensors, QueryRow row,
                    int q_head) {
  LineBias bias;
  if (problem.custom_mask == MaskKind::kAdditive) {
    const TensorView& mask = tensors.custom_mask;
    bias.additive = mask.At({row.request, q_head, row.row, 0});
    bias.step = BytesOf(mask, 3);
    bias.dtype = mask.dtype;
  }
  if (problem.alibi) {
    bias.slope = LoadElement(DType::kFloat32, tensors.alibi_slopes.At({q_head}));
    bias.position = PositionOf(problem, static_cast<std::size_t>(row.request), row.row);
  }
  return bias;
}

double LoadScale(const TensorView& tensor, std::int64_t page, std::int64_t slot,
                 std::int64_t kv_head) {
  return LoadElement(DType::kFloat32, tensor.At({page, slot, kv_head}));
}

std::vector<double> GatherSinks(const Problem& problem, const AttentionTensors& tensors) {
  std::vector<double> sinks;
  if (!problem.sinks) return sinks;
  for (std::int64_t head = 0; head < problem.num_q_heads; ++head) {
    sinks.push_back(LoadElement(DType::kFloat32, tensors.sinks.At({head})));
  }
  return sinks;
}

}  // namespace attest
