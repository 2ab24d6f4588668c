// SPDX-License-Identifier: Apache-2.0
//
// The proposer's tensors against numbers worked out by hand.
#include "reference/drafter/proposer.h"

#include <gtest/gtest.h>

#include "reference/drafter/batch_json.h"
#include "spec/vocabulary/mask.h"

namespace attest::drafter {
namespace {

using Numbers = std::vector<std::int64_t>;

constexpr std::int64_t kMask = 151669;

// Two requests with 3 drafts each in blocks of 4. Request 0 kept 2 drafts and rejected 1; request 1
// kept all.
DraftBatch WorkedExample() {
  return {.num_speculative_tokens = 3,
          .block_size = 4,
          .max_model_len = 100,
          .mask_token_id = kMask,
          .query_start_loc = {0, 4, 8},
          .positions = {8, 9, 10, 11, 5, 6, 7, 8},
          .seq_lens = {12, 9},
          .seq_lens_upper_bound = {12, 9},
          .max_seq_len = 12,
          .block_table = {{7, 3, 5, 9, 1, 4}, {2, 8, 6, 11, 10, 12}},
          .num_rejected_tokens = {1, 0},
          .next_token_ids = {101, 202},
          .request_slots = {0, 1},
          .max_num_reqs = 2};
}

DraftInputs Prepared(const DraftBatch& batch, Runner runner) {
  EXPECT_EQ(Validate(batch, runner).message(), "");
  return PrepareInputs(batch, runner);
}

TEST(Proposer, WorkedExampleOfBothRunners) {
  for (const Runner runner : {Runner::kR1, Runner::kR2}) {
    const DraftInputs inputs = Prepared(WorkedExample(), runner);
    EXPECT_EQ(inputs.last_positions, (Numbers{10, 8}));
    EXPECT_EQ(inputs.positions, (Numbers{11, 12, 13, 14, 9, 10, 11, 12}));
    EXPECT_EQ(inputs.slot_mapping, (Numbers{23, 36, 37, 38, 25, 26, 27, 44}));
    EXPECT_EQ(inputs.input_ids, (Numbers{101, kMask, kMask, kMask, 202, kMask, kMask, kMask}));
    EXPECT_EQ(inputs.token_indices_to_sample, (Numbers{1, 2, 3, 5, 6, 7}));
    EXPECT_EQ(inputs.query_start_loc, (Numbers{0, 4, 8}));
    EXPECT_EQ(inputs.seq_lens, (Numbers{15, 13}));
    EXPECT_EQ(inputs.seq_lens_upper_bound, (Numbers{16, 13}));
    EXPECT_EQ(inputs.max_seq_len, 16);
    EXPECT_EQ(inputs.num_actual_tokens, 8);
    EXPECT_EQ(inputs.max_query_len, 4);
    EXPECT_EQ(inputs.num_reqs, 2);
    EXPECT_FALSE(inputs.causal);
    EXPECT_EQ(inputs.launch_block, 8);
    EXPECT_EQ(inputs.launch_grid, (std::array<std::int64_t, 2>{2, 1}));
    EXPECT_TRUE(inputs.drafting_runs);
    EXPECT_EQ(inputs.num_positions_beyond_table, 0);
  }
}

TEST(Proposer, RunnersTreatRejectedRowsDifferently) {
  const DraftInputs first = Prepared(WorkedExample(), Runner::kR1);
  EXPECT_EQ(first.context_positions, (Numbers{8, 9, 10, 11, 5, 6, 7, 8}));
  EXPECT_EQ(first.context_slots, (Numbers{20, 21, 22, 23, 33, 34, 35, 24}));
  EXPECT_EQ(first.context_slots[3], first.slot_mapping[0]);  // overwritten by the bonus row
  const DraftInputs second = Prepared(WorkedExample(), Runner::kR2);
  EXPECT_EQ(second.context_positions, (Numbers{8, 9, 10, 0, 5, 6, 7, 8}));
  EXPECT_EQ(second.context_slots, (Numbers{20, 21, 22, -1, 33, 34, 35, 24}));
  EXPECT_EQ(second.sample_positions, (Numbers{12, 13, 14, 10, 11, 12}));
  EXPECT_EQ(second.sample_idx_mapping, (Numbers{0, 0, 0, 1, 1, 1}));
}

TEST(Proposer, WithoutRejectionsEverythingCounts) {
  DraftBatch batch = WorkedExample();
  batch.num_rejected_tokens = {};
  const DraftInputs inputs = Prepared(batch, Runner::kR1);
  EXPECT_EQ(Numbers(inputs.positions.begin(), inputs.positions.begin() + 4),
            (Numbers{12, 13, 14, 15}));
  EXPECT_EQ(inputs.seq_lens, (Numbers{16, 13}));
}

// Every row counts its keys; the mask of the attention problem says the same.
TEST(Proposer, VisibleKeysAreThoseOfTheMask) {
  for (const bool causal : {false, true}) {
    DraftBatch batch = WorkedExample();
    batch.causal = causal;
    const DraftInputs inputs = Prepared(batch, Runner::kR1);
    Problem problem;
    problem.causality = causal ? Causality::kCausal : Causality::kNonCausal;
    problem.requests = {{.q_len = 4, .seq_len = 15}, {.q_len = 4, .seq_len = 13}};
    for (std::int64_t r = 0; r < 2; ++r) {
      for (std::int64_t row = 0; row < 4; ++row) {
        std::int64_t seen = 0;
        for (std::int64_t key = 0; key < 20; ++key) seen += Visible(problem, r, row, key) ? 1 : 0;
        EXPECT_EQ(VisibleKeys(inputs, r, row), seen) << r << " " << row;
      }
    }
  }
  const DraftInputs inputs = Prepared(WorkedExample(), Runner::kR1);
  for (std::int64_t row = 0; row < 4; ++row) EXPECT_EQ(VisibleKeys(inputs, 0, row), 15);
  DraftBatch causal = WorkedExample();
  causal.causal = true;
  const DraftInputs rising = Prepared(causal, Runner::kR1);
  for (std::int64_t row = 0; row < 4; ++row) EXPECT_EQ(VisibleKeys(rising, 0, row), 12 + row);
}

// R2's kernel where each row is sampled, with a null block in the table and 2 of 4 rows rejected.
TEST(Proposer, AnchorSampledStepOfRunner2) {
  DraftBatch batch{.num_speculative_tokens = 3,
                   .sample_from_anchor = true,
                   .block_size = 4,
                   .max_model_len = 1000,
                   .mask_token_id = 123,
                   .query_start_loc = {0, 4},
                   .positions = {10, 11, 12, 13},
                   .seq_lens = {14},
                   .seq_lens_upper_bound = {14},
                   .max_seq_len = 14,
                   .block_table = {{0, 0, 7, 8, 9, 10}},
                   .num_rejected_tokens = {2},
                   .next_token_ids = {99},
                   .request_slots = {0},
                   .max_num_reqs = 1};
  const DraftInputs inputs = Prepared(batch, Runner::kR2);
  EXPECT_EQ(inputs.context_positions, (Numbers{10, 11, 0, 0}));
  EXPECT_EQ(inputs.context_slots, (Numbers{30, 31, -1, -1}));
  EXPECT_EQ(inputs.input_ids, (Numbers{99, 123, 123}));
  EXPECT_EQ(inputs.positions, (Numbers{12, 13, 14}));
  EXPECT_EQ(inputs.slot_mapping, (Numbers{32, 33, 34}));
  EXPECT_EQ(inputs.sample_positions, (Numbers{13, 14, 15}));
  EXPECT_EQ(inputs.token_indices_to_sample, (Numbers{0, 1, 2}));
}

// Blocks of 4 and 6 columns end at position 23.
TEST(Proposer, PositionsBeyondTheTableAliasLiveSlotsOfRunner1) {
  DraftBatch batch = WorkedExample();
  batch.query_start_loc = {0, 1};
  batch.positions = {23};
  batch.seq_lens = {24};
  batch.seq_lens_upper_bound = {24};
  batch.max_seq_len = 24;
  batch.block_table = {{7, 3, 5, 9, 1, 4}};
  batch.num_rejected_tokens = {};
  batch.next_token_ids = {101};
  batch.request_slots = {0};
  batch.max_num_reqs = 1;
  const DraftInputs inputs = Prepared(batch, Runner::kR1);
  EXPECT_EQ(inputs.slot_mapping, (Numbers{16, 17, 18, 19}));
  EXPECT_EQ(inputs.num_positions_beyond_table, 4);
}

TEST(Proposer, DraftsOnlyWhereKPlus1TokensHaveRoom) {
  DraftBatch batch = WorkedExample();
  batch.max_seq_len = 96;
  EXPECT_TRUE(Prepared(batch, Runner::kR1).drafting_runs);
  batch.max_seq_len = 97;
  EXPECT_FALSE(Prepared(batch, Runner::kR1).drafting_runs);
}

TEST(Proposer, Runner2ClampsToTheModelLength) {
  DraftBatch batch = WorkedExample();
  batch.max_model_len = 13;
  const DraftInputs inputs = Prepared(batch, Runner::kR2);
  EXPECT_EQ(inputs.positions, (Numbers{11, 12, 12, 12, 9, 10, 11, 12}));
  EXPECT_EQ(inputs.slot_mapping, (Numbers{23, 36, 37, 38, 25, 26, 27, 44}));  // not clamped
  EXPECT_EQ(inputs.seq_lens, (Numbers{13, 13}));
  EXPECT_EQ(inputs.max_seq_len, 13);
  EXPECT_EQ(Prepared(batch, Runner::kR1).seq_lens, (Numbers{15, 13}));
  EXPECT_EQ(Prepared(batch, Runner::kR1).max_seq_len, 16);
}

TEST(Proposer, Runner2LeavesTheNullBlockAlone) {
  DraftBatch batch = WorkedExample();
  batch.block_table[0][3] = 0;
  EXPECT_EQ(Prepared(batch, Runner::kR2).slot_mapping, (Numbers{23, -1, -1, -1, 25, 26, 27, 44}));
  EXPECT_EQ(Prepared(batch, Runner::kR1).slot_mapping, (Numbers{23, 0, 1, 2, 25, 26, 27, 44}));
  batch.null_block_padding = false;
  EXPECT_EQ(Prepared(batch, Runner::kR2).slot_mapping, (Numbers{23, 0, 1, 2, 25, 26, 27, 44}));
}

// Two devices take runs of 2 positions in turn: a block of 4 holds 8 positions of the request.
TEST(Proposer, ContextParallelSlotsAreLocal) {
  DraftBatch batch = WorkedExample();
  batch.context_parallel = {.size = 2, .rank = 1, .interleave = 2};
  const DraftInputs inputs = Prepared(batch, Runner::kR2);
  // Positions 11..14 are 3..6 of the second column, block 3; 9..12 are 1..4 of block 8.
  EXPECT_EQ(inputs.slot_mapping, (Numbers{13, -1, -1, 14, -1, 32 + 0, 32 + 1, -1}));
  EXPECT_EQ(Validate(batch, Runner::kR1).message(),
            "context_parallel.size: runner R1 has no context parallelism");
}

TEST(Proposer, PaddingIsNeverWrittenOrSampled) {
  DraftBatch batch = WorkedExample();
  batch.num_tokens_padded = 16;
  batch.max_num_reqs = 4;
  batch.request_slots = {5, 2};
  const DraftInputs inputs = Prepared(batch, Runner::kR2);
  ASSERT_EQ(inputs.slot_mapping.size(), 16U);
  for (std::size_t row = 8; row < 16; ++row) EXPECT_EQ(inputs.slot_mapping[row], -1);
  EXPECT_EQ(inputs.query_start_loc, (Numbers{0, 4, 8, 8, 8}));
  EXPECT_EQ(inputs.seq_lens, (Numbers{15, 13, 0, 0}));
  EXPECT_EQ(inputs.token_indices_to_sample, (Numbers{1, 2, 3, 5, 6, 7, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(inputs.sample_idx_mapping, (Numbers{5, 5, 5, 2, 2, 2, -1, -1, -1, -1, -1, -1}));
}

TEST(Proposer, NoDraftTokensIsStillAStep) {
  DraftBatch batch = WorkedExample();
  batch.num_speculative_tokens = 0;
  const DraftInputs inputs = Prepared(batch, Runner::kR1);
  EXPECT_EQ(inputs.input_ids, (Numbers{101, 202}));
  EXPECT_EQ(inputs.token_indices_to_sample, Numbers{});
}

TEST(Proposer, LaunchesInPiecesOf256) {
  DraftBatch batch = WorkedExample();
  batch.query_start_loc = {0, 300};
  batch.positions.resize(300);
  for (std::int64_t i = 0; i < 300; ++i) batch.positions[static_cast<std::size_t>(i)] = i;
  batch.seq_lens = batch.seq_lens_upper_bound = {300};
  batch.max_seq_len = 300;
  batch.block_table = {Numbers(80, 1)};
  batch.num_rejected_tokens = {};
  batch.next_token_ids = {1};
  batch.request_slots = {0};
  batch.max_num_reqs = 1;
  const DraftInputs inputs = Prepared(batch, Runner::kR1);
  EXPECT_EQ(inputs.launch_block, 256);
  EXPECT_EQ(inputs.launch_grid, (std::array<std::int64_t, 2>{1, 2}));
}

TEST(Accepted, CountsValidTokens) {
  const SampledTokens sampled{
      .token_ids = {{11, 12, 101, -1}, {21, 22, 23, 202}, {31, 5000, -1, -1}, {41, 42, -1, -1}},
      .num_draft_tokens = {3, 3, 3, 0},
      .backup_token_ids = {7, 8, 9, 10},
      .discarded = {3},
      .vocab_size = 1000};
  const Result<Accepted> accepted = AcceptedOf(sampled);
  ASSERT_TRUE(accepted.ok()) << accepted.status().message();
  EXPECT_EQ(accepted->num_rejected_tokens, (Numbers{1, 0, 3, 0}));
  EXPECT_EQ(accepted->next_token_ids, (Numbers{101, 202, 31, 10}));
}

TEST(Accepted, NeedsAValidTokenWhereThereWereDrafts) {
  SampledTokens sampled{.token_ids = {{-1, -1}},
                        .num_draft_tokens = {1},
                        .backup_token_ids = {7},
                        .vocab_size = 1000};
  EXPECT_EQ(AcceptedOf(sampled).status().message(),
            "sampled.token_ids[0]: no valid token, but 1 drafts; at least one must be valid");
  sampled.num_draft_tokens = {0};
  EXPECT_EQ(AcceptedOf(sampled)->next_token_ids, Numbers{7});
}

constexpr std::string_view kBatch = R"({
  "num_speculative_tokens": 3, "block_size": 4, "max_model_len": 100, "mask_token_id": 151669,
  "query_start_loc": [0, 4, 8], "positions": [8, 9, 10, 11, 5, 6, 7, 8], "seq_lens": [12, 9],
  "block_table": [[7, 3, 5, 9, 1, 4], [2, 8, 6, 11, 10, 12]],
  "sampled": {"token_ids": [[1, 2, 101, -1], [1, 2, 3, 202]], "num_draft_tokens": [3, 3],
              "backup_token_ids": [0, 0], "vocab_size": 152000}
})";

TEST(BatchJson, IsTheWorkedExample) {
  const Result<BatchRequest> read = ParseBatch("b.json", kBatch, Runner::kR1);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(PrepareInputs(read->batch, Runner::kR1), PrepareInputs(WorkedExample(), Runner::kR1));
  const Result<BatchRequest> again = BatchFromJson(ToJson(*read), Runner::kR1);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(ToJson(*again), ToJson(*read));
}

std::string MessageWith(std::string_view from, std::string_view to) {
  std::string text(kBatch);
  text.replace(text.find(from), from.size(), to);
  return ParseBatch("b.json", text, Runner::kR1).status().message();
}

TEST(BatchJson, NamesPlaceAndKeyOfTheFirstProblem) {
  EXPECT_EQ(MessageWith("[12, 9]", "[12, 8]"),
            "b.json:3:91: seq_lens[1]: 8, but the request's last position is 8");
  EXPECT_EQ(MessageWith("10, 11, 5", "10, 12, 5"),
            "b.json:3:57: positions[3]: 12 after 10; a request's positions are consecutive");
  EXPECT_EQ(MessageWith("\"block_size\": 4", "\"block_size\": 0"),
            "b.json:2:46: block_size: 0 is not from 1 to 1073741824");
  EXPECT_EQ(MessageWith("\"block_size\": 4", "\"block_size\": 18446744073709551615"),
            "b.json:2:46: block_size: not an integer");
  EXPECT_EQ(MessageWith("[2, 8, 6", "[2, \"8\", 6"),
            "b.json:4:39: block_table[1]: not a list of integers");
  EXPECT_EQ(MessageWith("[0, 4, 8]", "[0, 4, 4]"),
            "b.json:3:29: query_start_loc[2]: request 1 has no row");
  EXPECT_EQ(MessageWith("\"seq_lens\"", "\"lens\""), "b.json:1:1: : \"seq_lens\" is missing");
  EXPECT_EQ(MessageWith("\"vocab_size\": 152000", "\"vocab_size\": 152000, \"top_k\": 1"),
            "b.json:6:74: sampled.top_k: unknown key");
  EXPECT_EQ(MessageWith("\"block_table\": [[7", "\"next_token_ids\": [1], \"block_table\": [[7"),
            "b.json:4:21: next_token_ids: follows from \"sampled\"; give one of the two");
  EXPECT_EQ(ParseBatch("b.json", "[]", Runner::kR1).status().message(),
            "b.json:1:1: : not an object");
}

TEST(BatchJson, RejectsMoreRejectedThanRows) {
  DraftBatch batch = WorkedExample();
  batch.num_rejected_tokens = {4, 0};
  EXPECT_EQ(Validate(batch, Runner::kR1).message(), "num_rejected_tokens[0]: 4 is not from 0 to 3");
}

BufferLimits Limits() {
  return {.max_num_seqs = 2,
          .max_num_batched_tokens = 64,
          .num_speculative_tokens = 3,
          .captured_sizes = {1, 2, 4, 16}};
}

TEST(Buffers, HoldTheLargestCapturedSizeOnceSizedForGraphs) {
  const BufferLimits limits = Limits();
  EXPECT_EQ(PaddedTokens(limits, 3), 4);
  EXPECT_EQ(PaddedTokens(limits, 8), 16);
  EXPECT_EQ(PaddedTokens(limits, 17), 17);
  EXPECT_EQ(WhyStepDoesNotFit(BuffersOf(limits, true), limits, 8), "");
  EXPECT_EQ(WhyStepDoesNotFit(BuffersOf(limits, false), limits, 8),
            "positions holds 8 rows, the captured size is 16");
  EXPECT_EQ(WhyStepDoesNotFit(BuffersOf(limits, true), limits, 20),
            "positions holds 16 rows, the step is 20");
  const std::vector<Buffer> buffers = BuffersOf(limits, true);
  EXPECT_EQ(buffers[1].length, 16);
  EXPECT_EQ(buffers[5].length, 64 + 16 + 1);
}

TEST(Buffers, StayWhereTheirGraphWasCaptured) {
  const BufferLimits limits = Limits();
  const std::vector<Buffer> buffers = BuffersOf(limits, true);
  const std::vector<BufferPlace> good = {
      {"positions", 0x1000, 16}, {"slot_mapping", 0x1080, 16}, {"context_slots", 0x2000, 64}};
  EXPECT_EQ(WhyAddressesAreUnsafe({good, good}, buffers, limits), "");
  std::vector<BufferPlace> moved = good;
  moved[0].address = 0x3000;
  EXPECT_EQ(WhyAddressesAreUnsafe({good, moved}, buffers, limits),
            "step 1: positions lies at 0x3000, but its graph was captured with 0x1000");
  std::vector<BufferPlace> eager = good;
  eager[2].address = 0x5000;
  EXPECT_EQ(WhyAddressesAreUnsafe({good, eager}, buffers, limits), "");
  std::vector<BufferPlace> shared = good;
  shared[2].address = 0x1010;
  EXPECT_EQ(WhyAddressesAreUnsafe({shared}, buffers, limits),
            "step 0: positions and context_slots overlap");
  std::vector<BufferPlace> small = good;
  small[1].length = 8;
  EXPECT_EQ(WhyAddressesAreUnsafe({small}, buffers, limits),
            "step 0: slot_mapping holds 8 rows, the largest captured size is 16");
}

}  // namespace
}  // namespace attest::drafter
