// SPDX-License-Identifier: Apache-2.0
#include "conformance/mutants/graph.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "conformance/mutants/attention.h"
#include "conformance/mutants/remember.h"

namespace attest {
namespace {

using Args = attest_forward_args_t;
constexpr std::array kMembers = {&Args::query,
                                 &Args::key,
                                 &Args::value,
                                 &Args::key_cache,
                                 &Args::value_cache,
                                 &Args::query_start_loc,
                                 &Args::seq_lens,
                                 &Args::block_table,
                                 &Args::slot_mapping,
                                 &Args::request_causal,
                                 &Args::sinks,
                                 &Args::alibi_slopes,
                                 &Args::prefix_ranges,
                                 &Args::tree_mask,
                                 &Args::custom_mask,
                                 &Args::key_scale,
                                 &Args::value_scale,
                                 &Args::out,
                                 &Args::lse};

constexpr attest_dtype_t kInt32 = {ATTEST_INT, 32, 1};
constexpr attest_dtype_t kBool = {ATTEST_BOOL, 8, 1};

std::vector<std::int64_t> Dense(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t axis = shape.size(); axis-- > 1;) {
    strides[axis - 1] = strides[axis] * shape[axis];
  }
  return strides;
}

attest_tensor_t TensorOf(void* data, attest_dtype_t dtype, const std::vector<std::int64_t>& shape,
                         const std::vector<std::int64_t>& strides) {
  attest_tensor_t tensor = {};
  tensor.data = data;
  tensor.device = {ATTEST_DEVICE_CPU, 0};
  tensor.ndim = static_cast<std::int32_t>(shape.size());
  tensor.dtype = dtype;
  tensor.shape = const_cast<std::int64_t*>(shape.data());
  tensor.strides = const_cast<std::int64_t*>(strides.data());
  return tensor;
}

template <typename T>
void Fill(PersistentBuffer& buffer, const std::vector<T>& numbers) {
  std::memcpy(buffer.bytes.data(), numbers.data(), numbers.size() * sizeof(T));
  buffer.view_shape = {static_cast<std::int64_t>(numbers.size())};
}

template <typename T>
void FillTail(PersistentBuffer& buffer, std::size_t from, std::size_t to, T number) {
  for (std::size_t i = from; i < to; ++i) {
    std::memcpy(buffer.bytes.data() + i * sizeof(T), &number, sizeof(T));
  }
}

// A problem without its sizes and bounds.
attest_problem_t Unsized(attest_problem_t problem) {
  problem.num_requests = problem.num_actual_tokens = problem.max_query_len = 0;
  problem.max_seq_len = problem.block_table_width = 0;
  return problem;
}

}  // namespace

BakedTensor::BakedTensor(const attest_tensor_t& tensor) : tensor_(tensor) {
  if (tensor.ndim == 0) return;
  shape_.assign(tensor.shape, tensor.shape + tensor.ndim);
  strides_.assign(tensor.strides, tensor.strides + tensor.ndim);
}

attest_tensor_t BakedTensor::Abi() const {
  attest_tensor_t tensor = tensor_;
  tensor.shape = const_cast<std::int64_t*>(shape_.data());
  tensor.strides = const_cast<std::int64_t*>(strides_.data());
  return tensor;
}

attest_tensor_t PersistentBuffer::Whole() const {
  return TensorOf(const_cast<std::byte*>(bytes.data()), dtype, shape, strides);
}

attest_tensor_t PersistentBuffer::View() const {
  return TensorOf(view_data, dtype, view_shape, view_strides);
}

MutantGraph::MutantGraph(const Mutant& mutant, const attest_problem_t& maximum,
                         const attest_forward_args_t& args)
    : mutant_(mutant), maximum_(maximum), step_(maximum), capture_(Kept(maximum, args)) {
  for (const auto member : kMembers) baked_.emplace_back(args.*member);
  starts_ = &Add("query_start_loc", kInt32, {maximum.num_requests + 1});
  lengths_ = &Add("seq_lens", kInt32, {maximum.num_requests});
  if (args.block_table.data != nullptr) {
    table_ = &Add("block_table", kInt32, {maximum.num_requests, maximum.block_table_width});
  }
  if (args.request_causal.data != nullptr) {
    causal_ = &Add("request_causal", kBool, {maximum.num_requests});
  }
  const Metadata metadata = Read(maximum, args);
  PutStarts(metadata);
  PutLengths(metadata);
  if (table_ != nullptr) PutTable(metadata);
  if (causal_ != nullptr) PutCausal(metadata);
}

