// SPDX-License-Identifier: Apache-2.0
#include "conformance/mutants/in_process.h"

#include <algorithm>
#include <list>
#include <unordered_map>

#include "conformance/mutants/attention.h"

namespace attest {
namespace {

// Views as the ABI gives them. Mutants read them and write nothing.
class AbiCall {
 public:
  AbiCall(const Problem& problem, const AttentionTensors& tensors, const OutputShapes& outputs)
      : problem_(ToAbi(problem)), tensors_(tensors), outputs_(outputs) {
    const std::int64_t rows = tensors.query.shape[0];
    if (outputs_.out.shape.empty()) {
      outputs_.out = Zeros(problem.output_dtype, {rows, problem.num_q_heads, problem.head_dim_v});
    }
    if (outputs_.lse.shape.empty()) {
      outputs_.lse = Zeros(DType::kFloat32, {rows, problem.num_q_heads});
    }
    for (const PrefixRange& range : problem.prefix_ranges) {
      ranges_.insert(ranges_.end(), {range.request, range.first, range.last});
    }
    for (const bool causal : problem.request_causal) request_causal_.push_back(causal ? 1 : 0);
    if (problem.uses_paged_kv()) {
      problem_.num_blocks = tensors.key_cache.shape[0];
      problem_.block_table_width = tensors.block_table.shape[1];
    }
    FillArgs();
  }
  AbiCall(const AbiCall&) = delete;
  AbiCall& operator=(const AbiCall&) = delete;

  const attest_problem_t& problem() const { return problem_; }
  const attest_forward_args_t& args() const { return args_; }

 private:
  static TensorView Dense(DType dtype, const std::vector<std::int64_t>& shape) {
    return {.data = nullptr, .dtype = dtype, .shape = shape, .strides = DenseStrides(shape)};
  }

  // An output that holds zeros; mutants look at what they find.
  TensorView Zeros(DType dtype, const std::vector<std::int64_t>& shape) {
    TensorView view = Dense(dtype, shape);
    std::size_t bytes = SizeOf(dtype);
    for (const std::int64_t extent : shape) bytes *= static_cast<std::size_t>(extent);
    zeros_.emplace_back(std::max<std::size_t>(bytes, 1));
    view.data = zeros_.back().data();
    return view;
  }

  static attest_tensor_t Abi(const TensorView& view) {
    if (view.shape.empty()) return {};
    attest_tensor_t tensor = {};
    tensor.data = const_cast<std::byte*>(view.data);
    tensor.device = {ATTEST_DEVICE_CPU, 0};
    tensor.ndim = static_cast<std::int32_t>(view.shape.size());
    tensor.dtype = ToAbi(view.dtype);
    tensor.shape = const_cast<std::int64_t*>(view.shape.data());
    tensor.strides = const_cast<std::int64_t*>(view.strides.data());
    return tensor;
  }

  void FillArgs() {
    args_.struct_size = sizeof(args_);
    args_.query = Abi(tensors_.query);
    args_.key = Abi(tensors_.key);
    args_.value = Abi(tensors_.value);
    args_.key_cache = Abi(tensors_.key_cache);
    args_.value_cache = Abi(tensors_.value_cache);
    args_.query_start_loc = Abi(tensors_.query_start_loc);
    args_.seq_lens = Abi(tensors_.seq_lens);
    args_.block_table = Abi(tensors_.block_table);
    args_.sinks = Abi(tensors_.sinks);
    args_.alibi_slopes = Abi(tensors_.alibi_slopes);
    args_.tree_mask = Abi(tensors_.tree_mask);
    args_.custom_mask = Abi(tensors_.custom_mask);
    args_.key_scale = Abi(tensors_.key_scale);
    args_.value_scale = Abi(tensors_.value_scale);
    const auto count = static_cast<std::int64_t>(ranges_.size() / 3);
    ranges_view_ = Dense(DType::kInt64, {count, 3});
    ranges_view_.data = reinterpret_cast<const std::byte*>(ranges_.data());
    args_.prefix_ranges = Abi(ranges_view_);
    causal_view_ = Dense(DType::kBool, {static_cast<std::int64_t>(request_causal_.size())});
    causal_view_.data = reinterpret_cast<const std::byte*>(request_causal_.data());
    args_.request_causal = Abi(causal_view_);
    args_.out = Abi(outputs_.out);
    args_.lse = Abi(outputs_.lse);
  }

