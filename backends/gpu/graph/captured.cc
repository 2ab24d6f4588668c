// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/graph/captured.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "backends/gpu/call.h"
#include "backends/gpu/dtype.h"

namespace attest::gpu::graph {
namespace {

using Args = attest_forward_args_t;

struct Member {
  const char* name;
  attest_tensor_t Args::*tensor;
};
constexpr std::array kMembers = {Member{"query", &Args::query},
                                 Member{"key", &Args::key},
                                 Member{"value", &Args::value},
                                 Member{"key_cache", &Args::key_cache},
                                 Member{"value_cache", &Args::value_cache},
                                 Member{"query_start_loc", &Args::query_start_loc},
                                 Member{"seq_lens", &Args::seq_lens},
                                 Member{"block_table", &Args::block_table},
                                 Member{"sinks", &Args::sinks},
                                 Member{"alibi_slopes", &Args::alibi_slopes},
                                 Member{"prefix_ranges", &Args::prefix_ranges},
                                 Member{"key_scale", &Args::key_scale},
                                 Member{"value_scale", &Args::value_scale},
                                 Member{"out", &Args::out},
                                 Member{"lse", &Args::lse}};

// Copied into buffers of the graph's own, so that rows may lie as far apart as the caller likes.
bool IsBuffered(attest_tensor_t Args::*tensor) {
  return tensor == &Args::query_start_loc || tensor == &Args::seq_lens ||
         tensor == &Args::block_table || tensor == &Args::prefix_ranges;
}

struct Size {
  const char* name;
  std::int64_t attest_problem_t::*member;
};
constexpr std::array kSizes = {Size{"num_requests", &attest_problem_t::num_requests},
                               Size{"num_actual_tokens", &attest_problem_t::num_actual_tokens},
                               Size{"max_query_len", &attest_problem_t::max_query_len},
                               Size{"max_seq_len", &attest_problem_t::max_seq_len},
                               Size{"block_table_width", &attest_problem_t::block_table_width}};

attest_problem_t Unsized(attest_problem_t problem) {
  for (const Size& size : kSizes) problem.*size.member = 0;
  return problem;
}

std::vector<std::int64_t> DenseStrides(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t axis = shape.size(); axis-- > 1;) {
    strides[axis - 1] = strides[axis] * std::max<std::int64_t>(1, shape[axis]);
  }
  return strides;
}

std::uint64_t BytesOf(attest_dtype_t dtype, const std::vector<std::int64_t>& shape) {
  std::uint64_t bytes = dtype.bits / 8;
  for (const std::int64_t extent : shape) bytes *= static_cast<std::uint64_t>(extent);
  return bytes;
}

}  // namespace

DeviceMemory::~DeviceMemory() {
  if (data_ != nullptr) (void)stream_.Release(data_);
}

CapturedGraph::CapturedGraph(Stream& stream, const Family& family, Mistake mistake,
                             const attest_problem_t& maximum)
    : stream_(stream), family_(family), mistake_(mistake), maximum_(maximum), workspace_(stream) {}

Answer CapturedGraph::Capture(Stream& stream, const Family& family, Mistake mistake,
                              const attest_problem_t& maximum, const attest_forward_args_t& args,
                              std::unique_ptr<CapturedGraph>& graph) {
  graph = std::make_unique<CapturedGraph>(stream, family, mistake, maximum);
  graph->Keep(args);
  if (Answer answer = graph->AddBuffers(args); !answer.ok()) return answer;
  if (Answer answer = graph->Take(maximum, args); !answer.ok()) return answer;
  return graph->Record(args);
}

void CapturedGraph::Keep(const attest_forward_args_t& args) {
  device_ = args.out.device;
  for (const Member& member : kMembers) {
    const attest_tensor_t& tensor = args.*member.tensor;
    Kept& kept = kept_.emplace_back(Kept{tensor.data, tensor.byte_offset, tensor.ndim, {}});
    if (tensor.data != nullptr) {
      kept.strides.assign(tensor.strides, tensor.strides + tensor.ndim);
    }
  }
}