PersistentBuffer& MutantGraph::Add(const char* name, attest_dtype_t dtype,
                                   std::vector<std::int64_t> shape) {
  PersistentBuffer& buffer = buffers_.emplace_back();
  std::int64_t bytes = dtype.bits / 8;
  for (const std::int64_t extent : shape) bytes *= extent;
  buffer.name = name;
  buffer.dtype = dtype;
  buffer.bytes.resize(static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1)));
  buffer.strides = buffer.view_strides = Dense(shape);
  buffer.view_shape = shape;
  buffer.shape = std::move(shape);
  buffer.view_data = buffer.bytes.data();
  return buffer;
}

MutantGraph::Metadata MutantGraph::Read(const attest_problem_t& step,
                                        const attest_forward_args_t& args) {
  Metadata read;
  for (std::int64_t r = 0; r <= step.num_requests; ++r) {
    read.starts.push_back(LoadAt<std::int32_t>(args.query_start_loc, {r}));
  }
  for (std::int64_t r = 0; r < step.num_requests; ++r) {
    read.lengths.push_back(LoadAt<std::int32_t>(args.seq_lens, {r}));
    if (args.request_causal.data != nullptr) {
      read.causal.push_back(LoadAt<std::uint8_t>(args.request_causal, {r}));
    }
  }
  if (args.block_table.data == nullptr) return read;
  read.source = &args.block_table;
  read.table_shape = {step.num_requests, step.block_table_width};
  for (std::int64_t r = 0; r < step.num_requests; ++r) {
    for (std::int64_t column = 0; column < step.block_table_width; ++column) {
      const std::byte* entry = AddressOf(args.block_table, {r, column});
      read.table.insert(read.table.end(), entry, entry + sizeof(std::int32_t));
    }
  }
  return read;
}

std::string MutantGraph::Misfit(const attest_problem_t& step) const {
  if (step.num_requests > maximum_.num_requests) return "num_requests: more than captured";
  if (!Is(GraphFault::kOtherScaleAccepted)) {
    const attest_problem_t a = Unsized(step);
    const attest_problem_t b = Unsized(maximum_);
    if (std::memcmp(&a, &b, sizeof(a)) != 0) return "step: not the captured problem";
  }
  if (Is(GraphFault::kFitByRequests)) return {};
  const std::array<std::pair<const char*, std::int64_t attest_problem_t::*>, 4> sizes = {
      {{"num_actual_tokens", &attest_problem_t::num_actual_tokens},
       {"max_query_len", &attest_problem_t::max_query_len},
       {"max_seq_len", &attest_problem_t::max_seq_len},
       {"block_table_width", &attest_problem_t::block_table_width}}};
  for (const auto& [name, member] : sizes) {
    if (step.*member > maximum_.*member) return std::string(name) + ": more than captured";
  }
  return {};
}

bool MutantGraph::IsNarrower(const attest_problem_t& step) const {
  return step.block_table_width < maximum_.block_table_width;
}

void MutantGraph::PutStarts(const Metadata& step) {
  if (Is(GraphFault::kStartsOfCapture) && !capturing_) return;
  Fill(*starts_, step.starts);
  const std::size_t kept = Is(GraphFault::kPhantomRequest) ? 1 : 0;
  const auto all = static_cast<std::size_t>(maximum_.num_requests) + 1;
  if (Is(GraphFault::kTailNotReset)) return;
  FillTail(*starts_, std::min(all, step.starts.size() + kept), all, step.starts.back());
  if (kept == 0 || step.starts.size() + 1 >= all) return;
  // Behind the request too many the others are empty: they begin where it ends.
  std::int32_t end = 0;
  std::memcpy(&end, starts_->bytes.data() + step.starts.size() * sizeof(end), sizeof(end));
  FillTail(*starts_, step.starts.size() + 1, all, std::max(end, step.starts.back()));
}

void MutantGraph::PutLengths(const Metadata& step) {
  if (Is(GraphFault::kLengthsOfCapture) && !capturing_) {
    lengths_->view_shape = {static_cast<std::int64_t>(step.lengths.size())};
    return;
  }
  Fill(*lengths_, step.lengths);
  if (Is(GraphFault::kTailNotReset)) return;
  const std::size_t kept = Is(GraphFault::kPhantomRequest) ? 1 : 0;
  const auto all = static_cast<std::size_t>(maximum_.num_requests);
  FillTail(*lengths_, std::min(all, step.lengths.size() + kept), all, std::int32_t{0});
}

