// SPDX-License-Identifier: Apache-2.0
#include "reference/gather.h"

#include <cmath>
#include <cstring>

#include "reference/float_formats.h"

namespace attest {
namespace {

std::int32_t ReadInt32(const std::byte* address) {
  std::int32_t value = 0;
  std::memcpy(&value, address, sizeof(value));
  return value;
}

// Where the elements of one key lie, and how far apart.
struct Line {
  const std::byte* address;
  std::int64_t step;  // bytes
};

Line LineAt(const TensorView& tensor, const std::byte* address) {
  return {address, tensor.strides.back() * static_cast<std::int64_t>(SizeOf(tensor.dtype))};
}

// Finds key lines of one request and head, in pages or in the packed tokens of the step.
class KeyFinder {
 public:
  KeyFinder(const Problem& problem, const AttentionTensors& tensors, int request, int kv_head)
      : problem_(problem), tensors_(tensors), request_(request), kv_head_(kv_head) {
    if (!problem.uses_paged_kv()) start_ = ReadInt32(tensors.query_start_loc.At({request}));
  }

  Line Key(std::int64_t key) const { return Find(tensors_.key, tensors_.key_cache, key); }
  Line Value(std::int64_t key) const { return Find(tensors_.value, tensors_.value_cache, key); }

 private:
  Line Find(const TensorView& packed, const TensorView& cache, std::int64_t key) const {
    if (!problem_.uses_paged_kv()) {
      return LineAt(packed, packed.At({start_ + key, kv_head_, 0}));
    }
    const std::int64_t page =
        ReadInt32(tensors_.block_table.At({request_, key / problem_.block_size}));
    return LineAt(cache, cache.At({page, key % problem_.block_size, kv_head_, 0}));
  }

  const Problem& problem_;
  const AttentionTensors& tensors_;
  std::int64_t request_;
  std::int64_t kv_head_;
  std::int64_t start_ = 0;
};

void LoadLine(DType dtype, Line line, std::int64_t key, Eigen::Ref<Eigen::RowVectorXd> target,
              std::vector<NonFinite>* odd) {
  for (Eigen::Index column = 0; column < target.size(); ++column) {
    const double value = LoadElement(dtype, line.address + column * line.step);
    const bool keep = odd == nullptr || std::isfinite(value);
    target[column] = keep ? value : 0.0;
    if (!keep) odd->push_back({key, column, value});
  }
}

}  // namespace

KeysAndValues GatherKeys(const Problem& problem, const AttentionTensors& tensors, int request,
                         int kv_head, KeyRange range) {
  KeysAndValues result;
  result.range = range;
  result.keys.resize(range.last - range.first, problem.head_dim_qk);
  result.values.resize(range.last - range.first, problem.head_dim_v);
  const DType dtype = problem.uses_paged_kv() ? problem.cache_dtype : problem.query_dtype;
  const KeyFinder finder(problem, tensors, request, kv_head);
  for (std::int64_t key = range.first; key < range.last; ++key) {
    LoadLine(dtype, finder.Key(key), key, result.keys.row(key - range.first), &result.odd_keys);
    LoadLine(dtype, finder.Value(key), key, result.values.row(key - range.first),
             &result.odd_values);
  }
  return result;
}

void GatherQuery(const Problem& problem, const AttentionTensors& tensors, QueryRow row, int q_head,
                 Eigen::Ref<Eigen::RowVectorXd> line) {
  const std::int64_t token = ReadInt32(tensors.query_start_loc.At({row.request})) + row.row;
  LoadLine(problem.query_dtype, LineAt(tensors.query, tensors.query.At({token, q_head, 0})), 0,
           line, nullptr);
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
