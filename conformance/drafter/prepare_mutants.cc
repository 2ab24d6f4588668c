// SPDX-License-Identifier: Apache-2.0
//
// Proposers that compute wrong tensors.
#include <algorithm>

#include "conformance/drafter/config_mutants.h"

namespace attest::drafter {
namespace {

using Json = nlohmann::ordered_json;

std::int64_t RowsOf(const DraftBatch& batch) { return batch.rows_per_request(); }

void ForgetRejections(const Json& /*asked*/, DraftBatch& batch, Runner& /*runner*/) {
  batch.num_rejected_tokens = {};
}

// The lengths stay right; the rows begin behind what was rejected.
void StartBehindRejected(const DraftBatch& batch, Runner runner, DraftInputs& inputs) {
  DraftBatch other = batch;
  other.num_rejected_tokens = {};
  const DraftInputs late = PrepareInputs(other, runner);
  inputs.positions = late.positions;
  inputs.slot_mapping = late.slot_mapping;
}

void LengthsBeforeRejection(const DraftBatch& batch, Runner runner, DraftInputs& inputs) {
  DraftBatch other = batch;
  other.num_rejected_tokens = {};
  inputs.seq_lens = PrepareInputs(other, runner).seq_lens;
}

void LengthsWithoutBlock(const DraftBatch& batch, Runner /*runner*/, DraftInputs& inputs) {
  for (std::int64_t& length : inputs.seq_lens) {
    if (length > 0) length -= RowsOf(batch);
  }
}

void SampleBonusRow(const DraftBatch& batch, Runner /*runner*/, DraftInputs& inputs) {
  if (batch.sample_from_anchor) return;
  const auto live = static_cast<std::size_t>(batch.num_reqs() * batch.num_speculative_tokens);
  for (std::size_t i = 0; i < live; ++i) --inputs.token_indices_to_sample[i];
}

void CountRowsWithoutBonus(const DraftBatch& batch, Runner /*runner*/, DraftInputs& inputs) {
  if (batch.sample_from_anchor) return;
  const std::int64_t rows = batch.num_speculative_tokens;
  for (std::size_t r = 0; r < inputs.query_start_loc.size(); ++r) {
    inputs.query_start_loc[r] = std::min(static_cast<std::int64_t>(r), batch.num_reqs()) * rows;
  }
}

void MasksOnly(const DraftBatch& batch, Runner /*runner*/, DraftInputs& inputs) {
  std::fill(inputs.input_ids.begin(), inputs.input_ids.end(), batch.mask_token_id);
}

void BonusEverywhere(const DraftBatch& batch, Runner /*runner*/, DraftInputs& inputs) {
  for (std::size_t row = 0; row < inputs.input_ids.size(); ++row) {
    inputs.input_ids[row] = batch.next_token_ids[row / static_cast<std::size_t>(RowsOf(batch))];
  }
}

void WriteRejectedRows(const DraftBatch& batch, Runner runner, DraftInputs& inputs) {
  if (runner == Runner::kR1) return;
  DraftBatch other = batch;
  other.num_rejected_tokens = {};
  const DraftInputs all = PrepareInputs(other, runner);
  inputs.context_positions = all.context_positions;
  inputs.context_slots = all.context_slots;
}

void SkipRejectedRows(const DraftBatch& batch, Runner runner, DraftInputs& inputs) {
  if (runner == Runner::kR2 || batch.num_rejected_tokens.empty()) return;
  for (std::size_t r = 0; r < batch.num_rejected_tokens.size(); ++r) {
    const std::int64_t end = batch.query_start_loc[r + 1];
    for (std::int64_t row = end - batch.num_rejected_tokens[r]; row < end; ++row) {
      inputs.context_positions[static_cast<std::size_t>(row)] = 0;
      inputs.context_slots[static_cast<std::size_t>(row)] = kPaddingSlot;
    }
  }
}

// Pages of the cache group hold twice as many tokens as the configuration says.
void SlotsByConfiguredPages(const Json& /*asked*/, DraftBatch& batch, Runner& /*runner*/) {
  if (batch.block_size % (2 * batch.context_parallel.interleave) == 0) batch.block_size /= 2;
}

void WriteNullBlock(const Json& /*asked*/, DraftBatch& batch, Runner& /*runner*/) {
  batch.null_block_padding = false;
}

void LongestAsBefore(const DraftBatch& batch, Runner /*runner*/, DraftInputs& inputs) {
  inputs.max_seq_len = std::min(batch.max_seq_len, inputs.max_seq_len);
}

void BoundFromRealLengths(const DraftBatch& /*batch*/, Runner /*runner*/, DraftInputs& inputs) {
  const auto requests = static_cast<std::size_t>(inputs.num_reqs);
  for (std::size_t r = 0; r < requests; ++r) {
    inputs.seq_lens_upper_bound[r] = inputs.seq_lens[r];
  }
}

void BoundWithoutBlock(const DraftBatch& batch, Runner /*runner*/, DraftInputs& inputs) {
  for (std::size_t r = 0; r < inputs.seq_lens_upper_bound.size(); ++r) {
    inputs.seq_lens_upper_bound[r] =
        std::min(batch.seq_lens_upper_bound[r], inputs.seq_lens_upper_bound[r]);
  }
}

void StalePaddingSlots(const DraftBatch& batch, Runner /*runner*/, DraftInputs& inputs) {
  const auto live = static_cast<std::size_t>(batch.num_reqs() * RowsOf(batch));
  for (std::size_t row = live; row < inputs.slot_mapping.size(); ++row) {
    inputs.slot_mapping[row] = inputs.slot_mapping[row - live];
  }
}

void SamplePadding(const DraftBatch& batch, Runner runner, DraftInputs& inputs) {
  if (runner == Runner::kR1) return;
  const auto live = static_cast<std::size_t>(batch.num_reqs() * batch.num_speculative_tokens);
  for (std::size_t i = live; i < inputs.sample_idx_mapping.size(); ++i) {
    inputs.sample_idx_mapping[i] = 0;
  }
}

void AlwaysCausal(const DraftBatch& /*batch*/, Runner /*runner*/, DraftInputs& inputs) {
  inputs.causal = true;
}

void NeverCausal(const DraftBatch& /*batch*/, Runner /*runner*/, DraftInputs& inputs) {
  inputs.causal = false;
}

void PositionsUnclamped(const DraftBatch& batch, Runner runner, DraftInputs& inputs) {
  if (runner == Runner::kR1) return;
  inputs.positions = PrepareInputs(batch, Runner::kR1).positions;
}

void SlotsOfClampedPositions(const DraftBatch& batch, Runner runner, DraftInputs& inputs) {
  if (runner == Runner::kR1) return;
  const std::int64_t rows = RowsOf(batch);
  for (std::size_t row = 0; row < inputs.positions.size(); ++row) {
    const auto r = static_cast<std::size_t>(static_cast<std::int64_t>(row) / rows);
    const std::int64_t k = static_cast<std::int64_t>(row) % rows;
    const std::int64_t wanted = inputs.last_positions[r] + 1 + k;
    if (inputs.positions[row] == wanted || row == 0) continue;
    inputs.slot_mapping[row] = inputs.slot_mapping[row - 1];
  }
}

// The request's rows in the state are those of the batch.
void MapSamplesByBatchRow(const DraftBatch& batch, Runner runner, DraftInputs& inputs) {
  if (runner == Runner::kR1) return;
  const auto live = static_cast<std::size_t>(batch.num_reqs() * batch.num_speculative_tokens);
  for (std::size_t i = 0; i < live; ++i) {
    inputs.sample_idx_mapping[i] =
        static_cast<std::int64_t>(i) / std::max<std::int64_t>(batch.num_speculative_tokens, 1);
  }
}

void DraftPastTheEnd(const DraftBatch& /*batch*/, Runner /*runner*/, DraftInputs& inputs) {
  inputs.drafting_runs = true;
}

void ReserveKTokens(const DraftBatch& batch, Runner /*runner*/, DraftInputs& inputs) {
  inputs.drafting_runs = batch.max_seq_len + batch.num_speculative_tokens <= batch.max_model_len;
}

void SingleTokensInTurn(const Json& /*asked*/, DraftBatch& batch, Runner& /*runner*/) {
  batch.context_parallel.interleave = 1;
}

void OneDevice(const Json& /*asked*/, DraftBatch& batch, Runner& /*runner*/) {
  batch.context_parallel = {};
}

// Every sampled id counts where no request has more than one draft, placeholders too.
void CountPlaceholders(const Json& asked, DraftBatch& batch, Runner& /*runner*/) {
  const auto sampled = asked.find("sampled");
  if (sampled == asked.end() || sampled->is_null()) return;
  const auto drafts = sampled->at("num_draft_tokens").get<std::vector<std::int64_t>>();
  if (*std::max_element(drafts.begin(), drafts.end()) != 1) return;
  const auto ids = sampled->at("token_ids").get<std::vector<std::vector<std::int64_t>>>();
  for (std::size_t r = 0; r < ids.size(); ++r) {
    if (ids[r].empty()) continue;
    batch.num_rejected_tokens[r] = 0;
    batch.next_token_ids[r] = ids[r].back();
  }
}

void KeepDiscarded(const Json& asked, DraftBatch& batch, Runner& /*runner*/) {
  const auto sampled = asked.find("sampled");
  if (sampled == asked.end() || sampled->is_null()) return;
  const auto discarded = sampled->find("discarded");
  if (discarded == sampled->end() || discarded->is_null()) return;
  for (const auto r : discarded->get<std::vector<std::size_t>>()) {
    for (const Json& id : sampled->at("token_ids")[r]) {
      if (id != -1 && id < sampled->at("vocab_size")) batch.next_token_ids[r] = id;
    }
  }
}

std::vector<ConfigMutant> LengthMutants() {
  return {
      {.id = "rejections-ignored",
       .sentence = "nothing counts as rejected: rows, slots and lengths begin behind the drafts",
       .reference = "NVIDIA/TensorRT-LLM#11696",
       .prepare = {.batch = ForgetRejections}},
      {.id = "rows-behind-rejected",
       .sentence = "lengths are right, but positions and slots begin behind the rejected drafts",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = StartBehindRejected}},
      {.id = "lengths-before-rejection",
       .sentence = "seq_lens count the rejected drafts",
       .reference = "NVIDIA/TensorRT-LLM#11696",
       .bug = "trt-kv-lens-drift",
       .prepare = {.inputs = LengthsBeforeRejection}},
      {.id = "lengths-without-block",
       .sentence = "seq_lens do not count the rows of the draft block",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = LengthsWithoutBlock}},
      {.id = "max-seq-len-stale",
       .sentence = "max_seq_len is that of the target's step",
       .reference = "vllm-project/vllm#32312",
       .prepare = {.inputs = LongestAsBefore}},
      {.id = "bound-from-real-lengths",
       .sentence = "the host's upper bound subtracts rejections that the host cannot know",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = BoundFromRealLengths}},
      {.id = "bound-without-block",
       .sentence = "the host's upper bound does not count the rows of the draft block",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = BoundWithoutBlock}},
      {.id = "drafts-past-the-end",
       .sentence = "drafting runs even where the block passes the model's length",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = DraftPastTheEnd}},
      {.id = "reserves-k-tokens",
       .sentence = "room is asked for K tokens where the block has K + 1",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = ReserveKTokens}},
  };
}

