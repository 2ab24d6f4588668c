// SPDX-License-Identifier: Apache-2.0
//
// Laws of draft steps.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "property_tests/drafter/config_laws.h"

namespace attest::drafter {
namespace {

using Numbers = std::vector<std::int64_t>;

std::int64_t Rejected(const DraftBatch& batch, std::size_t r) {
  return batch.num_rejected_tokens.empty() ? 0 : batch.num_rejected_tokens[r];
}

// Slots of request r's rows in a tensor of Q rows a request.
Numbers RowsOf(const DraftBatch& batch, const Numbers& values, std::size_t r) {
  const auto rows = batch.rows_per_request();
  const auto first = values.begin() + static_cast<std::int64_t>(r) * rows;
  return {first, first + rows};
}

std::string SamplesEachMaskOnce(const LawSubject& /*subject*/, const BatchSample& sample,
                                const DraftInputs& base) {
  const DraftBatch& batch = sample.batch;
  const auto live = static_cast<std::size_t>(batch.num_reqs() * batch.num_speculative_tokens);
  if (base.token_indices_to_sample.size() < live) return "fewer than B*K rows are sampled";
  for (std::size_t i = 0; i < live; ++i) {
    const std::int64_t row = base.token_indices_to_sample[i];
    if (i > 0 && row <= base.token_indices_to_sample[i - 1]) return "sampled rows do not rise";
    if (row % batch.rows_per_request() == 0) return fmt::format("row {} is a bonus row", row);
  }
  return {};
}

std::string PositionsFollowTheLastAccepted(const LawSubject& /*subject*/, const BatchSample& sample,
                                           const DraftInputs& base) {
  const DraftBatch& batch = sample.batch;
  for (std::size_t r = 0; r < batch.seq_lens.size(); ++r) {
    const Numbers positions = RowsOf(batch, base.positions, r);
    for (std::size_t k = 0; k < positions.size(); ++k) {
      std::int64_t wanted = batch.seq_lens[r] - Rejected(batch, r) + static_cast<std::int64_t>(k);
      if (sample.runner == Runner::kR2) wanted = std::min(wanted, batch.max_model_len - 1);
      if (positions[k] != wanted) return fmt::format("request {} row {}: {}", r, k, positions[k]);
    }
  }
  return {};
}

// Where the page of each position lies, apart from the formulas of the model.
std::int64_t SlotOf(const DraftBatch& batch, std::size_t r, std::int64_t position) {
  return batch.block_table[r][static_cast<std::size_t>(position / batch.block_size)] *
             batch.block_size +
         position % batch.block_size;
}

// The cache after context and query rows were written: slot -> position of the request's token.
std::string CacheHoldsEachPositionOnce(const LawSubject& /*subject*/, const BatchSample& sample,
                                       const DraftInputs& base) {
  const DraftBatch& batch = sample.batch;
  for (std::size_t r = 0; r < batch.seq_lens.size(); ++r) {
    const std::int64_t accepted = batch.seq_lens[r] - Rejected(batch, r);
    const auto rows = static_cast<std::size_t>(batch.query_start_loc[r]);
    const auto end = static_cast<std::size_t>(batch.query_start_loc[r + 1] - Rejected(batch, r));
    for (std::size_t row = rows; row < end; ++row) {
      if (base.context_slots[row] != SlotOf(batch, r, batch.positions[row])) {
        return fmt::format("accepted row {} is written to {}", row, base.context_slots[row]);
      }
    }
    const Numbers slots = RowsOf(batch, base.slot_mapping, r);
    for (std::size_t k = 0; k < slots.size(); ++k) {
      if (slots[k] != SlotOf(batch, r, accepted + static_cast<std::int64_t>(k))) {
        return fmt::format("request {} row {} is written to {}", r, k, slots[k]);
      }
    }
  }
  return {};
}

// R1 writes rejected rows where query rows overwrite them, R2 does not write them.
std::string RejectedRowsAreNeverSeen(const LawSubject& /*subject*/, const BatchSample& sample,
                                     const DraftInputs& base) {
  const DraftBatch& batch = sample.batch;
  for (std::size_t r = 0; r < batch.seq_lens.size(); ++r) {
    const Numbers slots = RowsOf(batch, base.slot_mapping, r);
    const auto end = static_cast<std::size_t>(batch.query_start_loc[r + 1]);
    for (std::size_t row = end - static_cast<std::size_t>(Rejected(batch, r)); row < end; ++row) {
      const std::int64_t slot = base.context_slots[row];
      if (sample.runner == Runner::kR2) {
        if (slot != kPaddingSlot) return fmt::format("R2 writes rejected row {}", row);
        continue;
      }
      if (slot == kPaddingSlot) return fmt::format("R1 does not write rejected row {}", row);
      const bool drafted = Rejected(batch, r) <= batch.num_speculative_tokens;
      if (drafted && std::count(slots.begin(), slots.end(), slot) != 1) {
        return fmt::format("rejected row {} is not overwritten", row);
      }
    }
  }
  return {};
}

std::string LengthsEndAtTheBlock(const LawSubject& /*subject*/, const BatchSample& sample,
                                 const DraftInputs& base) {
  const DraftBatch& batch = sample.batch;
  for (std::size_t r = 0; r < batch.seq_lens.size(); ++r) {
    std::int64_t wanted = batch.seq_lens[r] - Rejected(batch, r) + batch.rows_per_request();
    if (sample.runner == Runner::kR2) wanted = std::min(wanted, batch.max_model_len);
    if (base.seq_lens[r] != wanted) return fmt::format("seq_lens[{}] is {}", r, base.seq_lens[r]);
    if (base.seq_lens_upper_bound[r] < base.seq_lens[r]) return "the bound underestimates";
    if (base.max_seq_len < base.seq_lens[r]) return "max_seq_len underestimates";
  }
  return {};
}

std::string BoundsIgnoreRejections(const LawSubject& subject, const BatchSample& sample,
                                   const DraftInputs& base) {
  DraftBatch other = sample.batch;
  std::fill(other.num_rejected_tokens.begin(), other.num_rejected_tokens.end(), 0);
  const DraftInputs kept = subject.Prepare(other, sample.runner);
  if (kept.seq_lens_upper_bound != base.seq_lens_upper_bound) return "the bound knows rejections";
  return kept.max_seq_len == base.max_seq_len ? "" : "max_seq_len knows rejections";
}

std::string PaddingIsNotWritten(const LawSubject& /*subject*/, const BatchSample& sample,
                                const DraftInputs& base) {
  const DraftBatch& batch = sample.batch;
  const auto live = static_cast<std::size_t>(batch.num_reqs() * batch.rows_per_request());
  const std::size_t padded = std::max(live, static_cast<std::size_t>(batch.num_tokens_padded));
  if (base.slot_mapping.size() != padded) return "slot_mapping has another length";
  for (std::size_t row = live; row < padded; ++row) {
    if (base.slot_mapping[row] != kPaddingSlot) return fmt::format("padded row {} is written", row);
  }
  for (std::size_t i = static_cast<std::size_t>(batch.num_reqs() * batch.num_speculative_tokens);
       i < base.sample_idx_mapping.size(); ++i) {
    if (base.sample_idx_mapping[i] != -1) return fmt::format("padded sample {} is kept", i);
  }
  return {};
}

std::string QueryRowsAreDistinct(const LawSubject& /*subject*/, const BatchSample& sample,
                                 const DraftInputs& base) {
  const DraftBatch& batch = sample.batch;
  const auto live = static_cast<std::size_t>(batch.num_reqs() * batch.rows_per_request());
  std::set<std::int64_t> seen;
  for (std::size_t row = 0; row < live; ++row) {
    if (!seen.insert(base.slot_mapping[row]).second)
      return fmt::format("row {} shares a slot", row);
  }
  return {};
}

std::string DraftsOnlyWithRoom(const LawSubject& /*subject*/, const BatchSample& sample,
                               const DraftInputs& base) {
  const DraftBatch& batch = sample.batch;
  const bool room = batch.max_seq_len + batch.num_speculative_tokens + 1 <= batch.max_model_len;
  return base.drafting_runs == room ? "" : "drafting_runs is wrong";
}

std::string FirstRowIsTheBonus(const LawSubject& /*subject*/, const BatchSample& sample,
                               const DraftInputs& base) {
  const DraftBatch& batch = sample.batch;
  for (std::size_t r = 0; r < batch.seq_lens.size(); ++r) {
    const Numbers ids = RowsOf(batch, base.input_ids, r);
    for (std::size_t k = 0; k < ids.size(); ++k) {
      const std::int64_t wanted = k == 0 ? batch.next_token_ids[r] : batch.mask_token_id;
      if (ids[k] != wanted) return fmt::format("request {} row {} holds {}", r, k, ids[k]);
    }
  }
  return {};
}

// A request's tensors do not know the other requests.
std::string RequestsAreIndependent(const LawSubject& subject, const BatchSample& sample,
                                   const DraftInputs& base) {
  const DraftBatch& batch = sample.batch;
  const std::size_t r = batch.seq_lens.size() - 1;
  DraftBatch alone = batch;
  const auto begin = batch.query_start_loc[r];
  alone.query_start_loc = {0, batch.query_start_loc[r + 1] - begin};
  alone.positions.erase(alone.positions.begin(), alone.positions.begin() + begin);
  alone.seq_lens = {batch.seq_lens[r]};
  alone.seq_lens_upper_bound = {batch.seq_lens_upper_bound[r]};
  alone.block_table = {batch.block_table[r]};
  alone.num_rejected_tokens = {Rejected(batch, r)};
  alone.next_token_ids = {batch.next_token_ids[r]};
  alone.request_slots = {batch.request_slots[r]};
  alone.max_num_reqs = 1;
  alone.num_tokens_padded = 0;
  const DraftInputs one = subject.Prepare(alone, sample.runner);
  if (one.positions != RowsOf(batch, base.positions, r)) return "positions know other requests";
  if (one.slot_mapping != RowsOf(batch, base.slot_mapping, r)) return "slots know other requests";
  return one.seq_lens[0] == base.seq_lens[r] ? "" : "lengths know other requests";
}

std::string StartsAreMultiplesOfQ(const LawSubject& /*subject*/, const BatchSample& sample,
                                  const DraftInputs& base) {
  const DraftBatch& batch = sample.batch;
  for (std::size_t r = 0; r < base.query_start_loc.size(); ++r) {
    const std::int64_t requests = std::min(static_cast<std::int64_t>(r), batch.num_reqs());
    if (base.query_start_loc[r] != requests * batch.rows_per_request()) {
      return fmt::format("query_start_loc[{}] is {}", r, base.query_start_loc[r]);
    }
  }
  return base.causal == batch.causal ? "" : "the causal flag is not the drafter's";
}

// Every captured size at or below the buffers' fits once they are sized for graphs.
std::string BuffersHoldCapturedSizes(const LawSubject& /*subject*/, const BatchSample& sample,
                                     const DraftInputs& /*base*/) {
  const std::int64_t rows = sample.batch.num_reqs() * sample.batch.rows_per_request();
  const BufferLimits limits{.max_num_seqs = sample.batch.num_reqs(),
                            .max_num_batched_tokens = 4096,
                            .num_speculative_tokens = sample.batch.num_speculative_tokens,
                            .captured_sizes = {1, rows + 1 + sample.batch.max_num_reqs}};
  const std::vector<Buffer> buffers = BuffersOf(limits, true);
  if (const std::string why = WhyStepDoesNotFit(buffers, limits, rows); !why.empty()) return why;
  std::vector<BufferPlace> places;
  std::uint64_t address = 0x1000;
  for (const Buffer& buffer : buffers) {
    places.push_back({std::string(buffer.name), address, buffer.length});
    address += static_cast<std::uint64_t>(buffer.length * buffer.element);
  }
  return WhyAddressesAreUnsafe({places, places}, buffers, limits);
}

}  // namespace

const std::vector<BatchLaw>& BatchLaws() {
  static const std::vector<BatchLaw> kLaws = {
      {40, "B*K rows are sampled, in rising order, and no bonus row", SamplesEachMaskOnce},
      {41, "query positions follow the last accepted one", PositionsFollowTheLastAccepted},
      {42, "each live position is written to its own slot", CacheHoldsEachPositionOnce},
      {42, "what rejected rows wrote is overwritten, or was never written",
       RejectedRowsAreNeverSeen},
      {43, "a request's tensors do not know the other requests", RequestsAreIndependent},
      {44, "lengths count accepted tokens and the block; bounds never underestimate",
       LengthsEndAtTheBlock},
      {44, "what the host knows does not depend on rejections", BoundsIgnoreRejections},
      {45, "padding is neither written nor sampled", PaddingIsNotWritten},
      {46, "buffers hold every captured size, stay in place and do not overlap",
       BuffersHoldCapturedSizes},
      {47, "rows of live requests have slots of their own", QueryRowsAreDistinct},
      {47, "a draft is made only where K + 1 tokens have room", DraftsOnlyWithRoom},
      {48, "the first row holds the bonus token, the others the mask", FirstRowIsTheBonus},
      {50, "the step's metadata has Q rows a request and the drafter's causality",
       StartsAreMultiplesOfQ},
  };
  return kLaws;
}

}  // namespace attest::drafter
