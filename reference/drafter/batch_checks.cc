// SPDX-License-Identifier: Apache-2.0
//
// Validate: what a batch must be before the formulas of proposer.cc mean anything.
#include <fmt/format.h>

#include <algorithm>

#include "reference/drafter/proposer.h"

namespace attest::drafter {
namespace {

// Far above any server and far below what an int64 product of two of them overflows at.
constexpr std::int64_t kMost = std::int64_t{1} << 30;
constexpr std::int64_t kMostRows = std::int64_t{1} << 22;
constexpr std::int64_t kMostTokenId = std::int64_t{1} << 40;

Status Between(std::string_view field, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return {};
  return BadInput(fmt::format("{}: {} is not from {} to {}", field, value, least, most));
}

Status EachBetween(std::string_view field, const std::vector<std::int64_t>& values,
                   std::int64_t least, std::int64_t most) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    Status status = Between(fmt::format("{}[{}]", field, i), values[i], least, most);
    if (!status.ok()) return status;
  }
  return {};
}

Status HasEntries(std::string_view field, std::size_t size, std::size_t wanted) {
  if (size == wanted) return {};
  return BadInput(fmt::format("{}: {} entries, but there must be {}", field, size, wanted));
}

Status First(std::initializer_list<Status> all) {
  for (const Status& status : all) {
    if (!status.ok()) return status;
  }
  return {};
}

Status CheckScalars(const DraftBatch& batch, Runner runner) {
  const ContextParallel& parallel = batch.context_parallel;
  if (Status status =
          First({Between("num_speculative_tokens", batch.num_speculative_tokens,
                         batch.sample_from_anchor ? 1 : 0, kMostRows),
                 Between("block_size", batch.block_size, 1, kMost),
                 Between("max_model_len", batch.max_model_len, 1, kMost),
                 Between("mask_token_id", batch.mask_token_id, 0, kMostTokenId),
                 Between("max_seq_len", batch.max_seq_len, 1, kMost),
                 Between("context_parallel.size", parallel.size, 1, 1024),
                 Between("context_parallel.rank", parallel.rank, 0, parallel.size - 1),
                 Between("context_parallel.interleave", parallel.interleave, 1, batch.block_size)});
      !status.ok()) {
    return status;
  }
  if (batch.block_size % parallel.interleave != 0) {
    return BadInput(fmt::format("context_parallel.interleave: {} does not divide block_size {}",
                                parallel.interleave, batch.block_size));
  }
  if (runner == Runner::kR1 && parallel.size != 1) {
    return BadInput("context_parallel.size: runner R1 has no context parallelism");
  }
  return {};
}

Status CheckPositions(const DraftBatch& batch, std::size_t r) {
  const std::int64_t begin = batch.query_start_loc[r];
  const std::int64_t end = batch.query_start_loc[r + 1];
  for (std::int64_t row = begin + 1; row < end; ++row) {
    const auto at = static_cast<std::size_t>(row);
    if (batch.positions[at] != batch.positions[at - 1] + 1) {
      return BadInput(
          fmt::format("positions[{}]: {} after {}; a request's positions are consecutive", row,
                      batch.positions[at], batch.positions[at - 1]));
    }
  }
  const std::int64_t last = batch.positions[static_cast<std::size_t>(end) - 1];
  if (batch.seq_lens[r] != last + 1) {
    return BadInput(fmt::format("seq_lens[{}]: {}, but the request's last position is {}", r,
                                batch.seq_lens[r], last));
  }
  return {};
}

Status CheckLengths(const DraftBatch& batch) {
  const std::size_t requests = batch.seq_lens.size();
  if (requests == 0) return BadInput("seq_lens: no request");
  if (Status status =
          First({HasEntries("query_start_loc", batch.query_start_loc.size(), requests + 1),
                 EachBetween("query_start_loc", batch.query_start_loc, 0, kMostRows),
                 EachBetween("positions", batch.positions, 0, kMost)});
      !status.ok()) {
    return status;
  }
  if (batch.query_start_loc[0] != 0) return BadInput("query_start_loc[0]: not 0");
  for (std::size_t r = 0; r < requests; ++r) {
    if (batch.query_start_loc[r + 1] <= batch.query_start_loc[r]) {
      return BadInput(fmt::format("query_start_loc[{}]: request {} has no row", r + 1, r));
    }
  }
  if (Status status = HasEntries("positions", batch.positions.size(),
                                 static_cast<std::size_t>(batch.query_start_loc.back()));
      !status.ok()) {
    return status;
  }
  for (std::size_t r = 0; r < requests; ++r) {
    if (Status status = CheckPositions(batch, r); !status.ok()) return status;
  }
  return {};
}

