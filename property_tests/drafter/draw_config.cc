// SPDX-License-Identifier: Apache-2.0
//
// Random configurations and batches for the laws.
#include <algorithm>
#include <array>
#include <utility>

#include "property_tests/drafter/config_laws.h"

namespace attest::drafter {
namespace {

template <typename T, std::size_t kCount>
const T& Pick(FastRandom& random, const std::array<T, kCount>& values) {
  return values[static_cast<std::size_t>(random.Below(kCount))];
}

LooseValue AnyFlag(FastRandom& random) {
  switch (random.Below(10)) {
    case 0:
      return LooseBool(true);
    case 1:
      return LooseBool(false);
    case 2:
      return LooseNull();
    case 3:
      return LooseInteger(random.Below(2));
    case 4:
      return LooseText(random.OneIn(2) ? "false" : "");
    default:
      return {};
  }
}

LooseValue AnyBackend(const Tables& tables, FastRandom& random) {
  if (!random.OneIn(3)) return {};
  switch (random.Below(8)) {
    case 0:
      return LooseText("AuTo");
    case 1:
      return LooseText("flash-attn");
    case 2:
      return LooseNull();
    default: {
      const auto count = static_cast<std::int64_t>(tables.backend_names.size());
      return LooseText(tables.backend_names[static_cast<std::size_t>(random.Below(count))]);
    }
  }
}

std::string AnyCacheDtype(FastRandom& random) {
  constexpr std::array<std::string_view, 4> kTypes = {"auto", "fp8", "bfloat16", "fp8_e5m2"};
  return std::string(random.OneIn(2) ? "auto" : Pick(random, kTypes));
}

void DrawTarget(const Tables& tables, FastRandom& random, TargetConfig& target) {
  constexpr std::array<std::int64_t, 5> kHeads = {128, 64, 256, 80, 576};
  target.model.head_dim = Pick(random, kHeads);
  target.model.use_mla = random.OneIn(8);
  target.model.is_mm_prefix_lm = random.OneIn(8);
  target.model.has_sink = random.OneIn(12);
  target.attention_backend_flag = AnyBackend(tables, random);
  if (random.OneIn(4)) target.attention.backend = AnyBackend(tables, random);
  if (random.OneIn(16)) target.attention.backend_per_kind["full_attention"] = "TRITON_ATTN";
  if (random.OneIn(16)) target.attention.backend_per_kind["sliding_window"] = "FLEX_ATTENTION";
  target.attention.use_non_causal = random.OneIn(24);
  constexpr std::array<std::int64_t, 4> kBlocks = {16, 32, 12, 1};
  if (random.OneIn(4)) target.cache.block_size = Pick(random, kBlocks);
  target.cache.cache_dtype = AnyCacheDtype(random);
  target.cache.disable_hybrid_kv_cache_manager = random.OneIn(6);
  target.environment.batch_invariant = random.OneIn(5);
  target.environment.kv_connector = random.OneIn(8);
  target.environment.rocm_aiter_mha = random.OneIn(3);
  target.environment.rocm_aiter_found = random.OneIn(3);
  target.moe_backend = random.OneIn(4) ? "triton" : "auto";
}

void DrawSpeculative(const Tables& tables, FastRandom& random, SpeculativeConfig& spec) {
  spec.method = "dflash";
  if (random.OneIn(8)) {
    const auto count = static_cast<std::int64_t>(tables.methods.size());
    spec.method = tables.methods[static_cast<std::size_t>(random.Below(count))].name;
  }
  spec.num_speculative_tokens = LooseInteger(1 + random.Below(16));
  spec.attention_backend = AnyBackend(tables, random);
  if (random.OneIn(5)) spec.kv_cache_dtype = AnyCacheDtype(random);
  if (random.OneIn(5)) spec.moe_backend = "marlin";
  spec.disable_padded_drafter_batch = random.OneIn(24);
}

void DrawDraft(FastRandom& random, DraftConfig& draft) {
  constexpr std::array<std::int64_t, 4> kHeads = {128, 64, 80, 256};
  draft.architectures = {"DFlashDraftModel"};
  draft.num_hidden_layers = 1 + random.Below(6);
  draft.head_dim = Pick(random, kHeads);
  draft.num_attention_heads = 32;
  draft.num_key_value_heads = 8;
  draft.hidden_size = 2560;
  draft.vocab_size = 151936;
  if (random.OneIn(2)) draft.sliding_window = LooseInteger(2048);
  if (random.OneIn(2)) {
    draft.layer_types.value = LooseList(false, "[...]");
    const std::int64_t kind = random.Below(3);
    for (std::int64_t i = 0; i < *draft.num_hidden_layers; ++i) {
      const bool sliding = kind == 0 || (kind == 1 && !random.OneIn(3));
      draft.layer_types.items.emplace_back(sliding ? "sliding_attention" : "full_attention");
    }
  }
  draft.is_causal = AnyFlag(random);
  draft.dflash.section = LooseObject(false, "{...}");
  draft.dflash.causal = AnyFlag(random);
  if (random.OneIn(4)) draft.dflash.use_swa = LooseBool(random.OneIn(2));
  if (random.OneIn(6)) {
    draft.dflash.swa_window_size = random.OneIn(3) ? LooseNull() : LooseInteger(512);
  }
  draft.dflash.mask_token_id = LooseInteger(151669);
  if (random.OneIn(6)) draft.dflash.attention_sink_bias = LooseBool(true);
  if (random.OneIn(3)) draft.dflash.block_size = LooseInteger(8);
  draft.dflash.target_layer_ids = {LooseList(false, "[...]"), {1, 9}};
}

// ---- Batches

struct DrawnRequest {
  std::int64_t context = 0;
  std::int64_t rows = 1;
  std::int64_t rejected = 0;
};

DrawnRequest DrawRequest(FastRandom& random) {
  DrawnRequest request{.context = random.Below(40), .rows = 1 + random.Below(6)};
  request.rejected = random.OneIn(2) ? random.Below(request.rows) : 0;
  return request;
}

void AddRequest(const DrawnRequest& request, DraftBatch& batch) {
  for (std::int64_t i = 0; i < request.rows; ++i) batch.positions.push_back(request.context + i);
  batch.query_start_loc.push_back(static_cast<std::int64_t>(batch.positions.size()));
  batch.seq_lens.push_back(request.context + request.rows);
  batch.num_rejected_tokens.push_back(request.rejected);
}

}  // namespace

std::uint64_t FastRandom::Next() {
  state_ += 0x9e3779b97f4a7c15U;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

ConfigSample DrawConfig(const Tables& tables, FastRandom& random) {
  constexpr std::array<Platform, 8> kPlatforms = {{{PlatformKind::kCuda, {9, 0}},
                                                   {PlatformKind::kCuda, {8, 0}},
                                                   {PlatformKind::kCuda, {10, 0}},
                                                   {PlatformKind::kCuda, {7, 5}},
                                                   {PlatformKind::kCuda, {12, 0}},
                                                   {PlatformKind::kCuda, {8, 9}},
                                                   {PlatformKind::kRocm, {9, 0}},
                                                   {PlatformKind::kCpu, {9, 0}}}};
  ConfigSample sample;
  DrawTarget(tables, random, sample.target);
  DrawSpeculative(tables, random, sample.target.speculative);
  DrawDraft(random, sample.draft);
  sample.options.era = random.OneIn(2) ? Era::kE5 : Pick(random, kAllEras);
  sample.options.runner = Pick(random, kAllRunners);
  sample.options.platform = Pick(random, kPlatforms);
  sample.options.explain = false;
  return sample;
}

BatchSample DrawBatch(FastRandom& random) {
  constexpr std::array<std::int64_t, 4> kBlocks = {4, 16, 1, 3};
  BatchSample sample{.runner = Pick(random, kAllRunners)};
  DraftBatch& batch = sample.batch;
  batch.num_speculative_tokens = random.Below(8);
  batch.block_size = Pick(random, kBlocks);
  batch.mask_token_id = 151669;
  batch.causal = random.OneIn(3);
  batch.query_start_loc = {0};
  const std::int64_t requests = 1 + random.Below(5);
  for (std::int64_t r = 0; r < requests; ++r) AddRequest(DrawRequest(random), batch);
  std::int64_t longest = 0;
  for (const std::int64_t length : batch.seq_lens) {
    batch.seq_lens_upper_bound.push_back(length + random.Below(4));
    longest = std::max(longest, batch.seq_lens_upper_bound.back());
    batch.next_token_ids.push_back(random.Below(1000));
    batch.request_slots.push_back(random.Below(64));
  }
  batch.max_seq_len = longest;
  batch.max_model_len = random.OneIn(4) ? longest + random.Below(10) + 1 : 4096;
  const std::int64_t columns =
      (longest + batch.rows_per_request() + batch.block_size - 1) / batch.block_size;
  std::int64_t page = 1;
  for (std::int64_t r = 0; r < requests; ++r) {
    batch.block_table.emplace_back();
    for (std::int64_t c = 0; c < columns; ++c) batch.block_table.back().push_back(page++);
  }
  batch.max_num_reqs = requests + random.Below(3);
  const std::int64_t live = requests * batch.rows_per_request();
  if (random.OneIn(2)) batch.num_tokens_padded = live + random.Below(9);
  return sample;
}

Resolution LawSubject::Resolve(ConfigSample sample) const {
  if (mutant != nullptr && mutant->resolve.configs != nullptr) {
    mutant->resolve.configs(sample.target, sample.draft, sample.options);
  }
  return drafter::Resolve(tables, sample.target, sample.draft, sample.options);
}

DraftInputs LawSubject::Prepare(DraftBatch batch, Runner runner) const {
  if (mutant != nullptr && mutant->prepare.batch != nullptr) {
    mutant->prepare.batch(nlohmann::ordered_json::object(), batch, runner);
  }
  DraftInputs inputs = PrepareInputs(batch, runner);
  if (mutant != nullptr && mutant->prepare.inputs != nullptr) {
    mutant->prepare.inputs(batch, runner, inputs);
  }
  return inputs;
}

}  // namespace attest::drafter
