// SPDX-License-Identifier: Apache-2.0
//
// Selectors with wrong capabilities, wrong questions and wrong eras.
#include "conformance/drafter/config_mutants.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;

// `edit` on the row of `name` in every era that has it.
template <typename Edit>
void EachRow(Tables& tables, std::string_view name, const Edit& edit) {
  const std::optional<BackendId> backend = tables.FindBackend(name);
  if (!backend) return;
  for (EraTable& era : tables.eras) edit(era.rows[*backend]);
}

template <typename Edit>
void EveryRow(Tables& tables, const Edit& edit) {
  for (EraTable& era : tables.eras) {
    for (BackendRow& row : era.rows) edit(row);
  }
}

void FlexLacksNonCausal(Tables& tables) {
  EachRow(tables, "FLEX_ATTENTION", [](BackendRow& row) { row.non_causal = false; });
}
void RocmAttnLacksNonCausal(Tables& tables) {
  EachRow(tables, "ROCM_ATTN", [](BackendRow& row) { row.non_causal = false; });
}
void FlashInferLacksNonCausal(Tables& tables) {
  EachRow(tables, "FLASHINFER", [](BackendRow& row) { row.non_causal = false; });
}
void AiterInheritsNonCausal(Tables& tables) {
  const std::optional<BackendId> parent = tables.FindBackend("ROCM_ATTN");
  const std::optional<BackendId> child = tables.FindBackend("ROCM_AITER_UNIFIED_ATTN");
  if (!parent || !child) return;
  for (EraTable& era : tables.eras) era.rows[*child].non_causal = era.rows[*parent].non_causal;
}
void EveryoneIsNonCausal(Tables& tables) {
  EveryRow(tables, [](BackendRow& row) { row.non_causal = true; });
}
void FlexNotBatchInvariant(Tables& tables) {
  EachRow(tables, "FLEX_ATTENTION", [](BackendRow& row) { row.batch_invariant = false; });
}
void EveryoneHasSinks(Tables& tables) {
  EveryRow(tables, [](BackendRow& row) {
    row.sinks.everywhere = true;
    row.sink_combination_below.reset();
  });
}
void AnyHeadSize(Tables& tables) {
  EveryRow(tables, [](BackendRow& row) { row.head_sizes = {}; });
}
void AnyCacheDtype(Tables& tables) {
  EveryRow(tables, [](BackendRow& row) { row.kv_dtypes = ~0U; });
}
void AnyBlockSize(Tables& tables) {
  EveryRow(tables, [](BackendRow& row) { row.block_sizes = {}; });
}
void AnyCapability(Tables& tables) {
  EveryRow(tables, [](BackendRow& row) { row.any_capability = true; });
}
void MlaServesEverything(Tables& tables) {
  EveryRow(tables, [](BackendRow& row) { row.is_mla = false; });
}
void MmPrefixForAll(Tables& tables) {
  EveryRow(tables, [](BackendRow& row) { row.mm_prefix = true; });
}
void ProposerForgetsTheOverride(Tables& tables) {
  for (MethodRow& method : tables.methods) method.sets_non_causal = false;
}

// ---- Questions

void NeverBatchInvariant(TargetConfig& target, DraftConfig& /*draft*/,
                         ResolveOptions& /*options*/) {
  target.environment.batch_invariant = false;
}
void TargetAsNonCausalAsDrafter(TargetConfig& target, DraftConfig& draft, ResolveOptions& options) {
  if (options.era < Era::kE1) return;
  const LayersOutcome layers = ResolveLayers(draft, options.era, options.runner);
  if (AnyNonCausal(layers.layers)) target.attention.use_non_causal = true;
}
void NoSinks(TargetConfig& /*target*/, DraftConfig& draft, ResolveOptions& /*options*/) {
  draft.dflash.attention_sink_bias = {};
  draft.add_swa_attention_sink_bias = {};
}
void TargetsHeadSize(TargetConfig& target, DraftConfig& draft, ResolveOptions& /*options*/) {
  draft.head_dim = target.model.head_dim;
}
void Hopper(TargetConfig& /*target*/, DraftConfig& /*draft*/, ResolveOptions& options) {
  if (options.platform.kind == PlatformKind::kCuda) options.platform.capability = {9, 0};
}
template <Era kEra>
void RulesOf(TargetConfig& /*target*/, DraftConfig& /*draft*/, ResolveOptions& options) {
  options.era = kEra;
}
template <Runner kRunner>
void RulesOfRunner(TargetConfig& /*target*/, DraftConfig& /*draft*/, ResolveOptions& options) {
  options.runner = kRunner;
}

