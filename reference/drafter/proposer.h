// SPDX-License-Identifier: Apache-2.0
//
// What a DFlash proposer hands to the drafter: the tensors of one draft step, computed from the
// target's step by pure functions. Two runners exist in public and differ where this file says so:
// R1 is GPUModelRunner with DFlashProposer, R2 is v1/worker/gpu with DFlashSpeculator (vLLM).
//
// Names: B requests, K drafted tokens each, Q rows each, N rows of the target's step.
#ifndef ATTEST_REFERENCE_DRAFTER_PROPOSER_H_
#define ATTEST_REFERENCE_DRAFTER_PROPOSER_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reference/drafter/era.h"
#include "spec/vocabulary/status.h"

namespace attest::drafter {

// Rows that must not be written to the cache have this slot.
inline constexpr std::int64_t kPaddingSlot = -1;

// ---- Which tokens of the target's step were accepted

// What the sampler left of one step, padded to one width. A row holds the accepted drafts and the
// bonus token; what follows is -1 or a number that is no token.
struct SampledTokens {
  std::vector<std::vector<std::int64_t>> token_ids;  // [B][width]
  std::vector<std::int64_t> num_draft_tokens;        // [B]
  std::vector<std::int64_t> backup_token_ids;        // [B]: next token where none was sampled
  std::vector<std::int64_t> discarded;               // requests whose samples do not count
  std::int64_t vocab_size = 0;
};

struct Accepted {
  std::vector<std::int64_t> num_rejected_tokens;  // [B]: drafts + 1 - valid ids; 0 without drafts
  std::vector<std::int64_t> next_token_ids;       // [B]: last valid id, or the backup
};

// Bad input: "sampled.num_draft_tokens[1]: ..." of the first contradiction.
Result<Accepted> AcceptedOf(const SampledTokens& sampled);

// ---- The batch

// Tokens of one cache spread over devices (R2 only): runs of `interleave` positions in turn.
struct ContextParallel {
  std::int64_t size = 1;
  std::int64_t rank = 0;
  std::int64_t interleave = 1;
};

struct DraftBatch {
  std::int64_t num_speculative_tokens = 0;  // K; 0 still runs the pass
  bool sample_from_anchor = false;  // DSpark: Q = K and every row is sampled (else Q = K + 1)
  std::int64_t block_size = 0;
  std::int64_t max_model_len = 0;  // of the drafter
  std::int64_t mask_token_id = 0;
  bool causal = false;
  std::vector<std::int64_t> query_start_loc;           // [B+1], the target's
  std::vector<std::int64_t> positions;                 // [N], the target's
  std::vector<std::int64_t> seq_lens;                  // [B], drafts of the step included
  std::vector<std::int64_t> seq_lens_upper_bound;      // [B], what the host knows
  std::int64_t max_seq_len = 0;                        // of the target's step
  std::vector<std::vector<std::int64_t>> block_table;  // [B][W]; entry 0 is the null block
  std::vector<std::int64_t> num_rejected_tokens;       // [B], or empty: nobody said
  std::vector<std::int64_t> next_token_ids;            // [B]
  std::vector<std::int64_t> request_slots;             // [B]: rows of R2's request state
  std::int64_t max_num_reqs = 0;                       // R2 pads to this; at least B
  std::int64_t num_tokens_padded = 0;                  // captured size; at least B*Q
  bool null_block_padding = true;  // R2: a position in block 0 has no slot (older builds: false)
  ContextParallel context_parallel;

