// SPDX-License-Identifier: Apache-2.0
#include "reference/drafter/selector.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace attest::drafter {
namespace {

constexpr std::array<std::string_view, 4> kAttnTypeReasons = {
    "attention type AttentionType.DECODER not supported",
    "attention type AttentionType.ENCODER not supported",
    "attention type AttentionType.ENCODER_ONLY not supported",
    "attention type AttentionType.ENCODER_DECODER not supported"};
// A member of a text enumeration, as Python 3.11 and newer print it; 3.10 printed "decoder".
constexpr std::array<std::string_view, 4> kAttnTypeNames = {
    "AttentionType.DECODER", "AttentionType.ENCODER", "AttentionType.ENCODER_ONLY",
    "AttentionType.ENCODER_DECODER"};
constexpr std::array<std::string_view, 3> kDtypeNames = {"torch.float16", "torch.bfloat16",
                                                         "torch.float32"};

bool InRange(const CapabilityRanges& ranges, const Platform& platform) {
  return Has(DeviceBit{.everywhere = false, .on = ranges}, platform);
}

bool HasFlashAttn(int version, const Platform& platform) {
  const int major = platform.capability.major;
  if (platform.kind != PlatformKind::kCuda) return false;
  if (version == 3) return major == 9;
  return version == 4 ? major >= 9 && major <= 11 : major >= 8;
}

int PreferredFlashAttn(const Platform& platform) {
  const int major = platform.capability.major;
  return major == 9 ? 3 : major == 10 ? 4 : 2;
}

// FA2, FA3 or FA4 of the older eras: what the user pinned, or what the device prefers.
int FlashAttnVersion(const Platform& platform, const SelectorConfig& config) {
  const int preferred = PreferredFlashAttn(platform);
  const int pinned = config.flash_attn_version.value_or(preferred);
  return HasFlashAttn(pinned, platform) ? pinned : preferred;
}

// get_flash_attn_version of v0.27.1; 0: none. `head_size` 0: not asked about.
int ResolvedFlashAttn(const Platform& platform, const SelectorConfig& config,
                      std::int64_t head_size) {
  constexpr std::int64_t kLargestOfFa3 = 256;
  constexpr std::int64_t kLargestOfFa4 = 128;  // on 10.x and newer, save 256
  if (platform.kind != PlatformKind::kCuda) return 0;
  const int major = platform.capability.major;
  int version = config.flash_attn_version.value_or(PreferredFlashAttn(platform));
  if (major >= 10 && version == 3) version = HasFlashAttn(4, platform) ? 4 : 2;
  if (major == 9 && version == 3 && head_size > kLargestOfFa3) version = 4;
  if (config.use_batch_invariant && version == 4) version = 2;
  if (version == 4 && major >= 10 && head_size > kLargestOfFa4 && head_size != kLargestOfFa3) {
    version = 2;
  }
  return HasFlashAttn(version, platform) ? version : 0;
}

// FP8 caches need FA3 on 9.x or FA4 on 10.x, and e5m2 is in neither.
bool FlashAttnTakesFp8(const Platform& platform, const SelectorConfig& config, std::string_view kv,
                       std::int64_t head_size) {
  if (kv == "fp8_e5m2") return false;
  const int version = ResolvedFlashAttn(platform, config, head_size);
  const int major = platform.capability.major;
  return (version == 3 && major == 9) || (version == 4 && major == 10);
}

bool IsQuantized(std::string_view kv) {
  return kv.starts_with("fp8") || kv.ends_with("per_token_head") || kv == "nvfp4";
}

// Sinks, fp8 caches and per-head scales need FA3 or FA4: pinning FA2 takes them away.
bool PinnedToFa2(const BackendRow& row, const Platform& platform, const SelectorConfig& config) {
  return row.sink_combination_below.has_value() && config.flash_attn_version.has_value() &&
         platform.kind == PlatformKind::kCuda && FlashAttnVersion(platform, config) == 2;
}

bool SupportsHeadSize(const HeadSizes& sizes, const Platform& platform, std::int64_t size) {
  if (!sizes.list.empty()) {
    return std::find(sizes.list.begin(), sizes.list.end(), size) != sizes.list.end();
  }
  const int max = InRange(sizes.larger_on, platform) ? sizes.larger_max : sizes.max;
  return size % sizes.multiple == 0 && size >= sizes.min && (max == 0 || size <= max);
}

bool SupportsKv(const Tables& tables, const BackendRow& row, const Platform& platform,
                const SelectorConfig& config) {
  if (!config.kv_cache_dtype.has_value()) return true;
  const std::string& kv = tables.kv_dtypes[*config.kv_cache_dtype];
  const bool listed = (row.kv_dtypes >> *config.kv_cache_dtype & 1U) != 0;
  if (row.flash_attn) {
    return listed && (!IsQuantized(kv) || FlashAttnTakesFp8(platform, config, kv, 0));
  }
  if (listed || (kv == "nvfp4" && InRange(row.nvfp4_on, platform))) return true;
  return (kv == "fp8" || kv == "fp8_e4m3") && InRange(row.fp8_on, platform) &&
         !PinnedToFa2(row, platform, config);
}

bool SupportsBlock(const BackendRow& row, const std::optional<std::int64_t>& block_size) {
  if (!block_size.has_value() || row.block_sizes.empty()) return true;
  return std::any_of(row.block_sizes.begin(), row.block_sizes.end(),
                     [&](int size) { return *block_size % size == 0; });
}

// The reasons in their order; the fields that an era's selector does not know never fire.
class Validator {
 public:
  Validator(const Tables& tables, Era era, const Platform& platform, const BackendRow& row,
            const SelectorConfig& config)
      : tables_(tables), era_(era), platform_(platform), row_(row), config_(config) {}

