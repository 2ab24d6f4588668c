// SPDX-License-Identifier: Apache-2.0
//
// Graphs that replay something else than the step, and copies that captured kernels do not find.
// Their eager calls are right.
#include <algorithm>

#include "conformance/mutants/triggers.h"

namespace attest {
namespace {

constexpr std::string_view kReplayed = "only what a graph replays is wrong";
constexpr std::string_view kCopied = "only copy_to_persistent is wrong";

const EarlierCall& Capture(const Call& call) { return *call.memory.first; }

// The longest request that the capture met; the bound of the maximum says more.
void KeysOfCapture(const Call& call, const Row& /*row*/, Terms& terms) {
  const std::vector<std::int32_t>& lengths = Capture(call).seq_lens;
  const std::int32_t longest =
      lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  terms.last = std::min<std::int64_t>(terms.last, longest);
}

// Blocks are counted from where the request's row stood at the capture.
void LocalBlocksOfCapture(const Call& call, const Row& row, Terms& terms) {
  if (terms.local_block == 0) return;
  const auto request = static_cast<std::size_t>(row.request);
  const std::int64_t then = Capture(call).seq_lens[request] - row.q_len + row.index;
  const std::int64_t first = std::max<std::int64_t>(then, 0) / terms.local_block;
  terms.first = std::max(terms.first, (first - terms.local_lookback) * terms.local_block);
  terms.local_block = 0;
}

// Split as the maximum asks for it, in both modes.
void SplitsOfCapture(const Call& call, const Row& /*row*/, const Terms& /*terms*/,
                     SoftmaxRules& rules) {
  rules.split = RoundUp(CeilDiv(call.problem.max_seq_len, 4), 8);
}

const Hooks kKeysOfCapture = {.terms = KeysOfCapture};
const Hooks kLocalBlocksOfCapture = {.terms = LocalBlocksOfCapture};
const Hooks kSplitsOfCapture = {.softmax = SplitsOfCapture};

std::vector<Mutant> OfReplays() {
  return {
      {.id = "graph-work-escapes",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-01",
       .hooks = {.graph = GraphFault::kWorkEscapes, .no_arithmetic = kReplayed}},
      {.id = "graph-lse-escapes",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-01",
       .sentence = "the launch that writes the LSE is not captured",
       .reference = "kept as a standard mutation; the class is thu-ml/SageAttention#371",
       .hooks = {.graph = GraphFault::kLseEscapes, .no_arithmetic = kReplayed}},
      {.id = "graph-inputs-at-update",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-02",
       .hooks = {.graph = GraphFault::kInputsAtUpdate, .no_arithmetic = kReplayed}},
      {.id = "graph-lengths-of-capture",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-03",
       .hooks = {.graph = GraphFault::kLengthsOfCapture, .no_arithmetic = kReplayed}},
      {.id = "graph-starts-of-capture",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-03",
       .sentence = "query_start_loc is that of the capture",
       .reference = "kept as a standard mutation",
       .hooks = {.graph = GraphFault::kStartsOfCapture, .no_arithmetic = kReplayed}},
      {.id = "graph-causality-of-capture",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-03",
       .sentence = "request_causal is that of the capture",
       .reference = "kept as a standard mutation",
       .hooks = {.graph = GraphFault::kCausalityOfCapture, .no_arithmetic = kReplayed}},
      {.id = "graph-one-step-late",
       .bug_class = "race-workspace-uninit",
       .clause = "GRAPH-03",
       .sentence = "lengths, starts and table are those of the step before: the copy was overtaken",
       .reference = "vllm-project/vllm#34866",
       .hooks = {.graph = GraphFault::kOneStepLate, .no_arithmetic = kReplayed}},
      {.id = "graph-keys-of-capture",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-03",
       .sentence = "keys past the longest request that the capture met are left out",
       .reference = "kept as a standard mutation; the class is vllm-project/vllm#32312",
       .hooks = {.replayed = &kKeysOfCapture, .no_arithmetic = kReplayed}},
      {.id = "graph-local-blocks-of-capture",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-03",
       .sentence = "local blocks are those of the lengths at the capture",
       .reference = "vllm-project/vllm#26034",
       .bug = "vllm-chunked-local-not-graph-safe",
       .hooks = {.replayed = &kLocalBlocksOfCapture, .no_arithmetic = kReplayed}},
      {.id = "graph-table-of-capture",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-04",
       .hooks = {.graph = GraphFault::kTableOfCapture, .no_arithmetic = kReplayed}},
      {.id = "graph-table-as-strided",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-04",
       .hooks = {.graph = GraphFault::kTableAsStrided, .no_arithmetic = kReplayed}},
  };
}

std::vector<Mutant> OfSteps() {
  return {
      {.id = "graph-tail-not-reset",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-05",
       .bug = "vllm-fa3-fullgraph-batch-mismatch",
       .hooks = {.graph = GraphFault::kTailNotReset, .no_arithmetic = kReplayed}},
      {.id = "graph-phantom-request",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-05",
       .sentence = "one request too many is computed, from what an earlier step left behind the "
                   "last of this one",
       .reference = "flashinfer-ai/flashinfer#412",
       .bug = "fi-ragged-graph-fixed-bs-off-by-one",
       .hooks = {.graph = GraphFault::kPhantomRequest, .no_arithmetic = kReplayed}},
      {.id = "graph-padded-rows-written",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-05",
       .sentence = "rows that the step has not are written, as zeros",
       .reference = "kept as a standard mutation",
       .hooks = {.graph = GraphFault::kPaddedRowsWritten, .no_arithmetic = kReplayed}},
      {.id = "graph-eager-fallback",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-06",
       .hooks = {.graph = GraphFault::kEagerFallback, .no_arithmetic = kReplayed}},
      {.id = "graph-view-of-source",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-07",
       .bug = "sgl-metadata-new-tensors-in-graph",
       .hooks = {.graph = GraphFault::kViewOfSource, .no_arithmetic = kReplayed}},
      {.id = "graph-buffer-moves",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-07",
       .sentence = "the buffer of the table is allocated anew at every update",
       .reference = "kept as a standard mutation",
       .hooks = {.graph = GraphFault::kBufferMoves, .no_arithmetic = kReplayed}},
      {.id = "graph-splits-of-capture",
       .bug_class = "batch-invariance",
       .clause = "GRAPH-08",
       .hooks = {.replayed = &kSplitsOfCapture, .no_arithmetic = kReplayed}},
      {.id = "graph-lengths-drift",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-09",
       .hooks = {.graph = GraphFault::kLengthsDrift, .no_arithmetic = kReplayed}},
      {.id = "graph-fit-by-requests",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-10",
       .bug = "vllm-fi-graph-chosen-by-requests",
       .hooks = {.graph = GraphFault::kFitByRequests, .no_arithmetic = kReplayed}},
      {.id = "graph-other-scale-accepted",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-10",
       .sentence = "a step with another scale is replayed with the captured one",
       .reference = "kept as a standard mutation; the class is ggml-org/llama.cpp#19383",
       .hooks = {.graph = GraphFault::kOtherScaleAccepted, .no_arithmetic = kReplayed}},
  };
}

std::vector<Mutant> OfCopies() {
  return {
      {.id = "persistent-strides-of-source",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-11",
       .hooks = {.copy = CopyFault::kStridesOfSource, .no_arithmetic = kCopied}},
      {.id = "persistent-view-of-source",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-11",
       .sentence = "the view is the source itself",
       .reference = "kept as a standard mutation; the class is sgl-project/sglang#27664",
       .hooks = {.copy = CopyFault::kViewOfSource, .no_arithmetic = kCopied}},
      {.id = "persistent-whole-buffer",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-12",
       .hooks = {.copy = CopyFault::kWholeBuffer, .no_arithmetic = kCopied}},
      {.id = "persistent-tail-cleared",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-13",
       .hooks = {.copy = CopyFault::kTailCleared, .no_arithmetic = kCopied}},
      {.id = "persistent-copy-truncates",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-14",
       .hooks = {.copy = CopyFault::kTruncates, .no_arithmetic = kCopied}},
      {.id = "persistent-copy-broadcasts",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-14",
       .sentence = "a source of a lower rank is spread over all rows",
       .reference = "vLLM v1/attention/backends/flex_attention.py (copy_ broadcasts)",
       .hooks = {.copy = CopyFault::kBroadcasts, .no_arithmetic = kCopied}},
      {.id = "persistent-copy-converts",
       .bug_class = "graph-stale-metadata",
       .clause = "GRAPH-14",
       .sentence = "a source of another integer type is converted",
       .reference = "vLLM v1/attention/backends/flex_attention.py (copy_ converts)",
       .hooks = {.copy = CopyFault::kConverts, .no_arithmetic = kCopied}},
  };
}

}  // namespace

std::vector<Mutant> GraphMutants() { return Joined({OfReplays, OfSteps, OfCopies}); }

}  // namespace attest
