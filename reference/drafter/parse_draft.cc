// SPDX-License-Identifier: Apache-2.0
//
// The draft's config.json. Keys that nobody asks for are read over: Hugging Face configs carry
// dozens, and none of them may matter.
#include <cstdint>

#include "reference/drafter/parse.h"
#include "reference/drafter/parse_values.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;

// More layers than any model has; each costs a row in every answer.
constexpr std::int64_t kMostLayers = 4096;

void ReadIds(JsonObject& object, const char* key, IntList& list) {
  const Json* value = object.Optional(key);
  if (value == nullptr) return;
  list.value = LooseFromJson(*value);
  if (value->is_null()) return;
  list.items = object.Integers(key);
  for (const std::int64_t id : list.items) {
    if (id < -Values::kLargest || id > Values::kLargest) object.Fail(key, "an id beyond 2^31");
  }
}

void ReadTypes(JsonObject& object, TextList& list) {
  const Json* value = object.Optional("layer_types");
  if (value == nullptr) return;
  list.value = LooseFromJson(*value);
  if (value->is_null()) return;
  list.items = object.Strings("layer_types");
  if (static_cast<std::int64_t>(list.items.size()) > kMostLayers) {
    object.Fail("layer_types", "more than 4096 layers");
  }
}

void ReadArchitectures(JsonObject& object, DraftConfig& draft) {
  const Json* value = object.Optional("architectures");
  if (value != nullptr && !value->is_null()) draft.architectures = object.Strings("architectures");
}

// Sizes and lists that a plain config and transformer_layer_config share.
void ReadBase(JsonObject& object, DraftConfig& draft) {
  Values v(object);
  v.Text("model_type", draft.model_type);
  v.Maybe("num_hidden_layers", 0, draft.num_hidden_layers);
  if (draft.num_hidden_layers.value_or(0) > kMostLayers) {
    object.Fail("num_hidden_layers", "more than 4096");
  }
  v.Positive("hidden_size", draft.hidden_size);
  v.Positive("head_dim", draft.head_dim);
  v.Positive("num_attention_heads", draft.num_attention_heads);
  v.Positive("num_key_value_heads", draft.num_key_value_heads);
  v.Positive("vocab_size", draft.vocab_size);
  v.Positive("num_target_layers", draft.num_target_layers);
  v.Positive("max_position_embeddings", draft.max_position_embeddings);
  v.Positive("n_predict", draft.n_predict);
  v.Positive("kv_lora_rank", draft.kv_lora_rank);
  v.Any("is_causal", draft.is_causal);
  v.IntegerOrNull("sliding_window", draft.sliding_window);
  v.Any("add_swa_attention_sink_bias", draft.add_swa_attention_sink_bias);
  ReadTypes(object, draft.layer_types);
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const Json* rope = object.Optional(key);
    if (rope != nullptr && rope->is_object() && rope->contains("mrope_section")) {
      draft.uses_mrope = true;
    }
  }
}

void ReadTokens(JsonObject& object, DraftConfig& draft) {
  Values v(object);
  v.IntegerOrNull("block_size", draft.block_size);
  v.IntegerOrNull("mask_token_id", draft.mask_token_id);
  v.IntegerOrNull("dspark_noise_token_id", draft.dspark_noise_token_id);
  v.IntegerOrNull("pard_token", draft.pard_token);
  v.IntegerOrNull("ptd_token_id", draft.ptd_token_id);
  v.IntegerOrNull("target_hidden_size", draft.target_hidden_size);
  v.Positive("draft_vocab_size", draft.draft_vocab_size);
  ReadIds(object, "eagle_aux_hidden_state_layer_ids", draft.eagle_aux_hidden_state_layer_ids);
  ReadIds(object, "dspark_target_layer_ids", draft.dspark_target_layer_ids);
  ReadIds(object, "target_layer_ids", draft.target_layer_ids);
}

// The first error of a nested object, but not its unknown keys.
Status FirstError(JsonObject& object, const Json& json) {
  for (const auto& [key, value] : json.items()) object.Optional(key);
  return object.Done();
}

