// SPDX-License-Identifier: Apache-2.0
//
// Laws of resolutions.
#include "property_tests/drafter/config_laws.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace attest::drafter {
namespace {

// ---- Words

bool FollowsDflashRules(const LawSubject& subject, const Resolution& base) {
  const MethodRow* method = subject.tables.FindMethod(base.drafter.method);
  return method != nullptr && method->reads_dflash_rules;
}

bool OnCpu(const ConfigSample& sample) {
  return sample.options.platform.kind == PlatformKind::kCpu;
}

// Does the drafter's own attention_backend count? R2 dropped it in older eras.
bool OwnBackendCounts(const LawSubject& subject, const ConfigSample& sample,
                      const Resolution& base) {
  if (sample.options.era < Era::kE1 || !sample.target.attention.backend_per_kind.empty()) {
    return false;
  }
  const MethodRow* method = subject.tables.FindMethod(base.drafter.method);
  return base.runner == Runner::kR1 ||
         (method != nullptr && sample.options.era >= method->r2_honours_since);
}

const Selection* FirstDraft(const Resolution& base) {
  return base.draft_selections.empty() ? nullptr : &base.draft_selections.front();
}

bool HasWarning(const Resolution& base, std::string_view id) {
  return std::any_of(base.warnings.begin(), base.warnings.end(),
                     [id](const Warning& warning) { return warning.id == id; });
}

bool HasFinding(const Resolution& base, std::string_view id) {
  return std::any_of(base.strict_findings.begin(), base.strict_findings.end(),
                     [id](const StrictFinding& finding) { return finding.id == id; });
}

bool RejectedIn(const Resolution& base, Step step) {
  return std::any_of(base.rejections.begin(), base.rejections.end(),
                     [step](const Rejection& one) { return one.step == step; });
}

// What a user sees of two resolutions, in one word; empty: the same.
std::string Differs(const Resolution& a, const Resolution& b) {
  if (a.layers != b.layers) return "layers differ";
  if (a.drafter.config.use_non_causal != b.drafter.config.use_non_causal) {
    return "use_non_causal differs";
  }
  if (a.target_selection.chosen != b.target_selection.chosen) return "the target's backend differs";
  if (a.draft_selections.size() != b.draft_selections.size()) return "selections differ";
  for (std::size_t i = 0; i < a.draft_selections.size(); ++i) {
    if (a.draft_selections[i].chosen != b.draft_selections[i].chosen) {
      return "the drafter's backend differs";
    }
  }
  return a.rejections.size() == b.rejections.size() ? "" : "rejections differ";
}

// ---- Whose backend

std::string NullAutoselects(const LawSubject& subject, const ConfigSample& sample,
                            const Resolution& base) {
  if (!OwnBackendCounts(subject, sample, base)) return {};
  if (sample.target.speculative.attention_backend.set()) return {};
  const Selection* first = FirstDraft(base);
  return first == nullptr || !first->asked ? "" : "a backend that nobody named was asked for";
}

std::string ExplicitReachesTheSelector(const LawSubject& subject, const ConfigSample& sample,
                                       const Resolution& base) {
  if (!OwnBackendCounts(subject, sample, base) || FirstDraft(base) == nullptr) return {};
  const ParsedBackend parsed = ParseBackendName(subject.tables, sample.options.era,
                                                sample.target.speculative.attention_backend);
  return FirstDraft(base)->asked == parsed.backend ? "" : "another backend was asked for";
}

std::string ExplicitNeverFallsBack(const LawSubject& /*subject*/, const ConfigSample& sample,
                                   const Resolution& base) {
  if (OnCpu(sample)) return {};
  for (const Selection& selection : base.draft_selections) {
    if (!selection.asked) continue;
    if (selection.chosen && selection.chosen != selection.asked) return "another one was taken";
    if (!selection.chosen && !selection.raised) return "neither taken nor refused";
    if (selection.raised && RejectedIn(base, Step::kDraftSelection)) continue;
    if (selection.raised) return "a refusal that rejects nothing";
  }
  return {};
}

std::string ThreeContracts(const LawSubject& /*subject*/, const ConfigSample& sample,
                           const Resolution& base) {
  const SpeculativeConfig& spec = sample.target.speculative;
  const EffectiveConfig& drafter = base.drafter.config;
  if (drafter.kv_cache_dtype != spec.kv_cache_dtype.value_or(sample.target.cache.cache_dtype)) {
    return "kv_cache_dtype";
  }
  const bool own_moe = spec.moe_backend.has_value() && base.runner == Runner::kR1;
  return drafter.moe_backend == (own_moe ? *spec.moe_backend : sample.target.moe_backend)
             ? ""
             : "moe_backend";
}

std::string TargetKeepsItsConfig(const LawSubject& subject, const ConfigSample& sample,
                                 const Resolution& base) {
  if (sample.options.era < Era::kE1) return {};
  ConfigSample other = sample;
  other.target.speculative.attention_backend = {};
  other.draft.is_causal = LooseBool(true);
  other.draft.dflash.causal = LooseBool(true);
  const Resolution again = subject.Resolve(other);
  if (again.target.use_non_causal != base.target.use_non_causal) return "use_non_causal";
  return again.target_selection.chosen == base.target_selection.chosen ? "" : "its backend";
}

std::string AutoIsNull(const LawSubject& subject, const ConfigSample& sample,
                       const Resolution& base) {
  if (sample.target.speculative.attention_backend.set() || sample.options.era < Era::kE1) return {};
  ConfigSample other = sample;
  other.target.speculative.attention_backend = LooseText("aUtO");
  return Differs(base, subject.Resolve(other));
}

std::string UnknownNamesAreErrors(const LawSubject& subject, const ConfigSample& sample,
                                  const Resolution& /*base*/) {
  ConfigSample other = sample;
  other.target.attention_backend_flag = LooseText(" flash-attn");
  other.target.attention.backend = {};
  const Resolution again = subject.Resolve(other);
  const auto names = [](const Rejection& one) {
    return one.raised.text.starts_with("Unknown attention backend: ' FLASH-ATTN'. Valid options");
  };
  return std::any_of(again.rejections.begin(), again.rejections.end(), names) ? "" : "taken";
}

std::string KindsThatLeakAreTold(const LawSubject& /*subject*/, const ConfigSample& sample,
                                 const Resolution& base) {
  if (sample.options.era < Era::kE5) return {};
  for (const Selection& selection : base.draft_selections) {
    const auto& kinds = sample.target.attention.backend_per_kind;
    const auto entry = kinds.find(std::string(KindOf(selection.config)));
    if (entry == kinds.end()) continue;
    if (!HasFinding(base, "backend-per-kind-leak")) return entry->first + " leaks silently";
  }
  return {};
}

// ---- Causality

std::string TargetIsNotNonCausal(const LawSubject& /*subject*/, const ConfigSample& sample,
                                 const Resolution& base) {
  if (sample.options.era < Era::kE1 || sample.target.attention.use_non_causal) return {};
  return base.target.use_non_causal ? "the target is selected as non-causal" : "";
}

std::string NonCausalIsAnyLayer(const LawSubject& subject, const ConfigSample& sample,
                                const Resolution& base) {
  if (!FollowsDflashRules(subject, base) || sample.options.era < Era::kE1) return {};
  return base.drafter.config.use_non_causal == AnyNonCausal(base.layers)
             ? ""
             : "the flag is not that of the layers";
}

std::string MostSpecificKeyWins(const LawSubject& subject, const ConfigSample& sample,
                                const Resolution& base) {
  if (!FollowsDflashRules(subject, base) || sample.options.era < Era::kE3) return {};
  const LooseValue& top = sample.draft.is_causal;
  const LooseValue& nested = sample.draft.dflash.causal;
  const bool reads_top = sample.options.era >= Era::kE5;
  for (const LayerPlan& layer : base.layers) {
    bool wanted = false;
    if (reads_top && top.set()) {
      wanted = top.truthy;
    } else if (nested.set()) {
      wanted = nested.truthy;
    } else {
      const auto& types = sample.draft.layer_types.items;
      const auto at = static_cast<std::size_t>(layer.index);
      wanted = at < types.size() && types[at] == "sliding_attention";
    }
    if (layer.causal != wanted) return fmt::format("layer {} is causal: {}", layer.index, !wanted);
  }
  return {};
}

std::string NullFallsThrough(const LawSubject& subject, const ConfigSample& sample,
                             const Resolution& base) {
  if (sample.options.era < Era::kE5 || sample.draft.is_causal.set()) return {};
  ConfigSample other = sample;
  other.draft.is_causal = sample.draft.is_causal.given() ? LooseValue{} : LooseNull();
  return Differs(base, subject.Resolve(other));
}

std::string OddCausalIsTold(const LawSubject& subject, const ConfigSample& sample,
                            const Resolution& base) {
  const LooseValue& causal = sample.draft.dflash.causal;
  if (!FollowsDflashRules(subject, base) || sample.options.era < Era::kE2) return {};
  if (!causal.set() || causal.is_bool()) return {};
  return HasFinding(base, "causal-not-boolean") ? "" : "nobody says that causal is no boolean";
}

std::string MissingIsEmpty(const LawSubject& subject, const ConfigSample& sample,
                           const Resolution& /*base*/) {
  ConfigSample other = sample;
  other.draft.dflash = {};
  const Resolution missing = subject.Resolve(other);
  other.draft.dflash.section = LooseObject(true, "{}");
  return Differs(missing, subject.Resolve(other));
}

std::string FalseOnTopIsNonCausal(const LawSubject& subject, const ConfigSample& sample,
                                  const Resolution& base) {
  if (!FollowsDflashRules(subject, base) || sample.options.era < Era::kE5) return {};
  ConfigSample other = sample;
  other.draft.is_causal = LooseBool(false);
  const Resolution again = subject.Resolve(other);
  return again.drafter.config.use_non_causal ? "" : "is_causal = false changes nothing";
}

std::string OtherKeysDoNotMatter(const LawSubject& subject, const ConfigSample& sample,
                                 const Resolution& base) {
  ConfigSample other = sample;
  other.draft.model_type = "qwen9";
  other.draft.max_position_embeddings = 1 << 20;
  return Differs(base, subject.Resolve(other));
}

// ---- The selector

std::vector<ReasonId> IdsOf(const std::vector<Reason>& reasons) {
  std::vector<ReasonId> ids;
  for (const Reason& reason : reasons) ids.push_back(reason.id);
  return ids;
}

bool Contains(const std::vector<ReasonId>& all, const std::vector<ReasonId>& part) {
  return std::all_of(part.begin(), part.end(), [&all](ReasonId id) {
    return std::find(all.begin(), all.end(), id) != all.end();
  });
}

// `edit` asks for more; no backend may become valid by it.
template <typename Edit>
std::string MoreIsNeverEasier(const LawSubject& subject, const ConfigSample& sample,
                              const Resolution& base, const Edit& edit) {
  if (OnCpu(sample) || FirstDraft(base) == nullptr) return {};
  SelectorConfig less = FirstDraft(base)->config;
  SelectorConfig more = less;
  edit(less, more);
  for (const Candidate& candidate : FirstDraft(base)->candidates) {
    const auto reasons = [&](const SelectorConfig& config) {
      return IdsOf(Validate(subject.tables, sample.options.era, sample.options.platform,
                            candidate.backend, config));
    };
    if (!Contains(reasons(more), reasons(less))) {
      return fmt::format("{} objects to less", subject.tables.backend_names[candidate.backend]);
    }
  }
  return {};
}

std::string NonCausalIsASubset(const LawSubject& subject, const ConfigSample& sample,
                               const Resolution& base) {
  return MoreIsNeverEasier(subject, sample, base, [](SelectorConfig& less, SelectorConfig& more) {
    less.use_non_causal = false;
    more.use_non_causal = true;
  });
}

std::string RequirementsOnlyAdd(const LawSubject& subject, const ConfigSample& sample,
                                const Resolution& base) {
  return MoreIsNeverEasier(subject, sample, base, [](SelectorConfig& less, SelectorConfig& more) {
    less.use_batch_invariant = less.use_mm_prefix = less.has_sink = less.use_kv_connector = false;
    less.has_sliding_window = false;
    more.use_batch_invariant = more.use_mm_prefix = more.has_sink = more.use_kv_connector = true;
    more.has_sliding_window = true;
  });
}

std::string ReasonsAreOrdered(const LawSubject& /*subject*/, const ConfigSample& /*sample*/,
                              const Resolution& base) {
  for (const Selection& selection : base.draft_selections) {
    for (const Candidate& candidate : selection.candidates) {
      const std::vector<ReasonId> ids = IdsOf(candidate.reasons);
      const auto not_rising = [](ReasonId a, ReasonId b) { return a >= b; };
      if (std::adjacent_find(ids.begin(), ids.end(), not_rising) != ids.end()) {
        return "reasons out of order";
      }
    }
  }
  return {};
}

std::string FirstValidIsChosen(const LawSubject& /*subject*/, const ConfigSample& sample,
                               const Resolution& base) {
  if (OnCpu(sample)) return {};
  for (const Selection& selection : base.draft_selections) {
    const auto valid =
        std::find_if(selection.candidates.begin(), selection.candidates.end(),
                     [](const Candidate& candidate) { return candidate.reasons.empty(); });
    const bool any = valid != selection.candidates.end();
    if (selection.chosen.has_value() != any) return "chosen and valid disagree";
    if (any && *selection.chosen != valid->backend) return "not the first valid one";
  }
  return {};
}

std::string KeysKnowCausality(const LawSubject& /*subject*/, const ConfigSample& /*sample*/,
                              const Resolution& base) {
  if (FirstDraft(base) == nullptr) return {};
  SelectorConfig other = FirstDraft(base)->config;
  other.use_non_causal = !other.use_non_causal;
  return other == FirstDraft(base)->config ? "one key for both" : "";
}

std::string AnswersDoNotDependOnOrder(const LawSubject& subject, const ConfigSample& sample,
                                      const Resolution& base) {
  ConfigSample other = sample;
  other.draft.is_causal = LooseBool(true);
  (void)subject.Resolve(other);
  return Differs(base, subject.Resolve(sample));
}

std::string CpuIsTold(const LawSubject& /*subject*/, const ConfigSample& sample,
                      const Resolution& base) {
  if (!OnCpu(sample) || FirstDraft(base) == nullptr) return {};
  if (!base.drafter.config.use_non_causal) return {};
  return HasWarning(base, "cpu-ignores-non-causal") ? "" : "CPU takes it silently";
}

std::string ChosenCanDoIt(const LawSubject& subject, const ConfigSample& sample,
                          const Resolution& base) {
  if (OnCpu(sample)) return {};
  for (const Selection& selection : base.draft_selections) {
    if (!selection.chosen) continue;
    const BackendRow& row = subject.tables.row(sample.options.era, *selection.chosen);
    if (selection.config.use_non_causal && !row.non_causal) return "no non-causal attention";
    const bool asks = selection.config.use_batch_invariant && sample.options.era >= Era::kE1b;
    if (asks && !row.batch_invariant) return "not batch-invariant";
  }
  return {};
}

std::string DrafterIsNotMla(const LawSubject& subject, const ConfigSample& sample,
                            const Resolution& base) {
  if (OnCpu(sample) || !FollowsDflashRules(subject, base)) return {};
  for (const Selection& selection : base.draft_selections) {
    if (!selection.chosen) continue;
    if (subject.tables.row(sample.options.era, *selection.chosen).is_mla) return "an MLA backend";
  }
  return {};
}

std::string TargetFlagsStayTheTargets(const LawSubject& subject, const ConfigSample& sample,
                                      const Resolution& base) {
  if (sample.options.era < Era::kE5 || OnCpu(sample)) return {};
  ConfigSample other = sample;
  const MethodRow* method = subject.tables.FindMethod(base.drafter.method);
  if (method != nullptr && method->ClearsMmPrefix(base.runner, sample.options.era)) {
    other.target.model.is_mm_prefix_lm = !other.target.model.is_mm_prefix_lm;
  }
  other.target.model.use_mla = !other.target.model.use_mla;
  const Resolution again = subject.Resolve(other);
  if (again.draft_selections.size() != base.draft_selections.size()) return "selections differ";
  for (std::size_t i = 0; i < base.draft_selections.size(); ++i) {
    if (again.draft_selections[i].chosen != base.draft_selections[i].chosen) {
      return "the drafter's backend follows the target's flags";
    }
  }
  return {};
}

std::string NullBlockSizePasses(const LawSubject& /*subject*/, const ConfigSample& sample,
                                const Resolution& base) {
  if (sample.target.cache.block_size) return {};
  for (const Selection& selection : base.draft_selections) {
    for (const Candidate& candidate : selection.candidates) {
      const std::vector<ReasonId> ids = IdsOf(candidate.reasons);
      if (Contains(ids, {ReasonId::kBlockSize})) return "a block size that nobody gave";
    }
  }
  return {};
}

// ---- Layers

std::string MixedLayersFailEarly(const LawSubject& subject, const ConfigSample& sample,
                                 const Resolution& base) {
  if (!FollowsDflashRules(subject, base) || base.runner == Runner::kR2) return {};
  if (sample.options.era < Era::kE4 || !base.mixed_layers()) return {};
  return RejectedIn(base, Step::kDraftModel) || RejectedIn(base, Step::kProposer)
             ? ""
             : "mixed layers are served on R1";
}

std::string MixedGroupsAreRejected(const LawSubject& /*subject*/, const ConfigSample& /*sample*/,
                                   const Resolution& base) {
  for (const MetadataRecord& a : base.records) {
    for (const MetadataRecord& b : base.records) {
      if (a.kv_group != b.kv_group || a.asked_causal == b.asked_causal) continue;
      if (!RejectedIn(base, Step::kMetadata)) return "two causalities in one group";
    }
  }
  return {};
}

std::string UseSwaKeepsCausality(const LawSubject& subject, const ConfigSample& sample,
                                 const Resolution& base) {
  ConfigSample other = sample;
  other.draft.dflash.use_swa =
      sample.draft.dflash.use_swa.truthy ? LooseBool(false) : LooseBool(true);
  const Resolution again = subject.Resolve(other);
  for (std::size_t i = 0; i < std::min(base.layers.size(), again.layers.size()); ++i) {
    if (base.layers[i].causal != again.layers[i].causal) return "causality follows use_swa";
  }
  const auto& types = sample.draft.layer_types.items;
  if (std::find(types.begin(), types.end(), "sliding_attention") == types.end()) return {};
  return base.layers == again.layers ? "" : "windows follow use_swa beside layer_types";
}

std::string NullWindowRaises(const LawSubject& subject, const ConfigSample& sample,
                             const Resolution& base) {
  if (!FollowsDflashRules(subject, base) || sample.options.era < Era::kE3) return {};
  const LooseValue& nested = sample.draft.dflash.swa_window_size;
  const bool none = nested.given() ? !nested.set() : !sample.draft.sliding_window.set();
  const bool slides = std::any_of(base.layers.begin(), base.layers.end(),
                                  [](const LayerPlan& layer) { return layer.sliding; });
  if (!none || !slides) return {};
  return base.rejected() ? "" : "a sliding layer has no window";
}

std::string LongDraftsAreTold(const LawSubject& subject, const ConfigSample& sample,
                              const Resolution& base) {
  const auto& block = base.drafter.block_size;
  const auto& tokens = base.drafter.num_speculative_tokens;
  if (!FollowsDflashRules(subject, base) || !block || !tokens || *tokens < *block) return {};
  (void)sample;
  return HasWarning(base, "tokens-exceed-block") ? "" : "K is above the block silently";
}

std::string ShiftIsOne(const LawSubject& subject, const ConfigSample& sample,
                       const Resolution& base) {
  const auto& ids = sample.draft.dflash.target_layer_ids.items;
  if (!FollowsDflashRules(subject, base) || base.drafter.aux_layers.ids.size() != ids.size()) {
    return {};
  }
  const std::int64_t by = sample.options.era >= Era::kE0b ? 1 : 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (base.drafter.aux_layers.ids[i] != ids[i] + by) return "the ids are shifted otherwise";
  }
  return {};
}

