// SPDX-License-Identifier: Apache-2.0
//
// The target's side: what vLLM's config classes hold, with their defaults. `{}` is a valid target:
// a GQA decoder with head_dim 128 in bfloat16 (float16 where the device has none), nothing asked
// for, everything chosen by itself. The JSON form and its keys: spec/drafter/target.schema.json.
#ifndef ATTEST_REFERENCE_DRAFTER_TARGET_CONFIG_H_
#define ATTEST_REFERENCE_DRAFTER_TARGET_CONFIG_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "reference/drafter/loose_value.h"

namespace attest::drafter {

// `--attention-config`. Backends stay as the user wrote them, as text or null: the parse rules are
// part of the model (ParseBackendName).
struct AttentionConfig {
  LooseValue backend;
  std::map<std::string, std::string> backend_per_kind;  // E5
  bool use_non_causal = false;                          // E1; public, though not meant for users
  std::optional<int> flash_attn_version;                // 2, 3 or 4
  std::optional<bool> use_trtllm_attention;
  int flash_attn_max_num_splits_for_cuda_graph = 32;
  int tq_max_kv_splits_for_cuda_graph = 32;
  bool use_prefill_decode_attention = false;
  bool disable_flashinfer_q_quantization = false;
  bool use_prefill_query_quantization = false;
  bool use_fp4_indexer_cache = false;
  bool use_cudnn_prefill = false;  // true: ValueError (removed)
  std::optional<std::string> mla_prefill_backend;
  friend bool operator==(const AttentionConfig&, const AttentionConfig&) = default;
};

// `--speculative-config`.
struct SpeculativeConfig {
  std::optional<std::string> method;
  LooseValue model;                   // absent: the draft config at hand; null: none
  LooseValue num_speculative_tokens;  // absent: this model takes the drafter's block size - 1
  LooseValue attention_backend;       // E1; absent and null: autoselect, never inherit
  std::optional<std::string> moe_backend;
  std::optional<std::string> kv_cache_dtype;
  bool disable_padded_drafter_batch = false;
  std::optional<std::int64_t> draft_tensor_parallel_size;
  std::optional<std::int64_t> tensor_parallel_size;  // always an error: the wrong key
  std::optional<std::int64_t> max_model_len;
  std::optional<bool> enforce_eager;
  std::string draft_sample_method = "greedy";
  bool use_local_argmax_reduction = false;
  bool use_heterogeneous_vocab = false;
  friend bool operator==(const SpeculativeConfig&, const SpeculativeConfig&) = default;
};

struct ModelConfig {
  std::int64_t head_dim = 128;
  std::int64_t num_attention_heads = 32;
  std::int64_t num_key_value_heads = 8;
  std::int64_t num_hidden_layers = 36;
  std::int64_t vocab_size = 151936;
  std::int64_t max_model_len = 40960;
  std::string dtype = "auto";  // bfloat16, and float16 on CUDA below 8.0; or a type's name
  bool use_mla = false;
  bool use_sparse = false;
  bool has_sink = false;
  bool has_sliding_window = false;
  bool is_mm_prefix_lm = false;
  bool use_per_head_quant_scales = false;
  std::string attn_type = "decoder";
  friend bool operator==(const ModelConfig&, const ModelConfig&) = default;
};

struct CacheConfig {
  std::optional<std::int64_t> block_size;  // only what the user gave can fail
  std::string cache_dtype = "auto";
  bool disable_hybrid_kv_cache_manager = false;  // sliding and full layers share one KV group
  friend bool operator==(const CacheConfig&, const CacheConfig&) = default;
};

struct ParallelConfig {
  std::int64_t tensor_parallel_size = 1;
  std::int64_t prefill_context_parallel_size = 1;
  std::int64_t decode_context_parallel_size = 1;
  friend bool operator==(const ParallelConfig&, const ParallelConfig&) = default;
};

// What the environment decides: VLLM_BATCH_INVARIANT, AITER on ROCm, a KV connector.
struct Environment {
  bool batch_invariant = false;
  bool kv_connector = false;
  bool adaptive_verification = false;
  bool rocm_aiter_mha = false;
  bool rocm_aiter_mla = false;
  bool rocm_aiter_found = false;
  friend bool operator==(const Environment&, const Environment&) = default;
};

struct TargetConfig {
  ModelConfig model;
  CacheConfig cache;
  AttentionConfig attention;
  LooseValue attention_backend_flag;  // --attention-backend, as typed
  ParallelConfig parallel;
  std::string moe_backend = "auto";
  Environment environment;
  SpeculativeConfig speculative;
  friend bool operator==(const TargetConfig&, const TargetConfig&) = default;
};

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_TARGET_CONFIG_H_