// ---- Answers

void FirstReasonOnly(const Question& /*question*/, Json& answer) {
  if (!answer.contains("rejected_backends")) return;
  for (auto& [name, reasons] : answer["rejected_backends"].items()) reasons = {reasons.front()};
}

// An explicit backend that does not do is not an error: the first that does is taken.
void FallBack(const Question& question, Json& answer) {
  if (answer["served"] == true) return;
  const std::string text = answer["error"]["text"];
  if (!text.starts_with("Selected backend")) return;
  Question other = question;
  other.target.erase("attention_backend");
  if (other.target.contains("attention")) other.target["attention"].erase("backend");
  if (other.target.contains("speculative")) other.target["speculative"].erase("attention_backend");
  const Result<Json> again = ResolveAnswer(other, nullptr);
  if (again.ok()) answer = *again;
}

std::vector<ConfigMutant> CapabilityMutants() {
  return {
      {.id = "flex-lacks-non-causal",
       .sentence = "FLEX_ATTENTION does not say that it can do non-causal attention",
       .reference = "vllm-project/vllm#40394",
       .resolve = {.tables = FlexLacksNonCausal}},
      {.id = "rocm-attn-lacks-non-causal",
       .sentence = "ROCM_ATTN does not say that it can do non-causal attention",
       .reference = "vllm-project/vllm#40176",
       .resolve = {.tables = RocmAttnLacksNonCausal}},
      {.id = "aiter-unified-inherits-non-causal",
       .sentence = "ROCM_AITER_UNIFIED_ATTN has the claim of its parent class",
       .reference = "vllm-project/vllm#40176",
       .bug = "seed-aiter-unified-inherits-noncausal",
       .resolve = {.tables = AiterInheritsNonCausal}},
      {.id = "flashinfer-lacks-non-causal",
       .sentence = "FLASHINFER does not say that it can do non-causal attention",
       .reference = "vllm-project/vllm#43081",
       .resolve = {.tables = FlashInferLacksNonCausal}},
      {.id = "non-causal-not-asked",
       .sentence = "the selector does not ask whether a backend can do non-causal attention",
       .reference = "vllm-project/vllm#40176",
       .resolve = {.tables = EveryoneIsNonCausal}},
      {.id = "override-forgotten",
       .sentence = "the proposer hands the need for non-causal attention on to nobody",
       .reference = "kept as a standard mutation",
       .resolve = {.tables = ProposerForgetsTheOverride}},
      {.id = "flex-not-batch-invariant",
       .sentence = "FLEX_ATTENTION does not say that it is batch-invariant",
       .reference = "vllm-project/vllm#40842",
       .resolve = {.tables = FlexNotBatchInvariant}},
      {.id = "sinks-not-asked",
       .sentence = "the selector does not ask whether a backend has sinks",
       .reference = "kept as a standard mutation",
       .resolve = {.tables = EveryoneHasSinks}},
      {.id = "head-size-not-asked",
       .sentence = "the selector does not ask for head sizes",
       .reference = "ROCm/aiter#2273",
       .resolve = {.tables = AnyHeadSize}},
      {.id = "cache-dtype-not-asked",
       .sentence = "the selector does not ask for cache dtypes",
       .reference = "kept as a standard mutation",
       .resolve = {.tables = AnyCacheDtype}},
      {.id = "block-size-not-asked",
       .sentence = "the selector does not ask for block sizes",
       .reference = "kept as a standard mutation",
       .resolve = {.tables = AnyBlockSize}},
      {.id = "capability-not-asked",
       .sentence = "the selector does not ask for compute capabilities",
       .reference = "kept as a standard mutation",
       .resolve = {.tables = AnyCapability}},
      {.id = "mla-not-told-apart",
       .sentence = "MLA backends count as ordinary ones",
       .reference = "vllm-project/vllm#39930",
       .resolve = {.tables = MlaServesEverything}},
      {.id = "mm-prefix-not-asked",
       .sentence = "the selector does not ask for partial multimodal attention",
       .reference = "kept as a standard mutation",
       .resolve = {.tables = MmPrefixForAll}},
  };
}

