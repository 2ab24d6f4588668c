// SPDX-License-Identifier: Apache-2.0
#include "reference/drafter/proposer.h"

#include <algorithm>

namespace attest::drafter {
namespace {

// One batch and the formulas over it; r counts requests, k rows of a request.
class Formulas {
 public:
  Formulas(const DraftBatch& batch, Runner runner) : batch_(batch), r2_(runner == Runner::kR2) {}

  std::int64_t Rejected(std::size_t r) const {
    return batch_.num_rejected_tokens.empty() ? 0 : batch_.num_rejected_tokens[r];
  }
  // One past the last accepted row of the target's step.
  std::int64_t ValidEnd(std::size_t r) const { return batch_.query_start_loc[r + 1] - Rejected(r); }
  std::int64_t LastPosition(std::size_t r) const {
    return batch_.positions[static_cast<std::size_t>(ValidEnd(r)) - 1];
  }
  // Before R2 stores it clamped.
  std::int64_t QueryPosition(std::size_t r, std::int64_t k) const {
    return LastPosition(r) + 1 + k;
  }
  std::int64_t Stored(std::int64_t position) const {
    return r2_ ? std::min(position, batch_.max_model_len - 1) : position;
  }
  std::int64_t Column(std::int64_t position) const {
    return position / (batch_.block_size * batch_.context_parallel.size);
  }
  bool BeyondTable(std::size_t r, std::int64_t position) const {
    return Column(position) >= static_cast<std::int64_t>(batch_.block_table[r].size());
  }
  std::int64_t Slot(std::size_t r, std::int64_t position) const;
  std::int64_t SeqLen(std::size_t r) const {
    const std::int64_t rows = batch_.rows_per_request();
    return r2_ ? std::min(LastPosition(r) + 1 + rows, batch_.max_model_len)
               : batch_.seq_lens[r] - Rejected(r) + rows;
  }