  std::vector<Reason> Run() && {
    Shapes();
    Kind();
    Device();
    Causality();
    Modes();
    const std::string_view objection = Combination();
    if (!objection.empty()) reasons_.push_back({ReasonId::kCombination, objection});
    return std::move(reasons_);
  }

 private:
  void Unless(bool fine, ReasonId id, std::string_view text) {
    if (!fine) reasons_.push_back({id, text});
  }

  bool Objects(const Objection& objection) const {
    if (objection.dense_only && config_.use_sparse) return false;
    if (objection.capabilities && !InRange(*objection.capabilities, platform_)) return true;
    if (objection.dtypes && (*objection.dtypes >> static_cast<int>(config_.dtype) & 1U) == 0) {
      return true;
    }
    return objection.kv_dtypes && config_.kv_cache_dtype &&
           (*objection.kv_dtypes >> *config_.kv_cache_dtype & 1U) == 0;
  }

  // supports_combination: at most one text.
  std::string_view Combination() const {
    if (platform_.kind != PlatformKind::kCuda) return {};
    if (config_.has_sink && row_.sink_combination_below.has_value() &&
        platform_.capability < *row_.sink_combination_below) {
      return row_.sink_combination_text;
    }
    const auto said = std::find_if(row_.objections.begin(), row_.objections.end(),
                                   [this](const Objection& o) { return Objects(o); });
    if (said != row_.objections.end()) return said->text;
    if (!row_.flash_attn) return {};
    const std::string_view kv =
        config_.kv_cache_dtype ? tables_.kv_dtypes[*config_.kv_cache_dtype] : std::string_view();
    if (IsQuantized(kv) && !FlashAttnTakesFp8(platform_, config_, kv, config_.head_size)) {
      return "FP8 KV cache requires FA3 on SM90 or FA4 on SM100";
    }
    if (config_.use_mm_prefix && ResolvedFlashAttn(platform_, config_, config_.head_size) != 4) {
      return "mm_prefix (PrefixLM bidirectional attention) requires FlashAttention v4, which does "
             "not resolve for this head_size";
    }
    return {};
  }

  // What a backend says by table, or by the version of FlashAttention that it would run.
  bool MmPrefix() const { return row_.flash_attn ? HasFlashAttn(4, platform_) : row_.mm_prefix; }
  bool Sinks() const {
    if (row_.flash_attn) return ResolvedFlashAttn(platform_, config_, 0) >= 3;
    return Has(row_.sinks, platform_) && !PinnedToFa2(row_, platform_, config_);
  }
  bool PerHeadScales() const {
    if (row_.flash_attn) return ResolvedFlashAttn(platform_, config_, 0) >= 3;
    return InRange(row_.per_head_scales_on, platform_) && !PinnedToFa2(row_, platform_, config_);
  }

