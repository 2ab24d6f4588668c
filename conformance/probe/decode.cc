// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/decode.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "reference/float_formats.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

constexpr int kMostKeys = 8;
constexpr double kIntegral = 0.2;  // how far from a whole number a recovered code sum may lie

// A key that could have been dropped (visible, sign -1) or leaked in (invisible, sign +1), with its
// code.
struct Candidate {
  std::int64_t key = 0;
  bool extra = false;
  Eigen::VectorXd change;  // what it adds to the code sum
};

std::int32_t Int32At(const TensorView& view, std::initializer_list<std::int64_t> index) {
  std::int32_t value = 0;
  std::memcpy(&value, view.At(index), sizeof(value));
  return value;
}

// Codes of logical keys 0 .. (end of the last page), in code units.
class Codes {
 public:
  Codes(const Problem& problem, const CaseInputs& inputs, int request, int head)
      : problem_(problem),
        unit_(inputs.code_unit),
        request_(request),
        kv_head_(head / problem.group()),
        cache_(inputs.image.View("value_cache")),
        scale_(inputs.image.View("value_scale")),
        packed_(inputs.image.View("value")),
        table_(inputs.image.View("block_table")),
        starts_(inputs.image.View("query_start_loc")) {}

  std::int64_t Keys() const {
    const std::int64_t seq_len = problem_.requests[request_].seq_len;
    if (!problem_.uses_paged_kv()) return seq_len;
    return (seq_len + problem_.block_size - 1) / problem_.block_size * problem_.block_size;
  }

  Eigen::VectorXd At(std::int64_t key) const {
    Eigen::VectorXd code(problem_.head_dim_v);
    for (int dim = 0; dim < problem_.head_dim_v; ++dim) code[dim] = Element(key, dim) / unit_;
    return code;
  }

 private:
  double Element(std::int64_t key, int dim) const {
    if (!problem_.uses_paged_kv()) {
      const std::int64_t token = Int32At(starts_, {request_}) + key;
      return LoadElement(packed_.dtype, packed_.At({token, kv_head_, dim}));
    }
    const std::int64_t page = Int32At(table_, {request_, key / problem_.block_size});
    const std::int64_t slot = key % problem_.block_size;
    const std::byte* at = problem_.cache_layout == CacheLayout::kXSplit
                              ? cache_.At({page, kv_head_, dim, slot})
                              : cache_.At({page, slot, kv_head_, dim});
    const double scale =
        scale_.present() ? LoadElement(scale_.dtype, scale_.At({page, slot, kv_head_})) : 1.0;
    return LoadElement(cache_.dtype, at) * scale;
  }

  const Problem& problem_;
  double unit_;
  int request_;
  int kv_head_;
  TensorView cache_;
  TensorView scale_;
  TensorView packed_;
  TensorView table_;
  TensorView starts_;
};

std::optional<Eigen::VectorXd> RoundToIntegers(const Eigen::VectorXd& values) {
  Eigen::VectorXd rounded = values.array().round();
  if (!((values - rounded).cwiseAbs().maxCoeff() <= kIntegral)) return std::nullopt;
  return rounded;
}

// How much a sink adds to the weight sum; scores are flat at 0, so visible keys add 1 each.
double SinkWeight(const CaseInputs& inputs, int head) {
  const TensorView sinks = inputs.image.View("sinks");
  return sinks.present() ? std::exp(LoadElement(sinks.dtype, sinks.At({head}))) : 0.0;
}

// Is one of them only one of several that add the same? Keys in one slot do: those of a page that
// stands twice in a table, and those out of every row's sight, whose pages are all page 0.
bool AnyDoubtful(const std::vector<Candidate>& chosen, const std::vector<Candidate>& all) {
  return std::any_of(chosen.begin(), chosen.end(), [&](const Candidate& one) {
    return std::any_of(all.begin(), all.end(), [&](const Candidate& other) {
      return other.key != one.key && other.change == one.change;
    });
  });
}

// Greedy pursuit: takes the candidate that shrinks the residual most, until it is zero. Gives up on
// ties that do not shrink it, and after kMostKeys.
std::vector<Candidate> Pursue(Eigen::VectorXd residual, const std::vector<Candidate>& candidates) {
  std::vector<Candidate> chosen;
  std::vector<bool> used(candidates.size(), false);
  while (residual.squaredNorm() > 0) {
    if (chosen.size() == kMostKeys) return {};
    double best = residual.squaredNorm();
    std::size_t best_index = candidates.size();
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (used[i]) continue;
      const double left = (residual - candidates[i].change).squaredNorm();
      if (left < best) {
        best = left;
        best_index = i;
      }
    }
    if (best_index == candidates.size()) return {};
    used[best_index] = true;
    residual -= candidates[best_index].change;
    chosen.push_back(candidates[best_index]);
  }
  return chosen;
}

}  // namespace

std::vector<WrongKey> DecodeRow(const Problem& problem, const CaseInputs& inputs,
                                const QueryRow& row, int head, const std::vector<double>& got,
                                double lse) {
  const auto request = static_cast<std::size_t>(row.request);
  const Codes codes(problem, inputs, row.request, head);
  const Mask mask(problem, {.tree_mask = inputs.image.View("tree_mask"),
                            .custom_mask = inputs.image.View("custom_mask")});
  std::vector<Candidate> candidates;
  Eigen::VectorXd expected = Eigen::VectorXd::Zero(problem.head_dim_v);
  std::int64_t visible = 0;
  for (std::int64_t key = 0; key < codes.Keys(); ++key) {
    const Eigen::VectorXd code = codes.At(key);
    if (!code.allFinite()) continue;
    const bool sees = mask.Visible(request, head, row.row, key);
    if (sees) expected += code;
    visible += sees ? 1 : 0;
    candidates.push_back({key, !sees, sees ? Eigen::VectorXd(-code) : code});
  }
  const Eigen::VectorXd output =
      Eigen::Map<const Eigen::VectorXd>(got.data(), static_cast<Eigen::Index>(got.size())) /
      inputs.code_unit;
  if (!output.allFinite()) return {};

  // The backend's own number of keys: from its LSE, else by trial around the expected one.
  const double sink = SinkWeight(inputs, head);
  std::vector<double> sums;
  if (std::isfinite(lse)) sums.push_back(std::exp(lse));
  for (int delta = -kMostKeys; delta <= kMostKeys; ++delta) {
    if (visible + delta > 0) sums.push_back(static_cast<double>(visible + delta) + sink);
  }
  for (const double sum : sums) {
    const auto seen = RoundToIntegers(output * sum);
    if (!seen) continue;
    const std::vector<Candidate> chosen = Pursue(*seen - expected, candidates);
    const auto extra =
        std::count_if(chosen.begin(), chosen.end(), [](const Candidate& c) { return c.extra; });
    const double implied =
        static_cast<double>(visible + 2 * extra - static_cast<std::int64_t>(chosen.size())) + sink;
    if (chosen.empty() || std::abs(implied - sum) > 0.5) continue;
    if (AnyDoubtful(chosen, candidates)) return {};
    std::vector<WrongKey> keys;
    for (const Candidate& candidate : chosen) {
      keys.push_back({row.request, row.row, head, candidate.key, candidate.extra});
    }
    std::sort(keys.begin(), keys.end(),
              [](const WrongKey& a, const WrongKey& b) { return a.key < b.key; });
    return keys;
  }
  return {};
}

}  // namespace attest
