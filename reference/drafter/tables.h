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

// A capability bit: on CUDA by capability, elsewhere everywhere or nowhere.
struct DeviceBit {
  bool everywhere = false;
  CapabilityRanges on;  // CUDA capabilities; unused if `everywhere`
};
bool Has(const DeviceBit& bit, const Platform& platform);

// Head sizes: a list, or multiples of `multiple` from `min` to `max` (0: no limit), `larger_max`
// on some capabilities.
struct HeadSizes {
  std::vector<int> list;
  int multiple = 1;
  int min = 1;
  int max = 0;
  int larger_max = 0;
  CapabilityRanges larger_on;
};

// What supports_combination of a backend says unless all that is given here is fine.
struct Objection {
  std::optional<CapabilityRanges> capabilities;  // of CUDA
  std::optional<std::uint32_t> kv_dtypes;        // bit 1 << KvDtypeId
  std::optional<std::uint8_t> dtypes;            // bit 1 << ModelDtype
  bool dense_only = false;                       // says nothing where sparse attention is asked for
  std::string text;
};

// One row: one backend in one era.
struct BackendRow {
  bool present = false;              // in this era's table at all
  bool of_this_spec = false;         // no member of the real enum; may still be asked for by name
  bool registered = true;            // false: CUSTOM and TORCH_SDPA, which have no class
  std::uint8_t import_error_on = 0;  // bit 1 << PlatformKind: the one reason "ImportError"
  HeadSizes head_sizes;
  std::uint8_t dtypes = 0;       // bit 1 << ModelDtype
  std::uint32_t kv_dtypes = 0;   // bit 1 << KvDtypeId
  CapabilityRanges fp8_on;       // capabilities with fp8 caches besides
  std::vector<int> block_sizes;  // the user's block size is a multiple of one; empty: any
  bool is_mla = false;
  bool is_sparse = false;
  DeviceBit sinks;
  std::optional<Capability> sink_combination_below;  // adds the combination reason below it
  std::string sink_combination_text;
  std::vector<Objection> objections;  // the first that applies is said
  CapabilityRanges nvfp4_on;          // capabilities with nvfp4 caches besides
  bool flash_attn = false;  // caches, sinks, scales and mm-prefix by the version of FlashAttention
  bool mm_prefix = false;
  CapabilityRanges per_head_scales_on;
  bool any_capability = true;
  CapabilityRanges capabilities;
  std::uint8_t attn_types = 1;  // bit 1 << AttnType
  bool sliding_window = true;
  bool causal = true;  // this spec's own bit: no public backend lacks it
  bool non_causal = false;
  bool batch_invariant = false;
  bool kv_connector = true;
  bool pcp = false;
  bool dcp = false;
  std::string layout_on_10;  // KV layout that it forces on capability 10.x, or empty
};

// What a speculative method asks of the model.
struct MethodRow {
  std::string name;
  bool has_attention = true;        // ngram, medusa and mlp_speculator have none
  bool reads_dflash_rules = false;  // its layers' causality comes from the draft config's rules
  bool sets_non_causal = false;     // hands the need on as AttentionConfig.use_non_causal
  bool parallel_drafting = false;
  bool only_r2 = false;
  Era r2_honours_since = Era::kE0;  // runner R2 uses the speculative attention_backend
  // Runner R1 takes the target's mm-prefix flag away from the drafter; nullopt: never.
  std::optional<Era> r1_clears_mm_prefix_since;
  std::string extra_slots;         // "K", "K-1", "1", "0"
  std::string lookahead;           // "K+1", "K"
  Era lookahead_since = Era::kE0;  // the scheduler reserves K before

  // Is the target's mm-prefix flag kept from the drafter? Runner R2 always hands it on.
  bool ClearsMmPrefix(Runner runner, Era era) const;
};

// A change, and which parts of a resolution it can move (`touches`, keys of diff.h).
struct EraEvent {
  Era era = Era::kE0;
  std::string reference;  // "vllm-project/vllm#39930"
  std::string date;
  std::string sentence;
  std::vector<std::string> touches;
  std::vector<std::string> platforms;  // device names; empty: all
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
  std::vector<BackendRow> rows;              // by BackendId
  std::vector<BackendId> members;            // of the enum, in declaration order
  std::vector<std::string> selector_fields;  // of the selector config's repr
  std::string sink_reason;
  std::vector<KvDtypeId> cache_dtypes;  // of the cache's config, in order; empty: all known
};

// A name that contains `part` means `method`.
struct DetectionRule {
  std::string part;
  std::string method;
};

struct PriorityEntry {
  enum class When : std::uint8_t { kAlways, kAiterMha, kAiterMla, kAiterFound, kNoConnector };
  bool sparse_pair = false;
  BackendId backend = 0;
  When when = When::kAlways;
};

struct PriorityRule {
  std::array<bool, kAllEras.size()> eras = {};
  PlatformKind platform = PlatformKind::kCuda;
  std::optional<bool> use_mla;
  std::optional<bool> use_sparse;
  std::optional<bool> use_non_causal;
  std::vector<int> majors;  // empty: any
  std::vector<PriorityEntry> order;
};

// One row of the 2x2 matrix of the two flags: "unset", "X" or "Y"; "auto", a flag's value, "error".
struct FlagRow {
  std::string attention_backend;
  std::string speculative_attention_backend;
  std::string target;
  std::string drafter;
  std::string drafter_before;
};

struct Tables {
  std::vector<std::string> backend_names;
  std::vector<std::string> kv_dtypes;
  std::array<EraTable, kAllEras.size()> eras;
  std::vector<PriorityRule> priorities;
  std::array<std::vector<BackendId>, 2> sparse_pairs;  // FlashInfer first, FlashMLA first
  std::vector<BackendId> batch_invariant_allow_list;   // before E1b
  std::vector<MethodRow> methods;
  std::vector<std::string> kept_methods;  // explicit ones that are not detected again
  std::vector<DetectionRule> detection;
  std::vector<EraEvent> events;
  std::vector<NamedText> warnings;
  std::vector<NamedText> strict_rules;
  std::vector<FamilyRow> families;
  std::vector<FlagRow> flags;

  const EraTable& at(Era era) const { return eras[static_cast<std::size_t>(era)]; }
  const BackendRow& row(Era era, BackendId backend) const { return at(era).rows[backend]; }
  const std::string& name(BackendId backend) const { return backend_names[backend]; }
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
  bool kv_connector = false;
};
std::vector<BackendId> PriorityList(const Tables& tables, const PriorityQuestion& question);

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_TABLES_H_
