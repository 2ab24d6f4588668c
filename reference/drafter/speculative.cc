// SPDX-License-Identifier: Apache-2.0
//
// SpeculativeConfig and the draft's shapes. Source: vllm/config/speculative.py at v0.27.1.
#include <algorithm>
#include <cctype>

#include "reference/drafter/derivation.h"

namespace attest::drafter {
namespace {

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool Contains(const std::vector<std::string>& texts, const std::string& text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

// Without a model's name the checkpoint itself says what it is.
std::string MethodOfCheckpoint(const DraftConfig& draft) {
  if (draft.speculators.has_value()) return draft.speculators->type;
  for (const std::string& architecture : draft.architectures) {
    if (architecture.find("DSpark") != std::string::npos) return "dspark";
  }
  return "dflash";
}

std::string MethodOf(const Derivation& d) {
  const SpeculativeConfig& spec = d.target.speculative;
  if (spec.method.has_value() && Contains(d.tables.kept_methods, *spec.method)) return *spec.method;
  if (spec.method.has_value() && *spec.method != "draft_model") return *spec.method;
  if (spec.model.kind != LooseKind::kText) {
    return spec.method.has_value() ? *spec.method : MethodOfCheckpoint(d.draft);
  }
  const std::string name = Lower(spec.model.text);
  for (const DetectionRule& rule : d.tables.detection) {
    if (name.find(rule.part) != std::string::npos) return rule.method;
  }
  if (Contains(d.draft.architectures, "MuseGlimmerAssistantModel")) return "dflash";
  return "draft_model";
}

std::int64_t Count(const std::string& formula, std::int64_t tokens) {
  if (formula == "K") return tokens;
  if (formula == "K-1") return tokens - 1;
  if (formula == "K+1") return tokens + 1;
  return formula == "1" ? 1 : 0;
}

void DeriveTokens(Derivation& d) {
  const LooseValue& given = d.target.speculative.num_speculative_tokens;
  EffectiveDrafter& drafter = d.out.drafter;
  if (given.kind == LooseKind::kInteger) {
    drafter.num_speculative_tokens = given.integer;
    if (given.integer <= 0) {
      d.Reject(Step::kSpeculative, "ValidationError",
               "num_speculative_tokens: Input should be greater than 0");
    }
    if (d.target.speculative.model.kind == LooseKind::kNull && drafter.method == "dflash") {
      d.Reject(Step::kSpeculative, "ValueError",
               "num_speculative_tokens was provided but without speculative model.");
    }
  } else if (d.draft.n_predict.has_value()) {
    drafter.num_speculative_tokens = d.draft.n_predict;
  } else if (d.draft.speculators.has_value() && d.draft.speculators->speculative_tokens) {
    drafter.num_speculative_tokens = d.draft.speculators->speculative_tokens;
  } else if (given.kind == LooseKind::kNull) {
    d.Reject(Step::kSpeculative, "ValueError",
             "A speculative model was provided, but `num_speculative_tokens` was not provided");
  } else {
    drafter.num_speculative_tokens =
        std::max<std::int64_t>(1, BlockSizeOf(d.draft).value_or(16) - 1);
    drafter.tokens_assumed = true;
  }
  if (!drafter.num_speculative_tokens.has_value()) return;
  const std::int64_t tokens = *drafter.num_speculative_tokens;
  const auto n = d.draft.n_predict;
  if (n.has_value() && *n > 0 && tokens > *n && tokens % *n != 0) {
    d.Reject(
        Step::kSpeculative, "ValueError",
        fmt::format("num_speculative_tokens:{} must be divisible by n_predict={}", tokens, *n));
  }
  d.Decide(Step::kSpeculative, [&] {
    return drafter.tokens_assumed
               ? fmt::format(
                     "num_speculative_tokens is {}: nobody gave it, block size - 1 is taken "
                     "(vLLM demands a number)",
                     tokens)
               : fmt::format("num_speculative_tokens is {}", tokens);
  });
}

void DeriveSizes(Derivation& d) {
  const SpeculativeConfig& spec = d.target.speculative;
  EffectiveDrafter& drafter = d.out.drafter;
  const std::int64_t target_tp = d.target.parallel.tensor_parallel_size;
  drafter.tensor_parallel_size = spec.draft_tensor_parallel_size.value_or(target_tp);
  if (drafter.tensor_parallel_size != 1 && drafter.tensor_parallel_size != target_tp) {
    d.Reject(
        Step::kSpeculative, "ValueError",
        fmt::format("speculative_draft_tensor_parallel_size={} cannot be other value than 1 or "
                    "target model tensor_parallel_size",
                    drafter.tensor_parallel_size));
  }
  if (spec.tensor_parallel_size.has_value()) {
    d.Reject(
        Step::kSpeculative, "ValueError",
        "'tensor_parallel_size' is not a valid argument in the speculative_config. Please pass "
        "'draft_tensor_parallel_size' instead.");
  }
  const std::int64_t target_max = d.target.model.max_model_len;
  const std::int64_t draft_max = d.draft.max_position_embeddings.value_or(target_max);
  drafter.max_model_len = std::min(draft_max, target_max);
  if (!spec.max_model_len.has_value()) return;
  drafter.max_model_len = spec.max_model_len;
  for (const auto& [name, limit] : {std::pair{"draft_max_model_len", draft_max},
                                    std::pair{"target_max_model_len", target_max}}) {
    if (*spec.max_model_len <= limit) continue;
    d.Reject(Step::kSpeculative, "ValueError",
             fmt::format("speculative_max_model_len={} cannot be larger than {}={}",
                         *spec.max_model_len, name, limit));
    return;
  }
}

// D1: the wrapped config keeps an architecture that begins or ends with DFlash.
void DeriveArchitectures(Derivation& d) {
  std::vector<std::string>& names = d.out.drafter.architectures;
  names = d.draft.architectures;
  if (d.out.drafter.method != "dflash" || d.draft.speculators.has_value()) return;
  for (std::string& name : names) {
    if (!name.starts_with("DFlash") && !name.ends_with("DFlash")) name.insert(0, "DFlash");
  }
}

}  // namespace

void DeriveSpeculative(Derivation& d) {
  EffectiveDrafter& drafter = d.out.drafter;
  drafter.method = MethodOf(d);
  d.method = d.tables.FindMethod(drafter.method);
  if (d.method == nullptr) {
    d.Reject(Step::kSpeculative, "NotImplementedError",
             fmt::format("Unsupported speculative method: '{}'", drafter.method));
    return;
  }
  d.Decide(Step::kSpeculative, [&] {
    return fmt::format(
        "method {}{}", drafter.method,
        d.target.speculative.method.has_value() ? "" : ", from the checkpoint or its name");
  });
  DeriveTokens(d);
  DeriveSizes(d);
  DeriveArchitectures(d);
  if (d.target.speculative.use_heterogeneous_vocab && drafter.method != "draft_model") {
    d.Reject(Step::kSpeculative, "ValueError",
             "use_heterogeneous_vocab is only supported with method draft_model");
  }
  drafter.parallel_drafting = d.method->parallel_drafting;
  const std::int64_t tokens = drafter.num_speculative_tokens.value_or(0);
  drafter.extra_slots = Count(d.method->extra_slots, tokens);
  drafter.lookahead_tokens =
      d.era() >= d.method->lookahead_since ? Count(d.method->lookahead, tokens) : tokens;
  if (d.method->only_r2 && d.out.runner == Runner::kR1) {
    d.Warn("runner-forced", drafter.method);
    d.out.runner = Runner::kR2;
  }
}

void DeriveDraftShapes(Derivation& d) {
  EffectiveDrafter& drafter = d.out.drafter;
  const DraftConfig& draft = d.draft;
  const auto missing = [&](const char* key, const std::string& assumed) {
    drafter.missing_keys.emplace_back(key);
    d.Warn("config-incomplete", key, assumed);
  };
  if (draft.head_dim.has_value()) {
    drafter.head_dim = *draft.head_dim;
  } else if (draft.hidden_size && draft.num_attention_heads && *draft.num_attention_heads > 0) {
    drafter.head_dim = *draft.hidden_size / *draft.num_attention_heads;
  } else {
    missing("head_dim", "128");
  }
  if (!draft.num_hidden_layers.has_value()) {
    missing("num_hidden_layers", draft.layer_types.items.empty() ? "one layer that stands for all"
                                                                 : "as many as layer_types");
  }
  drafter.block_size = BlockSizeOf(draft);
  drafter.aux_layers = ResolveAuxLayers(draft, d.era());
  const auto hidden = draft.target_hidden_size.kind == LooseKind::kInteger
                          ? std::optional(draft.target_hidden_size.integer)
                          : draft.hidden_size;
  if (hidden.has_value() && d.dflash_like()) {
    const auto features = drafter.aux_layers.ids.empty()
                              ? draft.num_hidden_layers.value_or(1)
                              : static_cast<std::int64_t>(drafter.aux_layers.ids.size());
    drafter.fc_input_size = features * *hidden;
  }
}

}  // namespace attest::drafter
