// SPDX-License-Identifier: Apache-2.0
//
// Warnings (spec/drafter/warnings.json) and stricter rules (spec/drafter/strict_rules.json).
#include <algorithm>

#include "reference/drafter/derivation.h"

namespace attest::drafter {
namespace {

bool DrafterIs(const Derivation& d, std::string_view name) {
  return std::any_of(d.out.draft_selections.begin(), d.out.draft_selections.end(),
                     [&](const Selection& selection) {
                       return selection.chosen.has_value() &&
                              d.tables.name(*selection.chosen) == name;
                     });
}

std::string ChosenName(const Derivation& d, const Selection& selection) {
  return selection.chosen.has_value() ? d.tables.name(*selection.chosen) : "no backend";
}

bool OnCuda(const Derivation& d, int major) {
  return d.options.platform.kind == PlatformKind::kCuda &&
         d.options.platform.capability.major == major;
}

void WarnAboutChoice(Derivation& d) {
  const std::vector<Selection>& selections = d.out.draft_selections;
  if (selections.empty() || !selections.front().chosen.has_value()) return;
  const std::string chosen = ChosenName(d, selections.front());
  const auto& asked = d.out.target.backend;
  if (DrafterIs(d, "FLEX_ATTENTION")) d.Warn("slow-backend", "FLEX_ATTENTION");
  if (d.era() >= Era::kE1 && asked.has_value() && selections.front().chosen != asked) {
    d.Warn("backend-differs", chosen, d.tables.name(*asked));
  }
  for (const Selection& selection : selections) {
    if (selection.precluded.empty()) continue;
    std::string names;
    for (const BackendId backend : selection.precluded) {
      names += fmt::format("{}{}", names.empty() ? "" : ", ", d.tables.name(backend));
    }
    d.Warn("block-size-precluded", selection.config.block_size.value_or(0), names,
           ChosenName(d, selection));
  }
  if (OnCuda(d, 10) && d.out.target_selection.chosen.has_value()) {
    const std::string& mine = d.tables.row(d.era(), *selections.front().chosen).layout_on_10;
    const std::string& other = d.tables.row(d.era(), *d.out.target_selection.chosen).layout_on_10;
    if (!mine.empty() && other.empty()) {
      d.Warn("layout-flips", chosen, mine, ChosenName(d, d.out.target_selection));
    }
  }
}

void WarnAboutFlashInfer(Derivation& d) {
  if (!DrafterIs(d, "FLASHINFER")) return;
  const bool sliding = std::any_of(d.out.layers.begin(), d.out.layers.end(),
                                   [](const LayerPlan& layer) { return layer.sliding; });
  if (OnCuda(d, 9) && sliding) d.Warn("flashinfer-sm90-window");
  if (!d.out.drafter.config.use_non_causal) return;
  if (d.target.parallel.decode_context_parallel_size > 1) d.Warn("flashinfer-dcp");
  if (d.out.drafter.config.kv_cache_dtype == "nvfp4") d.Warn("flashinfer-nvfp4");
}

void WarnAboutCpu(Derivation& d) {
  if (d.options.platform.kind != PlatformKind::kCpu) return;
  for (const Selection* selection :
       {&d.out.target_selection,
        d.out.draft_selections.empty() ? nullptr : &d.out.draft_selections.front()}) {
    if (selection != nullptr && !selection->log.empty()) {
      d.Warn("cpu-ignores-backend", selection->log);
    }
  }
  if (d.out.draft_selections.empty()) return;
  const std::string chosen = ChosenName(d, d.out.draft_selections.front());
  if (d.out.drafter.config.use_non_causal) {
    d.Warn("cpu-ignores-non-causal", chosen);
    d.Stricter("cpu-silence", chosen);
  }
  if (d.target.environment.batch_invariant) d.Warn("cpu-ignores-batch-invariance", chosen);
}

void WarnAboutLayers(Derivation& d) {
  const std::vector<LayerPlan>& layers = d.out.layers;
  if (!d.dflash_like()) return;
  const auto against = [](const LayerPlan& layer) {
    return layer.causal && !layer.sliding &&
           (layer.source == CausalitySource::kIsCausal ||
            layer.source == CausalitySource::kDflashCausal);
  };
  if (const std::string names = LayerNames(layers, against); !names.empty()) {
    const auto first = std::find_if(layers.begin(), layers.end(), against);
    d.Warn("causal-against-checkpoint", NameOf(first->source), names);
  }
  const auto two_sided = [](const LayerPlan& layer) {
    return layer.window.has_value() && !layer.causal;
  };
  if (const std::string names = LayerNames(layers, two_sided); !names.empty()) {
    const auto window = *std::find_if(layers.begin(), layers.end(), two_sided)->window;
    d.Warn("window-two-sided", names, window, window - 1);
  }
  const auto sliding = [](const LayerPlan& layer) { return layer.window.has_value(); };
  if (const std::string names = LayerNames(layers, sliding); !names.empty()) {
    d.Warn("window-anchor", names);
  }
  if (d.era() >= Era::kE3) {
    std::vector<std::string> told;
    for (const std::string& type : d.draft.layer_types.items) {
      if (type == "sliding_attention" || type == "full_attention") continue;
      if (std::find(told.begin(), told.end(), type) != told.end()) continue;
      told.push_back(type);
      d.Warn("unknown-layer-type", type);
      d.Stricter("unknown-layer-type", type);
    }
  }
  if (d.era() >= Era::kE2 && d.out.runner == Runner::kR1 && !AnyNonCausal(layers)) {
    d.Warn("metadata-unchecked", "R1", "of a causal drafter");
  }
}

void WarnAboutInputs(Derivation& d) {
  const EffectiveDrafter& drafter = d.out.drafter;
  if (!d.dflash_like()) return;
  if (drafter.aux_layers.ids.empty()) {
    d.Warn("aux-layers-default");
  } else if (d.era() < Era::kE0b && drafter.aux_layers.key == "dflash_config.target_layer_ids") {
    d.Warn("aux-layers-unshifted");
  }
  if (drafter.block_size.has_value() && drafter.num_speculative_tokens.has_value() &&
      *drafter.num_speculative_tokens > *drafter.block_size - 1) {
    d.Warn("tokens-exceed-block", *drafter.num_speculative_tokens, *drafter.block_size - 1);
    d.Stricter("tokens-exceed-block", *drafter.num_speculative_tokens, *drafter.block_size - 1);
  }
}

// A value that is set and no boolean. In E2 null counts: it is neither False nor absent there.
void StricterAboutBoolean(Derivation& d, const char* key, const LooseValue& value, Era since) {
  if (d.era() < since || value.is_bool() || !value.given()) return;
  if (!value.set() && d.era() != Era::kE2) return;
  d.Stricter("causal-not-boolean", key, value.text,
             value.truthy ? "it counts as true" : "it counts as false");
}

void StricterAboutCausality(Derivation& d) {
  StricterAboutBoolean(d, "dflash_config.causal", d.draft.dflash.causal, Era::kE2);
  StricterAboutBoolean(d, "is_causal", d.draft.is_causal, Era::kE5);
  if (d.draft.speculators.has_value()) {
    const LooseValue& flag = d.draft.speculators->sliding_window_non_causal;
    StricterAboutBoolean(d, "sliding_window_non_causal", flag, Era::kE4);
    const bool full = std::any_of(d.out.layers.begin(), d.out.layers.end(),
                                  [](const LayerPlan& layer) { return !layer.sliding; });
    if (d.era() == Era::kE4 && flag.given() && !flag.truthy && full) {
      d.Stricter("speculators-flag-all-layers");
    }
  }
  const LooseValue& top = d.draft.is_causal;
  const LooseValue& nested = d.draft.dflash.causal;
  if (d.era() >= Era::kE5 && top.set() && nested.set() && top.truthy != nested.truthy) {
    d.Stricter("conflicting-causality", top.text, nested.text);
  }
  if (d.draft.dflash.section.kind == LooseKind::kNull) d.Stricter("dflash-config-null");
}

void StricterAboutShapes(Derivation& d) {
  const DraftConfig& draft = d.draft;
  const MaskToken mask = ResolveMaskToken(draft);
  if (mask.id.has_value() && draft.vocab_size.has_value() &&
      (*mask.id < 0 || *mask.id >= *draft.vocab_size)) {
    d.Stricter("mask-token-range", *mask.id, *draft.vocab_size);
  }
  const LooseValue& swa = draft.dflash.swa_window_size;
  if (d.era() >= Era::kE3 && swa.kind == LooseKind::kNull && draft.sliding_window.set()) {
    d.Stricter("window-null", draft.sliding_window.text);
  }
  const std::size_t types = draft.layer_types.items.size();
  if (d.era() >= Era::kE3 && draft.layer_types.value.set() && types != d.out.layers.size()) {
    d.Stricter("layer-types-length", types, d.out.layers.size());
  }
  if (!draft.num_target_layers.has_value()) return;
  for (const std::int64_t id : draft.dflash.target_layer_ids.items) {
    if (id >= 0 && id < *draft.num_target_layers) continue;
    d.Stricter("aux-layer-range", id, *draft.num_target_layers);
  }
}

void StricterAboutTarget(Derivation& d) {
  if (d.target.model.is_mm_prefix_lm) {
    d.Stricter(d.out.drafter.config.is_mm_prefix_lm ? "mm-prefix-leak" : "target-config-changed");
  }
  if (d.era() >= Era::kE1 && d.target.attention.use_non_causal) {
    d.Stricter("use-non-causal-set-by-user");
  }
  if (d.era() < Era::kE5) return;
  std::vector<std::string_view> told;
  for (const Selection& selection : d.out.draft_selections) {
    const std::string_view kind = KindOf(selection.config);
    const auto entry = d.target.attention.backend_per_kind.find(std::string(kind));
    if (entry == d.target.attention.backend_per_kind.end()) continue;
    if (std::find(told.begin(), told.end(), kind) != told.end()) continue;
    told.push_back(kind);
    d.Stricter("backend-per-kind-leak", kind, entry->second);
  }
}

}  // namespace

void AddFindings(Derivation& d) {
  WarnAboutChoice(d);
  WarnAboutFlashInfer(d);
  WarnAboutCpu(d);
  WarnAboutLayers(d);
  WarnAboutInputs(d);
  if (d.dflash_like()) {
    StricterAboutCausality(d);
    StricterAboutShapes(d);
  }
  StricterAboutTarget(d);
  if (!d.options.strict) return;
  for (const StrictFinding& finding : d.out.strict_findings) {
    d.Reject(Step::kStrict, Raised{std::string(finding.id), finding.text}, true);
  }
}

}  // namespace attest::drafter
