// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/cascade.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include "reference/float_formats.h"

namespace attest {
namespace {

void RemoveTensor(CallImage& image, std::string_view name) {
  std::erase_if(image.tensors, [name](const PlacedTensor& t) { return t.name == name; });
}

void SetSeqLens(CallImage& image, const Problem& problem) {
  const PlacedTensor& tensor = *image.Find("seq_lens");
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    const auto length = static_cast<std::int32_t>(problem.requests[r].seq_len);
    std::memcpy(Writable(image, tensor, {static_cast<std::int64_t>(r)}), &length, sizeof(length));
  }
}

// The ABI form of a part; pages and table are those of the whole.
attest_problem_t PartAbi(const Problem& part, const attest_problem_t& whole) {
  attest_problem_t abi = ToAbi(part);
  abi.num_blocks = whole.num_blocks;
  abi.block_table_width = whole.block_table_width;
  return abi;
}

// The step's keys and values repeat the last q_len cached ones; where the prefix is shorter than
// that, the rows before its start hold what they held.
class StepWriter {
 public:
  StepWriter(const CallImage& whole, CallImage& part, const Problem& problem)
      : problem_(problem),
        part_(part),
        table_(whole.View("block_table")),
        caches_{whole.View("key_cache"), whole.View("value_cache")},
        scales_{whole.View("key_scale"), whole.View("value_scale")} {}

  void Write() {
    const std::vector<std::int64_t> first = FirstTokens(problem_);
    for (std::size_t r = 0; r < problem_.requests.size(); ++r) {
      const Request& request = problem_.requests[r];
      for (std::int64_t row = 0; row < request.q_len; ++row) {
        const std::int64_t key = request.seq_len - request.q_len + row;
        if (key < 0) continue;
        WriteRow("key", 0, r, key, first[r] + row);
        WriteRow("value", 1, r, key, first[r] + row);
      }
    }
  }

 private:
  double Cached(int which, std::int64_t page, std::int64_t slot, std::int64_t head,
                std::int64_t dim) const {
    const TensorView& cache = caches_[which];
    if (problem_.cache_layout == CacheLayout::kXSplit && which == 0) {
      const std::int64_t x = cache.shape[4];
      return LoadElement(cache.dtype, cache.At({page, head, dim / x, slot, dim % x}));
    }
    if (problem_.cache_layout == CacheLayout::kXSplit) {
      return LoadElement(cache.dtype, cache.At({page, head, dim, slot}));
    }
    return LoadElement(cache.dtype, cache.At({page, slot, head, dim}));
  }

  void WriteRow(std::string_view name, int which, std::size_t request, std::int64_t key,
                std::int64_t token) {
    const PlacedTensor* step = part_.Find(name);
    if (step == nullptr || !caches_[which].present()) return;
    std::int32_t page = 0;
    std::memcpy(&page, table_.At({static_cast<std::int64_t>(request), key / problem_.block_size}),
                sizeof(page));
    const std::int64_t slot = key % problem_.block_size;
    for (std::int64_t head = 0; head < step->shape[1]; ++head) {
      const TensorView& scales = scales_[which];
      const double scale =
          scales.present() ? LoadElement(scales.dtype, scales.At({page, slot, head})) : 1.0;
      for (std::int64_t dim = 0; dim < step->shape[2]; ++dim) {
        StoreElement(step->dtype, Cached(which, page, slot, head, dim) * scale,
                     Writable(part_, *step, {token, head, dim}));
      }
    }
  }

  const Problem& problem_;
  CallImage& part_;
  TensorView table_;
  TensorView caches_[2];
  TensorView scales_[2];
};

void ForgetSlots(CallImage& image) {
  const PlacedTensor* slots = image.Find("slot_mapping");
  if (slots == nullptr) return;
  const std::int64_t none = -1;
  for (std::int64_t token = 0; token < slots->shape[0]; ++token) {
    std::memcpy(Writable(image, *slots, {token}), &none, sizeof(none));
  }
}

}  // namespace

Problem PrefixProblem(const Problem& problem) {
  Problem part = problem;
  part.causality = Causality::kNonCausal;
  part.request_causal.clear();
  part.sinks = false;
  for (Request& request : part.requests) request.seq_len = problem.shared_prefix;
  return part;
}

CascadePart PrefixPart(const CaseInputs& inputs, const Problem& problem) {
  CascadePart part{.name = "prefix part", .problem = PrefixProblem(problem), .inputs = inputs};
  part.inputs.abi = PartAbi(part.problem, inputs.abi);
  CallImage& image = part.inputs.image;
  RemoveTensor(image, "sinks");
  RemoveTensor(image, "request_causal");
  SetSeqLens(image, part.problem);
  StepWriter(inputs.image, image, part.problem).Write();
  ForgetSlots(image);
  return part;
}

CascadePart SuffixPart(const CaseInputs& inputs, const Problem& problem) {
  CascadePart part{.name = "suffix part", .problem = problem, .inputs = inputs};
  part.problem.shared_prefix = 0;
  for (Request& request : part.problem.requests) request.seq_len -= problem.shared_prefix;
  const std::int64_t columns = problem.shared_prefix / problem.block_size;
  part.inputs.abi = PartAbi(part.problem, inputs.abi);
  part.inputs.abi.block_table_width -= columns;
  CallImage& image = part.inputs.image;
  for (PlacedTensor& tensor : image.tensors) {
    if (tensor.name != "block_table") continue;
    tensor.offset += static_cast<std::uint64_t>(columns * tensor.strides[1]) * SizeOf(tensor.dtype);
    tensor.shape[1] -= columns;
  }
  SetSeqLens(image, part.problem);
  return part;
}

void WidenByParts(const Expected& prefix, const Expected& suffix, const Expected& merged,
                  Expected& whole) {
  for (Eigen::Index line = 0; line < whole.out.rows(); ++line) {
    const double top = std::max(prefix.lse[line], suffix.lse[line]);
    if (std::isinf(top)) continue;  // nothing to see in either part: 0 and -inf, exactly
    const double a = std::exp(prefix.lse[line] - top);
    const double b = std::exp(suffix.lse[line] - top);
    const double w1 = a / (a + b);
    const double w2 = b / (a + b);
    const double moved = w1 * w2 * std::expm1(prefix.lse_bound[line] + suffix.lse_bound[line]);
    for (Eigen::Index dim = 0; dim < whole.out.cols(); ++dim) {
      const double spread = std::abs(prefix.out(line, dim) - suffix.out(line, dim));
      whole.out_bound(line, dim) = (w1 + moved) * prefix.out_bound(line, dim) +
                                   (w2 + moved) * suffix.out_bound(line, dim) + moved * spread +
                                   merged.out_bound(line, dim);
    }
    whole.lse_bound[line] =
        std::max(prefix.lse_bound[line], suffix.lse_bound[line]) + merged.lse_bound[line];
  }
}

}  // namespace attest
