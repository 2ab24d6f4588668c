// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/merge.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "backends/cpu/convert.h"
#include "backends/cpu/element_type.h"
#include "backends/cpu/tensor_address.h"
#include "backends/cpu/tensor_check.h"

namespace attest::cpu {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class RowMerge {
 public:
  RowMerge(const attest_problem_t& problem, const attest_merge_args_t& args)
      : args_(args),
        columns_(problem.head_dim_v),
        weights_(static_cast<std::size_t>(args.num_parts)),
        part_(static_cast<std::size_t>(columns_)),
        sums_(static_cast<std::size_t>(columns_)),
        merged_(static_cast<std::size_t>(columns_)) {}

  void Run(std::int64_t token, std::int64_t head) {
    double maximum = -kInfinity;
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      weights_[i] = ElementAt<float>(args_.part_lse[i], {token, head});
      maximum = std::max(maximum, weights_[i]);
    }
    double total = 0.0;
    std::fill(sums_.begin(), sums_.end(), 0.0);
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      if (weights_[i] == -kInfinity) continue;
      const double weight = std::exp(weights_[i] - maximum);
      total += weight;
      Add(args_.part_out[i], token, head, weight);
    }
    for (std::size_t d = 0; d < sums_.size(); ++d) {
      merged_[d] = total == 0.0 ? 0.0F : static_cast<float>(sums_[d] / total);
    }
    StoreRow(*ElementTypeOf(args_.out.dtype), merged_.data(), 1.0F, columns_,
             AddressOf(args_.out, {token, head}), args_.out.strides[2]);
    if (args_.lse.ndim == 0) return;
    const auto lse = static_cast<float>(total == 0.0 ? -kInfinity : maximum + std::log(total));
    StoreRow(ElementType::kFloat32, &lse, 1.0F, 1, AddressOf(args_.lse, {token, head}), 1);
  }

 private:
  void Add(const attest_tensor_t& out, std::int64_t token, std::int64_t head, double weight) {
    LoadRow(*ElementTypeOf(out.dtype), AddressOf(out, {token, head}), out.strides[2], columns_,
            part_.data());
    for (std::size_t d = 0; d < sums_.size(); ++d) sums_[d] += weight * part_[d];
  }

  const attest_merge_args_t& args_;
  const int columns_;
  std::vector<double> weights_;
  std::vector<float> part_;
  std::vector<double> sums_;
  std::vector<float> merged_;
};

}  // namespace

Answer CheckMerge(const attest_problem_t& p, const attest_merge_args_t& a) {
  if (a.struct_size < sizeof(a)) {
    return Invalid("args.struct_size", std::to_string(a.struct_size), "too small");
  }
  if (a.num_parts < 1) return Invalid("num_parts", std::to_string(a.num_parts), "less than 1");
  if (a.part_out == nullptr) return Invalid("part_out", "NULL", "missing");
  if (a.part_lse == nullptr) return Invalid("part_lse", "NULL", "missing");
  const std::vector<std::int64_t> rows = {AtLeast(p.num_actual_tokens), p.num_q_heads};
  const std::vector<std::int64_t> outputs = {rows[0], rows[1], p.head_dim_v};
  std::vector<Wanted> wanted;
  for (std::int32_t i = 0; i < a.num_parts; ++i) {
    const auto field = [i](const char* name) {
      return std::string(name) + "[" + std::to_string(i) + "]";
    };
    wanted.push_back({field("part_out"),
                      &a.part_out[i],
                      {kFloat32DType, kFloat16DType, kBFloat16DType},
                      outputs});
    wanted.push_back({field("part_lse"), &a.part_lse[i], {kFloat32DType}, rows});
  }
  wanted.push_back({"out", &a.out, {p.output_dtype}, outputs});
  if (a.lse.ndim != 0 || (p.flags & ATTEST_FLAG_LSE) != 0) {
    wanted.push_back({"lse", &a.lse, {kFloat32DType}, rows});
  }
  return CheckTensors(wanted);
}

void Merge(const attest_problem_t& problem, const attest_merge_args_t& args) {
  RowMerge merge(problem, args);
  for (std::int64_t token = 0; token < problem.num_actual_tokens; ++token) {
    for (std::int64_t head = 0; head < problem.num_q_heads; ++head) merge.Run(token, head);
  }
}

}  // namespace attest::cpu
