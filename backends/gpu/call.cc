// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/call.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "backends/gpu/dtype.h"
#include "backends/gpu/tensors.h"

namespace attest::gpu {
namespace {

bool Has(const attest_problem_t& p, std::uint32_t flag) { return (p.flags & flag) != 0; }
bool Paged(const attest_problem_t& p) { return p.attention_type != ATTEST_ENCODER_ONLY; }

std::vector<Wanted> AllTensors(const attest_problem_t& p, const attest_forward_args_t& a,
                               bool step_keys) {
  const AxisExtent tokens = OrMore(p.num_actual_tokens);
  std::vector<Wanted> wanted;
  if (Paged(p)) {
    wanted = CacheTensors(p, a.key_cache, a.value_cache, a.key_scale, a.value_scale);
    wanted.push_back(
        {"block_table", &a.block_table, kInt32DType, {{p.num_requests}, {p.block_table_width}}});
  }
  const auto want = [&](bool condition, Wanted one) {
    if (condition) wanted.push_back(std::move(one));
  };
  want(true, {"query", &a.query, p.query_dtype, {tokens, {p.num_q_heads}, {p.head_dim_qk}}});
  want(true, {"out", &a.out, p.output_dtype, {tokens, {p.num_q_heads}, {p.head_dim_v}}});
  want(true, {"query_start_loc", &a.query_start_loc, kInt32DType, {{p.num_requests + 1}}});
  want(true, {"seq_lens", &a.seq_lens, kInt32DType, {{p.num_requests}}});
  want(step_keys, {"key", &a.key, p.query_dtype, {tokens, {p.num_kv_heads}, {p.head_dim_qk}}});
  want(step_keys, {"value", &a.value, p.query_dtype, {tokens, {p.num_kv_heads}, {p.head_dim_v}}});
  want(Has(p, ATTEST_FLAG_LSE), {"lse", &a.lse, kFloat32DType, {tokens, {p.num_q_heads}}});
  want(Has(p, ATTEST_FLAG_SINKS), {"sinks", &a.sinks, kFloat32DType, {{p.num_q_heads}}});
  want(Has(p, ATTEST_FLAG_ALIBI),
       {"alibi_slopes", &a.alibi_slopes, kFloat32DType, {{p.num_q_heads}}});
  want(Has(p, ATTEST_FLAG_PREFIX_RANGES),
       {"prefix_ranges", &a.prefix_ranges, kInt64DType, {OrMore(0), {3}}});
  return wanted;
}

// ---- Lengths, from the copies that the caller keeps for planning

Answer CheckLengths(const attest_problem_t& p, const attest_forward_args_t& a) {
  const std::int32_t* starts = a.query_start_loc_cpu;
  const std::int32_t* lengths = a.seq_lens_cpu;
  if (starts == nullptr || lengths == nullptr) return {};
  if (starts[0] != 0) return Invalid("query_start_loc[0]", std::to_string(starts[0]), "not 0");
  for (std::int64_t r = 0; r < p.num_requests; ++r) {
    const std::string at = std::string("[").append(std::to_string(r)).append("]");
    const std::int64_t q_len = std::int64_t{starts[r + 1]} - starts[r];
    const std::int64_t seq_len = lengths[r];
    const std::int64_t pages = Paged(p) ? (seq_len + p.block_size - 1) / p.block_size : 0;
    const struct {
      bool broken;
      std::string field;
      std::int64_t value;
      const char* why;
    } rules[] = {
        {q_len < 0 || q_len > p.max_query_len, "query_start_loc" + at, q_len,
         "a q_len outside 0..max_query_len"},
        {seq_len < 0 || seq_len > p.max_seq_len, "seq_lens" + at, seq_len,
         "outside 0..max_seq_len"},
        {!Paged(p) && seq_len != q_len, "seq_lens" + at, seq_len,
         "differs from the q_len of encoder-only attention"},
        {pages > p.block_table_width, "block_table_width", p.block_table_width,
         "less than the pages of a request"},
    };
    for (const auto& rule : rules) {
      if (rule.broken) return Invalid(rule.field, std::to_string(rule.value), rule.why);
    }
  }
  if (starts[p.num_requests] == p.num_actual_tokens) return {};
  return Invalid("num_actual_tokens", std::to_string(p.num_actual_tokens),
                 "query_start_loc ends at " + std::to_string(starts[p.num_requests]));
}

// ---- Views

RowView PackedRows(const attest_tensor_t& tensor) {
  RowView rows;
  if (tensor.ndim != 3 || tensor.data == nullptr) return rows;
  rows.data = DataOf(tensor);
  rows.slot = tensor.strides[0];
  rows.head = tensor.strides[1];
  rows.column = tensor.strides[2];
  rows.piece = static_cast<std::int32_t>(tensor.shape[2]);
  rows.element = *ElementOf(tensor.dtype);
  return rows;
}

IntView IntsOf(const attest_tensor_t& tensor) {
  const bool matrix = tensor.ndim == 2;
  return {static_cast<const std::int32_t*>(DataOf(tensor)), matrix ? tensor.strides[0] : 0,
          tensor.strides[matrix ? 1 : 0]};
}

std::int64_t WindowOf(std::int64_t window) { return window == 0 || window > kFar ? kFar : window; }

void FillTensors(const attest_problem_t& p, const attest_forward_args_t& a, Step& step) {
  AttentionParams& to = step.params;
  to.query = TokensOf(a.query);
  to.out = TokensOf(a.out);
  if (Has(p, ATTEST_FLAG_LSE)) to.lse = FloatsOf(a.lse);
  to.query_start_loc = IntsOf(a.query_start_loc);
  to.seq_lens = IntsOf(a.seq_lens);
  if (p.attention_type != ATTEST_ENCODER_DECODER) {
    step.step_key = PackedRows(a.key);
    step.step_value = PackedRows(a.value);
  }
  if (Paged(p)) {
    to.key = CacheRows(a.key_cache, p.kv_layout);
    to.value = CacheRows(a.value_cache, p.kv_layout);
    to.block_table = IntsOf(a.block_table);
  } else {
    to.key = step.step_key;
    to.value = step.step_value;
  }
  if (p.kv_scale_kind != ATTEST_KV_SCALE_NONE) {
    to.key_scale = ScalesOf(a.key_scale);
    to.value_scale = ScalesOf(a.value_scale);
  }
  if (Has(p, ATTEST_FLAG_SINKS)) to.sinks = FloatsOf(a.sinks);
  if (Has(p, ATTEST_FLAG_ALIBI)) to.alibi_slopes = FloatsOf(a.alibi_slopes);
  if (Has(p, ATTEST_FLAG_PREFIX_RANGES)) {
    to.prefix_ranges = {static_cast<const std::int64_t*>(DataOf(a.prefix_ranges)),
                        a.prefix_ranges.strides[0], a.prefix_ranges.strides[1],
                        a.prefix_ranges.shape[0]};
  }
}

}  // namespace

Answer CheckCall(const attest_problem_t& problem, const attest_forward_args_t& args,
                 bool needs_step_keys) {
  if (args.struct_size < sizeof(args)) {
    return Invalid("args.struct_size", std::to_string(args.struct_size), "too small");
  }
  const bool step_keys = needs_step_keys || !Paged(problem);
  if (Answer answer = CheckTensors(AllTensors(problem, args, step_keys)); !answer.ok()) {
    return answer;
  }
  return CheckLengths(problem, args);
}

Step StepOf(const attest_problem_t& problem, const attest_forward_args_t& args,
            const DeviceFacts& device) {
  Step step = {
      .problem = problem, .device = device, .params = {}, .step_key = {}, .step_value = {}};
  FillTensors(problem, args, step);
  AttentionParams& to = step.params;
  to.window_left = WindowOf(problem.window_left);
  to.window_right = WindowOf(problem.window_right);
  to.scale = problem.scale;
  to.softcap = problem.softcap;
  to.num_requests = static_cast<std::int32_t>(problem.num_requests);
  to.num_q_heads = problem.num_q_heads;
  to.num_kv_heads = problem.num_kv_heads;
  to.group = problem.num_q_heads / problem.num_kv_heads;
  to.head_dim_qk = problem.head_dim_qk;
  to.head_dim_v = problem.head_dim_v;
  to.block_size = problem.block_size;
  to.prefix_clamped = Has(problem, ATTEST_FLAG_PREFIX_CLAMPED) ? 1 : 0;
  return step;
}

}  // namespace attest::gpu
