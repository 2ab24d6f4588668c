// SPDX-License-Identifier: Apache-2.0
#include "reference/drafter/resolution_output.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;

template <typename T>
Json OrNull(const std::optional<T>& value) {
  return value.has_value() ? Json(*value) : Json(nullptr);
}

Json NameOrNull(const Tables& tables, const std::optional<BackendId>& backend) {
  return backend.has_value() ? Json(tables.name(*backend)) : Json(nullptr);
}

Json FamilyOf(const Tables& tables, const std::optional<BackendId>& backend) {
  const FamilyRow* family = backend.has_value() ? tables.FindFamily(*backend) : nullptr;
  return family == nullptr ? Json(nullptr) : Json(family->family);
}

Json LooseToJson(const LooseValue& value) {
  switch (value.kind) {
    case LooseKind::kBool:
      return value.truthy;
    case LooseKind::kInteger:
      return value.integer;
    case LooseKind::kText:
      return value.text;
    case LooseKind::kAbsent:
    case LooseKind::kNull:
      return nullptr;
    default:
      return Json::parse(value.text, nullptr, false);
  }
}

Json SideToJson(const Tables& tables, const EffectiveConfig& config,
                const std::optional<BackendId>& chosen) {
  return {
      {"backend", NameOrNull(tables, chosen)},       {"family", FamilyOf(tables, chosen)},
      {"asked", NameOrNull(tables, config.backend)}, {"backend_from", config.backend_from},
      {"use_non_causal", config.use_non_causal},     {"non_causal_from", config.non_causal_from},
      {"kv_cache_dtype", config.kv_cache_dtype},     {"moe_backend", config.moe_backend},
      {"mm_prefix", config.is_mm_prefix_lm}};
}

Json DrafterToJson(const Tables& tables, const Resolution& r) {
  const EffectiveDrafter& d = r.drafter;
  const auto chosen = r.draft_selections.empty() ? std::nullopt : r.draft_selections.front().chosen;
  Json json = SideToJson(tables, d.config, chosen);
  json["method"] = d.method;
  json["architectures"] = d.architectures;
  json["num_speculative_tokens"] = OrNull(d.num_speculative_tokens);
  json["tokens_assumed"] = d.tokens_assumed;
  json["parallel_drafting"] = d.parallel_drafting;
  json["extra_slots"] = d.extra_slots;
  json["lookahead_tokens"] = d.lookahead_tokens;
  json["max_model_len"] = OrNull(d.max_model_len);
  json["tensor_parallel_size"] = d.tensor_parallel_size;
  json["mask_token_id"] = OrNull(d.mask_token_id);
  json["mask_token_key"] = d.mask_token_key;
  json["aux_layers"] = d.aux_layers.ids;
  json["aux_layers_key"] = d.aux_layers.key;
  json["block_size"] = OrNull(d.block_size);
  json["fc_input_size"] = OrNull(d.fc_input_size);
  json["head_dim"] = d.head_dim;
  json["sinks"] = d.has_sinks;
  json["missing_keys"] = d.missing_keys;
  return json;
}

Json LayersToJson(const Tables& tables, const Resolution& r) {
  Json layers = Json::array();
  for (std::size_t i = 0; i < r.layers.size(); ++i) {
    const LayerPlan& layer = r.layers[i];
    std::optional<BackendId> backend;
    if (i < r.selection_of_layer.size()) {
      backend = r.draft_selections[static_cast<std::size_t>(r.selection_of_layer[i])].chosen;
    }
    layers.push_back({{"layer", layer.index},
                      {"sliding", layer.sliding},
                      {"window", OrNull(layer.window)},
                      {"causal", layer.causal},
                      {"decided_by", NameOf(layer.source)},
                      {"backend", NameOrNull(tables, backend)}});
  }
  return layers;
}

Json SelectionToJson(const Tables& tables, const char* side, const Selection& selection) {
  Json candidates = Json::array();
  for (const Candidate& candidate : selection.candidates) {
    Json reasons = Json::array();
    for (const Reason& reason : candidate.reasons) reasons.push_back(reason.text);
    candidates.push_back({{"backend", tables.name(candidate.backend)}, {"reasons", reasons}});
  }
  Json json = {{"side", side},
               {"kind", KindOf(selection.config)},
               {"asked", NameOrNull(tables, selection.asked)},
               {"chosen", NameOrNull(tables, selection.chosen)},
               {"family", FamilyOf(tables, selection.chosen)},
               {"candidates", candidates},
               {"error", nullptr}};
  if (selection.raised.has_value()) {
    json["error"] = {{"type", selection.raised->type}, {"text", selection.raised->text}};
  }
  return json;
}

}  // namespace

Json ToJson(const Tables& tables, const Resolution& r) {
  Json json = {{"era", NameOf(r.era)},
               {"runner", NameOf(r.runner)},
               {"platform", NameOf(r.platform)},
               {"strict", r.strict},
               {"served", !r.rejected()}};
  json["target"] = SideToJson(tables, r.target, r.target_selection.chosen);
  json["drafter"] = DrafterToJson(tables, r);
  json["layers"] = LayersToJson(tables, r);
  json["selections"] = Json::array({SelectionToJson(tables, "target", r.target_selection)});
  for (const Selection& selection : r.draft_selections) {
    json["selections"].push_back(SelectionToJson(tables, "drafter", selection));
  }
  json["records"] = Json::array();
  for (const MetadataRecord& record : r.records) {
    json["records"].push_back({{"layer", record.layer},
                               {"kv_group", record.kv_group},
                               {"asked_causal", record.asked_causal},
                               {"selected_non_causal", record.selected_non_causal},
                               {"metadata_causal", LooseToJson(record.metadata_causal)}});
  }
  json["rejections"] = Json::array();
  for (const Rejection& rejection : r.rejections) {
    json["rejections"].push_back({{"step", NameOf(rejection.step)},
                                  {"by", rejection.by_attest ? "attest" : "vllm"},
                                  {"type", rejection.raised.type},
                                  {"text", rejection.raised.text}});
  }
  const auto texts = [](const auto& list) {
    Json out = Json::array();
    for (const auto& entry : list) out.push_back({{"id", entry.id}, {"text", entry.text}});
    return out;
  };
  json["warnings"] = texts(r.warnings);
  json["stricter"] = texts(r.strict_findings);
  json["why"] = Json::array();
  for (const Decision& decision : r.decisions) {
    json["why"].push_back({{"step", NameOf(decision.step)}, {"text", decision.text}});
  }
  return json;
}

}  // namespace attest::drafter
