// SPDX-License-Identifier: Apache-2.0
#include "reference/drafter/layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace attest::drafter {
namespace {

constexpr std::string_view kSliding = "sliding_attention";

Raised IndexError() { return {"IndexError", "list index out of range"}; }

std::string_view PythonType(LooseKind kind) {
  switch (kind) {
    case LooseKind::kBool:
      return "bool";
    case LooseKind::kInteger:
      return "int";
    case LooseKind::kNumber:
      return "float";
    case LooseKind::kText:
      return "str";
    case LooseKind::kList:
      return "list";
    case LooseKind::kObject:
      return "dict";
    case LooseKind::kAbsent:
    case LooseKind::kNull:
      break;
  }
  return "NoneType";
}

std::size_t LayerCount(const DraftConfig& draft) {
  if (draft.num_hidden_layers.has_value()) {
    return static_cast<std::size_t>(std::max<std::int64_t>(0, *draft.num_hidden_layers));
  }
  return draft.layer_types.items.empty() ? 1 : draft.layer_types.items.size();
}

// "(dflash_config or {}).get(...)": what is truthy has to be a dict.
std::optional<Raised> SectionError(const DraftConfig& draft) {
  const LooseValue& section = draft.dflash.section;
  if (!section.truthy || section.kind == LooseKind::kObject) return std::nullopt;
  return Raised{"AttributeError",
                fmt::format("'{}' object has no attribute 'get'", PythonType(section.kind))};
}

bool SlidingAt(const DraftConfig& draft, std::size_t layer) {
  return layer < draft.layer_types.items.size() && draft.layer_types.items[layer] == kSliding;
}

// Causality of one layer since E3, and the key that said so. Reads layer_types only if it must.
LayerPlan CausalityOf(const DraftConfig& draft, Era era, std::size_t layer,
                      std::optional<Raised>& raised) {
  LayerPlan plan{.index = static_cast<int>(layer)};
  if (era >= Era::kE5 && draft.is_causal.set()) {
    plan.causal = draft.is_causal.truthy;
    plan.source = CausalitySource::kIsCausal;
  } else if (draft.dflash.causal.set()) {
    plan.causal = draft.dflash.causal.truthy;
    plan.source = CausalitySource::kDflashCausal;
  } else if (draft.layer_types.value.truthy) {
    if (layer >= draft.layer_types.items.size() && !raised.has_value()) raised = IndexError();
    plan.causal = SlidingAt(draft, layer);
    plan.source = CausalitySource::kLayerTypes;
  }
  return plan;
}

// One answer for all layers: E0 and E1 know no other, E2 asks dflash_config.causal.
LayersOutcome UniformLayers(const DraftConfig& draft, Era era) {
  LayersOutcome outcome;
  LayerPlan plan{.source = CausalitySource::kEra};
  if (era >= Era::kE2) {
    outcome.helper_raised = SectionError(draft);
    plan.causal = draft.dflash.causal.truthy;
    plan.source =
        draft.dflash.causal.given() ? CausalitySource::kDflashCausal : CausalitySource::kDefault;
  }
  for (std::size_t i = 0; i < LayerCount(draft); ++i) {
    plan.index = static_cast<int>(i);
    outcome.layers.push_back(plan);
  }
  return outcome;
}

// Which layers slide, and how far: the model class, since E3.
void AddWindows(const DraftConfig& draft, Era era, Runner runner, LayersOutcome& outcome) {
  const auto& types = draft.layer_types;
  const auto sliding = std::count(types.items.begin(), types.items.end(), kSliding);
  const bool mixed = sliding > 0 && sliding < static_cast<std::ptrdiff_t>(types.items.size());
  if (mixed && era < Era::kE4) {
    outcome.model_raised =
        Raised{"NotImplementedError",
               "DFlash does not yet support mixed sliding/full attention via layer_types; see "
               "https://github.com/vllm-project/vllm/issues/40898."};
  } else if (mixed && runner == Runner::kR1) {
    outcome.model_raised =
        Raised{"NotImplementedError",
               "DFlash drafters with mixed sliding/full attention require the V2 model runner; "
               "relaunch with VLLM_USE_V2_MODEL_RUNNER=1."};
  }
  const bool use_swa = draft.dflash.use_swa.truthy;
  const LooseValue& window =
      draft.dflash.swa_window_size.given() ? draft.dflash.swa_window_size : draft.sliding_window;
  for (LayerPlan& layer : outcome.layers) {
    const auto index = static_cast<std::size_t>(layer.index);
    if (!types.value.set() || (use_swa && sliding == 0)) {
      layer.sliding = use_swa;
    } else {
      if (index >= types.items.size() && !outcome.model_raised.has_value()) {
        outcome.model_raised = IndexError();
      }
      layer.sliding = SlidingAt(draft, index);
    }
    if (!layer.sliding) continue;
    if (window.set()) {
      layer.window = window.integer;
    } else if (!outcome.model_raised.has_value()) {
      outcome.model_raised =
          Raised{"ValueError",
                 "DFlash sliding attention requires a window size configured in "
                 "dflash_config.swa_window_size or the top-level sliding_window."};
    }
  }
}

}  // namespace