Status ReadDflash(JsonObject& whole, DraftConfig& draft) {
  const Json* json = whole.Optional("dflash_config");
  if (json == nullptr) return {};
  DflashSection& section = draft.dflash;
  section.section = LooseFromJson(*json);
  if (!json->is_object()) return {};
  JsonObject object(*json, "dflash_config");
  Values v(object);
  v.Any("causal", section.causal);
  v.Any("use_swa", section.use_swa);
  v.IntegerOrNull("swa_window_size", section.swa_window_size);
  v.IntegerOrNull("mask_token_id", section.mask_token_id);
  v.IntegerOrNull("block_size", section.block_size);
  v.Any("use_aux_hidden_state", section.use_aux_hidden_state);
  v.Any("sample_from_anchor", section.sample_from_anchor);
  v.Any("attention_sink_bias", section.attention_sink_bias);
  ReadIds(object, "target_layer_ids", section.target_layer_ids);
  ReadIds(object, "layer_ids", section.layer_ids);
  return FirstError(object, *json);
}

Status ReadEagle(JsonObject& whole, DraftConfig& draft) {
  const Json* json = whole.Optional("eagle_config");
  if (json == nullptr || !json->is_object()) return {};
  JsonObject object(*json, "eagle_config");
  ReadIds(object, "layer_ids", draft.eagle_layer_ids);
  return FirstError(object, *json);
}

Status ReadSpeculators(JsonObject& whole, DraftConfig& draft) {
  if (!whole.Has("speculators_model_type")) return {};
  SpeculatorsSection section;
  section.type = whole.String("speculators_model_type");
  Values v(whole);
  v.Any("sliding_window_non_causal", section.sliding_window_non_causal);
  v.IntegerOrNull("mask_token_id", section.mask_token_id);
  v.IntegerOrNull("target_hidden_size", section.target_hidden_size);
  v.IntegerOrNull("draft_vocab_size", section.draft_vocab_size);
  ReadIds(whole, "aux_hidden_state_layer_ids", section.aux_hidden_state_layer_ids);
  const Json* speculators = whole.Optional("speculators_config");
  const Json* base = whole.Optional("transformer_layer_config");
  if (base != nullptr) {
    JsonObject object(*base, "transformer_layer_config");
    ReadBase(object, draft);
    if (base->is_object()) {
      if (Status status = FirstError(object, *base); !status.ok()) return status;
    }
  }
  if (speculators != nullptr && speculators->is_object()) {
    const Json methods = speculators->value("proposal_methods", Json::array());
    if (methods.is_array() && !methods.empty() && methods[0].is_object()) {
      JsonObject first(methods[0], "speculators_config.proposal_methods[0]");
      Values(first).Positive("speculative_tokens", section.speculative_tokens);
      if (Status status = FirstError(first, methods[0]); !status.ok()) return status;
    }
  }
  draft.speculators = std::move(section);
  return {};
}

}  // namespace

LooseValue LooseFromJson(const Json& json) {
  switch (json.type()) {
    case Json::value_t::null:
      return LooseNull();
    case Json::value_t::boolean:
      return LooseBool(json.get<bool>());
    case Json::value_t::number_integer:
      return LooseInteger(json.get<std::int64_t>());
    case Json::value_t::number_unsigned: {
      const auto value = json.get<std::uint64_t>();
      if (value <= static_cast<std::uint64_t>(INT64_MAX)) {
        return LooseInteger(static_cast<std::int64_t>(value));
      }
      return {LooseKind::kNumber, true, 0, json.dump()};
    }
    case Json::value_t::number_float:
      return {LooseKind::kNumber, json.get<double>() != 0, 0, json.dump()};
    case Json::value_t::string:
      return LooseText(json.get<std::string>());
    case Json::value_t::array:
      return LooseList(json.empty(), json.dump());
    default:
      return LooseObject(json.empty(), json.dump());
  }
}

Result<DraftConfig> DraftFromJson(const Json& json) {
  DraftConfig draft;
  if (!json.is_object()) return BadInput("the whole: not an object");
  JsonObject object(json, "");
  ReadArchitectures(object, draft);
  if (Status status = ReadSpeculators(object, draft); !status.ok()) return status;
  ReadBase(object, draft);
  ReadTokens(object, draft);
  if (Status status = ReadDflash(object, draft); !status.ok()) return status;
  if (Status status = ReadEagle(object, draft); !status.ok()) return status;
  if (Status status = FirstError(object, json); !status.ok()) return status;
  return draft;
}

}  // namespace attest::drafter