Answer CapturedGraph::AddBuffer(const char* name, attest_dtype_t dtype,
                                std::vector<std::int64_t> shape, void*& data) {
  Buffer& buffer = *buffers_.emplace_back(std::make_unique<Buffer>(stream_));
  buffer.name = name;
  buffer.dtype = dtype;
  buffer.strides = buffer.view_strides = DenseStrides(shape);
  buffer.view_shape = shape;
  buffer.shape = std::move(shape);
  Answer answer = buffer.memory.Allocate(BytesOf(dtype, buffer.shape));
  data = buffer.memory.data();
  return answer;
}

Answer CapturedGraph::AddBuffers(const attest_forward_args_t& args) {
  metadata_.most_requests = static_cast<std::int32_t>(maximum_.num_requests);
  void* data = nullptr;
  Answer answer = AddBuffer("query_start_loc", kInt32DType, {maximum_.num_requests + 1}, data);
  metadata_.starts = static_cast<std::int32_t*>(data);
  if (answer.ok()) answer = AddBuffer("seq_lens", kInt32DType, {maximum_.num_requests}, data);
  metadata_.lengths = static_cast<std::int32_t*>(data);
  if (answer.ok() && maximum_.attention_type != ATTEST_ENCODER_ONLY) {
    metadata_.most_width = static_cast<std::int32_t>(maximum_.block_table_width);
    answer = AddBuffer("block_table", kInt32DType,
                       {maximum_.num_requests, maximum_.block_table_width}, data);
    metadata_.table = static_cast<std::int32_t*>(data);
  }
  if (answer.ok() && (maximum_.flags & ATTEST_FLAG_PREFIX_RANGES) != 0) {
    metadata_.most_ranges = args.prefix_ranges.shape[0];
    answer = AddBuffer("prefix_ranges", kInt64DType, {metadata_.most_ranges, 3}, data);
    metadata_.ranges = static_cast<std::int64_t*>(data);
  }
  return answer;
}

Answer CapturedGraph::Record(const attest_forward_args_t& args) {
  empty_ = maximum_.num_requests == 0 || maximum_.num_actual_tokens == 0;
  if (empty_) return {};
  Step step = StepOf(maximum_, args, stream_.facts());
  step.params.query_start_loc = {metadata_.starts, 0, 1};
  step.params.seq_lens = {metadata_.lengths, 0, 1};
  if (metadata_.table != nullptr) {
    step.params.block_table = {metadata_.table, metadata_.most_width, 1};
  }
  if (metadata_.ranges != nullptr) {
    step.params.prefix_ranges = {metadata_.ranges, 3, 1, metadata_.most_ranges};
  }
  if (family_.workspace_bytes != nullptr) {
    if (Answer answer = workspace_.Allocate(family_.workspace_bytes(step)); !answer.ok()) {
      return answer;
    }
    step.workspace = static_cast<std::byte*>(workspace_.data());
  }
  const std::vector<Launch> launches = family_.plan(step);
  Answer answer = stream_.BeginRecording();
  if (!answer.ok()) return answer;
  answer = EnqueueAll(stream_, launches);
  Answer ended = stream_.EndRecording(graph_);  // in any case, or the stream records for ever
  return answer.ok() ? ended : answer;
}

Answer CapturedGraph::CheckStep(const attest_problem_t& step,
                                const attest_forward_args_t& args) const {
  for (const Size& size : kSizes) {
    if (step.*size.member <= maximum_.*size.member) continue;
    return Invalid(size.name, std::to_string(step.*size.member),
                   "captured for " + std::to_string(maximum_.*size.member));
  }
  const attest_problem_t asked = Unsized(step);
  const attest_problem_t known = Unsized(maximum_);
  if (std::memcmp(&asked, &known, sizeof(asked)) != 0) {
    return Invalid("step", "another problem", "the graph was captured for one of other features");
  }
  for (std::size_t i = 0; i < kMembers.size(); ++i) {
    const attest_tensor_t& now = args.*kMembers[i].tensor;
    const Kept& then = kept_[i];
    const std::string name = kMembers[i].name;
    if (now.data != then.data || now.byte_offset != then.byte_offset || now.ndim != then.ndim) {
      return Invalid(name, "elsewhere", "tensors stay where they were captured");
    }
    if (then.data == nullptr || IsBuffered(kMembers[i].tensor)) continue;
    if (!std::equal(now.strides, now.strides + now.ndim, then.strides.begin())) {
      return Invalid(name + ".strides", "others", "strides stay as they were captured");
    }
  }
  if (metadata_.ranges != nullptr && args.prefix_ranges.shape[0] > metadata_.most_ranges) {
    return Invalid("prefix_ranges.shape[0]", std::to_string(args.prefix_ranges.shape[0]),
                   "captured for " + std::to_string(metadata_.most_ranges));
  }
  return {};
}

