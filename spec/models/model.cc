// SPDX-License-Identifier: Apache-2.0
#include "spec/models/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "spec/vocabulary/json_object.h"
#include "spec/vocabulary/json_text.h"
#include "spec/vocabulary/problem_json.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

std::string NameOf(const ModelLayer& layer) {
  std::string name = "cross";
  if (layer.attention_type == AttentionType::kEncoderOnly) name = "encoder";
  if (layer.attention_type == AttentionType::kDecoder) {
    name = layer.causality == Causality::kCausal ? "causal" : "non-causal";
  }
  if (layer.window > 0) name += fmt::format("-w{}", layer.window);
  return name;
}

// The fields that a layer shares with Problem, read and checked as a Problem.
Problem ReadShape(JsonObject& object) {
  Problem problem;
  for (const char* key : {"alibi", "local_block_size", "custom_mask", "cache_layout"}) {
    const Json* value = object.Optional(key);
    if (value == nullptr) continue;
    const Status status = PatchProblem(Json{{key, *value}}, "", problem);
    if (!status.ok()) object.Fail(key, status.message());
  }
  for (const char* key : {"attention_type", "causality", "num_q_heads", "num_kv_heads",
                          "head_dim_qk", "head_dim_v", "scale", "sinks", "softcap", "block_size"}) {
    const Json* value = object.Required(key);
    if (value == nullptr) continue;
    const Status status = PatchProblem(Json{{key, *value}}, "", problem);
    if (!status.ok()) object.Fail(key, status.message());
  }
  if (const Status status = Validate(problem); !status.ok()) {
    const std::size_t colon = status.message().find(": ");
    object.Fail(status.message().substr(0, colon), status.message().substr(colon + 2));
  }
  return problem;
}

Result<ModelLayer> ReadLayer(const Json& json, const std::string& path) {
  JsonObject object(json, path);
  const Problem shape = ReadShape(object);
  ModelLayer layer = {.name = "",
                      .kind = object.String("kind"),
                      .count = static_cast<int>(object.Integer("count")),
                      .attention_type = shape.attention_type,
                      .causality = shape.causality,
                      .num_q_heads = shape.num_q_heads,
                      .num_kv_heads = shape.num_kv_heads,
                      .head_dim_qk = shape.head_dim_qk,
                      .head_dim_v = shape.head_dim_v,
                      .scale = shape.scale,
                      .scale_source = object.String("scale_source"),
                      .window = object.Integer("window"),
                      .sinks = shape.sinks,
                      .softcap = shape.softcap,
                      .alibi = shape.alibi,
                      .local_block_size = shape.local_block_size,
                      .custom_mask = shape.custom_mask,
                      .cache_layout = shape.cache_layout,
                      .dtype = ParseDType(object.String("dtype")).value_or(DType::kNone),
                      .block_size = shape.block_size,
                      .waits_for = object.Strings("waits_for")};
  if (layer.dtype == DType::kNone) object.Fail("dtype", "unknown dtype");
  if (layer.count < 1) object.Fail("count", "not positive");
  if (layer.window < 0) object.Fail("window", "negative");
  if (layer.scale_source.empty()) object.Fail("scale_source", "empty");
  if ((layer.kind == "cross") != (layer.attention_type == AttentionType::kEncoderDecoder)) {
    object.Fail("kind", "contradicts attention_type");
  }
  if (Status status = object.Done(); !status.ok()) return status;
  layer.name = NameOf(layer);
  return layer;
}

Result<std::vector<ModelLayer>> ReadLayers(const Json& json, const std::string& path) {
  std::vector<ModelLayer> layers;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", path, i);
    Result<ModelLayer> layer = ReadLayer(json[i], at);
    if (!layer.ok()) return layer.status();
    const auto earlier =
        std::count_if(layers.begin(), layers.end(),
                      [&layer](const ModelLayer& other) { return NameOf(other) == layer->name; });
    if (earlier > 0) layer->name += fmt::format("-{}", earlier + 1);
    layers.push_back(std::move(*layer));
  }
  return layers;
}

