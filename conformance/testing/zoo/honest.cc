// SPDX-License-Identifier: Apache-2.0
#include "conformance/testing/zoo/honest.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace zoo {
namespace {

constexpr attest_dtype_t kFloat32 = {ATTEST_FLOAT, 32, 1};
constexpr attest_range_t kHeadDims = {1, 512, 1};
constexpr attest_range_t kGroupSizes = {1, 128, 1};
constexpr attest_range_t kBlockSizes = {1, 1024, 1};

bool IsFloat32(attest_dtype_t dtype) {
  return dtype.code == kFloat32.code && dtype.bits == kFloat32.bits && dtype.lanes == 1;
}

const char* Contradiction(const attest_problem_t& p) {
  if (p.num_q_heads < 1) return "num_q_heads is not positive";
  if (p.num_kv_heads < 1 || p.num_q_heads % p.num_kv_heads != 0) {
    return "num_kv_heads does not divide num_q_heads";
  }
  if (p.head_dim_qk < 1 || p.head_dim_v < 1) return "a head_dim is not positive";
  if (!std::isfinite(p.scale) || p.scale == 0.0F) return "scale is not finite and nonzero";
  if (!(p.softcap >= 0.0F) || std::isinf(p.softcap)) return "softcap is not finite and >= 0";
  if (p.window_left < 0 || p.window_right < 0) return "a window is negative";
  if (p.local_block_size < 0 || p.local_block_lookback < 0) return "a local block is negative";
  const bool windowed = p.window_left > 0 || p.window_right > 0 || p.local_block_size > 0;
  if (p.attention_type == ATTEST_ENCODER_DECODER && windowed) return "cross attention with window";
  const bool paged = p.attention_type != ATTEST_ENCODER_ONLY;
  if (paged ? p.block_size < 1 : p.block_size != 0) return "block_size does not fit attention_type";
  if (p.num_requests < 0 || p.num_actual_tokens < 0) return "a size is negative";
  return nullptr;
}

const char* UnknownValue(const attest_problem_t& p) {
  if (p.attention_type < 0 || p.attention_type > ATTEST_ENCODER_DECODER) return "attention_type";
  if (p.causality < 0 || p.causality > ATTEST_CAUSALITY_PER_REQUEST) return "causality";
  if (p.kv_layout < 0 || p.kv_layout > ATTEST_KV_X_SPLIT) return "kv_layout";
  if (p.custom_mask_kind < 0 || p.custom_mask_kind > ATTEST_MASK_ADDITIVE)
    return "custom_mask_kind";
  if (p.kv_scale_kind < 0 || p.kv_scale_kind > ATTEST_KV_SCALE_PER_TOKEN_HEAD) {
    return "kv_scale_kind";
  }
  if (p.flags >= ATTEST_FLAG_VALUE_IS_KEY_PREFIX << 1) return "flags";
  return nullptr;
}

const char* Unclaimed(const attest_problem_t& p) {
  constexpr uint32_t kKnownFlags =
      ATTEST_FLAG_LSE | ATTEST_FLAG_SINKS | ATTEST_FLAG_VALUE_IS_KEY_PREFIX;
  if (!IsFloat32(p.query_dtype) || !IsFloat32(p.cache_dtype) || !IsFloat32(p.output_dtype)) {
    return "only float32";
  }
  if ((p.flags & ~kKnownFlags) != 0) return "a flag that the zoo does not offer";
  if (p.causality == ATTEST_CAUSALITY_PER_REQUEST) return "no per-request causality";
  if (p.softcap != 0.0F) return "no softcap";
  if (p.local_block_size != 0) return "no local blocks";
  if (p.kv_layout != ATTEST_KV_STRIDED) return "only strided caches";
  if (p.custom_mask_kind != ATTEST_MASK_NONE) return "no custom masks";
  if (p.kv_scale_kind != ATTEST_KV_SCALE_NONE) return "no quantised caches";
  if (p.head_dim_qk > kHeadDims.last || p.head_dim_v > kHeadDims.last) return "head_dim above 512";
  if (p.num_q_heads / p.num_kv_heads > kGroupSizes.last) return "group size above 128";
  if (p.block_size > kBlockSizes.last) return "block_size above 1024";
  return nullptr;
}

// One query row of one head.
struct Row {
  int64_t request;
  int64_t token;     // row of query and out
  int64_t position;  // p
  int64_t seq_len;
  int64_t first_token;  // of the request
  int32_t q_head;
  int32_t kv_head;
};

bool Visible(const attest_problem_t& p, const Row& row, int64_t key) {
  if (p.attention_type == ATTEST_ENCODER_DECODER) return true;
  const bool causal = p.attention_type == ATTEST_DECODER && p.causality == ATTEST_CAUSAL;
  if (causal && key > row.position) return false;
  if (p.window_left > 0 && row.position - key >= p.window_left) return false;
  return !(p.window_right > 0 && key - row.position >= p.window_right);
}

const float* KeyOrValue(const attest_problem_t& p, const attest_forward_args_t& args,
                        const Row& row, int64_t key, bool value) {
  if (p.attention_type == ATTEST_ENCODER_ONLY) {
    return At(value ? args.value : args.key, row.first_token + key, row.kv_head, 0);
  }
  const attest_tensor_t& table = args.block_table;
  const auto* entries = static_cast<const int32_t*>(table.data);
  const int64_t page =
      entries[row.request * table.strides[0] + key / p.block_size * table.strides[1]];
  const attest_tensor_t& cache = value ? args.value_cache : args.key_cache;
  return At(cache, page, key % p.block_size, row.kv_head);
}

// The innermost stride: At() takes three indices and caches have four axes.
int64_t ColumnStride(const attest_tensor_t& tensor) { return tensor.strides[tensor.ndim - 1]; }

void ComputeRow(const attest_problem_t& p, const attest_forward_args_t& args, const Row& row) {
  const bool packed = p.attention_type == ATTEST_ENCODER_ONLY;
  const int64_t key_step = ColumnStride(packed ? args.key : args.key_cache);
  const int64_t value_step = ColumnStride(packed ? args.value : args.value_cache);
  const float* query = At(args.query, row.token, row.q_head, 0);
  std::vector<int64_t> keys;
  std::vector<double> scores;
  for (int64_t key = 0; key < row.seq_len; ++key) {
    if (!Visible(p, row, key)) continue;
    const float* k = KeyOrValue(p, args, row, key, false);
    double dot = 0;
    for (int32_t d = 0; d < p.head_dim_qk; ++d) {
      dot += static_cast<double>(query[d * ColumnStride(args.query)]) * k[d * key_step];
    }
    keys.push_back(key);
    scores.push_back(dot * p.scale);
  }
  const bool sink = (p.flags & ATTEST_FLAG_SINKS) != 0;
  const double infinity = std::numeric_limits<double>::infinity();
  const double sink_score =
      sink ? static_cast<const float*>(args.sinks.data)[row.q_head * args.sinks.strides[0]]
           : -infinity;
  double top = sink_score;
  for (const double score : scores) top = std::max(top, score);
  double sum = sink ? std::exp(sink_score - top) : 0.0;
  std::vector<double> out(static_cast<size_t>(p.head_dim_v), 0.0);
  for (size_t n = 0; n < keys.size(); ++n) {
    const double weight = std::exp(scores[n] - top);
    const float* v = KeyOrValue(p, args, row, keys[n], true);
    sum += weight;
    for (int32_t d = 0; d < p.head_dim_v; ++d) {
      out[static_cast<size_t>(d)] += weight * v[d * value_step];
    }
  }
  float* target = At(args.out, row.token, row.q_head, 0);
  for (int32_t d = 0; d < p.head_dim_v; ++d) {
    const double value = sum > 0 ? out[static_cast<size_t>(d)] / sum : 0.0;
    target[d * ColumnStride(args.out)] = static_cast<float>(value);
  }
  if ((p.flags & ATTEST_FLAG_LSE) != 0) {
    auto* lse = static_cast<float*>(args.lse.data);
    lse[row.token * args.lse.strides[0] + row.q_head * args.lse.strides[1]] =
        static_cast<float>(sum > 0 ? top + std::log(sum) : -infinity);
  }
}

}  // namespace