  attest_problem_t problem_;
  attest_forward_args_t args_ = {};
  AttentionTensors tensors_;
  OutputShapes outputs_;
  std::vector<std::int64_t> ranges_;
  std::vector<std::uint8_t> request_causal_;
  TensorView ranges_view_;
  TensorView causal_view_;
  std::list<std::vector<std::byte>> zeros_;
};

// Keeps the elements of the lines that were asked about.
class Sheet {
 public:
  Sheet(const AbiCall& call, const std::vector<MutantLine>& lines, MutantAnswer& answer)
      : call_(call), answer_(answer) {
    const attest_problem_t& p = call.problem();
    const auto columns = static_cast<std::size_t>(p.head_dim_v);
    answer.out.assign(lines.size() * columns, std::numeric_limits<double>::quiet_NaN());
    answer.lse.assign(lines.size(), std::numeric_limits<double>::quiet_NaN());
    for (std::size_t n = 0; n < lines.size(); ++n) {
      const std::int64_t token =
          LoadAt<std::int32_t>(call.args().query_start_loc, {lines[n].request}) + lines[n].row;
      for (std::size_t d = 0; d < columns; ++d) {
        const std::int64_t offset =
            OffsetOf(call.args().out, {token, lines[n].head, static_cast<std::int64_t>(d)});
        out_[offset] = n * columns + d;
      }
      lse_[OffsetOf(call.args().lse, {token, lines[n].head})] = n;
    }
  }

  void Take(Output output, std::int64_t offset, double value) {
    const auto& places = output == Output::kOut ? out_ : lse_;
    const auto found = places.find(offset);
    if (found != places.end()) {
      (output == Output::kOut ? answer_.out : answer_.lse)[found->second] = value;
    } else if (output == Output::kOut && !BelongsToAToken(offset)) {
      answer_.forbidden_write = true;
    }
  }

 private:
  // Axes by falling stride, each index taken out of what is left.
  bool BelongsToAToken(std::int64_t offset) const {
    const attest_tensor_t& out = call_.args().out;
    const std::int64_t tokens = call_.problem().num_actual_tokens;
    for (std::int64_t head = 0; head < out.shape[1]; ++head) {
      const std::int64_t rest = offset - head * out.strides[1];
      if (rest < 0) continue;
      const std::int64_t token = out.strides[0] == 0 ? 0 : rest / out.strides[0];
      const std::int64_t column = rest - token * out.strides[0];
      if (token < tokens && column % out.strides[2] == 0 &&
          column / out.strides[2] < out.shape[2]) {
        return true;
      }
    }
    return false;
  }

  const AbiCall& call_;
  MutantAnswer& answer_;
  std::unordered_map<std::int64_t, std::size_t> out_;
  std::unordered_map<std::int64_t, std::size_t> lse_;
};

}  // namespace

MutantAnswer RunMutant(const Problem& problem, const AttentionTensors& tensors,
                       const OutputShapes& outputs, const Mutant& mutant,
                       const std::vector<MutantLine>& lines, const Memory& memory) {
  const AbiCall abi(problem, tensors, outputs);
  const Call call{abi.problem(), abi.args(), mutant.hooks, memory};
  MutantAnswer answer;
  Sheet sheet(abi, lines, answer);
  const Put put = [&sheet](Output output, std::int64_t offset, double value) {
    sheet.Take(output, offset, value);
  };
  if (mutant.hooks.whole_call) {
    ScalarForward(call, put);
    return answer;
  }
  for (const MutantLine& line : lines) ComputeLine(call, line.request, line.row, line.head, put);
  if (mutant.hooks.after != nullptr) mutant.hooks.after(call, put);
  return answer;
}

void RememberCall(const Problem& problem, const AttentionTensors& tensors, CallMemories& memories) {
  const AbiCall call(problem, tensors, {});
  memories.Before(call.problem());
  memories.After(call.problem(), call.args());
}

Memory MemoryAt(const Problem& problem, CallMemories& memories) {
  return memories.Before(ToAbi(problem));
}

}  // namespace attest
