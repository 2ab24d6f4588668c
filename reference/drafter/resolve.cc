// SPDX-License-Identifier: Apache-2.0
#include "reference/drafter/resolve.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "reference/drafter/derivation.h"

namespace attest::drafter {
namespace {

constexpr std::array<std::string_view, 10> kStepNames = {
    "arguments", "target-config", "speculative-config", "draft-config",   "target-selection",
    "proposer",  "draft-model",   "draft-selection",    "metadata-check", "strict"};

// KVCacheSpecKind, sorted, as the error lists them.
constexpr std::array<std::string_view, 10> kKinds = {"chunked_local_attention",
                                                     "cross_attention",
                                                     "encoder_only_attention",
                                                     "full_attention",
                                                     "mamba",
                                                     "mla_attention",
                                                     "sink_full_attention",
                                                     "sliding_window",
                                                     "sliding_window_mla",
                                                     "unknown"};

// CUDA has bfloat16 since capability 8.0; "auto" falls back to float16 there.
ModelDtype DtypeOf(const std::string& name, const Platform& platform) {
  const bool old = platform.kind == PlatformKind::kCuda && platform.capability.major < 8;
  if (name == "float16" || (name == "auto" && old)) return ModelDtype::kFloat16;
  return name == "float32" ? ModelDtype::kFloat32 : ModelDtype::kBFloat16;
}

AttnType AttnTypeOf(const std::string& name) {
  if (name == "encoder") return AttnType::kEncoder;
  if (name == "encoder_only") return AttnType::kEncoderOnly;
  return name == "encoder_decoder" ? AttnType::kEncoderDecoder : AttnType::kDecoder;
}

bool IsAuto(const std::string& text) {
  return text.size() == 4 && std::equal(text.begin(), text.end(), "auto", [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(a)) == b;
         });
}

// ---- The flags and the target's own config

void DeriveTarget(Derivation& d) {
  const AttentionConfig& attention = d.target.attention;
  const LooseValue& flag = d.target.attention_backend_flag;
  EffectiveConfig& target = d.out.target;
  // "auto" inside the structured config is null before anybody compares; the flag is not parsed
  // yet.
  if (flag.set() && attention.backend.set() && !IsAuto(attention.backend.text)) {
    d.Reject(Step::kArguments, "ValueError",
             "attention_backend and attention_config.backend are mutually exclusive");
  }
  target.backend_text = flag.set() ? flag : attention.backend;
  target.backend_from = flag.set()                ? "--attention-backend"
                        : attention.backend.set() ? "attention_config.backend"
                                                  : "nobody named one";
  ParsedBackend parsed = ParseBackendName(d.tables, d.era(), target.backend_text);
  target.backend = parsed.backend;
  if (parsed.raised.has_value()) d.Reject(Step::kTargetConfig, *parsed.raised);
  if (attention.use_cudnn_prefill) {
    d.Reject(Step::kTargetConfig, "ValueError", "use_cudnn_prefill has been removed");
  }
  if (attention.use_non_causal && d.era() < Era::kE1) {
    d.Reject(Step::kTargetConfig, "ValidationError", "use_non_causal: Unexpected keyword argument");
  }
  if (!attention.backend_per_kind.empty() && d.era() < Era::kE5) {
    d.Reject(Step::kTargetConfig, "ValidationError",
             "backend_per_kind: Unexpected keyword argument");
  }
  target.kv_cache_dtype = d.target.cache.cache_dtype;
  target.moe_backend = d.target.moe_backend;
  target.is_mm_prefix_lm = d.target.model.is_mm_prefix_lm;
}

void CheckPerKind(Derivation& d) {
  if (d.era() < Era::kE5) return;
  for (const auto& [kind, name] : d.target.attention.backend_per_kind) {
    if (std::find(kKinds.begin(), kKinds.end(), kind) == kKinds.end()) {
      d.Reject(Step::kTargetConfig, "ValueError",
               fmt::format("Unknown KV cache group kind '{}' in backend_per_kind. Valid kinds are: "
                           "{}.",
                           kind, fmt::join(kKinds, ", ")));
    }
    const ParsedBackend parsed = LookUpBackend(d.tables, d.era(), name);
    if (!parsed.raised.has_value()) continue;
    d.Reject(Step::kTargetConfig, *parsed.raised);
  }
}

// ---- Where the drafter's backend and use_non_causal come from

void DeriveDraftBackend(Derivation& d) {
  const LooseValue& own = d.target.speculative.attention_backend;
  EffectiveConfig& config = d.out.drafter.config;
  if (d.era() < Era::kE1) {
    if (own.given()) {
      d.Reject(Step::kSpeculative, "ValidationError",
               "attention_backend: Unexpected keyword argument");
    }
    config.backend_text = d.out.target.backend_text;
    config.backend = d.out.target.backend;
    config.backend_from = "inherited from the target (before #39930 there is no choice)";
    return;
  }
  ParsedBackend parsed = ParseBackendName(d.tables, d.era(), own);
  if (parsed.raised.has_value()) d.Reject(Step::kSpeculative, *parsed.raised);
  const bool honoured =
      d.out.runner == Runner::kR1 || (d.method != nullptr && d.era() >= d.method->r2_honours_since);
  if (honoured) {
    config.backend_text = own;
    config.backend = parsed.backend;
    config.backend_from = own.set() ? "speculative attention_backend"
                                    : "nobody named one; the target's is never inherited";
    return;
  }
  config.backend_text = d.out.target.backend_text;
  config.backend = d.out.target.backend;
  config.backend_from = "inherited from the target (runner R2 in this era)";
  if (own.set() && parsed.backend != config.backend) {
    d.Warn("backend-dropped", own.text,
           config.backend.has_value() ? d.tables.name(*config.backend) : "autoselection");
  }
}

void DeriveDraftConfig(Derivation& d) {
  const SpeculativeConfig& spec = d.target.speculative;
  EffectiveConfig& config = d.out.drafter.config;
  DeriveDraftBackend(d);
  d.Decide(Step::kProposer, [&] {
    return fmt::format("the drafter's backend: {} ({})",
                       config.backend.has_value() ? d.tables.name(*config.backend) : "autoselect",
                       config.backend_from);
  });
  config.kv_cache_dtype = spec.kv_cache_dtype.value_or(d.out.target.kv_cache_dtype);
  // Runner R2 copies attention_config and cache_config alone (v0.33.0 dflash/utils.py).
  const bool own_moe = spec.moe_backend.has_value() && d.out.runner == Runner::kR1;
  if (spec.moe_backend.has_value() && !own_moe && *spec.moe_backend != d.out.target.moe_backend) {
    d.Warn("moe-backend-dropped", *spec.moe_backend, d.out.target.moe_backend);
  }
  config.moe_backend = own_moe ? *spec.moe_backend : d.out.target.moe_backend;
  const bool clears = d.method != nullptr && d.method->ClearsMmPrefix(d.out.runner, d.era());
  config.is_mm_prefix_lm = d.out.target.is_mm_prefix_lm && !clears;
  d.Decide(Step::kProposer, [&] {
    return fmt::format("KV cache {} ({}), MoE backend {} ({})", config.kv_cache_dtype,
                       spec.kv_cache_dtype.has_value() ? "its own" : "the target's",
                       config.moe_backend, own_moe ? "its own" : "the target's");
  });
}

void DeriveNonCausal(Derivation& d) {
  EffectiveConfig& target = d.out.target;
  EffectiveConfig& drafter = d.out.drafter.config;
  if (d.era() < Era::kE1) {
    const bool dflash = d.out.drafter.method == "dflash";
    target.use_non_causal = drafter.use_non_causal = dflash;
    target.non_causal_from = drafter.non_causal_from =
        dflash ? "the selector sees method dflash" : "the selector sees another method";
    if (dflash) d.Warn("target-forced-non-causal");
    return;
  }
  target.use_non_causal = d.target.attention.use_non_causal;
  target.non_causal_from = target.use_non_causal ? "set by the user" : "the default";
  if (d.method != nullptr && d.method->sets_non_causal) {
    drafter.use_non_causal = AnyNonCausal(d.out.layers);
    drafter.non_causal_from =
        d.era() < Era::kE2 ? "the proposer sets it always" : "some layer is not causal";
    if (!drafter.use_non_causal) drafter.non_causal_from = "every layer is causal";
  } else {
    drafter.use_non_causal = target.use_non_causal;
    drafter.non_causal_from = "copied: this method does not set it";
  }
}

// ---- Layers

// Methods without the DFlash rules are causal, unless the checkpoint says is_causal = false.
void DeriveLayers(Derivation& d) {
  if (d.method == nullptr || !d.method->has_attention) return;
  LayersOutcome outcome =
      ResolveLayers(d.draft, d.dflash_like() ? d.era() : Era::kE5, d.out.runner);
  d.out.layers = std::move(outcome.layers);
  if (!d.dflash_like()) {
    for (LayerPlan& layer : d.out.layers) {
      const bool says = d.draft.is_causal.set();
      layer = {.index = layer.index,
               .causal = !says || d.draft.is_causal.truthy,
               .source = says ? CausalitySource::kIsCausal : CausalitySource::kDefault};
    }
    return;
  }
  if (outcome.helper_raised.has_value()) d.Reject(Step::kProposer, *outcome.helper_raised);
  if (outcome.model_raised.has_value()) d.Reject(Step::kDraftModel, *outcome.model_raised);
  d.out.drafter.has_sinks = HasSinks(d.draft, d.era());
  d.Decide(Step::kProposer, [&] {
    const auto causal = [](const LayerPlan& layer) { return layer.causal; };
    const auto other = [](const LayerPlan& layer) { return !layer.causal; };
    const std::string yes = LayerNames(d.out.layers, causal);
    const std::string no = LayerNames(d.out.layers, other);
    return fmt::format("causal layers: {}; non-causal layers: {} (decided by {})",
                       yes.empty() ? "none" : yes, no.empty() ? "none" : no,
                       d.out.layers.empty() ? "nothing" : NameOf(d.out.layers.front().source));
  });
}

void CheckProposer(Derivation& d) {
  if (!d.dflash_like()) return;
  EffectiveDrafter& drafter = d.out.drafter;
  if (d.target.speculative.disable_padded_drafter_batch) {
    d.Reject(Step::kProposer, "NotImplementedError",
             "Speculative Decoding with draft models or parallel drafting only supports padded "
             "drafter batch. Please unset disable_padded_drafter_batch in the speculative_config.");
  }
  if (d.draft.uses_mrope && d.out.runner == Runner::kR1) {
    d.Reject(Step::kProposer, "NotImplementedError",
             "M-RoPE drafters are not supported for DFlash");
  }
  if (drafter.method == "dflash" && d.out.runner == Runner::kR2 &&
      d.draft.dflash.sample_from_anchor.truthy) {
    d.Reject(Step::kProposer, "ValueError",
             "sample_from_anchor=True is not supported for DFlash. DFlash uses a fixed 1+N query "
             "layout where the anchor is the bonus token.");
  }
  const MaskToken mask = ResolveMaskToken(d.draft);
  drafter.mask_token_id = mask.id;
  drafter.mask_token_key = mask.key;
  if (mask.raised.has_value()) d.Reject(Step::kProposer, *mask.raised);
}

// ---- Selection

std::optional<KvDtypeId> KvDtype(Derivation& d, const std::string& name, Step step) {
  const auto id = d.tables.FindKvDtype(name);
  const std::vector<KvDtypeId>& listed = d.tables.at(d.era()).cache_dtypes;
  const bool valid =
      listed.empty() || (id && std::find(listed.begin(), listed.end(), *id) != listed.end());
  if (id.has_value() && valid) return id;
  std::vector<std::string> names;
  for (const KvDtypeId dtype : listed) names.push_back(d.tables.kv_dtypes[dtype]);
  if (listed.empty()) names = d.tables.kv_dtypes;
  d.Reject(step, "AssertionError",
           fmt::format("Invalid kv_cache_dtype: {}. Valid values are: ('{}')", name,
                       fmt::join(names, "', '")));
  return std::nullopt;
}

// What both sides hand to the selector alike.
SelectorConfig Shared(const Derivation& d) {
  const TargetConfig& t = d.target;
  SelectorConfig config;
  config.dtype = DtypeOf(t.model.dtype, d.options.platform);
  config.block_size = t.cache.block_size;
  config.use_batch_invariant = t.environment.batch_invariant;
  config.use_kv_connector = t.environment.kv_connector;
  config.use_pcp = t.parallel.prefill_context_parallel_size > 1;
  config.use_dcp = t.parallel.decode_context_parallel_size > 1;
  config.use_adaptive_verification = t.environment.adaptive_verification;
  config.flash_attn_version = t.attention.flash_attn_version;
  return config;
}

SelectionQuestion Question(const Derivation& d, const SelectorConfig& config,
                           std::optional<BackendId> asked, std::optional<std::int64_t> heads) {
  SelectionQuestion question{.era = d.era(),
                             .platform = d.options.platform,
                             .asked = asked,
                             .config = config,
                             .num_heads = heads,
                             .aiter_mha = d.target.environment.rocm_aiter_mha,
                             .aiter_mla = d.target.environment.rocm_aiter_mla,
                             .aiter_found = d.target.environment.rocm_aiter_found};
  if (d.era() >= Era::kE5) {
    const auto& map = d.target.attention.backend_per_kind;
    const auto entry = map.find(std::string(KindOf(config)));
    if (entry != map.end()) {
      question.asked = LookUpBackend(d.tables, d.era(), entry->second).backend;
    }
  }
  return question;
}

void SelectTarget(Derivation& d) {
  const ModelConfig& model = d.target.model;
  if (d.target.environment.batch_invariant && d.era() < Era::kE1b) {
    const auto& allowed = d.tables.batch_invariant_allow_list;
    const auto& asked = d.out.target.backend;
    if (!asked.has_value() || std::find(allowed.begin(), allowed.end(), *asked) == allowed.end()) {
      std::vector<std::string> names;
      for (const BackendId backend : allowed) names.push_back(d.tables.name(backend));
      d.Reject(Step::kTargetSelection, "RuntimeError",
               fmt::format(
                   "VLLM batch_invariant mode requires an attention backend in ['{}'], but "
                   "got '{}'. Please use --attention-backend or attention_config to set one "
                   "of the supported backends before enabling batch_invariant.",
                   fmt::join(names, "', '"), asked.has_value() ? d.tables.name(*asked) : "None"));
    }
  }
  SelectorConfig config = Shared(d);
  config.head_size = model.head_dim;
  config.kv_cache_dtype = KvDtype(d, d.out.target.kv_cache_dtype, Step::kTargetSelection);
  config.use_mla = model.use_mla;
  config.has_sink = model.has_sink;
  config.use_sparse = model.use_sparse;
  config.use_mm_prefix = model.is_mm_prefix_lm;
  config.use_per_head_quant_scales = model.use_per_head_quant_scales;
  config.attn_type = AttnTypeOf(model.attn_type);
  config.has_sliding_window = model.has_sliding_window;
  config.use_non_causal = d.out.target.use_non_causal;
  config.needs_causal = config.attn_type == AttnType::kDecoder;
  d.out.target_selection =
      Select(d.tables, Question(d, config, d.out.target.backend, model.num_attention_heads));
  if (d.out.target_selection.raised.has_value()) {
    d.Reject(Step::kTargetSelection, *d.out.target_selection.raised);
  }
  d.Decide(Step::kTargetSelection, [&] {
    const auto& chosen = d.out.target_selection.chosen;
    return fmt::format("the target runs on {} ({}, use_non_causal {})",
                       chosen.has_value() ? d.tables.name(*chosen) : "nothing",
                       d.out.target.backend_from, d.out.target.use_non_causal);
  });
}

// The layers that the selector sees with one config, in layer order.
void SelectDrafter(Derivation& d) {
  const EffectiveDrafter& drafter = d.out.drafter;
  const auto kv = d.out.layers.empty()
                      ? std::nullopt
                      : KvDtype(d, drafter.config.kv_cache_dtype, Step::kDraftSelection);
  d.out.selection_of_layer.assign(d.out.layers.size(), 0);
  for (std::size_t i = 0; i < d.out.layers.size(); ++i) {
    SelectorConfig config = Shared(d);
    config.head_size = drafter.head_dim;
    config.kv_cache_dtype = kv;
    config.use_mla = d.draft.kv_lora_rank.has_value() && !d.dflash_like();
    config.has_sink = drafter.has_sinks;
    config.use_mm_prefix = drafter.config.is_mm_prefix_lm;
    config.has_sliding_window = d.era() >= Era::kE5 && d.out.layers[i].sliding;
    config.use_non_causal = drafter.config.use_non_causal;
    config.needs_causal =
        std::any_of(d.out.layers.begin(), d.out.layers.end(), [&](const LayerPlan& layer) {
          const bool same = d.era() < Era::kE5 || layer.sliding == d.out.layers[i].sliding;
          return same && layer.causal;
        });
    auto& all = d.out.draft_selections;
    const auto same = std::find_if(all.begin(), all.end(), [&config](const Selection& selection) {
      return selection.config == config;
    });
    d.out.selection_of_layer[i] = static_cast<int>(same - all.begin());
    if (same != all.end()) continue;
    all.push_back(
        Select(d.tables, Question(d, config, drafter.config.backend, d.draft.num_attention_heads)));
    if (!all.back().raised.has_value()) continue;
    const auto& reasons = all.back().candidates;
    const bool own = reasons.size() == 1 && reasons.front().reasons.size() == 1 &&
                     reasons.front().reasons.front().id == ReasonId::kCausal;
    d.Reject(Step::kDraftSelection, *all.back().raised, own);
  }
  for (const Selection& selection : d.out.draft_selections) {
    d.Decide(Step::kDraftSelection, [&] {
      const auto& chosen = selection.chosen;
      const FamilyRow* family = chosen.has_value() ? d.tables.FindFamily(*chosen) : nullptr;
      return fmt::format(
          "the drafter's {} layers run on {} (use_non_causal {}: {}){}", KindOf(selection.config),
          chosen.has_value() ? d.tables.name(*chosen) : "nothing", drafter.config.use_non_causal,
          drafter.config.non_causal_from,
          family == nullptr ? "" : fmt::format("; attest's family {}", family->family));
    });
  }
}

// ---- Metadata

void CheckDraftMetadata(Derivation& d) {
  const std::vector<LayerPlan>& layers = d.out.layers;
  if (layers.empty()) return;
  const std::vector<int> groups = KvGroups(layers, !d.target.cache.disable_hybrid_kv_cache_manager);
  for (const LayerPlan& layer : layers) {
    const LooseValue flag = d.dflash_like() ? MetadataCausal(d.draft, d.era(), d.out.runner, layers,
                                                             groups, layer.index)
                                            : LooseBool(true);  // the metadata's own default
    d.out.records.push_back({.layer = layer.index,
                             .kv_group = groups[static_cast<std::size_t>(layer.index)],
                             .asked_causal = layer.causal,
                             .selected_non_causal = d.out.drafter.config.use_non_causal,
                             .metadata_causal = flag});
  }
  const bool asserts = d.out.runner == Runner::kR1 && d.out.drafter.method == "dflash" &&
                       (d.era() < Era::kE2 || d.out.drafter.config.use_non_causal ||
                        !d.out.records.front().metadata_causal.truthy);
  if (asserts) {
    std::string text = AssertionOfR1(d.out.records, d.target.model.num_hidden_layers);
    if (!text.empty()) d.Reject(Step::kMetadata, "AssertionError", std::move(text));
  }
  d.out.violations = CheckMetadata(d.out.records);
  for (const MetadataViolation& violation : d.out.violations) {
    d.Reject(Step::kMetadata, Raised{violation.rule, violation.text}, true);
  }
  d.Decide(Step::kMetadata, [&] {
    return d.out.violations.empty()
               ? fmt::format("asked, selected and metadata causality agree in {} layers",
                             layers.size())
               : fmt::format("{} violations", d.out.violations.size());
  });
}

void SortRejections(Resolution& out) {
  std::stable_sort(out.rejections.begin(), out.rejections.end(),
                   [](const Rejection& a, const Rejection& b) { return a.step < b.step; });
}

}  // namespace