  void Shapes() {
    Unless(SupportsHeadSize(row_.head_sizes, platform_, config_.head_size), ReasonId::kHeadSize,
           "head_size not supported");
    Unless((row_.dtypes >> static_cast<int>(config_.dtype) & 1U) != 0, ReasonId::kDtype,
           "dtype not supported");
    Unless(SupportsKv(tables_, row_, platform_, config_), ReasonId::kKvCacheDtype,
           "kv_cache_dtype not supported");
    Unless(SupportsBlock(row_, config_.block_size), ReasonId::kBlockSize,
           "block_size not supported");
  }

  void Kind() {
    Unless(!config_.use_mm_prefix || MmPrefix(), ReasonId::kMmPrefix,
           "partial multimodal token full attention not supported");
    Unless(config_.use_mla == row_.is_mla, ReasonId::kMla,
           config_.use_mla ? "MLA not supported" : "non-MLA not supported");
    Unless(!config_.has_sink || Sinks(), ReasonId::kSinks, tables_.at(era_).sink_reason);
    Unless(config_.use_sparse == row_.is_sparse, ReasonId::kSparse,
           config_.use_sparse ? "sparse not supported" : "non-sparse not supported");
    Unless(!config_.use_per_head_quant_scales || PerHeadScales(), ReasonId::kPerHeadScales,
           "per-head quant scales not supported");
  }

  void Device() {
    const bool capable = row_.any_capability || platform_.kind != PlatformKind::kCuda ||
                         InRange(row_.capabilities, platform_);
    Unless(capable, ReasonId::kCapability, "compute capability not supported");
    const auto type = static_cast<std::size_t>(config_.attn_type);
    Unless((row_.attn_types >> type & 1U) != 0, ReasonId::kAttnType, kAttnTypeReasons[type]);
  }

  void Causality() {
    Unless(era_ < Era::kE5 || !config_.has_sliding_window || row_.sliding_window,
           ReasonId::kSlidingWindow, "sliding window not supported");
    Unless(!config_.use_non_causal || row_.non_causal, ReasonId::kNonCausal,
           "non-causal attention not supported");
    Unless(!config_.needs_causal || row_.causal, ReasonId::kCausal,
           "causal attention not supported");
    Unless(era_ < Era::kE5 || !config_.use_mla || !config_.use_non_causal || !config_.use_dcp,
           ReasonId::kNonCausalDcp, "non-causal MLA attention with DCP not supported");
  }

  void Modes() {
    Unless(era_ < Era::kE1b || !config_.use_batch_invariant || row_.batch_invariant,
           ReasonId::kBatchInvariance, "batch invariance not supported");
    Unless(era_ < Era::kE3 || !config_.use_kv_connector || row_.kv_connector,
           ReasonId::kKvConnector, "KV connector not supported");
    Unless(era_ < Era::kE5 || !config_.use_pcp || row_.pcp, ReasonId::kPcp, "PCP not supported");
    Unless(era_ < Era::kE5 || !config_.use_dcp || row_.dcp, ReasonId::kDcp, "DCP not supported");
  }

