// SPDX-License-Identifier: Apache-2.0
//
// The answer to "what happens if I serve this target with this drafter", as one value.
#ifndef ATTEST_REFERENCE_DRAFTER_RESOLUTION_H_
#define ATTEST_REFERENCE_DRAFTER_RESOLUTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reference/drafter/layers.h"
#include "reference/drafter/metadata_check.h"
#include "reference/drafter/selector.h"

namespace attest::drafter {

// Where the answer was decided, in the order of the derivation.
enum class Step : std::uint8_t {
  kArguments,        // flags against each other
  kTargetConfig,     // AttentionConfig and the target's other configs
  kSpeculative,      // SpeculativeConfig: method, K, sizes
  kDraftConfig,      // the draft's HF config, the speculators translation
  kTargetSelection,  // selector for the target's layers
  kProposer,         // constructor: mask token, padded batch, causality
  kDraftModel,       // model class: windows, mixed layers
  kDraftSelection,   // selector for the drafter's layers
  kMetadata,         // the closed check, and R1's assertion at the first proposal
  kStrict,           // this spec's stricter rules under --strict
};
std::string_view NameOf(Step step);

struct Rejection {
  Step step = Step::kArguments;
  bool by_attest = false;  // this spec's rule; else the real system raises exactly this
  Raised raised;
};

// One line of "why".
struct Decision {
  Step step = Step::kArguments;
  std::string text;
};

struct Warning {
  std::string_view id;  // of spec/drafter/warnings.json
  std::string text;
};

// A stricter rule that this configuration breaks; rejects under --strict.
struct StrictFinding {
  std::string_view id;  // of spec/drafter/strict_rules.json
  std::string text;
};

// The effective configuration of one side.
struct EffectiveConfig {
  LooseValue backend_text;           // what reached the selector as `backend`
  std::optional<BackendId> backend;  // parsed; empty: autoselect
  std::string backend_from;          // "default", "--attention-backend", "inherited", ...
  bool use_non_causal = false;
  std::string non_causal_from;  // who set it
  std::string kv_cache_dtype;
  std::string moe_backend;
  bool is_mm_prefix_lm = false;
};

struct EffectiveDrafter {
  EffectiveConfig config;
  std::string method;
  std::vector<std::string> architectures;  // after the DFlash prefix rule
  std::optional<std::int64_t> num_speculative_tokens;
  bool tokens_assumed = false;  // nobody gave K; block size - 1 was taken
  bool parallel_drafting = false;
  std::int64_t extra_slots = 0;
  std::int64_t lookahead_tokens = 0;
  std::optional<std::int64_t> max_model_len;
  std::int64_t tensor_parallel_size = 1;
  std::optional<std::int64_t> mask_token_id;
  std::string mask_token_key;
  AuxLayers aux_layers;
  std::optional<std::int64_t> block_size;
  std::optional<std::int64_t> fc_input_size;
  bool has_sinks = false;
  std::int64_t head_dim = 128;
  std::vector<std::string> missing_keys;  // of a partial config, with what was assumed
};

struct Resolution {
  Era era = Era::kE5;
  Runner runner = Runner::kR1;
  Platform platform;
  bool strict = false;

  EffectiveConfig target;
  EffectiveDrafter drafter;
  std::vector<LayerPlan> layers;
  Selection target_selection;
  std::vector<Selection> draft_selections;  // one for each kind of layer, in layer order
  std::vector<int> selection_of_layer;      // index into draft_selections
  std::vector<MetadataRecord> records;
  std::vector<MetadataViolation> violations;

  std::vector<Decision> decisions;
  std::vector<Warning> warnings;
  std::vector<StrictFinding> strict_findings;
  std::vector<Rejection> rejections;  // empty: served. The first is what stops the real system

  bool rejected() const { return !rejections.empty(); }
  bool mixed_layers() const;  // sliding and full ones
};

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_RESOLUTION_H_
