// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/argument_check.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "backends/cpu/element_type.h"
#include "backends/cpu/int_list.h"
#include "backends/cpu/tensor_address.h"
#include "backends/cpu/tensor_check.h"

namespace attest::cpu {
namespace {

// The longest request of the call; 0 without requests.
struct Longest {
  std::int64_t q_len = 0;
  std::int64_t seq_len = 0;
};

Longest LongestOf(const attest_problem_t& p, const attest_forward_args_t& a) {
  const IntList starts(a.query_start_loc);
  const IntList lengths(a.seq_lens);
  Longest longest;
  for (std::int64_t r = 0; r < p.num_requests; ++r) {
    longest.q_len = std::max(longest.q_len, starts[r + 1] - starts[r]);
    longest.seq_len = std::max(longest.seq_len, lengths[r]);
  }
  return longest;
}

std::vector<Wanted> MainTensors(const attest_problem_t& p, const attest_forward_args_t& a) {
  const std::int64_t tokens = AtLeast(p.num_actual_tokens);
  std::vector<Wanted> wanted = {
      {"query", &a.query, {p.query_dtype}, {tokens, p.num_q_heads, p.head_dim_qk}},
      {"out", &a.out, {p.output_dtype}, {tokens, p.num_q_heads, p.head_dim_v}},
      {"query_start_loc", &a.query_start_loc, {kInt32DType}, {p.num_requests + 1}},
      {"seq_lens", &a.seq_lens, {kInt32DType}, {p.num_requests}},
  };
  const auto add = [&wanted](std::vector<Wanted> more) {
    std::move(more.begin(), more.end(), std::back_inserter(wanted));
  };
  if (p.attention_type == ATTEST_ENCODER_ONLY) {
    add({{"key", &a.key, {p.query_dtype}, {tokens, p.num_kv_heads, p.head_dim_qk}},
         {"value", &a.value, {p.query_dtype}, {tokens, p.num_kv_heads, p.head_dim_v}}});
  } else {
    add(CacheTensors(p, a.key_cache, a.value_cache));
    add(ScaleTensors(p, a.key_scale, a.value_scale));
    add({{"block_table", &a.block_table, {kInt32DType}, {p.num_requests, p.block_table_width}}});
  }
  if ((p.flags & ATTEST_FLAG_LSE) != 0) {
    add({{"lse", &a.lse, {kFloat32DType}, {tokens, p.num_q_heads}}});
  }
  return wanted;
}

// What masks and scores need. query_start_loc and seq_lens have passed their checks.
std::vector<Wanted> MaskTensors(const attest_problem_t& p, const attest_forward_args_t& a) {
  std::vector<Wanted> wanted;
  if ((p.flags & ATTEST_FLAG_SINKS) != 0) {
    wanted.push_back({"sinks", &a.sinks, {kFloat32DType}, {p.num_q_heads}});
  }
  if ((p.flags & ATTEST_FLAG_ALIBI) != 0) {
    wanted.push_back({"alibi_slopes", &a.alibi_slopes, {kFloat32DType}, {p.num_q_heads}});
  }
  if (p.attention_type == ATTEST_DECODER && p.causality == ATTEST_CAUSALITY_PER_REQUEST) {
    wanted.push_back({"request_causal", &a.request_causal, {kBoolDType}, {p.num_requests}});
  }
  if ((p.flags & ATTEST_FLAG_PREFIX_RANGES) != 0) {
    wanted.push_back({"prefix_ranges", &a.prefix_ranges, {kInt64DType}, {AtLeast(0), 3}});
  }
  const Longest longest = LongestOf(p, a);  // not the upper bounds, which must not matter
  if ((p.flags & ATTEST_FLAG_TREE_MASK) != 0) {
    wanted.push_back({"tree_mask",
                      &a.tree_mask,
                      {kBoolDType},
                      {AtLeast(p.num_actual_tokens), AtLeast(longest.q_len)}});
  }
  if (p.custom_mask_kind == ATTEST_MASK_NONE) return wanted;
  Wanted mask = {"custom_mask",
                 &a.custom_mask,
                 {kBoolDType},
                 {p.num_requests, p.num_q_heads, AtLeast(longest.q_len), AtLeast(longest.seq_len)}};
  if (p.custom_mask_kind == ATTEST_MASK_ADDITIVE) mask.dtypes = {kFloat32DType, p.query_dtype};
  wanted.push_back(std::move(mask));
  return wanted;
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

Answer CheckRanges(const attest_problem_t& p, const attest_forward_args_t& a) {
  if ((p.flags & ATTEST_FLAG_PREFIX_RANGES) == 0) return {};
  for (std::int64_t i = 0; i < a.prefix_ranges.shape[0]; ++i) {
    const auto request = ElementAt<std::int64_t>(a.prefix_ranges, {i, 0});
    const auto first = ElementAt<std::int64_t>(a.prefix_ranges, {i, 1});
    const auto last = ElementAt<std::int64_t>(a.prefix_ranges, {i, 2});
    const std::string field = At("prefix_ranges", i);
    if (request < 0 || request >= p.num_requests) {
      return Invalid(field + "[0]", std::to_string(request), "no request");
    }
    if (first < 0) return Invalid(field + "[1]", std::to_string(first), "negative");
    if (last < first) {
      return Invalid(field + "[2]", std::to_string(last), "before " + std::to_string(first));
    }
  }
  return {};
}

}  // namespace

Answer CheckArguments(const attest_problem_t& problem, const attest_forward_args_t& args) {
  if (args.struct_size < sizeof(args)) {
    return Invalid("args.struct_size", std::to_string(args.struct_size), "too small");
  }
  if (Answer answer = CheckTensors(MainTensors(problem, args)); !answer.ok()) return answer;
  if (problem.attention_type != ATTEST_ENCODER_ONLY) {
    Answer answer = CheckLatent(problem, args.key_cache, args.value_cache);
    if (!answer.ok()) return answer;
  }
  if (Answer answer = CheckMetadata(problem, args); !answer.ok()) return answer;
  if (Answer answer = CheckTensors(MaskTensors(problem, args)); !answer.ok()) return answer;
  return CheckRanges(problem, args);
}

}  // namespace attest::cpu