Answer CapturedGraph::Take(const attest_problem_t& step, const attest_forward_args_t& args) {
  const AttentionParams given = StepOf(step, args, stream_.facts()).params;
  metadata_.query_start_loc = given.query_start_loc;
  metadata_.seq_lens = given.seq_lens;
  metadata_.block_table = given.block_table;
  metadata_.prefix_ranges = given.prefix_ranges;
  metadata_.num_requests = static_cast<std::int32_t>(step.num_requests);
  metadata_.width = static_cast<std::int32_t>(step.block_table_width);
  metadata_.pitch = mistake_ == Mistake::kTableAsStrided ? metadata_.width : metadata_.most_width;
  for (const std::unique_ptr<Buffer>& buffer : buffers_) {
    if (buffer->dtype.bits == kInt64DType.bits) {
      buffer->view_shape[0] = given.prefix_ranges.count;
      continue;
    }
    buffer->view_shape[0] = step.num_requests + (buffer == buffers_.front() ? 1 : 0);
    if (buffer->view_shape.size() == 1) continue;
    buffer->view_shape[1] = step.block_table_width;
    buffer->view_strides[0] = metadata_.pitch;
  }
  return stream_.Enqueue(TakeMetadata(metadata_));
}

// A forward call.
Answer CapturedGraph::FallBack(const attest_problem_t& step, const attest_forward_args_t& args) {
  Step eager = StepOf(step, args, stream_.facts());
  DeviceMemory workspace(stream_);
  if (family_.workspace_bytes != nullptr) {
    Answer answer = workspace.Allocate(family_.workspace_bytes(eager));
    if (!answer.ok()) return answer;
    eager.workspace = static_cast<std::byte*>(workspace.data());
  }
  Answer answer = EnqueueAll(stream_, family_.plan(eager));
  return answer.ok() ? stream_.Synchronize() : answer;
}

Answer CapturedGraph::Update(const attest_problem_t& step, const attest_forward_args_t& args) {
  if (Answer answer = CheckStep(step, args); !answer.ok()) return answer;
  fell_back_ = mistake_ == Mistake::kEagerFallback && !empty_ && step.num_actual_tokens > 0 &&
               step.block_table_width < maximum_.block_table_width;
  if (fell_back_) return FallBack(step, args);
  return Take(step, args);
}

Answer CapturedGraph::Replay() { return empty_ || fell_back_ ? Answer{} : stream_.Replay(graph_); }

Answer CapturedGraph::Inspect(std::int32_t index, attest_persistent_view_t& view) const {
  if (index < 0 || static_cast<std::size_t>(index) >= buffers_.size()) {
    return Invalid("index", std::to_string(index),
                   "there are " + std::to_string(buffers_.size()) + " views");
  }
  const Buffer& buffer = *buffers_[static_cast<std::size_t>(index)];
  view = {};
  view.name = buffer.name;
  view.buffer.data = view.view.data = buffer.memory.data();
  view.buffer.device = view.view.device = device_;
  view.buffer.dtype = view.view.dtype = buffer.dtype;
  view.buffer.ndim = view.view.ndim = static_cast<std::int32_t>(buffer.shape.size());
  view.buffer.shape = const_cast<std::int64_t*>(buffer.shape.data());
  view.view.shape = const_cast<std::int64_t*>(buffer.view_shape.data());
  view.buffer.strides = const_cast<std::int64_t*>(buffer.strides.data());
  view.view.strides = const_cast<std::int64_t*>(buffer.view_strides.data());
  view.buffer_bytes = BytesOf(buffer.dtype, buffer.shape);
  return {};
}

}  // namespace attest::gpu::graph