  const Tables& tables_;
  Era era_;
  const Platform& platform_;
  const BackendRow& row_;
  const SelectorConfig& config_;
  std::vector<Reason> reasons_;
};

std::string Quoted(const std::vector<Reason>& reasons) {  // a Python list of texts
  std::string text = "[";
  for (const Reason& reason : reasons) {
    text += fmt::format("{}'{}'", text.size() == 1 ? "" : ", ", reason.text);
  }
  return text + "]";
}

std::string Plain(const std::vector<Reason>& reasons) {
  std::string text = "[";
  for (const Reason& reason : reasons) {
    text += fmt::format("{}{}", text.size() == 1 ? "" : ", ", reason.text);
  }
  return text + "]";
}

Raised Unregistered(const std::string& name) {
  return {"ValueError", fmt::format("Backend {0} must be registered before use. Use "
                                    "register_backend(Backend.{0}, 'your.module.YourClass')",
                                    name)};
}

void SelectAsked(const Tables& tables, const SelectionQuestion& question, Selection& selection) {
  const BackendId asked = *question.asked;
  if (!tables.row(question.era, asked).registered) {
    selection.raised = Unregistered(tables.name(asked));
    return;
  }
  Candidate candidate{asked,
                      Validate(tables, question.era, question.platform, asked, question.config)};
  if (candidate.reasons.empty()) {
    selection.chosen = asked;
  } else {
    selection.raised =
        Raised{"ValueError", fmt::format("Selected backend AttentionBackendEnum.{} is not valid "
                                         "for this configuration. Reason: {}",
                                         tables.name(asked), Quoted(candidate.reasons))};
  }
  selection.candidates.push_back(std::move(candidate));
}

void SelectByPriority(const Tables& tables, const SelectionQuestion& question,
                      Selection& selection) {
  const SelectorConfig& config = question.config;
  const bool quantized =
      config.kv_cache_dtype.has_value() && IsQuantized(tables.kv_dtypes[*config.kv_cache_dtype]);
  const std::vector<BackendId> order =
      PriorityList(tables, {.era = question.era,
                            .platform = question.platform,
                            .use_mla = config.use_mla,
                            .use_sparse = config.use_sparse,
                            .use_non_causal = config.use_non_causal,
                            .quantized_kv = quantized,
                            .num_heads = question.num_heads,
                            .aiter_mha = question.aiter_mha,
                            .aiter_mla = question.aiter_mla,
                            .aiter_found = question.aiter_found,
                            .kv_connector = config.use_kv_connector});
  for (const BackendId backend : order) {
    Candidate candidate{
        backend, Validate(tables, question.era, question.platform, backend, question.config)};
    const bool valid = candidate.reasons.empty();
    if (valid && !selection.chosen.has_value()) selection.chosen = backend;
    if (!valid && !selection.chosen.has_value() && config.block_size.has_value() &&
        question.era >= Era::kE5 && candidate.reasons.size() == 1 &&
        candidate.reasons.front().id == ReasonId::kBlockSize) {
      selection.precluded.push_back(backend);
    }
    selection.candidates.push_back(std::move(candidate));
  }
  if (selection.chosen.has_value()) return;
  std::string all;
  for (const Candidate& candidate : selection.candidates) {
    all += fmt::format("{}{}: {}", all.empty() ? "" : ", ", tables.name(candidate.backend),
                       Plain(candidate.reasons));
  }
  selection.raised =
      Raised{"ValueError",
             fmt::format("No valid attention backend found for {} with {}. Reasons: {{{}}}.",
                         DeviceName(question.platform), ReprOf(tables, question.era, config), all)};
}

// CPU asks nothing of its backend.
void SelectOnCpu(const Tables& tables, const SelectionQuestion& question, Selection& selection) {
  const auto cpu = tables.FindBackend("CPU_ATTN");
  if (question.asked.has_value() && question.asked != cpu) {
    selection.log = fmt::format("Cannot use AttentionBackendEnum.{} backend on CPU.",
                                tables.name(*question.asked));
  }
  if (question.config.use_mla) {
    selection.raised = Raised{"NotImplementedError", "MLA is not supported on CPU."};
  } else if (question.config.use_sparse) {
    selection.raised = Raised{"NotImplementedError", "Sparse Attention is not supported on CPU."};
  } else {
    selection.candidates.push_back({*cpu, {}});
    selection.chosen = cpu;
  }
}

std::string_view PythonBool(bool value) { return value ? "True" : "False"; }

std::string FieldText(const Tables& tables, std::string_view field, const SelectorConfig& c) {
  if (field == "head_size") return std::to_string(c.head_size);
  if (field == "dtype") return std::string(kDtypeNames[static_cast<std::size_t>(c.dtype)]);
  if (field == "kv_cache_dtype") {
    return c.kv_cache_dtype.has_value() ? tables.kv_dtypes[*c.kv_cache_dtype] : "None";
  }
  if (field == "block_size") {
    return c.block_size.has_value() ? std::to_string(*c.block_size) : "None";
  }
  if (field == "attn_type") {
    return std::string(kAttnTypeNames[static_cast<std::size_t>(c.attn_type)]);
  }
  const std::array<std::pair<std::string_view, bool>, 12> flags = {
      {{"use_mla", c.use_mla},
       {"has_sink", c.has_sink},
       {"use_sparse", c.use_sparse},
       {"use_mm_prefix", c.use_mm_prefix},
       {"use_per_head_quant_scales", c.use_per_head_quant_scales},
       {"has_sliding_window", c.has_sliding_window},
       {"use_non_causal", c.use_non_causal},
       {"use_batch_invariant", c.use_batch_invariant},
       {"use_kv_connector", c.use_kv_connector},
       {"use_pcp", c.use_pcp},
       {"use_adaptive_verification", c.use_adaptive_verification},
       {"use_dcp", c.use_dcp}}};
  const auto* const flag = std::find_if(
      flags.begin(), flags.end(), [field](const auto& entry) { return entry.first == field; });
  return std::string(PythonBool(flag != flags.end() && flag->second));
}

}  // namespace

