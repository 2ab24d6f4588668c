// SPDX-License-Identifier: Apache-2.0
//
// The versioned tables of spec/drafter as values: what each backend could do in each era, in which
// order backends are tried, what each speculative method declares, and every text.
#ifndef ATTEST_REFERENCE_DRAFTER_TABLES_H_
#define ATTEST_REFERENCE_DRAFTER_TABLES_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reference/drafter/era.h"
#include "reference/drafter/platform.h"
#include "spec/vocabulary/status.h"

namespace attest::drafter {

// Index into Tables::backend_names. The same name has the same index in every era.
using BackendId = std::uint8_t;
// Index into Tables::kv_dtypes.
using KvDtypeId = std::uint8_t;

enum class ModelDtype : std::uint8_t { kFloat16, kBFloat16, kFloat32 };
enum class AttnType : std::uint8_t { kDecoder, kEncoder, kEncoderOnly, kEncoderDecoder };

// Inclusive ranges of CUDA capabilities; empty: none.
struct CapabilityRange {
  Capability low;
  Capability high;
};
using CapabilityRanges = std::vector<CapabilityRange>;

// One row: one backend in one era.
struct BackendRow {
  BackendId backend = 0;
  bool registered = true;       // false: CUSTOM and TORCH_SDPA, which have no class
  std::vector<int> head_sizes;  // empty: see the two rules below
  int head_size_multiple = 1;
  int head_size_min = 1;
  int head_size_max = 0;             // 0: no limit
  std::uint8_t dtypes = 0;           // bit 1 << ModelDtype
  std::vector<KvDtypeId> kv_dtypes;  // empty: any
  CapabilityRanges fp8_on;           // where fp8 caches work besides; unused if listed above
  bool fp8_by_capability = false;
  std::vector<int> block_sizes;  // the user's block size must be a multiple of one; empty: any
  bool is_mla = false;
  bool is_sparse = false;
  CapabilityRanges sinks_on;  // CUDA capabilities with sinks
  bool sinks = false;         // on ROCm and CPU, and on CUDA where `sinks_by_capability` is off
  bool sinks_by_capability = false;
  std::optional<Capability> sink_combination_below;  // adds the combination reason below it
  std::string_view sink_combination_text;
  bool mm_prefix = false;
  CapabilityRanges per_head_scales_on;
  bool capability_limited = false;
  CapabilityRanges capabilities;
  std::uint8_t attn_types = 1;  // bit 1 << AttnType
  bool sliding_window = true;
  bool causal = true;  // this spec's own bit: no public backend lacks it
  bool non_causal = false;
  bool non_causal_dcp = false;
  bool batch_invariant = false;
  bool kv_connector = true;
  bool pcp = false;
  bool dcp = false;
  bool query_lens_mismatch = true;
  std::uint8_t importable = 7;  // bit 1 << PlatformKind; else the one reason "ImportError"
  bool has_two_sided_window = true;
  std::string_view layout_on_sm10;  // KV layout that it forces on capability 10.x, or empty
};

// What a speculative method asks of the model.
struct MethodRow {
  std::string name;
  bool has_attention = true;        // ngram, medusa and mlp_speculator have none
  bool reads_dflash_rules = false;  // its layers' causality comes from the draft config's rules
  bool sets_non_causal = false;     // hands the need on as AttentionConfig.use_non_causal
  bool parallel_drafting = false;
  bool only_r2 = false;
  bool mla_by_draft = false;  // drafter layers are MLA when the draft config is
  std::string extra_slots;    // "K", "K-1", "0", "1"
};

// A change, and which parts of a resolution it can move (`touches`, keys of diff.h).
struct EraEvent {
  Era era = Era::kE0;
  std::string reference;  // "vllm-project/vllm#39930"
  std::string date;
  std::string sentence;
  std::vector<std::string> touches;
};

// A numbered text: a warning or a strict rule.
struct NamedText {
  std::string id;        // "slow-backend"
  std::string sentence;  // what it says; {} are filled in by the resolution
  std::string source;
};

// Which host family of attest's GPU backends stands for a real backend, and whether it can serve a
// non-causal drafter.
struct FamilyRow {
  BackendId backend = 0;
  std::string family;
  bool non_causal = false;
};

struct EraTable {
  std::vector<BackendRow> rows;  // by BackendId; rows[i].backend == i
  std::vector<bool> known;       // by BackendId: is it a member of the enum?
  std::vector<BackendId> declaration_order;
  std::vector<std::string> selector_fields;  // of the selector config's repr
  std::string sink_reason;
};

struct Tables {
  std::vector<std::string> backend_names;
  std::vector<std::string> kv_dtypes;
  std::array<EraTable, kAllEras.size()> eras;
  std::vector<MethodRow> methods;
  std::vector<EraEvent> events;
  std::vector<NamedText> warnings;
  std::vector<NamedText> strict_rules;
  std::vector<FamilyRow> families;

  const EraTable& at(Era era) const { return eras[static_cast<std::size_t>(era)]; }
  const BackendRow& row(Era era, BackendId backend) const { return at(era).rows[backend]; }
  std::optional<BackendId> FindBackend(std::string_view name) const;
  std::optional<KvDtypeId> FindKvDtype(std::string_view name) const;
  const MethodRow* FindMethod(std::string_view name) const;
  const NamedText* FindWarning(std::string_view id) const;
  const NamedText* FindStrictRule(std::string_view id) const;
  const FamilyRow* FindFamily(BackendId backend) const;
};

// The embedded tables, read once. A fault in them is internal; the lint of spec/drafter finds it.
Result<const Tables*> LoadTables();

// The priority list for one question, in order. `num_heads` and quantisation matter for sparse MLA
// on capability 10.x only.
struct PriorityQuestion {
  Era era = Era::kE5;
  Platform platform;
  bool use_mla = false;
  bool use_sparse = false;
  bool use_non_causal = false;
  bool quantized_kv = false;
  std::optional<std::int64_t> num_heads;
  bool aiter_mha = false;
  bool aiter_mla = false;
  bool aiter_found = false;
};
std::vector<BackendId> PriorityList(const Tables& tables, const PriorityQuestion& question);

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_TABLES_H_
