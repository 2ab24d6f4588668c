// SPDX-License-Identifier: Apache-2.0
//
// The draft model's Hugging Face config: the keys that decide causality, windows, masks and shapes.
// Other keys are read over; they must not matter (clause DRAFT-17). Source of the key list: vLLM
// v0.27.1 qwen3_dflash.py, dflash.py, configs/speculators/algos.py.
#ifndef ATTEST_REFERENCE_DRAFTER_DRAFT_CONFIG_H_
#define ATTEST_REFERENCE_DRAFTER_DRAFT_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reference/drafter/loose_value.h"

namespace attest::drafter {

using IntList = LooseListOf<std::int64_t>;
using TextList = LooseListOf<std::string>;

// The nested "dflash_config".
struct DflashSection {
  LooseValue section;  // absent, null, an object, or what nobody meant
  LooseValue causal;   // absent: the layers decide; metadata's `causal` has the opposite default
  LooseValue use_swa;
  LooseValue swa_window_size;  // wins over sliding_window even when null
  LooseValue mask_token_id;    // null counts as present
  LooseValue block_size;
  LooseValue use_aux_hidden_state;  // default true
  LooseValue sample_from_anchor;
  LooseValue attention_sink_bias;
  IntList target_layer_ids;
  IntList layer_ids;
  friend bool operator==(const DflashSection&, const DflashSection&) = default;
};

// Keys of the speculators format. Its transformer_layer_config fills the base of DraftConfig.
struct SpeculatorsSection {
  std::string type;  // "dflash"
  LooseValue sliding_window_non_causal;
  IntList aux_hidden_state_layer_ids;  // required: KeyError if absent
  LooseValue mask_token_id;            // required: KeyError if absent
  LooseValue target_hidden_size;
  LooseValue draft_vocab_size;
  std::optional<std::int64_t> speculative_tokens;
  friend bool operator==(const SpeculatorsSection&, const SpeculatorsSection&) = default;
};

struct DraftConfig {
  std::vector<std::string> architectures;
  std::string model_type;
  std::optional<std::int64_t> num_hidden_layers;
  std::optional<std::int64_t> hidden_size;
  std::optional<std::int64_t> head_dim;
  std::optional<std::int64_t> num_attention_heads;
  std::optional<std::int64_t> num_key_value_heads;
  std::optional<std::int64_t> vocab_size;
  std::optional<std::int64_t> draft_vocab_size;
  std::optional<std::int64_t> num_target_layers;
  std::optional<std::int64_t> max_position_embeddings;
  std::optional<std::int64_t> n_predict;
  std::optional<std::int64_t> kv_lora_rank;  // present in MLA drafters
  bool uses_mrope = false;

  LooseValue is_causal;
  LooseValue sliding_window;
  LooseValue block_size;
  LooseValue mask_token_id;
  LooseValue dspark_noise_token_id;
  LooseValue pard_token;
  LooseValue ptd_token_id;
  LooseValue add_swa_attention_sink_bias;
  LooseValue target_hidden_size;
  TextList layer_types;
  IntList eagle_aux_hidden_state_layer_ids;
  IntList dspark_target_layer_ids;
  IntList target_layer_ids;  // top level
  IntList eagle_layer_ids;   // eagle_config.layer_ids
  DflashSection dflash;
  std::optional<SpeculatorsSection> speculators;
  friend bool operator==(const DraftConfig&, const DraftConfig&) = default;
};

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_DRAFT_CONFIG_H_