 private:
  const DraftBatch& batch_;
  bool r2_;
};

std::int64_t Formulas::Slot(std::size_t r, std::int64_t position) const {
  const std::vector<std::int64_t>& table = batch_.block_table[r];
  const auto last_column = static_cast<std::int64_t>(table.size()) - 1;
  const std::int64_t block =
      table[static_cast<std::size_t>(std::min(Column(position), last_column))];
  const std::int64_t block_size = batch_.block_size;
  if (!r2_) return block * block_size + position % block_size;
  if (batch_.null_block_padding && block == 0) return kPaddingSlot;
  const ContextParallel& parallel = batch_.context_parallel;
  const std::int64_t offset = position % (block_size * parallel.size);
  if (offset / parallel.interleave % parallel.size != parallel.rank) return kPaddingSlot;
  return block * block_size + offset / (parallel.size * parallel.interleave) * parallel.interleave +
         offset % parallel.interleave;
}

void AddQueryRows(const DraftBatch& batch, const Formulas& formulas, DraftInputs& inputs) {
  const std::int64_t rows = batch.rows_per_request();
  for (std::size_t r = 0; r < batch.seq_lens.size(); ++r) {
    inputs.last_positions.push_back(formulas.LastPosition(r));
    for (std::int64_t k = 0; k < rows; ++k) {
      const std::int64_t position = formulas.QueryPosition(r, k);
      inputs.input_ids.push_back(k == 0 ? batch.next_token_ids[r] : batch.mask_token_id);
      inputs.positions.push_back(formulas.Stored(position));
      inputs.slot_mapping.push_back(formulas.Slot(r, position));
      inputs.num_positions_beyond_table += formulas.BeyondTable(r, position) ? 1 : 0;
    }
  }
  const auto padded = static_cast<std::size_t>(batch.num_tokens_padded);
  inputs.slot_mapping.resize(std::max(padded, inputs.slot_mapping.size()), kPaddingSlot);
}

// R1 writes the keys of rejected rows too (query rows overwrite them later), R2 writes none.
void AddContextRows(const DraftBatch& batch, Runner runner, const Formulas& formulas,
                    DraftInputs& inputs) {
  for (std::size_t r = 0; r < batch.seq_lens.size(); ++r) {
    for (std::int64_t row = batch.query_start_loc[r]; row < batch.query_start_loc[r + 1]; ++row) {
      const std::int64_t position = batch.positions[static_cast<std::size_t>(row)];
      const bool written = runner == Runner::kR1 || row < formulas.ValidEnd(r);
      inputs.context_positions.push_back(written ? position : 0);
      inputs.context_slots.push_back(written ? formulas.Slot(r, position) : kPaddingSlot);
    }
  }
}

void AddSamples(const DraftBatch& batch, Runner runner, const Formulas& formulas,
                DraftInputs& inputs) {
  const std::int64_t rows = batch.rows_per_request();
  const std::int64_t first = batch.sample_from_anchor ? 0 : 1;
  for (std::size_t r = 0; r < batch.seq_lens.size(); ++r) {
    for (std::int64_t k = first; k < rows; ++k) {
      inputs.token_indices_to_sample.push_back(static_cast<std::int64_t>(r) * rows + k);
      if (runner == Runner::kR1) continue;
      // The token that a row of DSpark predicts stands one further; a mask stands for itself.
      inputs.sample_positions.push_back(
          formulas.Stored(formulas.QueryPosition(r, k) + (batch.sample_from_anchor ? 1 : 0)));
      inputs.sample_idx_mapping.push_back(batch.request_slots[r]);
    }
  }
  if (runner == Runner::kR1) return;
  const auto padded = static_cast<std::size_t>(batch.max_num_reqs * batch.num_speculative_tokens);
  inputs.token_indices_to_sample.resize(padded, 0);
  inputs.sample_idx_mapping.resize(padded, -1);
}

void AddLengths(const DraftBatch& batch, Runner runner, const Formulas& formulas,
                DraftInputs& inputs) {
  const std::int64_t rows = batch.rows_per_request();
  const bool clamps = runner == Runner::kR2;
  const auto clamped = [&batch, clamps](std::int64_t length) {
    return clamps ? std::min(length, batch.max_model_len) : length;
  };
  std::int64_t longest = 0;
  inputs.query_start_loc.push_back(0);
  for (std::size_t r = 0; r < batch.seq_lens.size(); ++r) {
    inputs.query_start_loc.push_back((static_cast<std::int64_t>(r) + 1) * rows);
    inputs.seq_lens.push_back(formulas.SeqLen(r));
    inputs.seq_lens_upper_bound.push_back(clamped(batch.seq_lens_upper_bound[r] + rows));
    longest = std::max(longest, batch.seq_lens_upper_bound[r] + rows);
  }
  inputs.max_seq_len = clamps ? clamped(longest) : batch.max_seq_len + rows;
  if (!clamps) return;
  inputs.query_start_loc.resize(static_cast<std::size_t>(batch.max_num_reqs) + 1,
                                batch.num_reqs() * rows);
  inputs.seq_lens.resize(static_cast<std::size_t>(batch.max_num_reqs), 0);
}

// Triton launches: one program a request and a piece of its context and query rows.
void AddLaunch(const DraftBatch& batch, DraftInputs& inputs) {
  std::int64_t longest = 0;
  for (std::size_t r = 0; r < batch.seq_lens.size(); ++r) {
    longest = std::max(longest, batch.query_start_loc[r + 1] - batch.query_start_loc[r]);
  }
  const std::int64_t rows = longest + batch.rows_per_request();
  inputs.launch_block = 1;
  while (inputs.launch_block < rows && inputs.launch_block < 256) inputs.launch_block *= 2;
  inputs.launch_grid = {batch.num_reqs(), (rows + inputs.launch_block - 1) / inputs.launch_block};
}

}  // namespace

DraftInputs PrepareInputs(const DraftBatch& batch, Runner runner) {
  const Formulas formulas(batch, runner);
  DraftInputs inputs{.num_reqs = batch.num_reqs(),
                     .num_actual_tokens = batch.num_reqs() * batch.rows_per_request(),
                     .max_query_len = batch.rows_per_request(),
                     .causal = batch.causal};
  AddQueryRows(batch, formulas, inputs);
  AddContextRows(batch, runner, formulas, inputs);
  AddSamples(batch, runner, formulas, inputs);
  AddLengths(batch, runner, formulas, inputs);
  AddLaunch(batch, inputs);
  inputs.drafting_runs =
      batch.max_seq_len + batch.num_speculative_tokens + 1 <= batch.max_model_len;
  return inputs;
}

std::int64_t VisibleKeys(const DraftInputs& inputs, std::int64_t request, std::int64_t row) {
  const std::int64_t seq_len = inputs.seq_lens[static_cast<std::size_t>(request)];
  if (!inputs.causal) return seq_len;
  return seq_len - inputs.max_query_len + row + 1;
}

}  // namespace attest::drafter