Status CheckBounds(const DraftBatch& batch) {
  const std::size_t requests = batch.seq_lens.size();
  if (Status status =
          First({HasEntries("seq_lens_upper_bound", batch.seq_lens_upper_bound.size(), requests),
                 EachBetween("seq_lens_upper_bound", batch.seq_lens_upper_bound, 0, kMost)});
      !status.ok()) {
    return status;
  }
  for (std::size_t r = 0; r < requests; ++r) {
    if (batch.seq_lens_upper_bound[r] < batch.seq_lens[r]) {
      return BadInput(fmt::format("seq_lens_upper_bound[{}]: {} is below seq_lens[{}], {}", r,
                                  batch.seq_lens_upper_bound[r], r, batch.seq_lens[r]));
    }
    if (batch.max_seq_len < batch.seq_lens[r]) {
      return BadInput(fmt::format("max_seq_len: {} is below seq_lens[{}], {}", batch.max_seq_len, r,
                                  batch.seq_lens[r]));
    }
  }
  return {};
}

Status CheckTable(const DraftBatch& batch) {
  const std::vector<std::vector<std::int64_t>>& table = batch.block_table;
  if (Status status = HasEntries("block_table", table.size(), batch.seq_lens.size());
      !status.ok()) {
    return status;
  }
  if (table[0].empty()) return BadInput("block_table[0]: no column");
  for (std::size_t r = 0; r < table.size(); ++r) {
    const std::string field = fmt::format("block_table[{}]", r);
    if (Status status = First({HasEntries(field, table[r].size(), table[0].size()),
                               EachBetween(field, table[r], 0, kMost)});
        !status.ok()) {
      return status;
    }
  }
  return {};
}

Status CheckTokens(const DraftBatch& batch) {
  const std::size_t requests = batch.seq_lens.size();
  if (Status status = First({HasEntries("next_token_ids", batch.next_token_ids.size(), requests),
                             EachBetween("next_token_ids", batch.next_token_ids, 0, kMostTokenId),
                             HasEntries("request_slots", batch.request_slots.size(), requests),
                             EachBetween("request_slots", batch.request_slots, 0, kMost)});
      !status.ok()) {
    return status;
  }
  if (batch.num_rejected_tokens.empty()) return {};
  if (Status status = HasEntries("num_rejected_tokens", batch.num_rejected_tokens.size(), requests);
      !status.ok()) {
    return status;
  }
  for (std::size_t r = 0; r < requests; ++r) {
    const std::int64_t rows = batch.query_start_loc[r + 1] - batch.query_start_loc[r];
    if (Status status = Between(fmt::format("num_rejected_tokens[{}]", r),
                                batch.num_rejected_tokens[r], 0, rows - 1);
        !status.ok()) {
      return status;
    }
  }
  return {};
}

Status CheckPadding(const DraftBatch& batch) {
  const std::int64_t rows = batch.num_reqs() * batch.rows_per_request();
  if (rows > kMostRows) {
    return BadInput(
        fmt::format("num_speculative_tokens: {} query rows are more than {}", rows, kMostRows));
  }
  if (batch.num_tokens_padded != 0) {
    if (Status status = Between("num_tokens_padded", batch.num_tokens_padded, rows, kMostRows);
        !status.ok()) {
      return status;
    }
  }
  if (Status status = Between("max_num_reqs", batch.max_num_reqs, batch.num_reqs(), 1 << 16);
      !status.ok()) {
    return status;
  }
  if (batch.max_num_reqs * batch.rows_per_request() > kMostRows) {
    return BadInput(fmt::format("max_num_reqs: {} requests of {} rows are more than {} rows",
                                batch.max_num_reqs, batch.rows_per_request(), kMostRows));
  }
  return {};
}

}  // namespace

Status Validate(const DraftBatch& batch, Runner runner) {
  if (Status status = CheckScalars(batch, runner); !status.ok()) return status;
  if (Status status = CheckLengths(batch); !status.ok()) return status;
  if (Status status = CheckBounds(batch); !status.ok()) return status;
  if (Status status = CheckTable(batch); !status.ok()) return status;
  if (Status status = CheckTokens(batch); !status.ok()) return status;
  return CheckPadding(batch);
}

}  // namespace attest::drafter
