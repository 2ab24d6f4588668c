// SPDX-License-Identifier: Apache-2.0
//
// The target's configs and --set.
#include "reference/drafter/parse.h"

#include <fmt/format.h>

#include <array>

#include "reference/drafter/parse_values.h"
#include "spec/vocabulary/json_text.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;

void ReadModel(JsonObject& o, ModelConfig& model) {
  Values v(o);
  v.Positive("head_dim", model.head_dim);
  v.Positive("num_attention_heads", model.num_attention_heads);
  v.Positive("num_key_value_heads", model.num_key_value_heads);
  v.Positive("num_hidden_layers", model.num_hidden_layers);
  v.Positive("vocab_size", model.vocab_size);
  v.Positive("max_model_len", model.max_model_len);
  v.OneOf("dtype", {"auto", "float16", "bfloat16", "float32"}, model.dtype);
  v.Bool("use_mla", model.use_mla);
  v.Bool("use_sparse", model.use_sparse);
  v.Bool("has_sink", model.has_sink);
  v.Bool("has_sliding_window", model.has_sliding_window);
  v.Bool("is_mm_prefix_lm", model.is_mm_prefix_lm);
  v.Bool("use_per_head_quant_scales", model.use_per_head_quant_scales);
  v.OneOf("attn_type", {"decoder", "encoder", "encoder_only", "encoder_decoder"}, model.attn_type);
}

void ReadCache(JsonObject& o, CacheConfig& cache) {
  Values v(o);
  v.Positive("block_size", cache.block_size);
  v.Text("cache_dtype", cache.cache_dtype);
  v.Bool("disable_hybrid_kv_cache_manager", cache.disable_hybrid_kv_cache_manager);
}

void ReadAttention(JsonObject& o, AttentionConfig& attention) {
  Values v(o);
  v.TextOrNull("backend", attention.backend);
  std::optional<std::int64_t> version;
  v.Positive("flash_attn_version", version);
  if (version.has_value() && (*version < 2 || *version > 4)) {
    o.Fail("flash_attn_version", "neither 2, 3, 4 nor null");
  }
  if (version.has_value()) attention.flash_attn_version = static_cast<int>(*version);
  v.Bool("use_non_causal", attention.use_non_causal);
  v.Bool("use_trtllm_attention", attention.use_trtllm_attention);
  v.Int("flash_attn_max_num_splits_for_cuda_graph",
        attention.flash_attn_max_num_splits_for_cuda_graph);
  v.Int("tq_max_kv_splits_for_cuda_graph", attention.tq_max_kv_splits_for_cuda_graph);
  v.Bool("use_prefill_decode_attention", attention.use_prefill_decode_attention);
  v.Bool("disable_flashinfer_q_quantization", attention.disable_flashinfer_q_quantization);
  v.Bool("use_prefill_query_quantization", attention.use_prefill_query_quantization);
  v.Bool("use_fp4_indexer_cache", attention.use_fp4_indexer_cache);
  v.Bool("use_cudnn_prefill", attention.use_cudnn_prefill);
  v.Text("mla_prefill_backend", attention.mla_prefill_backend);
  const Json* map = o.Optional("backend_per_kind");
  if (map == nullptr) return;
  if (!map->is_object()) return o.Fail("backend_per_kind", "not an object");
  for (const auto& [kind, name] : map->items()) {
    if (!name.is_string()) return o.Fail("backend_per_kind", fmt::format("{}: not a text", kind));
    attention.backend_per_kind[kind] = name.get<std::string>();
  }
}

void ReadParallel(JsonObject& o, ParallelConfig& parallel) {
  Values v(o);
  v.Positive("tensor_parallel_size", parallel.tensor_parallel_size);
  v.Positive("prefill_context_parallel_size", parallel.prefill_context_parallel_size);
  v.Positive("decode_context_parallel_size", parallel.decode_context_parallel_size);
}

void ReadEnvironment(JsonObject& o, Environment& environment) {
  Values v(o);
  v.Bool("batch_invariant", environment.batch_invariant);
  v.Bool("kv_connector", environment.kv_connector);
  v.Bool("adaptive_verification", environment.adaptive_verification);
  v.Bool("rocm_aiter_mha", environment.rocm_aiter_mha);
  v.Bool("rocm_aiter_mla", environment.rocm_aiter_mla);
  v.Bool("rocm_aiter_found", environment.rocm_aiter_found);
}

