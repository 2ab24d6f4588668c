// SPDX-License-Identifier: Apache-2.0
//
// Configurations: what the choices of a resolve question mean.
#include <array>

#include "property_tests/drafter/choices.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;

// One key and the values that it may have, as JSON; "" leaves the base alone, "-" takes the key
// out.
struct Key {
  std::string_view pointer;  // into {"target": ..., "draft": ...}
  std::vector<std::string_view> values;
};

constexpr std::string_view kBase = R"({
  "target": {"speculative": {"method": "dflash", "num_speculative_tokens": 7}},
  "draft": {"architectures": ["DFlashDraftModel"], "num_hidden_layers": 2, "hidden_size": 2560,
            "head_dim": 128, "num_attention_heads": 32, "num_key_value_heads": 8,
            "vocab_size": 151936, "sliding_window": 2048,
            "dflash_config": {"mask_token_id": 151669, "target_layer_ids": [1, 9]}}
})";

const std::vector<std::string_view>& Backends() {
  static const std::vector<std::string_view> kNames = {"",
                                                       R"("FLASH_ATTN")",
                                                       R"("FLEX_ATTENTION")",
                                                       R"("TRITON_ATTN")",
                                                       R"("FLASHINFER")",
                                                       R"("ROCM_ATTN")",
                                                       R"("ROCM_AITER_UNIFIED_ATTN")",
                                                       R"("FLASH_ATTN_MLA")",
                                                       R"("CPU_ATTN")",
                                                       R"("AuTo")",
                                                       R"("flash_attn")",
                                                       R"("flash-attn")",
                                                       R"(" FLASH_ATTN")",
                                                       "null"};
  return kNames;
}

const std::vector<std::string_view>& Flags() {
  static const std::vector<std::string_view> kFlags = {"",  "true", "false",      "null",
                                                       "0", "1",    R"("false")", R"("")"};
  return kFlags;
}

const std::vector<Key>& Keys() {
  static const std::vector<Key> kKeys = {
      {"/draft/dflash_config/causal", Flags()},
      {"/draft/is_causal", Flags()},
      {"/draft/layer_types",
       {"", R"(["full_attention", "full_attention"])",
        R"(["sliding_attention", "sliding_attention"])",
        R"(["sliding_attention", "full_attention"])", "[]", "null",
        R"(["full_attention", "chunked_attention"])"}},
      {"/target/speculative/attention_backend", Backends()},
      {"/target/attention_backend", Backends()},
      {"/target/attention/backend", Backends()},
      {"/target/attention/backend_per_kind",
       {"", R"({"full_attention": "TRITON_ATTN"})", R"({"sliding_attention": "TRITON_ATTN"})",
        R"({"sliding_window": "FLEX_ATTENTION"})"}},
      {"/target/environment/batch_invariant", {"", "true"}},
      {"/target/environment/kv_connector", {"", "true"}},
      {"/target/environment/rocm_aiter_mha", {"", "true"}},
      {"/target/environment/rocm_aiter_found", {"", "true"}},
      {"/target/model/use_mla", {"", "true"}},
      {"/target/model/is_mm_prefix_lm", {"", "true"}},
      {"/target/model/has_sink", {"", "true"}},
      {"/target/model/head_dim", {"", "64", "256", "80"}},
      {"/target/cache/block_size", {"", "16", "12", "64", "1"}},
      {"/target/cache/cache_dtype", {"", R"("fp8")", R"("bfloat16")"}},
      {"/target/moe_backend", {"", R"("triton")"}},
      {"/target/parallel/tensor_parallel_size", {"", "2"}},
      {"/target/speculative/kv_cache_dtype", {"", R"("auto")", R"("fp8")"}},
      {"/target/speculative/moe_backend", {"", R"("marlin")"}},
      {"/target/speculative/num_speculative_tokens", {"", "1", "15", "16", "0"}},
      {"/target/speculative/method",
       {"", R"("eagle3")", R"("mtp")", R"("draft_model")", R"("ngram")", R"("dspark")", "-"}},
      {"/target/speculative/model", {"", R"("org/some-DFlash-b16")", R"("org/some-eagle3")"}},
      {"/target/speculative/disable_padded_drafter_batch", {"", "true"}},
      {"/target/speculative/draft_tensor_parallel_size", {"", "1", "2"}},
      {"/target/speculative/tensor_parallel_size", {"", "1"}},
      {"/target/speculative/max_model_len", {"", "1024"}},
      {"/draft/num_hidden_layers", {"", "1", "5"}},
      {"/draft/head_dim", {"", "64", "80", "96", "512"}},
      {"/draft/sliding_window", {"", "1024", "null", "-"}},
      {"/draft/dflash_config/swa_window_size", {"", "512", "null"}},
      {"/draft/dflash_config/use_swa", {"", "true", "false"}},
      {"/draft/dflash_config/mask_token_id", {"", "4", "null", "-"}},
      {"/draft/mask_token_id", {"", "5", "null"}},
      {"/draft/pard_token", {"", "6"}},
      {"/draft/dflash_config/target_layer_ids", {"", "-", "[]", "[0, 35]"}},
      {"/draft/target_layer_ids", {"", "[2, 4]"}},
      {"/draft/eagle_aux_hidden_state_layer_ids", {"", "[3, 5]"}},
      {"/draft/dflash_config/attention_sink_bias", {"", "true"}},
      {"/draft/dflash_config/sample_from_anchor", {"", "true"}},
      {"/draft/dflash_config/block_size", {"", "8", "16"}},
      {"/draft/block_size", {"", "16"}},
      {"/draft/rope_scaling", {"", R"({"mrope_section": [8, 12, 12]})"}},
      {"/draft/architectures", {"", R"(["Qwen3ForCausalLM"])"}},
      {"/draft/rms_norm_eps", {"", "1e-5"}},
  };
  return kKeys;
}