std::string_view NameOf(CausalitySource source) {
  constexpr std::array<std::string_view, 5> kNames = {
      "the era", "is_causal", "dflash_config.causal", "layer_types", "no key: the default"};
  return kNames[static_cast<std::size_t>(source)];
}

LayersOutcome ResolveLayers(const DraftConfig& draft, Era era, Runner runner) {
  if (era < Era::kE3) return UniformLayers(draft, era);
  LayersOutcome outcome;
  outcome.helper_raised = SectionError(draft);
  std::optional<Raised> index_error;
  bool stopped = false;  // the helper's all() stops at the first layer that is not causal
  for (std::size_t i = 0; i < LayerCount(draft); ++i) {
    outcome.layers.push_back(CausalityOf(draft, era, i, index_error));
    if (index_error.has_value() && !stopped && !outcome.helper_raised.has_value()) {
      outcome.helper_raised = index_error;
    }
    stopped = stopped || !outcome.layers.back().causal;
  }
  AddWindows(draft, era, runner, outcome);
  if (index_error.has_value() && !outcome.helper_raised.has_value() &&
      !outcome.model_raised.has_value()) {
    outcome.model_raised = index_error;
  }
  return outcome;
}

bool AnyNonCausal(const std::vector<LayerPlan>& layers) {
  return std::any_of(layers.begin(), layers.end(),
                     [](const LayerPlan& layer) { return !layer.causal; });
}

std::vector<int> KvGroups(const std::vector<LayerPlan>& layers, bool hybrid) {
  std::vector<int> groups;
  for (const LayerPlan& layer : layers) {
    const bool apart = hybrid && layer.sliding != layers.front().sliding;
    groups.push_back(apart ? 1 : 0);
  }
  return groups;
}

LooseValue MetadataCausal(const DraftConfig& draft, Era era, Runner runner,
                          const std::vector<LayerPlan>& layers, const std::vector<int>& kv_groups,
                          int layer) {
  if (era < Era::kE2) return LooseBool(false);
  if (era == Era::kE2 && runner == Runner::kR1) {
    return draft.dflash.causal.given() ? draft.dflash.causal : LooseBool(false);
  }
  if (era == Era::kE2 || runner == Runner::kR1) return LooseBool(!AnyNonCausal(layers));
  bool causal = false;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (kv_groups[i] == kv_groups[static_cast<std::size_t>(layer)]) causal = layers[i].causal;
  }
  return LooseBool(causal);
}

