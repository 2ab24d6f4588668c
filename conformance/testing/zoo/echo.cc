// SPDX-License-Identifier: Apache-2.0
#include "conformance/testing/zoo/echo.h"

#include <cinttypes>
#include <cstdio>

namespace zoo {
namespace {

std::string Number(int64_t value) { return std::to_string(value); }

std::string Float(float value) {
  char text[64];
  std::snprintf(text, sizeof(text), "%a", static_cast<double>(value));
  return text;
}

std::string DType(attest_dtype_t dtype) {
  return Number(dtype.code) + "." + Number(dtype.bits) + "." + Number(dtype.lanes);
}

template <typename T>
std::string List(const T* values, int64_t count) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) {
    if (i > 0) text += ',';
    text += Number(values[i]);
  }
  return text;
}

std::string Tensor(const char* name, const attest_tensor_t& tensor) {
  if (tensor.data == nullptr) return "";
  return std::string(name) + " " + List(tensor.shape, tensor.ndim) + "/" +
         List(tensor.strides, tensor.ndim) + " " + Number(tensor.dtype.code) + "." +
         Number(tensor.dtype.bits) + "@" + Number(*static_cast<const uint8_t*>(tensor.data)) + " ";
}

}  // namespace

std::string Describe(const attest_problem_t& p) {
  return "struct_size=" + Number(p.struct_size) + " attention_type=" + Number(p.attention_type) +
         " causality=" + Number(p.causality) + " flags=" + Number(p.flags) +
         " query_dtype=" + DType(p.query_dtype) + " cache_dtype=" + DType(p.cache_dtype) +
         " output_dtype=" + DType(p.output_dtype) + " kv_scale_kind=" + Number(p.kv_scale_kind) +
         " num_q_heads=" + Number(p.num_q_heads) + " num_kv_heads=" + Number(p.num_kv_heads) +
         " head_dim_qk=" + Number(p.head_dim_qk) + " head_dim_v=" + Number(p.head_dim_v) +
         " scale=" + Float(p.scale) + " softcap=" + Float(p.softcap) +
         " window_left=" + Number(p.window_left) + " window_right=" + Number(p.window_right) +
         " local_block_size=" + Number(p.local_block_size) +
         " local_block_lookback=" + Number(p.local_block_lookback) +
         " kv_layout=" + Number(p.kv_layout) + " block_size=" + Number(p.block_size) +
         " custom_mask_kind=" + Number(p.custom_mask_kind) + " reserved0=" + Number(p.reserved0) +
         " num_requests=" + Number(p.num_requests) +
         " num_actual_tokens=" + Number(p.num_actual_tokens) +
         " max_query_len=" + Number(p.max_query_len) + " max_seq_len=" + Number(p.max_seq_len) +
         " num_blocks=" + Number(p.num_blocks) +
         " block_table_width=" + Number(p.block_table_width);
}

std::string Describe(const attest_problem_t& problem, const attest_forward_args_t& a) {
  return Tensor("query", a.query) + Tensor("key", a.key) + Tensor("value", a.value) +
         Tensor("key_cache", a.key_cache) + Tensor("value_cache", a.value_cache) +
         Tensor("query_start_loc", a.query_start_loc) + Tensor("seq_lens", a.seq_lens) +
         Tensor("block_table", a.block_table) + Tensor("slot_mapping", a.slot_mapping) +
         Tensor("request_causal", a.request_causal) + Tensor("sinks", a.sinks) +
         Tensor("alibi_slopes", a.alibi_slopes) + Tensor("prefix_ranges", a.prefix_ranges) +
         Tensor("tree_mask", a.tree_mask) + Tensor("custom_mask", a.custom_mask) +
         Tensor("key_scale", a.key_scale) + Tensor("value_scale", a.value_scale) +
         Tensor("out", a.out) + Tensor("lse", a.lse) + "cpu " +
         List(a.query_start_loc_cpu, problem.num_requests + 1) + " " +
         List(a.seq_lens_cpu, problem.num_requests);
}

}  // namespace zoo