attest_status_t Say(attest_error_t* error, attest_status_t status, std::string_view text) {
  if (error == nullptr) return status;
  const size_t size = std::min(text.size(), sizeof(error->message) - 1);
  std::memcpy(error->message, text.data(), size);
  error->message[size] = '\0';
  return status;
}

float* At(const attest_tensor_t& tensor, int64_t i0, int64_t i1, int64_t i2) {
  return static_cast<float*>(tensor.data) + i0 * tensor.strides[0] + i1 * tensor.strides[1] +
         i2 * tensor.strides[2];
}

void HonestClaims(attest_claims_t& claims) {
  claims.features =
      ATTEST_CLAIM_DECODER_CAUSAL | ATTEST_CLAIM_DECODER_NON_CAUSAL | ATTEST_CLAIM_ENCODER_ONLY |
      ATTEST_CLAIM_ENCODER_DECODER | ATTEST_CLAIM_WINDOW_CAUSAL | ATTEST_CLAIM_WINDOW_SYMMETRIC |
      ATTEST_CLAIM_WINDOW_ASYMMETRIC | ATTEST_CLAIM_SINKS | ATTEST_CLAIM_LSE |
      ATTEST_CLAIM_KV_STRIDES | ATTEST_CLAIM_TOKEN_STRIDES | ATTEST_CLAIM_SHARED_LATENT |
      ATTEST_CLAIM_DETERMINISTIC | ATTEST_CLAIM_UNEQUAL_HEAD_DIMS;
  claims.name = "zoo";
  claims.version = "1";
  claims.vendor = "attest";
  claims.device_name = "host";
  claims.query_dtypes = claims.cache_dtypes = claims.output_dtypes = &kFloat32;
  claims.num_query_dtypes = claims.num_cache_dtypes = claims.num_output_dtypes = 1;
  claims.head_dims = &kHeadDims;
  claims.group_sizes = &kGroupSizes;
  claims.block_sizes = &kBlockSizes;
  claims.num_head_dims = claims.num_group_sizes = claims.num_block_sizes = 1;
}