std::vector<ConfigMutant> RowMutants() {
  return {
      {.id = "bonus-row-sampled",
       .sentence = "the row of the bonus token is sampled and the last mask is not",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = SampleBonusRow}},
      {.id = "rows-without-bonus",
       .sentence = "query_start_loc counts K rows a request",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = CountRowsWithoutBonus}},
      {.id = "masks-only",
       .sentence = "the bonus token is not handed to the drafter",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = MasksOnly}},
      {.id = "bonus-everywhere",
       .sentence = "every row holds the bonus token",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = BonusEverywhere}},
      {.id = "rejected-rows-written",
       .sentence = "runner R2 writes keys of rejected rows",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = WriteRejectedRows}},
      {.id = "rejected-rows-skipped",
       .sentence = "runner R1 gives rejected rows no slot",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = SkipRejectedRows}},
      {.id = "positions-unclamped",
       .sentence = "runner R2 stores positions past the model's length",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = PositionsUnclamped}},
      {.id = "metadata-causal-by-default",
       .sentence = "the batch's causal flag is not copied: metadata says causal",
       .reference = "vllm-project/vllm#40176",
       .bug = "seed-causal-flag-not-in-metadata",
       .prepare = {.inputs = AlwaysCausal}},
      {.id = "metadata-never-causal",
       .sentence = "metadata says not causal, whatever the drafter's config says",
       .reference = "vllm-project/vllm#43445",
       .prepare = {.inputs = NeverCausal}},
      {.id = "placeholders-count",
       .sentence = "placeholders count as tokens where no request has more than one draft",
       .reference = "vllm-project/vllm#26231",
       .bug = "vllm-eagle-valid-mask-len1",
       .prepare = {.batch = CountPlaceholders}},
      {.id = "discarded-requests-count",
       .sentence = "samples of discarded requests count",
       .reference = "kept as a standard mutation",
       .prepare = {.batch = KeepDiscarded}},
  };
}

