// SPDX-License-Identifier: Apache-2.0
//
// Drafters derived from their configs by wrong rules.
#include <algorithm>

#include "conformance/drafter/config_mutants.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;

// ---- The backend

const LooseValue& TargetBackend(const TargetConfig& target) {
  return target.attention_backend_flag.set() ? target.attention_backend_flag
                                             : target.attention.backend;
}

void InheritBackend(TargetConfig& target, DraftConfig& /*draft*/, ResolveOptions& options) {
  if (options.era < Era::kE1 || target.speculative.attention_backend.set()) return;
  target.speculative.attention_backend = TargetBackend(target);
}

void DropBackend(TargetConfig& target, DraftConfig& /*draft*/, ResolveOptions& options) {
  if (options.era >= Era::kE1) target.speculative.attention_backend = {};
}

void GiveTargetTheDraftersBackend(TargetConfig& target, DraftConfig& /*draft*/,
                                  ResolveOptions& options) {
  if (options.era < Era::kE1 || TargetBackend(target).set()) return;
  target.attention.backend = target.speculative.attention_backend;
}

void ForgetKinds(TargetConfig& target, DraftConfig& /*draft*/, ResolveOptions& /*options*/) {
  target.attention.backend_per_kind.clear();
}

void Trim(LooseValue& name) {
  if (name.kind != LooseKind::kText) return;
  const std::size_t first = name.text.find_first_not_of(' ');
  const std::size_t last = name.text.find_last_not_of(' ');
  if (first == std::string::npos) {
    name = LooseNull();
  } else {
    name = LooseText(name.text.substr(first, last - first + 1));
  }
}

void TrimNames(TargetConfig& target, DraftConfig& /*draft*/, ResolveOptions& /*options*/) {
  Trim(target.attention.backend);
  Trim(target.attention_backend_flag);
  Trim(target.speculative.attention_backend);
}

void MapDashes(TargetConfig& target, DraftConfig& /*draft*/, ResolveOptions& /*options*/) {
  for (LooseValue* name : {&target.attention.backend, &target.attention_backend_flag,
                           &target.speculative.attention_backend}) {
    if (name->kind == LooseKind::kText)
      std::replace(name->text.begin(), name->text.end(), '-', '_');
  }
}

// ---- What else is inherited

void ForgetCacheDtype(TargetConfig& target, DraftConfig& /*draft*/, ResolveOptions& /*options*/) {
  if (!target.speculative.kv_cache_dtype) target.speculative.kv_cache_dtype = "auto";
}

void KeepCacheDtype(TargetConfig& target, DraftConfig& /*draft*/, ResolveOptions& /*options*/) {
  target.speculative.kv_cache_dtype.reset();
}

void ForgetMoeBackend(TargetConfig& target, DraftConfig& /*draft*/, ResolveOptions& /*options*/) {
  if (!target.speculative.moe_backend) target.speculative.moe_backend = "auto";
}

void AcceptUnpadded(TargetConfig& target, DraftConfig& /*draft*/, ResolveOptions& /*options*/) {
  target.speculative.disable_padded_drafter_batch = false;
}

void AcceptWrongKey(TargetConfig& target, DraftConfig& /*draft*/, ResolveOptions& /*options*/) {
  target.speculative.tensor_parallel_size.reset();
}

void ReserveK(const Question& /*question*/, Json& answer) {
  if (!answer.contains("lookahead_tokens") || answer["parallel_drafting"] != true) return;
  answer["lookahead_tokens"] = answer["num_speculative_tokens"];
}

void OneSlotLess(const Question& /*question*/, Json& answer) {
  if (!answer.contains("extra_slots") || answer["parallel_drafting"] != true) return;
  answer["extra_slots"] = answer["extra_slots"].get<std::int64_t>() - 1;
}

// ---- Causality

void NeverCausal(TargetConfig& /*target*/, DraftConfig& draft, ResolveOptions& /*options*/) {
  draft.is_causal = LooseBool(false);
  draft.dflash.causal = LooseBool(false);
}

void CausalByDefault(TargetConfig& /*target*/, DraftConfig& draft, ResolveOptions& /*options*/) {
  if (!draft.dflash.causal.given() && !draft.is_causal.set()) {
    draft.dflash.causal = LooseBool(true);
  }
}

void IgnoreTopLevel(TargetConfig& /*target*/, DraftConfig& draft, ResolveOptions& /*options*/) {
  draft.is_causal = {};
}

void NestedFirst(TargetConfig& /*target*/, DraftConfig& draft, ResolveOptions& /*options*/) {
  if (draft.dflash.causal.set()) draft.is_causal = {};
}

void FalseFallsThrough(TargetConfig& /*target*/, DraftConfig& draft, ResolveOptions& /*options*/) {
  if (draft.is_causal.set() && !draft.is_causal.truthy) draft.is_causal = {};
  if (draft.dflash.causal.set() && !draft.dflash.causal.truthy) draft.dflash.causal = {};
}