attest_status_t HonestSupports(const attest_problem_t& problem, attest_error_t* error) {
  if (const char* field = UnknownValue(problem)) {
    return Say(error, ATTEST_INVALID_ARGUMENT, std::string(field) + ": unknown value");
  }
  if (const char* text = Contradiction(problem)) return Say(error, ATTEST_INVALID_ARGUMENT, text);
  if (const char* text = Unclaimed(problem)) return Say(error, ATTEST_REFUSED, text);
  return ATTEST_OK;
}

attest_status_t HonestForward(const attest_problem_t& problem, const attest_forward_args_t& args,
                              attest_error_t* error) {
  if (const attest_status_t status = HonestSupports(problem, error); status != ATTEST_OK) {
    return status;
  }
  const int32_t group = problem.num_q_heads / problem.num_kv_heads;
  for (int64_t r = 0; r < problem.num_requests; ++r) {
    const int64_t first = args.query_start_loc_cpu[r];
    const int64_t q_len = args.query_start_loc_cpu[r + 1] - first;
    const int64_t seq_len = args.seq_lens_cpu[r];
    for (int64_t i = 0; i < q_len; ++i) {
      for (int32_t h = 0; h < problem.num_q_heads; ++h) {
        ComputeRow(problem, args,
                   {.request = r,
                    .token = first + i,
                    .position = seq_len - q_len + i,
                    .seq_len = seq_len,
                    .first_token = first,
                    .q_head = h,
                    .kv_head = h / group});
      }
    }
  }
  return ATTEST_OK;
}

}  // namespace zoo