std::string_view NameOf(Step step) { return kStepNames[static_cast<std::size_t>(step)]; }

bool Resolution::mixed_layers() const {
  return std::any_of(layers.begin(), layers.end(), [this](const LayerPlan& layer) {
    return layer.sliding != layers.front().sliding;
  });
}

Resolution Resolve(const Tables& tables, const TargetConfig& target, const DraftConfig& draft,
                   const ResolveOptions& options) {
  Translated translated = TranslateSpeculators(draft, options.era);
  Derivation d{.tables = tables,
               .target = target,
               .draft = std::move(translated.config),
               .options = options};
  d.out.era = options.era;
  d.out.runner = options.runner;
  d.out.platform = options.platform;
  d.out.strict = options.strict;
  if (translated.raised.has_value()) d.Reject(Step::kDraftConfig, *translated.raised);
  DeriveTarget(d);
  CheckPerKind(d);
  DeriveSpeculative(d);
  DeriveDraftShapes(d);
  DeriveLayers(d);
  DeriveDraftConfig(d);
  DeriveNonCausal(d);
  SelectTarget(d);
  CheckProposer(d);
  SelectDrafter(d);
  CheckDraftMetadata(d);
  AddFindings(d);
  SortRejections(d.out);
  return std::move(d.out);
}

}  // namespace attest::drafter