void NullIsFalse(TargetConfig& /*target*/, DraftConfig& draft, ResolveOptions& /*options*/) {
  if (draft.is_causal.given() && !draft.is_causal.set()) draft.is_causal = LooseBool(false);
  if (draft.dflash.causal.given() && !draft.dflash.causal.set()) {
    draft.dflash.causal = LooseBool(false);
  }
}

bool Overridden(const DraftConfig& draft) {
  return draft.is_causal.set() || draft.dflash.causal.set();
}

void LayersNeverCausal(TargetConfig& /*target*/, DraftConfig& draft, ResolveOptions& options) {
  if (options.era >= Era::kE3 && !Overridden(draft)) draft.dflash.causal = LooseBool(false);
}

void UseSwaMeansCausal(TargetConfig& /*target*/, DraftConfig& draft, ResolveOptions& /*options*/) {
  if (draft.dflash.use_swa.truthy && !Overridden(draft)) draft.dflash.causal = LooseBool(true);
}

void OneFullLayerMakesAllFull(TargetConfig& /*target*/, DraftConfig& draft,
                              ResolveOptions& options) {
  if (options.era < Era::kE3 || Overridden(draft)) return;
  const auto& types = draft.layer_types.items;
  const bool full = std::find(types.begin(), types.end(), "full_attention") != types.end();
  if (full) draft.dflash.causal = LooseBool(false);
}

void StrictText(TargetConfig& /*target*/, DraftConfig& draft, ResolveOptions& /*options*/) {
  for (LooseValue* value : {&draft.is_causal, &draft.dflash.causal}) {
    if (value->kind == LooseKind::kText) *value = LooseBool(value->text == "true");
  }
}

void SpeculatorsDefaultFalse(TargetConfig& /*target*/, DraftConfig& draft,
                             ResolveOptions& /*options*/) {
  if (draft.speculators && !draft.speculators->sliding_window_non_causal.given()) {
    draft.speculators->sliding_window_non_causal = LooseBool(false);
  }
}

// ---- Windows, tokens, layers

void TopLevelWindowFirst(TargetConfig& /*target*/, DraftConfig& draft,
                         ResolveOptions& /*options*/) {
  if (draft.sliding_window.set()) draft.dflash.swa_window_size = draft.sliding_window;
}

void NullWindowFallsBack(TargetConfig& /*target*/, DraftConfig& draft,
                         ResolveOptions& /*options*/) {
  if (!draft.dflash.swa_window_size.set()) draft.dflash.swa_window_size = {};
}

void IgnoreUseSwa(TargetConfig& /*target*/, DraftConfig& draft, ResolveOptions& /*options*/) {
  draft.dflash.use_swa = {};
}

void TopLevelMaskFirst(TargetConfig& /*target*/, DraftConfig& draft, ResolveOptions& /*options*/) {
  if (draft.mask_token_id.set()) draft.dflash.mask_token_id = draft.mask_token_id;
}

void NullMaskFallsThrough(TargetConfig& /*target*/, DraftConfig& draft,
                          ResolveOptions& /*options*/) {
  if (!draft.dflash.mask_token_id.set()) draft.dflash.mask_token_id = {};
}

void ShiftLayers(DraftConfig& draft, std::int64_t by) {
  for (IntList* ids : {&draft.dflash.target_layer_ids, &draft.target_layer_ids}) {
    for (std::int64_t& id : ids->items) id += by;
  }
}

void LayersUnshifted(TargetConfig& /*target*/, DraftConfig& draft, ResolveOptions& options) {
  if (options.era >= Era::kE0b) ShiftLayers(draft, -1);
}

void LayersShiftedTwice(TargetConfig& /*target*/, DraftConfig& draft, ResolveOptions& options) {
  if (options.era >= Era::kE0b) ShiftLayers(draft, 1);
}