  std::int64_t num_reqs() const { return static_cast<std::int64_t>(seq_lens.size()); }
  std::int64_t rows_per_request() const {
    return num_speculative_tokens + (sample_from_anchor ? 0 : 1);
  }
};

// The first contradiction in `batch`, beginning with the field ("seq_lens[1]: ..."). A batch that
// passes makes no function below overflow.
Status Validate(const DraftBatch& batch, Runner runner);

// ---- The tensors

struct DraftInputs {
  std::int64_t num_reqs = 0;
  std::int64_t num_actual_tokens = 0;  // B*Q
  std::int64_t max_query_len = 0;      // Q
  std::int64_t max_seq_len = 0;        // a bound; may overestimate
  bool causal = false;
  std::vector<std::int64_t> last_positions;     // [B]: of the last accepted row
  std::vector<std::int64_t> input_ids;          // [B*Q]
  std::vector<std::int64_t> positions;          // [B*Q]
  std::vector<std::int64_t> slot_mapping;       // [max(B*Q, num_tokens_padded)]
  std::vector<std::int64_t> context_positions;  // [N]
  std::vector<std::int64_t> context_slots;      // [N]
  // [B*K]; R2: [max_num_reqs*K], index 0 in the rows of padding
  std::vector<std::int64_t> token_indices_to_sample;
  std::vector<std::int64_t> sample_positions;      // R2: [B*K]
  std::vector<std::int64_t> sample_idx_mapping;    // R2: [max_num_reqs*K], -1 in padding
  std::vector<std::int64_t> query_start_loc;       // [B+1]; R2: [max_num_reqs+1]
  std::vector<std::int64_t> seq_lens;              // [B]; R2: [max_num_reqs], 0 in padding
  std::vector<std::int64_t> seq_lens_upper_bound;  // [B]
  std::int64_t launch_block = 0;
  std::array<std::int64_t, 2> launch_grid = {0, 0};
  // Is there room for K + 1 more tokens below max_model_len? The runner drafts only if so.
  bool drafting_runs = true;
  // Query positions past the last column of the block table: R1 clamps the column, so that their
  // slots are those of live keys.
  std::int64_t num_positions_beyond_table = 0;

  bool operator==(const DraftInputs&) const = default;
};

// `batch` must be valid for `runner`.
DraftInputs PrepareInputs(const DraftBatch& batch, Runner runner);

// Keys that row `row` of request `request` sees. Causal: those up to its own position.
std::int64_t VisibleKeys(const DraftInputs& inputs, std::int64_t request, std::int64_t row);

// ---- Persistent buffers and captured sizes

struct BufferLimits {
  std::int64_t max_num_seqs = 0;
  std::int64_t max_num_batched_tokens = 0;
  std::int64_t num_speculative_tokens = 0;
  std::vector<std::int64_t> captured_sizes;  // rising; empty: no graphs
};

struct Buffer {
  std::string_view name;
  std::int64_t length = 0;   // elements
  std::int64_t element = 0;  // bytes
  bool in_graph = false;     // a captured kernel holds its address
};

// R1's buffers. Query buffers of eras without `sized_for_graphs` hold max_num_seqs * (1 + K) rows,
// the later ones also the largest captured size.
std::vector<Buffer> BuffersOf(const BufferLimits& limits, bool sized_for_graphs);

// The captured size that serves `num_tokens` rows: the smallest that holds them; `num_tokens`
// itself where none does (the step then runs without a graph).
std::int64_t PaddedTokens(const BufferLimits& limits, std::int64_t num_tokens);

// "" if a step of `num_tokens` rows fits every buffer that its graph reads; else the first that is
// too short ("slot_mapping holds 8 rows, the captured size is 16").
std::string WhyStepDoesNotFit(const std::vector<Buffer>& buffers, const BufferLimits& limits,
                              std::int64_t num_tokens);

// Where a buffer lay in one step.
struct BufferPlace {
  std::string name;
  std::uint64_t address = 0;
  std::int64_t length = 0;
};

// "" if what captured kernels and eager kernels need of addresses holds over all steps: a buffer in
// a graph never moves and never shrinks below the largest captured size, and no two buffers of one
// step overlap. Else the first violation, with the step.
std::string WhyAddressesAreUnsafe(const std::vector<std::vector<BufferPlace>>& steps,
                                  const std::vector<Buffer>& buffers, const BufferLimits& limits);

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_PROPOSER_H_
