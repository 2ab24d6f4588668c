// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/test_backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "reference/float_formats.h"

namespace attest {
namespace {

using Rows = std::vector<std::vector<float>>;  // [key][dim]

// One call: the tensors of the image as plain numbers.
class TestCall {
 public:
  TestCall(const TestBackend& backend, CallImage& image)
      : b_(backend), p_(backend.problem), image_(image) {}

  void Run() {
    std::int64_t token = 0;
    for (int r = 0; r < static_cast<int>(p_.requests.size()); ++r) {
      keys_.clear();
      values_.clear();
      for (std::int64_t row = 0; row < p_.requests[r].q_len; ++row, ++token) {
        for (int head = 0; head < p_.num_q_heads; ++head) RunRow(r, row, head, token);
      }
    }
  }

 private:
  std::int64_t KeysOf(int r) const {
    const std::int64_t seq_len = p_.requests[r].seq_len;
    if (!p_.uses_paged_kv()) return seq_len;
    return (seq_len + p_.block_size - 1) / p_.block_size * p_.block_size;
  }

  double Load(const char* name, std::initializer_list<std::int64_t> index) const {
    const TensorView view = image_.View(name);
    return LoadElement(view.dtype, view.At(index));
  }

  std::int64_t Start(int r) const {
    std::int64_t start = 0;
    for (int i = 0; i < r; ++i) start += p_.requests[i].q_len;
    return start;
  }

  Rows Gather(int r, int kv_head, bool key) const {
    const int dims = key ? p_.head_dim_qk : p_.head_dim_v;
    const TensorView view = image_.View(p_.uses_paged_kv() ? (key ? "key_cache" : "value_cache")
                                                           : (key ? "key" : "value"));
    const TensorView table = image_.View("block_table");
    Rows rows(static_cast<std::size_t>(KeysOf(r)), std::vector<float>(dims));
    for (std::int64_t k = 0; k < KeysOf(r); ++k) {
      const std::int64_t page = p_.uses_paged_kv() ? PageOf(table, r, key, k) : 0;
      std::vector<float>& row = rows[static_cast<std::size_t>(k)];
      for (int dim = 0; dim < dims; ++dim) {
        const std::byte* at = p_.uses_paged_kv() ? InPage(view, page, kv_head, key, k, dim)
                                                 : view.At({Start(r) + k, kv_head, dim});
        row[static_cast<std::size_t>(dim)] = static_cast<float>(LoadElement(view.dtype, at));
      }
    }
    return rows;
  }

  std::int64_t PageOf(const TensorView& table, int r, bool key, std::int64_t k) const {
    std::int32_t entry = 0;
    std::memcpy(&entry, table.At({r, k / p_.block_size}), sizeof(entry));
    const auto& page_of = key ? b_.key_page : b_.value_page;
    return page_of ? page_of(r, k / p_.block_size, entry) : entry;
  }

  const std::byte* InPage(const TensorView& view, std::int64_t page, int kv_head, bool key,
                          std::int64_t k, int dim) const {
    const std::int64_t slot = k % p_.block_size;
    if (p_.cache_layout != CacheLayout::kXSplit) return view.At({page, slot, kv_head, dim});
    const auto x = static_cast<std::int64_t>(16 / SizeOf(view.dtype));
    if (key) return view.At({page, kv_head, dim / x, slot, dim % x});
    return view.At({page, kv_head, dim, slot});
  }

  const Rows& Of(std::map<int, Rows>& store, int r, int kv_head, bool key) {
    const auto found = store.find(kv_head);
    if (found != store.end()) return found->second;
    return store[kv_head] = Gather(r, kv_head, key);
  }

  double SlopeOf(int head) const {
    if (b_.slope) return b_.slope(head);
    return p_.alibi ? Load("alibi_slopes", {head}) : 0.0;
  }

  float Score(int r, std::int64_t row, double slope, std::int64_t key,
              const std::vector<float>& query, const std::vector<float>& stored) const {
    float score = 0;
    for (std::size_t d = 0; d < query.size(); ++d) score += query[d] * stored[d];
    score *= static_cast<float>(b_.scale != 0 ? b_.scale : p_.scale);
    const auto cap = static_cast<float>(b_.softcap >= 0 ? b_.softcap : p_.softcap);
    if (cap > 0) score = cap * std::tanh(score / cap);
    const std::int64_t position = p_.requests[r].seq_len - p_.requests[r].q_len + row;
    score -= static_cast<float>(slope * std::abs(static_cast<double>(position - key)));
    return score + static_cast<float>(b_.key_bias * static_cast<double>(key));
  }