std::string UnpaddedIsRejected(const LawSubject& subject, const ConfigSample& sample,
                               const Resolution& base) {
  if (!FollowsDflashRules(subject, base)) return {};
  if (!sample.target.speculative.disable_padded_drafter_batch) return {};
  return base.rejected() ? "" : "an unpadded batch is served";
}

std::string MetadataIsCheckedInBothModes(const LawSubject& subject, const ConfigSample& sample,
                                         const Resolution& base) {
  (void)sample;
  if (!FollowsDflashRules(subject, base)) return {};
  if (base.records.size() != base.layers.size()) return "a layer has no record";
  if (base.violations != CheckMetadata(base.records)) return "violations are not those of records";
  return base.violations.empty() || base.rejected() ? "" : "a violation is served";
}

}  // namespace

const std::vector<ConfigLaw>& ConfigLaws() {
  static const std::vector<ConfigLaw> kLaws = {
      {1, "a drafter backend that nobody named is autoselected", NullAutoselects},
      {2, "an explicit drafter backend reaches the selector as it is", ExplicitReachesTheSelector},
      {3, "an explicit backend is taken or refused, never replaced", ExplicitNeverFallsBack},
      {4, "cache dtype and MoE backend are inherited unless said", ThreeContracts},
      {5, "the target's config does not follow the drafter's", TargetKeepsItsConfig},
      {7, "auto in any case is null", AutoIsNull},
      {8, "an unknown backend name lists all members", UnknownNamesAreErrors},
      {9, "backend_per_kind that reaches the drafter is told", KindsThatLeakAreTold},
      {10, "the target is not selected as non-causal", TargetIsNotNonCausal},
      {11, "use_non_causal is whether some layer is not causal", NonCausalIsAnyLayer},
      {12, "is_causal, then dflash_config.causal, then layer_types", MostSpecificKeyWins},
      {13, "a null key falls to the next level", NullFallsThrough},
      {14, "a causal that is no boolean is told", OddCausalIsTold},
      {15, "a missing dflash_config is an empty one", MissingIsEmpty},
      {16, "is_causal = false makes any drafter non-causal", FalseOnTopIsNonCausal},
      {17, "keys that nobody reads do not matter", OtherKeysDoNotMatter},
      {18, "asking for non-causal attention removes backends", NonCausalIsASubset},
      {19, "no requirement makes a refused backend valid", RequirementsOnlyAdd},
      {20, "reasons stand in their fixed order", ReasonsAreOrdered},
      {21, "the first backend without a reason is chosen", FirstValidIsChosen},
      {22, "a remembered choice knows use_non_causal", KeysKnowCausality},
      {23, "answers do not depend on what was asked before", AnswersDoNotDependOnOrder},
      {26, "CPU's silence about non-causal attention is told", CpuIsTold},
      {27, "what is chosen can do what was asked", ChosenCanDoIt},
      {28, "a DFlash drafter never runs on an MLA backend", DrafterIsNotMla},
      {29, "flags of the target alone do not reach the drafter", TargetFlagsStayTheTargets},
      {31, "a block size that nobody gave is no reason", NullBlockSizePasses},
      {32, "mixed layers fail before the first request on R1", MixedLayersFailEarly},
      {33, "one KV group has one causality", MixedGroupsAreRejected},
      {34, "use_swa changes windows, never causality", UseSwaKeepsCausality},
      {35, "a sliding layer without a window is an error", NullWindowRaises},
      {38, "target_layer_ids are shifted by one since E0b", ShiftIsOne},
      {39, "more tokens than the block has are told", LongDraftsAreTold},
      {49, "an unpadded drafter batch is rejected", UnpaddedIsRejected},
      {50, "metadata is checked in both modes", MetadataIsCheckedInBothModes},
  };
  return kLaws;
}

const std::vector<ClauseWithoutLaw>& ClausesWithoutLaw() {
  static const std::vector<ClauseWithoutLaw> kNone = {
      {6, "the registry of layers is an object of a running server; the model has no such state"},
      {24, "one list of one device: data, with a case in the selector's tests"},
      {25, "a row of the tables: mutant aiter-unified-inherits-non-causal breaks it"},
      {30, "one combination of tables: mutant cache-dtype-not-inherited breaks it"},
      {36, "one row of a truth table, with cases for each era; mutant speculators-default-false"},
      {37, "training and serving windows differ by definition; warning window-anchor says so"},
  };
  return kNone;
}

}  // namespace attest::drafter