ParsedBackend ParseBackendName(const Tables& tables, Era era, const LooseValue& value) {
  if (!value.set()) return {};
  const std::string& text = value.text;
  const bool is_auto = text.size() == 4 && std::equal(text.begin(), text.end(), "auto",
                                                      [](unsigned char a, unsigned char b) {
                                                        return std::tolower(a) == b;
                                                      });
  if (is_auto) return {};
  return LookUpBackend(tables, era, text);
}

ParsedBackend LookUpBackend(const Tables& tables, Era era, std::string_view name) {
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const auto found = tables.FindBackend(upper);
  if (found.has_value() && tables.row(era, *found).present) {
    return {.backend = found, .raised = std::nullopt};
  }
  std::string names;
  for (const BackendId member : tables.at(era).members) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", tables.name(member));
  }
  return {.backend = std::nullopt,
          .raised = Raised{
              "ValueError",
              fmt::format("Unknown attention backend: '{}'. Valid options are: {}", upper, names)}};
}

std::vector<Reason> Validate(const Tables& tables, Era era, const Platform& platform,
                             BackendId backend, const SelectorConfig& config) {
  const BackendRow& row = tables.row(era, backend);
  if ((row.import_error_on >> static_cast<int>(platform.kind) & 1U) != 0) {
    return {{ReasonId::kImportError, "ImportError"}};
  }
  return Validator(tables, era, platform, row, config).Run();
}

Selection Select(const Tables& tables, const SelectionQuestion& question) {
  Selection selection;
  selection.config = question.config;
  selection.asked = question.asked;
  if (question.platform.kind == PlatformKind::kCpu) {
    SelectOnCpu(tables, question, selection);
  } else if (question.asked.has_value()) {
    SelectAsked(tables, question, selection);
  } else {
    SelectByPriority(tables, question, selection);
  }
  return selection;
}

std::string ReprOf(const Tables& tables, Era era, const SelectorConfig& config) {
  std::string text;
  for (const std::string& field : tables.at(era).selector_fields) {
    text +=
        fmt::format("{}{}={}", text.empty() ? "" : ", ", field, FieldText(tables, field, config));
  }
  // The newest main appends these two; v0.27.1 has neither, so they show only where they matter.
  if (era >= Era::kE5 && (config.use_adaptive_verification || config.use_dcp)) {
    text += fmt::format(", use_adaptive_verification={}, use_dcp={}",
                        PythonBool(config.use_adaptive_verification), PythonBool(config.use_dcp));
  }
  return fmt::format("AttentionSelectorConfig({})", text);
}

std::string_view KindOf(const SelectorConfig& config) {
  if (config.attn_type == AttnType::kEncoderOnly) return "encoder_only_attention";
  if (config.attn_type == AttnType::kEncoderDecoder) return "cross_attention";
  if (config.use_mla) return config.has_sliding_window ? "sliding_window_mla" : "mla_attention";
  return config.has_sliding_window ? "sliding_window" : "full_attention";
}

}  // namespace attest::drafter