constexpr std::array<std::string_view, 8> kPlatforms = {
    "cuda:9.0", "cuda:8.0", "cuda:10.0", "cuda:7.5", "cuda:12.0", "cuda:8.9", "rocm", "cpu"};

// Before the keys: era, runner, platform, and whether the draft is in the speculators format.
constexpr std::size_t kFirstKey = 4;

// The same drafter as a speculators checkpoint; absent, true, false.
void MakeSpeculators(int flag, Json& draft) {
  Json base = draft;
  base.erase("dflash_config");
  draft = {{"speculators_model_type", "dflash"},
           {"transformer_layer_config", base},
           {"aux_hidden_state_layer_ids", {2, 10}},
           {"mask_token_id", 7}};
  if (flag == 2) draft["sliding_window_non_causal"] = true;
  if (flag == 3) draft["sliding_window_non_causal"] = false;
}

void Apply(const Key& key, int value, Json& configs) {
  const std::string_view text = key.values[static_cast<std::size_t>(value)];
  if (text.empty()) return;
  const Json::json_pointer pointer{std::string(key.pointer)};
  if (text == "-") {
    Json& parent = configs[pointer.parent_pointer()];
    parent.erase(pointer.back());
  } else {
    configs[pointer] = Json::parse(text);
  }
}

}  // namespace

std::vector<int> ResolveSizes(const Scope& scope) {
  std::vector<int> sizes = {static_cast<int>(scope.eras.size()),
                            static_cast<int>(scope.runners.size()),
                            static_cast<int>(kPlatforms.size()), 4};
  for (const Key& key : Keys()) sizes.push_back(static_cast<int>(key.values.size()));
  return sizes;
}

Question ResolveQuestion(const std::vector<int>& values, const Scope& scope) {
  static const Json kConfigs = Json::parse(kBase);
  Json configs = kConfigs;
  for (std::size_t i = 0; i < Keys().size(); ++i) Apply(Keys()[i], values[kFirstKey + i], configs);
  Question question{.op = Op::kResolve,
                    .era = scope.eras[static_cast<std::size_t>(values[0])],
                    .runner = scope.runners[static_cast<std::size_t>(values[1])],
                    .platform = *ParsePlatform(kPlatforms[static_cast<std::size_t>(values[2])]),
                    .target = configs["target"],
                    .draft = configs["draft"]};
  if (values[3] > 0) MakeSpeculators(values[3], question.draft);
  return question;
}

}  // namespace attest::drafter
