// SPDX-License-Identifier: Apache-2.0
//
// vLLM's attention selector: names to backends, the list of reasons against a backend, the choice.
// Texts are the real ones. Source: vllm/v1/attention/{selector,backend}.py and
// vllm/platforms/{cuda,rocm,cpu}.py at v0.27.1, older eras as in spec/drafter/eras.json.
#ifndef ATTEST_REFERENCE_DRAFTER_SELECTOR_H_
#define ATTEST_REFERENCE_DRAFTER_SELECTOR_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reference/drafter/loose_value.h"
#include "reference/drafter/tables.h"

namespace attest::drafter {

// An error of the real system: the Python type and the text.
struct Raised {
  std::string type;  // "ValueError"
  std::string text;
  friend bool operator==(const Raised&, const Raised&) = default;
};

// A name in AttentionConfig.backend or SpeculativeConfig.attention_backend.
// Null, absent and "auto" in any case: no backend. Nothing is trimmed and no dash becomes an
// underscore. An unknown name lists all members of the era in declaration order.
struct ParsedBackend {
  std::optional<BackendId> backend;
  std::optional<Raised> raised;
};
ParsedBackend ParseBackendName(const Tables& tables, Era era, const LooseValue& value);
// The same where "auto" means nothing special (backend_per_kind).
ParsedBackend LookUpBackend(const Tables& tables, Era era, std::string_view name);

// AttentionSelectorConfig; also the key under which a choice may be remembered.
struct SelectorConfig {
  std::int64_t head_size = 128;
  ModelDtype dtype = ModelDtype::kBFloat16;
  std::optional<KvDtypeId> kv_cache_dtype;
  std::optional<std::int64_t> block_size;  // only if the user gave one
  bool use_mla = false;
  bool has_sink = false;
  bool use_sparse = false;
  bool use_mm_prefix = false;
  bool use_per_head_quant_scales = false;
  AttnType attn_type = AttnType::kDecoder;
  bool has_sliding_window = false;  // E5
  bool use_non_causal = false;
  bool needs_causal = false;  // of this spec: some layer asks for causal attention
  bool use_batch_invariant = false;
  bool use_kv_connector = false;
  bool use_pcp = false;
  bool use_adaptive_verification = false;
  bool use_dcp = false;
  std::optional<int> flash_attn_version;
  friend bool operator==(const SelectorConfig&, const SelectorConfig&) = default;
};

// In the fixed order in which reasons are collected.
enum class ReasonId : std::uint8_t {
  kHeadSize,
  kDtype,
  kKvCacheDtype,
  kBlockSize,
  kMmPrefix,
  kMla,
  kSinks,
  kSparse,
  kPerHeadScales,
  kCapability,
  kAttnType,
  kSlidingWindow,
  kNonCausal,
  kCausal,  // of this spec
  kNonCausalDcp,
  kBatchInvariance,
  kKvConnector,
  kPcp,
  kDcp,
  kCombination,
  kImportError,
};

struct Reason {
  ReasonId id = ReasonId::kHeadSize;
  std::string_view text;  // lives as long as the tables
};

// Everything that speaks against the backend, in order; empty: it is valid. All are collected.
std::vector<Reason> Validate(const Tables& tables, Era era, const Platform& platform,
                             BackendId backend, const SelectorConfig& config);

struct Candidate {
  BackendId backend = 0;
  std::vector<Reason> reasons;
};

// One call of the selector.
struct Selection {
  SelectorConfig config;
  std::optional<BackendId> asked;     // explicit; else the list is walked
  std::vector<Candidate> candidates;  // in priority order, or the one that was asked for
  std::optional<BackendId> chosen;
  std::optional<Raised> raised;
  std::vector<BackendId> precluded;  // E5: passed over for block_size alone
  std::string log;                   // what CPU says about an explicit backend that it ignores
};

struct SelectionQuestion {
  Era era = Era::kE5;
  Platform platform;
  std::optional<BackendId> asked;
  SelectorConfig config;
  std::optional<std::int64_t> num_heads;
  bool aiter_mha = false;
  bool aiter_mla = false;
  bool aiter_found = false;
};
// Explicit and invalid raises and never falls back; autoselection takes the first valid one or
// raises with all reasons; CPU validates nothing.
Selection Select(const Tables& tables, const SelectionQuestion& question);

// "AttentionSelectorConfig(head_size=128, dtype=torch.bfloat16, ...)" with the fields of the era.
std::string ReprOf(const Tables& tables, Era era, const SelectorConfig& config);
// KVCacheSpecKind: "full_attention", "sliding_window", "mla_attention", ...
std::string_view KindOf(const SelectorConfig& config);

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_SELECTOR_H_
