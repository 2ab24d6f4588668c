// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/argument_check.h"

#include <cstdint>
#include <string>
#include <vector>

#include "backends/cpu/element_type.h"
#include "backends/cpu/int_list.h"

namespace attest::cpu {
namespace {

constexpr std::int64_t kAtLeastTokens = -1;  // in a wanted shape: num_actual_tokens or more

struct Wanted {
  const char* field;
  const attest_tensor_t* tensor;
  attest_dtype_t dtype;
  std::vector<std::int64_t> shape;
};

std::vector<Wanted> WantedTensors(const attest_problem_t& p, const attest_forward_args_t& a) {
  std::vector<Wanted> wanted = {
      {"query", &a.query, p.query_dtype, {kAtLeastTokens, p.num_q_heads, p.head_dim_qk}},
      {"out", &a.out, p.output_dtype, {kAtLeastTokens, p.num_q_heads, p.head_dim_v}},
      {"query_start_loc", &a.query_start_loc, kInt32DType, {p.num_requests + 1}},
      {"seq_lens", &a.seq_lens, kInt32DType, {p.num_requests}},
  };
  if (p.attention_type == ATTEST_ENCODER_ONLY) {
    wanted.push_back(
        {"key", &a.key, p.query_dtype, {kAtLeastTokens, p.num_kv_heads, p.head_dim_qk}});
    wanted.push_back(
        {"value", &a.value, p.query_dtype, {kAtLeastTokens, p.num_kv_heads, p.head_dim_v}});
  } else {
    wanted.push_back({"key_cache",
                      &a.key_cache,
                      p.cache_dtype,
                      {p.num_blocks, p.block_size, p.num_kv_heads, p.head_dim_qk}});
    wanted.push_back({"value_cache",
                      &a.value_cache,
                      p.cache_dtype,
                      {p.num_blocks, p.block_size, p.num_kv_heads, p.head_dim_v}});
    wanted.push_back(
        {"block_table", &a.block_table, kInt32DType, {p.num_requests, p.block_table_width}});
  }
  if ((p.flags & ATTEST_FLAG_LSE) != 0) {
    wanted.push_back({"lse", &a.lse, kFloat32DType, {kAtLeastTokens, p.num_q_heads}});
  }
  if ((p.flags & ATTEST_FLAG_SINKS) != 0) {
    wanted.push_back({"sinks", &a.sinks, kFloat32DType, {p.num_q_heads}});
  }
  return wanted;
}

Answer CheckTensor(const attest_problem_t& p, const Wanted& wanted) {
  const attest_tensor_t& tensor = *wanted.tensor;
  const std::string field = wanted.field;
  const auto rank = static_cast<std::int32_t>(wanted.shape.size());
  if (tensor.ndim != rank) {
    return Invalid(field + ".ndim", std::to_string(tensor.ndim), "not " + std::to_string(rank));
  }
  if (tensor.shape == nullptr) return Invalid(field + ".shape", "NULL", "missing");
  if (tensor.strides == nullptr) return Invalid(field + ".strides", "NULL", "missing");
  bool empty = false;
  for (std::size_t axis = 0; axis < wanted.shape.size(); ++axis) {
    const std::int64_t got = tensor.shape[axis];
    const bool rows = wanted.shape[axis] == kAtLeastTokens;
    const std::int64_t want = rows ? p.num_actual_tokens : wanted.shape[axis];
    if (rows ? got < want : got != want) {
      return Invalid(field + ".shape[" + std::to_string(axis) + "]", std::to_string(got),
                     (rows ? "less than " : "not ") + std::to_string(want));
    }
    empty = empty || got == 0;
  }
  if (tensor.data == nullptr && !empty) return Invalid(field + ".data", "NULL", "missing");
  if (tensor.device.device_type != ATTEST_DEVICE_CPU) {
    return Invalid(field + ".device", std::to_string(tensor.device.device_type), "not the CPU");
  }
  if (!SameDType(tensor.dtype, wanted.dtype)) {
    return Invalid(
        field + ".dtype",
        "code " + std::to_string(tensor.dtype.code) + " bits " + std::to_string(tensor.dtype.bits),
        "not that of the problem");
  }
  return {};
}

std::string At(const char* field, std::int64_t index) {
  return std::string(field) + "[" + std::to_string(index) + "]";
}

Answer CheckLengths(const attest_problem_t& p, const attest_forward_args_t& a, std::int64_t r) {
  const IntList starts(a.query_start_loc);
  const std::int64_t q_len = starts[r + 1] - starts[r];
  const std::int64_t seq_len = IntList(a.seq_lens)[r];
  if (q_len < 0) {
    return Invalid(At("query_start_loc", r + 1), std::to_string(starts[r + 1]),
                   "less than the entry before it");
  }
  if (q_len > p.max_query_len) {
    return Invalid("max_query_len", std::to_string(p.max_query_len),
                   "but request " + std::to_string(r) + " has q_len " + std::to_string(q_len));
  }
  if (seq_len < 0) return Invalid(At("seq_lens", r), std::to_string(seq_len), "negative");
  if (seq_len > p.max_seq_len) {
    return Invalid("max_seq_len", std::to_string(p.max_seq_len),
                   "but request " + std::to_string(r) + " has seq_len " + std::to_string(seq_len));
  }
  if (p.attention_type == ATTEST_ENCODER_ONLY && seq_len != q_len) {
    return Invalid(At("seq_lens", r), std::to_string(seq_len),
                   "differs from q_len " + std::to_string(q_len) + " of encoder-only attention");
  }
  return {};
}

Answer CheckPages(const attest_problem_t& p, const attest_forward_args_t& a, std::int64_t r) {
  const std::int64_t seq_len = IntList(a.seq_lens)[r];
  const std::int64_t pages = (seq_len + p.block_size - 1) / p.block_size;
  if (pages > p.block_table_width) {
    return Invalid("block_table_width", std::to_string(p.block_table_width),
                   "but request " + std::to_string(r) + " has " + std::to_string(pages) + " pages");
  }
  const IntList table(a.block_table, r);
  for (std::int64_t i = 0; i < pages; ++i) {
    if (table[i] >= 0 && table[i] < p.num_blocks) continue;
    return Invalid(At("block_table", r) + "[" + std::to_string(i) + "]", std::to_string(table[i]),
                   "no page of the cache");
  }
  return {};
}

Answer CheckMetadata(const attest_problem_t& p, const attest_forward_args_t& a) {
  const IntList starts(a.query_start_loc);
  if (starts[0] != 0) return Invalid("query_start_loc[0]", std::to_string(starts[0]), "not 0");
  for (std::int64_t r = 0; r < p.num_requests; ++r) {
    if (Answer answer = CheckLengths(p, a, r); !answer.ok()) return answer;
    if (p.attention_type == ATTEST_ENCODER_ONLY) continue;
    if (Answer answer = CheckPages(p, a, r); !answer.ok()) return answer;
  }
  if (starts[p.num_requests] != p.num_actual_tokens) {
    return Invalid("num_actual_tokens", std::to_string(p.num_actual_tokens),
                   "but query_start_loc ends at " + std::to_string(starts[p.num_requests]));
  }
  return {};
}

}  // namespace

Answer CheckArguments(const attest_problem_t& problem, const attest_forward_args_t& args) {
  if (args.struct_size < sizeof(args)) {
    return Invalid("args.struct_size", std::to_string(args.struct_size), "too small");
  }
  for (const Wanted& wanted : WantedTensors(problem, args)) {
    if (Answer answer = CheckTensor(problem, wanted); !answer.ok()) return answer;
  }
  return CheckMetadata(problem, args);
}

}  // namespace attest::cpu