Result<BatchSpec> ReadBatch(const Json& json, const std::string& path) {
  JsonObject object(json, path);
  BatchSpec batch = {.id = object.String("id"),
                     .source = object.String("source"),
                     .kind = object.String("kind"),
                     .requests = {},
                     .shared_prefix = object.Integer("shared_prefix"),
                     .note = object.String("note")};
  const std::vector<std::int64_t> q_lens = object.Integers("q_lens");
  const std::vector<std::int64_t> seq_lens = object.Integers("seq_lens");
  if (q_lens.size() != seq_lens.size()) object.Fail("q_lens", "not as many as seq_lens");
  if (q_lens.empty()) object.Fail("q_lens", "empty");
  const std::array<std::string_view, 6> kinds = {"decode", "prefill",     "chunked-prefill",
                                                 "mixed",  "speculative", "encoder"};
  if (std::find(kinds.begin(), kinds.end(), batch.kind) == kinds.end()) {
    object.Fail("kind", "unknown kind of batch");
  }
  if (Status status = object.Done(); !status.ok()) return status;
  for (std::size_t r = 0; r < q_lens.size(); ++r)
    batch.requests.push_back({q_lens[r], seq_lens[r]});
  return batch;
}

}  // namespace

Result<Model> ParseModel(std::string_view filename, std::string_view text) {
  const Result<Json> json = ParseJson(filename, text);
  if (!json.ok()) return json.status();
  JsonObject object(*json, "");
  if (object.Integer("schema") != 1) object.Fail("schema", "not 1");
  Model model = {.id = object.String("id"),
                 .name = object.String("name"),
                 .source = object.String("source"),
                 .note = object.String("note"),
                 .layers = {}};
  const Json* layers = object.Required("layers");
  if (layers != nullptr && (!layers->is_array() || layers->empty())) {
    object.Fail("layers", "not a list of layers");
  }
  if (Status status = object.Done(); !status.ok()) return WithPlace(filename, text, status);
  Result<std::vector<ModelLayer>> read = ReadLayers(*layers, "layers");
  if (!read.ok()) return WithPlace(filename, text, read.status());
  model.layers = std::move(*read);
  return model;
}

Result<std::vector<BatchSpec>> ParseBatches(std::string_view filename, std::string_view text) {
  const Result<Json> json = ParseJson(filename, text);
  if (!json.ok()) return json.status();
  JsonObject object(*json, "");
  if (object.Integer("schema") != 1) object.Fail("schema", "not 1");
  const Json* list = object.Required("batches");
  if (list != nullptr && !list->is_array()) object.Fail("batches", "not a list");
  if (Status status = object.Done(); !status.ok()) return WithPlace(filename, text, status);
  std::vector<BatchSpec> batches;
  for (std::size_t i = 0; i < list->size(); ++i) {
    Result<BatchSpec> batch = ReadBatch((*list)[i], fmt::format("batches[{}]", i));
    if (!batch.ok()) return WithPlace(filename, text, batch.status());
    batches.push_back(std::move(*batch));
  }
  return batches;
}

bool Suits(const ModelLayer& layer, const BatchSpec& batch) {
  return (layer.attention_type == AttentionType::kEncoderOnly) == (batch.kind == "encoder");
}

std::optional<Problem> SliceOf(const ModelLayer& layer, const BatchSpec& batch, int tp) {
  const bool whole = layer.num_kv_heads % tp == 0;
  if (layer.num_q_heads % tp != 0 || (!whole && tp % layer.num_kv_heads != 0)) return std::nullopt;
  Problem problem;
  problem.attention_type = layer.attention_type;
  // What encoder and cross layers ignore stays as the metadata's default has it: causal.
  if (layer.attention_type == AttentionType::kDecoder) problem.causality = layer.causality;
  problem.query_dtype = problem.cache_dtype = problem.output_dtype = layer.dtype;
  problem.num_q_heads = layer.num_q_heads / tp;
  problem.num_kv_heads = whole ? layer.num_kv_heads / tp : 1;
  problem.head_dim_qk = layer.head_dim_qk;
  problem.head_dim_v = layer.head_dim_v;
  problem.scale = layer.scale;
  problem.softcap = layer.softcap;
  problem.window_left = layer.window;
  const bool causal =
      layer.attention_type == AttentionType::kDecoder && layer.causality == Causality::kCausal;
  problem.window_right = causal ? 0 : layer.window;
  problem.sinks = layer.sinks;
  problem.alibi = layer.alibi;
  problem.local_block_size = layer.local_block_size;
  problem.custom_mask = layer.custom_mask;
  problem.cache_layout = layer.cache_layout;
  problem.block_size = layer.block_size;
  const bool cross = layer.attention_type == AttentionType::kEncoderDecoder;
  problem.shared_prefix = cross ? 0 : batch.shared_prefix;
  problem.requests = batch.requests;
  return problem;
}

}  // namespace attest