void ReadSpeculative(JsonObject& o, SpeculativeConfig& spec) {
  Values v(o);
  v.Text("method", spec.method);
  v.TextOrNull("model", spec.model);
  v.IntegerOrNull("num_speculative_tokens", spec.num_speculative_tokens);
  v.TextOrNull("attention_backend", spec.attention_backend);
  v.Text("moe_backend", spec.moe_backend);
  v.Text("kv_cache_dtype", spec.kv_cache_dtype);
  v.Bool("disable_padded_drafter_batch", spec.disable_padded_drafter_batch);
  v.Positive("draft_tensor_parallel_size", spec.draft_tensor_parallel_size);
  v.Positive("tensor_parallel_size", spec.tensor_parallel_size);
  v.Positive("max_model_len", spec.max_model_len);
  v.Bool("enforce_eager", spec.enforce_eager);
  v.OneOf("draft_sample_method", {"greedy", "probabilistic"}, spec.draft_sample_method);
  v.Bool("use_local_argmax_reduction", spec.use_local_argmax_reduction);
  v.Bool("use_heterogeneous_vocab", spec.use_heterogeneous_vocab);
}

template <typename Config>
Status ReadSection(JsonObject& whole, const char* key, void (*read)(JsonObject&, Config&),
                   Config& config) {
  const Json* section = whole.Optional(key);
  if (section == nullptr) return {};
  JsonObject object(*section, key);
  read(object, config);
  return object.Done();
}

// "a.b.c" into an object, making objects on the way. False where a value stands in the way.
bool Place(Json& json, std::string_view path, Json value) {
  Json* at = &json;
  while (true) {
    if (at->is_null()) *at = Json::object();
    if (!at->is_object()) return false;
    const std::size_t dot = path.find('.');
    Json& next = (*at)[std::string(path.substr(0, dot))];
    if (dot == std::string_view::npos) {
      next = std::move(value);
      return true;
    }
    at = &next;
    path.remove_prefix(dot + 1);
  }
}

// The text of a whole file; what `read` has against its JSON gets its place.
template <typename Config>
Result<Config> Parse(std::string_view filename, std::string_view text,
                     Result<Config> (*read)(const Json&)) {
  const Result<Json> json = ParseJson(filename, text);
  if (!json.ok()) return json.status();
  Result<Config> config = read(*json);
  if (!config.ok()) return WithPlace(filename, text, config.status());
  return config;
}

}  // namespace

Result<TargetConfig> TargetFromJson(const Json& json) {
  if (!json.is_object()) return BadInput("the whole: not an object");
  TargetConfig target;
  JsonObject object(json, "");
  std::array<Status, 6> sections = {
      ReadSection(object, "model", ReadModel, target.model),
      ReadSection(object, "cache", ReadCache, target.cache),
      ReadSection(object, "attention", ReadAttention, target.attention),
      ReadSection(object, "parallel", ReadParallel, target.parallel),
      ReadSection(object, "environment", ReadEnvironment, target.environment),
      ReadSection(object, "speculative", ReadSpeculative, target.speculative)};
  Values values(object);
  values.TextOrNull("attention_backend", target.attention_backend_flag);
  values.Text("moe_backend", target.moe_backend);
  for (Status& section : sections) {
    if (!section.ok()) return std::move(section);
  }
  if (Status status = object.Done(); !status.ok()) return status;
  return target;
}

Result<TargetConfig> ParseTarget(std::string_view filename, std::string_view text) {
  return Parse(filename, text, TargetFromJson);
}

Result<DraftConfig> ParseDraft(std::string_view filename, std::string_view text) {
  return Parse(filename, text, DraftFromJson);
}

Status ApplySet(std::string_view assignment, Json& target, Json& draft) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return BadInput(fmt::format("--set {}: not KEY=VALUE", assignment));
  }
  std::string_view key = assignment.substr(0, equals);
  const std::string text(assignment.substr(equals + 1));
  Result<Json> parsed = ParseJson("--set", text);
  const bool looks_json =
      !text.empty() && std::string_view("{[\"").find(text[0]) != std::string_view::npos;
  if (!parsed.ok() && looks_json) {
    return BadInput(fmt::format("--set {}: {}", key, parsed.status().message()));
  }
  Json value = parsed.ok() ? std::move(*parsed) : Json(text);
  const bool to_draft = key.starts_with("draft.");
  if (to_draft) key.remove_prefix(6);
  const bool empty_part = key.empty() || key.front() == '.' || key.back() == '.' ||
                          key.find("..") != std::string_view::npos;
  if (empty_part || !Place(to_draft ? draft : target, key, std::move(value))) {
    return BadInput(fmt::format("--set {}: the key leads nowhere", assignment));
  }
  return {};
}

}  // namespace attest::drafter