Translated TranslateSpeculators(const DraftConfig& draft, Era era) {
  Translated result{.config = draft, .raised = std::nullopt};
  if (!draft.speculators.has_value()) return result;
  const SpeculatorsSection& section = *draft.speculators;
  DraftConfig& config = result.config;
  constexpr std::array<std::string_view, 4> kTypes = {"dflash", "dflash2", "dspark", "eagle3"};
  if (std::find(kTypes.begin(), kTypes.end(), section.type) == kTypes.end()) {
    result.raised =
        Raised{"ValueError", fmt::format("Expected one of: {}. Got: {}",
                                         "dflash, dflash2, dspark, eagle3", section.type)};
    return result;
  }
  if (section.type == "dflash") config.architectures = {"DFlashDraftModel"};
  config.dflash.section = LooseObject(false, "{...}");
  if (section.draft_vocab_size.kind == LooseKind::kInteger) {
    config.draft_vocab_size = section.draft_vocab_size.integer;
  }
  if (section.target_hidden_size.set()) config.target_hidden_size = section.target_hidden_size;
  const IntList& ids = section.aux_hidden_state_layer_ids;
  if (!ids.value.given()) {
    result.raised = Raised{"KeyError", "'aux_hidden_state_layer_ids'"};
  } else if (!ids.value.set()) {
    result.raised = Raised{"TypeError", "'NoneType' object is not iterable"};
  } else if (!section.mask_token_id.given()) {
    result.raised = Raised{"KeyError", "'mask_token_id'"};
  }
  config.eagle_aux_hidden_state_layer_ids = ids;
  config.dflash.target_layer_ids = ids;
  for (std::int64_t& id : config.dflash.target_layer_ids.items) --id;
  config.dflash.mask_token_id = section.mask_token_id;
  const LooseValue& flag = section.sliding_window_non_causal;
  const bool non_causal = !flag.given() || flag.truthy;  // vLLM's default for an absent key
  if (era == Era::kE4) config.dflash.causal = LooseBool(!non_causal);
  if (era >= Era::kE5 && non_causal) config.dflash.causal = LooseBool(false);
  return result;
}

MaskToken ResolveMaskToken(const DraftConfig& draft) {
  const auto found = [](const LooseValue& value, std::string key) {
    MaskToken token{.key = std::move(key)};
    if (value.kind == LooseKind::kInteger) token.id = value.integer;
    return token;
  };
  if (draft.dflash.mask_token_id.given()) {
    return found(draft.dflash.mask_token_id, "dflash_config.mask_token_id");
  }
  if (draft.mask_token_id.set()) return found(draft.mask_token_id, "mask_token_id");
  if (draft.dspark_noise_token_id.given()) {
    return found(draft.dspark_noise_token_id, "dspark_noise_token_id");
  }
  if (draft.pard_token.given()) return found(draft.pard_token, "pard_token");
  if (draft.ptd_token_id.given()) return found(draft.ptd_token_id, "ptd_token_id");
  MaskToken none;
  none.raised = Raised{"ValueError",
                       "For parallel drafting, the draft model config must have `pard_token`, "
                       "`ptd_token_id`, or `dflash_config.mask_token_id` specified in its "
                       "config.json."};
  return none;
}

AuxLayers ResolveAuxLayers(const DraftConfig& draft, Era era) {
  const auto use = [](const IntList& list, std::string key, bool shift) {
    AuxLayers aux{.ids = list.items, .key = std::move(key), .shifted = shift};
    if (shift) {
      for (std::int64_t& id : aux.ids) ++id;
    }
    return aux;
  };
  const bool shift = era >= Era::kE0b;
  if (!draft.eagle_aux_hidden_state_layer_ids.items.empty()) {
    return use(draft.eagle_aux_hidden_state_layer_ids, "eagle_aux_hidden_state_layer_ids", false);
  }
  if (!draft.dflash.target_layer_ids.items.empty()) {
    return use(draft.dflash.target_layer_ids, "dflash_config.target_layer_ids", shift);
  }
  if (!draft.dspark_target_layer_ids.items.empty()) {
    return use(draft.dspark_target_layer_ids, "dspark_target_layer_ids",
               shift && draft.model_type != "deepseek_v41");
  }
  if (!draft.target_layer_ids.items.empty()) {
    return use(draft.target_layer_ids, "target_layer_ids", shift);
  }
  if (!draft.dflash.layer_ids.items.empty()) {
    return use(draft.dflash.layer_ids, "dflash_config.layer_ids", false);
  }
  if (!draft.eagle_layer_ids.items.empty()) {
    return use(draft.eagle_layer_ids, "eagle_config.layer_ids", false);
  }
  return {};
}

bool HasSinks(const DraftConfig& draft, Era era) {
  if (era < Era::kE3) return false;
  if (draft.dflash.attention_sink_bias.given()) return draft.dflash.attention_sink_bias.truthy;
  return draft.add_swa_attention_sink_bias.truthy;
}

std::optional<std::int64_t> BlockSizeOf(const DraftConfig& draft) {
  for (const LooseValue* value : {&draft.dflash.block_size, &draft.block_size}) {
    if (value->kind == LooseKind::kInteger) return value->integer;
  }
  return std::nullopt;
}

}  // namespace attest::drafter