std::vector<ConfigMutant> QuestionMutants() {
  return {
      {.id = "target-as-non-causal-as-drafter",
       .sentence = "the target is selected as non-causal where the drafter is",
       .reference = "vllm-project/vllm#39930",
       .resolve = {.configs = TargetAsNonCausalAsDrafter}},
      {.id = "batch-invariance-not-asked",
       .sentence = "the selector is not told about batch invariance",
       .reference = "vllm-project/vllm#40193",
       .resolve = {.configs = NeverBatchInvariant}},
      {.id = "drafter-sinks-not-seen",
       .sentence = "the drafter's sinks do not reach the selector",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = NoSinks}},
      {.id = "head-size-of-target",
       .sentence = "the drafter is selected with the target's head size",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = TargetsHeadSize}},
      {.id = "every-device-is-9-0",
       .sentence = "every CUDA device counts as capability 9.0",
       .reference = "kept as a standard mutation",
       .resolve = {.configs = Hopper}},
      {.id = "first-reason-only",
       .sentence = "the first reason against a backend ends the search for more",
       .reference = "kept as a standard mutation",
       .resolve = {.answer = FirstReasonOnly}},
      {.id = "explicit-backend-falls-back",
       .sentence = "an explicit backend that does not do is replaced by one that does",
       .reference = "kept as a standard mutation",
       .resolve = {.answer = FallBack}},
  };
}

std::vector<ConfigMutant> EraMutants() {
  constexpr std::string_view kWhy = "an adapter for another version";
  return {
      {.id = "rules-of-e0",
       .sentence = "answers by the rules of E0, whatever era is asked for",
       .reference = kWhy,
       .resolve = {.configs = RulesOf<Era::kE0>}},
      {.id = "rules-of-e1",
       .sentence = "answers by the rules of E1, whatever era is asked for",
       .reference = kWhy,
       .resolve = {.configs = RulesOf<Era::kE1>}},
      {.id = "rules-of-e2",
       .sentence = "answers by the rules of E2, whatever era is asked for",
       .reference = kWhy,
       .resolve = {.configs = RulesOf<Era::kE2>}},
      {.id = "rules-of-e3",
       .sentence = "answers by the rules of E3, whatever era is asked for",
       .reference = kWhy,
       .resolve = {.configs = RulesOf<Era::kE3>}},
      {.id = "rules-of-e4",
       .sentence = "answers by the rules of E4, whatever era is asked for",
       .reference = kWhy,
       .resolve = {.configs = RulesOf<Era::kE4>}},
      {.id = "rules-of-e5",
       .sentence = "answers by the rules of E5, whatever era is asked for",
       .reference = kWhy,
       .resolve = {.configs = RulesOf<Era::kE5>}},
      {.id = "rules-of-runner-1",
       .sentence = "resolves by the rules of runner R1, whatever runner is asked for",
       .reference = kWhy,
       .resolve = {.configs = RulesOfRunner<Runner::kR1>}},
      {.id = "rules-of-runner-2",
       .sentence = "resolves by the rules of runner R2, whatever runner is asked for",
       .reference = kWhy,
       .resolve = {.configs = RulesOfRunner<Runner::kR2>}},
  };
}

}  // namespace

std::vector<ConfigMutant> SelectorMutants() {
  std::vector<ConfigMutant> all;
  for (const auto room : {CapabilityMutants, QuestionMutants, EraMutants}) {
    const std::vector<ConfigMutant> mutants = room();
    all.insert(all.end(), mutants.begin(), mutants.end());
  }
  return all;
}

}  // namespace attest::drafter