void MutantGraph::PutTable(const Metadata& step) {
  const bool narrower = step.table_shape[1] < maximum_.block_table_width;
  table_->view_shape = step.table_shape;
  if (Is(GraphFault::kTableOfCapture) && !capturing_) return;
  if (Is(GraphFault::kViewOfSource)) {
    table_->view_data = narrower ? AtOffset(*step.source, 0) : table_->bytes.data();
    table_->view_strides =
        narrower ? std::vector<std::int64_t>(step.source->strides, step.source->strides + 2)
                 : table_->strides;
    if (narrower) return;
  }
  if (Is(GraphFault::kBufferMoves)) {
    given_up_.push_back(table_->bytes);
    table_->bytes.swap(given_up_.back());  // the copy stays where the buffer was
    table_->view_data = table_->bytes.data();
  }
  std::int64_t pitch = table_->strides[0];
  if (Is(GraphFault::kTableAsStrided)) {
    pitch = step.table_shape[1];
    table_->view_strides = {pitch, 1};
  }
  const auto width = static_cast<std::size_t>(step.table_shape[1]) * sizeof(std::int32_t);
  for (std::int64_t r = 0; r < step.table_shape[0]; ++r) {
    std::memcpy(table_->bytes.data() + static_cast<std::size_t>(r * pitch) * sizeof(std::int32_t),
                step.table.data() + static_cast<std::size_t>(r) * width, width);
  }
}

void MutantGraph::PutCausal(const Metadata& step) {
  if (Is(GraphFault::kCausalityOfCapture) && !capturing_) {
    causal_->view_shape = {static_cast<std::int64_t>(step.causal.size())};
    return;
  }
  Fill(*causal_, step.causal);
}

void MutantGraph::Update(const attest_problem_t& step, const attest_forward_args_t& args) {
  step_ = step;
  capturing_ = false;
  Metadata metadata = Read(step, args);
  if (Is(GraphFault::kOneStepLate)) {
    Metadata now = metadata;
    if (late_) metadata = std::move(*late_);
    late_ = std::move(now);
  }
  computed_already_ = Is(GraphFault::kEagerFallback) && IsNarrower(step);
  if (computed_already_) return Compute(step, args);
  PutStarts(metadata);
  PutLengths(metadata);
  if (table_ != nullptr) PutTable(metadata);
  if (causal_ != nullptr) PutCausal(metadata);
  if (Is(GraphFault::kInputsAtUpdate)) {
    const attest_tensor_t query = baked_[0].Abi();
    const std::byte* first = AtOffset(query, 0);
    const auto bytes = static_cast<std::int64_t>(query.dtype.bits / 8);
    query_.assign(first, first + (LastOffset(query) + 1) * bytes);
  }
}

attest_forward_args_t MutantGraph::Args() const {
  attest_forward_args_t args = {};
  args.struct_size = sizeof(args);
  for (std::size_t i = 0; i < kMembers.size(); ++i) args.*kMembers[i] = baked_[i].Abi();
  args.query_start_loc = starts_->Whole();
  args.seq_lens = lengths_->Whole();
  if (table_ != nullptr) args.block_table = table_->Whole();
  if (causal_ != nullptr) args.request_causal = causal_->Whole();
  if (!query_.empty()) {
    args.query.data = const_cast<std::byte*>(query_.data());
    args.query.byte_offset = 0;
  }
  return args;
}

void MutantGraph::Compute(const attest_problem_t& problem, const attest_forward_args_t& args) {
  Memory memory;
  memory.first = capture_;
  const Hooks& hooks = mutant_.hooks.replayed != nullptr ? *mutant_.hooks.replayed : mutant_.hooks;
  const Call call{problem, args, hooks, memory};
  const Format type = FormatOfAbi(problem.output_dtype);
  ScalarForward(call, [&](Output output, std::int64_t offset, double value) {
    if (output == Output::kOut) {
      Encode(type, value, AtOffset(args.out, offset));
    } else if (!Is(GraphFault::kLseEscapes)) {
      Encode(Format::kFloat32, value, AtOffset(args.lse, offset));
    }
  });
}

void MutantGraph::Replay() {
  if (computed_already_ || Is(GraphFault::kWorkEscapes)) return;
  Compute(maximum_, Args());
  if (Is(GraphFault::kPaddedRowsWritten)) ClearPaddedRows();
  if (!Is(GraphFault::kLengthsDrift)) return;
  for (std::int64_t r = 0; r < maximum_.num_requests; ++r) {
    std::int32_t length = LoadAt<std::int32_t>(lengths_->Whole(), {r});
    if (length == 0) continue;
    ++length;
    std::memcpy(AddressOf(lengths_->Whole(), {r}), &length, sizeof(length));
  }
}

void MutantGraph::ClearPaddedRows() {
  const attest_tensor_t out = baked_[17].Abi();
  const Format type = FormatOfAbi(maximum_.output_dtype);
  for (std::int64_t row = step_.num_actual_tokens; row < out.shape[0]; ++row) {
    for (std::int64_t head = 0; head < out.shape[1]; ++head) {
      for (std::int64_t d = 0; d < out.shape[2]; ++d) {
        Encode(type, 0.0, AddressOf(out, {row, head, d}));
      }
    }
  }
}

const PersistentBuffer* MutantGraph::Inspect(std::int32_t index) const {
  if (index < 0 || static_cast<std::size_t>(index) >= buffers_.size()) return nullptr;
  return &buffers_[static_cast<std::size_t>(index)];
}

}  // namespace attest
