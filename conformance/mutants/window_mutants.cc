// SPDX-License-Identifier: Apache-2.0
//
// Wrong windows.
#include <algorithm>
#include <cstdint>

#include "conformance/mutants/attention.h"

namespace attest {
namespace {

bool IsEncoder(const Call& call) { return call.problem.attention_type == ATTEST_ENCODER_ONLY; }
bool HasLeft(const Call& call) { return call.problem.window_left > 0; }
bool HasRight(const Call& call) { return call.problem.window_right > 0; }

// A non-causal decoder with a window.
bool IsBlockWindow(const Call& call, const Terms& terms) {
  return call.problem.attention_type == ATTEST_DECODER && !terms.causal && !terms.tree &&
         HasLeft(call);
}

// Every row sees the new tokens and the window that the first of them has in the context.
bool VisibleFromAnchor(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  if (!IsBlockWindow(call, terms)) return Visible(call, row, terms, key);
  const std::int64_t first = row.seq_len - row.q_len;
  return key >= first || first - key <= terms.left;
}

// The last row that sees a key is the sum of two numbers of 32 bits.
bool VisibleToWrappedEnd(const Call& call, const Row& row, const Terms& terms, std::int64_t key) {
  if (!Visible(call, row, terms, key)) return false;
  if (!HasLeft(call)) return true;
  const auto end = static_cast<std::int32_t>(static_cast<std::uint32_t>(key) +
                                             static_cast<std::uint32_t>(terms.left));
  return terms.left_from <= end;
}

std::vector<Mutant> CausalWindows() {
  return {
      {.id = "window-one-short",
       .bug_class = "sliding-window",
       .clause = "MASK-10",
       .bug = "te-cudnn-window-length",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (terms.causal && HasLeft(call)) --terms.left;
                     }}},
      {.id = "window-one-long",
       .bug_class = "sliding-window",
       .clause = "MASK-10",
       .bug = "vllm-window-2048-vs-2049",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (terms.causal && HasLeft(call)) ++terms.left;
                     }}},
      {.id = "window-ignored",
       .bug_class = "sliding-window",
       .clause = "MASK-10",
       .bug = "tgi-paged-window-hardcoded",
       .hooks = {.terms =
                     [](const Call&, const Row&, Terms& terms) {
                       if (terms.causal) terms.left = kNoReach;
                     }}},
      {.id = "window-from-last-row",
       .bug_class = "sliding-window",
       .clause = "MASK-10",
       .bug = "fi-xqa-window-from-last-draft-token",
       .hooks = {.terms =
                     [](const Call&, const Row& row, Terms& terms) {
                       if (terms.causal) terms.left_from = row.seq_len - 1;
                     }}},
      {.id = "window-one-means-none",
       .bug_class = "sliding-window",
       .clause = "MASK-11",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (call.problem.window_left == 1) terms.left = kNoReach;
                     }}},
      {.id = "window-clipped-to-query",
       .bug_class = "sliding-window",
       .clause = "MASK-15",
       .bug = "kerashub-window-cache-index",
       .hooks = {.terms =
                     [](const Call& call, const Row& row, Terms& terms) {
                       if (HasLeft(call)) terms.left = std::min(terms.left, row.q_len - 1);
                       if (HasRight(call)) terms.right = std::min(terms.right, row.q_len - 1);
                     }}},
      {.id = "window-end-wraps",
       .bug_class = "int-overflow",
       .clause = "MASK-15",
       .sentence = "key and window are summed in 32 bits: one that reaches to 2^31 hides keys",
       .reference = "jax-ml/jax#23247",
       .bug = "jax-window-end-int32",
       .hooks = {.visible = VisibleToWrappedEnd}},
  };
}

std::vector<Mutant> TwoSidedWindows() {
  return {
      {.id = "encoder-window-left-only",
       .bug_class = "sliding-window",
       .clause = "MASK-12",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (IsEncoder(call) && HasLeft(call)) terms.right = 0;
                     }}},
      {.id = "encoder-window-ignored",
       .bug_class = "sliding-window",
       .clause = "MASK-12",
       .bug = "vllm-modernbert-window-ignored",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (IsEncoder(call)) terms.left = terms.right = kNoReach;
                     }}},
      {.id = "window-left-only",
       .bug_class = "sliding-window",
       .clause = "MASK-13",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (IsBlockWindow(call, terms)) terms.right = kNoReach;
                     }}},
      {.id = "window-silently-causal",
       .bug_class = "sliding-window",
       .clause = "MASK-13",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (IsBlockWindow(call, terms)) terms.right = 0;
                     }}},
      {.id = "window-top-left",
       .bug_class = "sliding-window",
       .clause = "MASK-13",
       .hooks = {.terms =
                     [](const Call& call, const Row& row, Terms& terms) {
                       if (IsBlockWindow(call, terms)) terms.position = terms.left_from = row.index;
                     }}},
      {.id = "window-anchored-at-block",
       .bug_class = "sliding-window",
       .clause = "MASK-13",
       .bug = "vllm-diffusion-window-symmetric",
       .hooks = {.visible = VisibleFromAnchor}},
      {.id = "window-right-ignored",
       .bug_class = "sliding-window",
       .clause = "MASK-14",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (call.problem.window_left != call.problem.window_right)
                         terms.right = kNoReach;
                     }}},
      {.id = "window-right-one-short",
       .bug_class = "sliding-window",
       .clause = "MASK-14",
       .bug = "hf-right-window-strict",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (HasRight(call)) --terms.right;
                     }}},
      {.id = "window-right-one-long",
       .bug_class = "sliding-window",
       .clause = "MASK-13",
       .sentence = "the row sees one key more on its right side than the window has",
       .reference = "kept as a standard mutation",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (HasRight(call)) ++terms.right;
                     }}},
      {.id = "window-both-one-short",
       .bug_class = "sliding-window",
       .clause = "MASK-13",
       .sentence = "both sides of a window have one key less",
       .reference = "kept as a standard mutation",
       .hooks = {.terms =
                     [](const Call& call, const Row&, Terms& terms) {
                       if (HasLeft(call)) --terms.left;
                       if (HasRight(call)) --terms.right;
                     }}},
  };
}

}  // namespace

std::vector<Mutant> WindowMutants() {
  std::vector<Mutant> mutants = CausalWindows();
  const std::vector<Mutant> more = TwoSidedWindows();
  mutants.insert(mutants.end(), more.begin(), more.end());
  return mutants;
}

}  // namespace attest