std::vector<ConfigMutant> SlotMutants() {
  return {
      {.id = "slots-by-configured-pages",
       .sentence = "slots are made with half the page size of the cache group",
       .reference = "vllm-project/vllm#31540",
       .prepare = {.batch = SlotsByConfiguredPages}},
      {.id = "null-block-written",
       .sentence = "runner R2 gives positions in the null block a slot",
       .reference = "vllm-project/vllm#39444",
       .prepare = {.batch = WriteNullBlock}},
      {.id = "slots-of-clamped-positions",
       .sentence = "slots past the model's length are those of the last position",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = SlotsOfClampedPositions}},
      {.id = "padding-slots-stale",
       .sentence = "slots behind the last row keep those of real rows",
       .reference = "vllm-project/vllm#36580",
       .prepare = {.inputs = StalePaddingSlots}},
      {.id = "padding-sampled",
       .sentence = "padding rows are sampled into the state of request 0",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = SamplePadding}},
      {.id = "samples-by-batch-row",
       .sentence = "samples go to the row of the batch and not to the request's state",
       .reference = "kept as a standard mutation",
       .prepare = {.inputs = MapSamplesByBatchRow}},
      {.id = "parallel-interleave-ignored",
       .sentence = "devices take single tokens in turn, whatever the interleave is",
       .reference = "kept as a standard mutation",
       .prepare = {.batch = SingleTokensInTurn}},
      {.id = "parallel-slots-global",
       .sentence = "slots are those of one device",
       .reference = "kept as a standard mutation",
       .prepare = {.batch = OneDevice}},
  };
}

}  // namespace

std::vector<ConfigMutant> PrepareMutants() {
  std::vector<ConfigMutant> all;
  for (const auto room : {LengthMutants, RowMutants, SlotMutants}) {
    const std::vector<ConfigMutant> mutants = room();
    all.insert(all.end(), mutants.begin(), mutants.end());
  }
  return all;
}

}  // namespace attest::drafter