  void RunRow(int r, std::int64_t row, int head, std::int64_t token) {
    const int kv_head = head / p_.group();
    const Rows& keys = Of(keys_, r, b_.key_head ? b_.key_head(head) : kv_head, true);
    const Rows& values = Of(values_, r, b_.value_head ? b_.value_head(head) : kv_head, false);
    std::vector<float> query;
    const TensorView queries = image_.View("query");
    for (int d = 0; d < p_.head_dim_qk; ++d) {
      query.push_back(static_cast<float>(LoadElement(queries.dtype, queries.At({token, head, d}))));
    }
    float top = -std::numeric_limits<float>::infinity();
    float sum = 0;
    std::vector<float> out(static_cast<std::size_t>(p_.head_dim_v), 0.0F);
    const auto join = [&](float score, const std::vector<float>* value) {
      const float next = std::max(top, score);
      const float rescale = std::exp(top - next);
      const float weight = std::exp(score - next);
      const auto rounded = static_cast<float>(RoundTo(p_.query_dtype, weight));
      sum = sum * rescale + weight;
      for (std::size_t d = 0; d < out.size(); ++d) {
        out[d] *= rescale;
        // 0 times NaN would be NaN: only what is seen is multiplied.
        if (value != nullptr) out[d] += rounded * (*value)[d];
      }
      top = next;
    };
    if (!b_.sinks_ignored && (b_.sink || p_.sinks)) {
      join(static_cast<float>(b_.sink ? b_.sink(head) : Load("sinks", {head})), nullptr);
    }
    const double slope = SlopeOf(head);
    const std::int64_t tiles = (static_cast<std::int64_t>(keys.size()) + b_.tile - 1) / b_.tile;
    for (std::int64_t t = 0; t < tiles; ++t) {
      const std::int64_t first = (b_.backwards ? tiles - 1 - t : t) * b_.tile;
      const auto last =
          std::min<std::int64_t>(first + b_.tile, static_cast<std::int64_t>(keys.size()));
      for (std::int64_t k = first; k < last; ++k) {
        const auto at = static_cast<std::size_t>(k);
        const bool seen = b_.sees ? b_.sees(r, row, head, k) : Visible(p_, r, row, k);
        if (seen) {
          join(Score(r, row, slope, k, query, keys[at]), &values[at]);
        } else if (b_.mask_value > -1e300) {
          join(static_cast<float>(b_.mask_value), &values[at]);
        }
      }
    }
    Write(token, head, out, sum, top);
  }

  void Write(std::int64_t token, int head, std::vector<float>& out, float sum, float top) {
    const PlacedTensor& tensor = *image_.Find("out");
    for (std::size_t d = 0; d < out.size(); ++d) {
      double value = sum == 0 ? 0.0F : out[d] / sum;
      if (b_.truncates && value != 0) {
        const auto format = FormatOf(tensor.dtype);
        const double step = std::ldexp(1.0, std::ilogb(value) - format->mantissa_bits);
        value = std::trunc(value / step) * step;
      }
      const std::int64_t at = token * tensor.strides[0] + head * tensor.strides[1] +
                              static_cast<std::int64_t>(d) * tensor.strides[2];
      std::byte* to = image_.bytes.data() + tensor.offset +
                      at * static_cast<std::int64_t>(SizeOf(tensor.dtype));
      StoreElement(tensor.dtype, value, to);
      if (b_.noise != 0 && b_.calls != nullptr && *b_.calls % 2 == 1) *to ^= std::byte{1};
    }
    const PlacedTensor* lse = image_.Find("lse");
    if (lse == nullptr) return;
    const std::int64_t at = token * lse->strides[0] + head * lse->strides[1];
    StoreElement(lse->dtype, (static_cast<double>(top) + std::log(sum)) * b_.lse_factor,
                 image_.bytes.data() + lse->offset + at * 4);
  }

  const TestBackend& b_;
  const Problem& p_;
  CallImage& image_;
  std::map<int, Rows> keys_;
  std::map<int, Rows> values_;
};

}  // namespace

CallResult TestBackend::operator()(const attest_problem_t& /*abi*/, double /*multiply_adds*/,
                                   CallImage& image) const {
  if (calls != nullptr) ++*calls;
  TestCall(*this, image).Run();
  return {.end = CallEnd::kAnswered, .status = ATTEST_OK, .message = {}, .output_tail = {}};
}

}  // namespace attest
