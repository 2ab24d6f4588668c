// SPDX-License-Identifier: Apache-2.0
//
// What is wrong between calls and around them: answers, writes, order.
#include <cmath>

#include "conformance/mutants/attention.h"

namespace attest {
namespace {

constexpr std::int64_t kSplit = 16;  // keys
constexpr std::string_view kSameValues =
    "every result is within the bound: only bits differ from call to call";
constexpr std::string_view kAbiOnly = "a wrong answer of the ABI, no wrong number";

std::vector<Mutant> AnswerMutants() {
  return {
      {.id = "unknown-value-defaulted",
       .bug_class = "api-plumbing",
       .clause = "ABI-02",
       .hooks = {.defaults_unknown_values = true, .no_arithmetic = kAbiOnly}},
      {.id = "refusal-after-yes",
       .bug_class = "selector-capability",
       .clause = "ABI-04",
       .bug = "tgi-window-default-zero",
       .hooks = {.refuses_after_yes = true, .no_arithmetic = kAbiOnly}},
      {.id = "refusal-touches-output",
       .bug_class = "api-plumbing",
       .clause = "ABI-03",
       .hooks = {.clears_output_and_refuses_softcap = true, .no_arithmetic = kAbiOnly}},
      {.id = "contradiction-computed",
       .bug_class = "api-plumbing",
       .clause = "ABI-05",
       .hooks = {.accepts_contradictions = true, .no_arithmetic = kAbiOnly}},
      {.id = "metadata-modified",
       .bug_class = "api-plumbing",
       .clause = "ABI-07",
       .hooks = {.changes_lengths = true, .no_arithmetic = kAbiOnly}},
      {.id = "claims-everything",
       .bug_class = "selector-capability",
       .clause = "ABI-06",
       .hooks = {.claims_softcap_and_refuses_it = true, .no_arithmetic = kAbiOnly}},
      {.id = "feature-silently-ignored",
       .bug_class = "selector-capability",
       .clause = "ABI-06",
       .hooks = {.ignores_softcap_unclaimed = true, .no_arithmetic = kAbiOnly}},
      {.id = "rows-left-unwritten",
       .bug_class = "race-workspace-uninit",
       .clause = "ABI-08",
       .hooks = {.writes = [](const Call&, const Row& row) { return row.index + 1 < row.q_len; }}},
      {.id = "output-and-lse-swapped",
       .bug_class = "api-plumbing",
       .clause = "ABI-09",
       .bug = "fi-sparse-run-out-lse-swapped",
       .hooks = {.finish =
                     [](const Call& call, const Row&, const std::vector<Scored>&, Answer& answer) {
                       if (!call.Has(ATTEST_FLAG_LSE)) return;
                       const double first = answer.out.front();
                       answer.out.assign(answer.out.size(), answer.lse);
                       answer.lse = first;
                     }}},
  };
}

std::vector<Mutant> OrderMutants() {
  return {
      {.id = "unordered-accumulation",
       .bug_class = "batch-invariance",
       .clause = "DET-01",
       .hooks = {.remembers = true,
                 .softmax =
                     [](const Call& call, const Row&, const Terms&, SoftmaxRules& rules) {
                       rules.split = call.memory.calls % 2 == 0 ? kSplit : 3;
                     },
                 .no_arithmetic = kSameValues}},
      {.id = "tile-shares-maximum",
       .bug_class = "batch-invariance",
       .clause = "DET-02",
       .hooks = {.softmax =
                     [](const Call& call, const Row& row, const Terms&, SoftmaxRules& rules) {
                       // The bits of the row that follows in the tile decide where states are cut.
                       const std::int64_t next = row.start + row.q_len;
                       rules.split = 3;
                       if (next >= call.problem.num_actual_tokens) return;
                       const std::byte bits = *AddressOf(call.args.query, {next, row.head});
                       rules.split += static_cast<std::int64_t>(bits) % 8;
                     },
                 .no_arithmetic = kSameValues}},
      {.id = "splits-follow-batch",
       .bug_class = "batch-invariance",
       .clause = "DET-03",
       .bug = "vfa-fa2-varlen-splits-heuristic",
       .hooks = {.softmax =
                     [](const Call& call, const Row&, const Terms&, SoftmaxRules& rules) {
                       rules.split = 3 + call.problem.num_requests % 8;
                     },
                 .no_arithmetic = kSameValues}},
      {.id = "physical-order-accumulation",
       .bug_class = "batch-invariance",
       .clause = "DET-03",
       .bug = "pt-flex-physical-placement",
       .hooks = {.softmax =
                     [](const Call& call, const Row& row, const Terms&, SoftmaxRules& rules) {
                       rules.split = 5;
                       if (call.paged() && row.seq_len > 0) {
                         rules.split_origin = PlaceOf(call, row, 0).page % 5;
                       }
                     },
                 .no_arithmetic = kSameValues}},
      {.id = "tiles-start-at-chunk",
       .bug_class = "batch-invariance",
       .clause = "DET-04",
       .bug = "vllm-prefix-cache-breaks-invariance",
       .hooks = {.softmax =
                     [](const Call&, const Row& row, const Terms&, SoftmaxRules& rules) {
                       rules.split = kSplit;
                       rules.split_origin = row.seq_len - row.q_len;
                     },
                 .no_arithmetic = kSameValues}},
  };
}

}  // namespace

std::vector<Mutant> CallMutants() {
  std::vector<Mutant> mutants = AnswerMutants();
  const std::vector<Mutant> more = OrderMutants();
  mutants.insert(mutants.end(), more.begin(), more.end());
  return mutants;
}

}  // namespace attest
