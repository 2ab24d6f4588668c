// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/graph.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

namespace attest::cpu {
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
                                 Member{"slot_mapping", &Args::slot_mapping},
                                 Member{"request_causal", &Args::request_causal},
                                 Member{"sinks", &Args::sinks},
                                 Member{"alibi_slopes", &Args::alibi_slopes},
                                 Member{"prefix_ranges", &Args::prefix_ranges},
                                 Member{"tree_mask", &Args::tree_mask},
                                 Member{"custom_mask", &Args::custom_mask},
                                 Member{"key_scale", &Args::key_scale},
                                 Member{"value_scale", &Args::value_scale},
                                 Member{"out", &Args::out},
                                 Member{"lse", &Args::lse}};

// Read from buffers of the graph's own: the caller may hold what it likes behind a step's entries,
// and lay the rows of a table where it likes.
constexpr std::array kBuffered = {&Args::query_start_loc, &Args::seq_lens, &Args::block_table,
                                  &Args::request_causal};

bool IsBuffered(attest_tensor_t Args::*tensor) {
  return std::find(kBuffered.begin(), kBuffered.end(), tensor) != kBuffered.end();
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

}  // namespace

Graph::Graph(const attest_problem_t& maximum, const attest_forward_args_t& args)
    : maximum_(maximum), step_(maximum), args_(args) {
  for (const Member& member : kMembers) {
    const attest_tensor_t& tensor = args.*member.tensor;
    Captured& captured =
        captured_.emplace_back(Captured{.tensor = tensor, .shape = {}, .strides = {}});
    if (tensor.data == nullptr) continue;
    captured.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
    captured.strides.assign(tensor.strides, tensor.strides + tensor.ndim);
    captured.tensor.shape = captured.shape.data();
    captured.tensor.strides = captured.strides.data();
    args_.*member.tensor = captured.tensor;
    if (!IsBuffered(member.tensor)) continue;
    buffers_.emplace_back(member.name, tensor.dtype, captured.shape);
    of_buffers_.push_back(member.tensor);
  }
  args_.query_start_loc_cpu = args_.seq_lens_cpu = nullptr;  // good until the call returns
  tiles_.reserve(static_cast<std::size_t>(MostTiles(maximum)));
  (void)Put(maximum, args);
}

Answer Graph::CheckStep(const attest_problem_t& step, const attest_forward_args_t& args) const {
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
    const attest_tensor_t& then = captured_[i].tensor;
    const std::string name = kMembers[i].name;
    if (now.data != then.data || now.byte_offset != then.byte_offset || now.ndim != then.ndim) {
      return Invalid(name, "elsewhere", "tensors stay where they were captured");
    }
    if (then.data == nullptr || IsBuffered(kMembers[i].tensor)) continue;
    if (!std::equal(now.strides, now.strides + now.ndim, then.strides)) {
      return Invalid(name + ".strides", "others", "strides stay as they were captured");
    }
  }
  return {};
}

Answer Graph::Put(const attest_problem_t& step, const attest_forward_args_t& args) {
  for (std::size_t i = 0; i < of_buffers_.size(); ++i) {
    if (Answer answer = buffers_[i].Take(args.*of_buffers_[i]); !answer.ok()) return answer;
    args_.*of_buffers_[i] = buffers_[i].view();
  }
  for (std::size_t i = 0; i < kMembers.size(); ++i) {
    const attest_tensor_t& now = args.*kMembers[i].tensor;
    if (now.data == nullptr || IsBuffered(kMembers[i].tensor)) continue;
    std::copy_n(now.shape, now.ndim, captured_[i].shape.begin());
  }
  step_ = step;
  FindTiles(step_, args_, tiles_);
  return {};
}

Answer Graph::Update(const attest_problem_t& step, const attest_forward_args_t& args) {
  if (Answer answer = CheckStep(step, args); !answer.ok()) return answer;
  return Put(step, args);
}

void Graph::Replay(Engine& engine) { engine.Attend(step_, args_, tiles_); }

Answer Graph::Inspect(std::int32_t index, attest_persistent_view_t& view) const {
  if (index < 0 || static_cast<std::size_t>(index) >= buffers_.size()) {
    return Invalid("index", std::to_string(index),
                   "there are " + std::to_string(buffers_.size()) + " views");
  }
  view = buffers_[static_cast<std::size_t>(index)].Describe();
  return {};
}

}  // namespace attest::cpu