std::vector<ConfigMutant> InheritanceMutants() {
  return {
      {.id = "drafter-inherits-target-backend",
       .sentence = "where no backend is named for the drafter it takes the target's",
       .reference = "vllm-project/vllm#39930",
       .bug = "seed-drafter-inherits-target-backend",
       .resolve = {.configs = InheritBackend}},
      {.id = "drafter-backend-dropped",
       .sentence = "the speculative attention_backend is not handed on",
       .reference = "vllm-project/vllm#54826",
       .resolve = {.configs = DropBackend}},
      {.id = "target-takes-drafter-backend",
       .sentence = "where no backend is named for the target it takes the drafter's",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = GiveTargetTheDraftersBackend}},
      {.id = "backend-per-kind-ignored",
       .sentence = "backend_per_kind is read over",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = ForgetKinds}},
      {.id = "backend-names-trimmed",
       .sentence = "spaces around a backend's name are taken off",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = TrimNames}},
      {.id = "backend-names-with-dashes",
       .sentence = "dashes in a backend's name count as underscores",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = MapDashes}},
      {.id = "cache-dtype-not-inherited",
       .sentence = "the drafter's cache dtype is auto unless said",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = ForgetCacheDtype}},
      {.id = "cache-dtype-always-inherited",
       .sentence = "the speculative kv_cache_dtype is not handed on",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = KeepCacheDtype}},
      {.id = "moe-backend-not-inherited",
       .sentence = "the drafter's MoE backend is auto unless said",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = ForgetMoeBackend}},
      {.id = "unpadded-batch-accepted",
       .sentence = "disable_padded_drafter_batch is taken with parallel drafting",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = AcceptUnpadded}},
      {.id = "wrong-parallel-key-accepted",
       .sentence = "tensor_parallel_size is read over in the speculative config",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = AcceptWrongKey}},
      {.id = "lookahead-without-bonus",
       .sentence = "K tokens are looked ahead where the draft block has K + 1",
       .reference = "kept as a standard mutation",
       .resolve = {.answer = ReserveK}},
      {.id = "extra-slots-one-short",
       .sentence = "one slot too few is kept for drafts",
       .reference = "kept as a standard mutation",
       .resolve = {.answer = OneSlotLess}},
  };
}

std::vector<ConfigMutant> CausalityMutants() {
  return {
      {.id = "drafter-never-causal",
       .sentence = "the drafter asks for non-causal attention, whatever its config says",
       .reference = "vllm-project/vllm#43445",
       .bug = "seed-dflash-causal-hardcoded",
       .resolve = {.configs = NeverCausal}},
      {.id = "drafter-causal-by-default",
       .sentence = "dflash_config.causal is true where it is absent, as the metadata's flag is",
       .reference = "vllm-project/vllm#43445",
       .resolve = {.configs = CausalByDefault}},
      {.id = "is-causal-ignored",
       .sentence = "the top-level is_causal is read over",
       .reference = "vllm-project/vllm#47914",
       .resolve = {.configs = IgnoreTopLevel}},
      {.id = "nested-causal-first",
       .sentence = "dflash_config.causal wins over the top-level is_causal",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = NestedFirst}},
      {.id = "false-falls-through",
       .sentence = "a causality key that is false counts as absent",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = FalseFallsThrough}},
      {.id = "null-is-false",
       .sentence = "a causality key that is null counts as false",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = NullIsFalse}},
      {.id = "layer-types-not-causal",
       .sentence = "sliding layers are non-causal like full ones",
       .reference = "vllm-project/vllm#46104",
       .resolve = {.configs = LayersNeverCausal}},
      {.id = "one-full-layer-makes-all-non-causal",
       .sentence = "a full layer makes the sliding ones non-causal too",
       .reference = "vllm-project/vllm#47914",
       .resolve = {.configs = OneFullLayerMakesAllFull}},
      {.id = "use-swa-means-causal",
       .sentence = "use_swa makes the layers causal",
       .reference = "sgl-project/sglang#34524",
       .resolve = {.configs = UseSwaMeansCausal}},
      {.id = "text-false-is-false",
       .sentence = "the text \"false\" counts as false where Python takes it for true",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = StrictText}},
      {.id = "speculators-default-false",
       .sentence = "an absent sliding_window_non_causal counts as false",
       .reference = "vllm-project/vllm#47453",
       .resolve = {.configs = SpeculatorsDefaultFalse}},
  };
}

std::vector<ConfigMutant> LayerMutants() {
  return {
      {.id = "top-level-window-first",
       .sentence = "sliding_window wins over dflash_config.swa_window_size",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = TopLevelWindowFirst}},
      {.id = "null-window-falls-back",
       .sentence = "a swa_window_size of null counts as absent",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = NullWindowFallsBack}},
      {.id = "use-swa-ignored",
       .sentence = "use_swa is read over",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = IgnoreUseSwa}},
      {.id = "top-level-mask-token-first",
       .sentence = "the top-level mask_token_id wins over that of dflash_config",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = TopLevelMaskFirst}},
      {.id = "null-mask-token-falls-through",
       .sentence = "a mask_token_id of null in dflash_config counts as absent",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = NullMaskFallsThrough}},
      {.id = "aux-layers-unshifted",
       .sentence = "target_layer_ids are taken as they are",
       .reference = "vllm-project/vllm#40727",
       .resolve = {.configs = LayersUnshifted}},
      {.id = "aux-layers-shifted-twice",
       .sentence = "target_layer_ids are shifted by two",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = LayersShiftedTwice}},
  };
}

}  // namespace

std::vector<ConfigMutant> DerivationMutants() {
  std::vector<ConfigMutant> all;
  for (const auto room : {InheritanceMutants, CausalityMutants, LayerMutants}) {
    const std::vector<ConfigMutant> mutants = room();
    all.insert(all.end(), mutants.begin(), mutants.end());
  }
  return all;
}

}  // namespace attest::drafter
