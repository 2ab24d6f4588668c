// SPDX-License-Identifier: Apache-2.0
//
// Attention parameters of real models and the batches they are run with, as values. The data, its
// sources and its format: spec/models/README.md.
#ifndef ATTEST_SPEC_MODELS_MODEL_H_
#define ATTEST_SPEC_MODELS_MODEL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"

namespace attest {

struct ModelLayer {
  // Type and window, "causal", "causal-w1024", "cross", ...; "causal-2" is the second layer of that
  // description in the file.
  std::string name;
  std::string kind;  // "self" or "cross"
  int count = 0;     // layers of the model that are like this one
  AttentionType attention_type = AttentionType::kDecoder;
  Causality causality = Causality::kCausal;
  int num_q_heads = 0;
  int num_kv_heads = 0;
  int head_dim_qk = 0;
  int head_dim_v = 0;
  float scale = 0;
  std::string scale_source;
  std::int64_t window = 0;  // keys on the past side, self included; both sides unless causal
  bool sinks = false;
  float softcap = 0;
  bool alibi = false;
  std::int64_t local_block_size = 0;  // 0: off
  MaskKind custom_mask = MaskKind::kNone;
  CacheLayout cache_layout = CacheLayout::kNhd;
  DType dtype = DType::kNone;
  int block_size = 0;
  std::vector<std::string> waits_for;  // reserved clauses; empty: can be judged
};

struct Model {
  std::string id;
  std::string name;
  std::string source;
  std::string note;
  std::vector<ModelLayer> layers;
};

struct BatchSpec {
  std::string id;
  std::string source;
  std::string kind;  // "decode" "prefill" "chunked-prefill" "mixed" "speculative" "encoder"
  std::vector<Request> requests;
  std::int64_t shared_prefix = 0;
  std::string note;
};

// One file each. Bad input: "file:line:column: ...".
Result<Model> ParseModel(std::string_view filename, std::string_view text);
Result<std::vector<BatchSpec>> ParseBatches(std::string_view filename, std::string_view text);

// Can this batch be a step of this layer? Encoder layers take encoder batches, all others the rest.
bool Suits(const ModelLayer& layer, const BatchSpec& batch);

// What one device of `tp` tensor-parallel devices computes: a tp-th of the query heads, and of the
// KV heads a tp-th or, past one for each device, a copy of one. nullopt where heads do not divide.
std::optional<Problem> SliceOf(const ModelLayer& layer, const BatchSpec& batch, int tp);

}  // namespace attest

#endif  // ATTEST_SPEC_MODELS_MODEL_H_
