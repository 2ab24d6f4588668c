// SPDX-License-Identifier: Apache-2.0
//
// Encoder-only attention of a batch is that of its documents: each in a call of its own, and all of
// them packed into one request whose mask keeps them apart.
//
// Windows and ALiBi go by distances, which packing keeps. A mask of the batch's own would have to
// be packed as well, so it has none.
#include <algorithm>

#include "conformance/judge/rearrange.h"
#include "property_tests/laws/agree.h"
#include "property_tests/laws/fit.h"

namespace attest {
namespace {

// One request of all tokens, and the mask that lets a row see its own document only.
CaseInputs Packed(const Sample& sample, const CaseInputs& batch, Problem& packed) {
  const Problem& problem = sample.problem;
  const std::int64_t tokens = NumTokens(problem);
  packed = problem;
  packed.requests = {{tokens, tokens}};
  packed.custom_mask = MaskKind::kBoolean;
  packed.custom_mask_broadcast = {};
  CaseInputs inputs = Subject::BuildFor(packed, sample, {.code_unit = batch.code_unit});
  CopyGlobals(batch.image, inputs.image);
  // Both hold their tokens in one row after the other.
  Problem as_one = problem;
  as_one.requests = packed.requests;
  CopyRequest(batch.image, {as_one, 0}, inputs.image, {packed, 0});
  const PlacedTensor& mask = *inputs.image.Find("custom_mask");
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    const std::int64_t first = FirstTokens(problem)[r];
    const std::int64_t last = FirstTokens(problem)[r + 1];
    for (std::int64_t row = first; row < last; ++row) {
      for (std::int64_t key = 0; key < tokens; ++key) {
        for (int head = 0; head < problem.num_q_heads; ++head) {
          *Writable(inputs.image, mask, {0, head, row, key}) =
              std::byte{key >= first && key < last ? std::uint8_t{1} : std::uint8_t{0}};
        }
      }
    }
  }
  return inputs;
}

void Check(Subject& subject, const Sample& sample) {
  const Problem& problem = sample.problem;
  const CaseInputs batch = Subject::Build(sample);
  const JudgedCall first = subject.Ask(problem, batch, "the batch");
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    if (problem.requests[r].q_len == 0) continue;
    const Problem alone = PickRequests(problem, {r});
    const CaseInputs taken = Subject::BuildFor(
        alone, sample, {.texts = {TextsOf(problem)[r]}, .code_unit = batch.code_unit});
    const JudgedCall document = subject.Ask(alone, taken, "a document alone");
    ExpectSameRows("a document alone", problem.batch_invariant, first, document,
                   RowsOfRequest(problem, r, alone, 0));
  }
  if (!subject.Has(ATTEST_CLAIM_BOOLEAN_MASK)) return;
  Problem packed;
  const CaseInputs inputs = Packed(sample, batch, packed);
  const JudgedCall second = subject.Ask(packed, inputs, "documents in one request");
  ExpectEqualRows("documents in one request", first, second, AllRowPairs(problem));
}

void Fit(const Claims& claims, Dice& dice, Sample& sample) {
  Problem& p = sample.problem;
  DropMaskTensors(p);
  BecomeBatch(dice, p);
  // Packed, all tokens meet all tokens.
  for (Request& request : p.requests) {
    request.seq_len = std::min<std::int64_t>(request.seq_len, 16);
    request.q_len = request.seq_len;
  }
  if (p.attention_type == AttentionType::kEncoderOnly) return;
  p.attention_type = AttentionType::kEncoderOnly;
  p.causality = Causality::kCausal;
  p.request_causal.clear();
  if (p.window_left != p.window_right) p.window_left = p.window_right = 0;
  if ((claims.features & ATTEST_CLAIM_WINDOW_SYMMETRIC) == 0) p.window_left = p.window_right = 0;
  p.local_block_size = p.local_block_lookback = 0;
  p.prefix_ranges.clear();
  p.prefix_clamped = p.tree_mask = p.page_aliasing = false;
  p.block_size = 0;
  p.hybrid_split = 1;
  p.shared_prefix = p.block_table_extra = 0;
  p.cache_layout = CacheLayout::kNhd;
  p.kv_scale_kind = KvScaleKind::kNone;
  for (const DType dtype : claims.cache_dtypes) {
    if (dtype == p.query_dtype) p.cache_dtype = dtype;
  }
}

}  // namespace

Law PackedDocumentsLaw() {
  return {.name = "packed-documents",
          .sentence = "Encoder-only attention of a batch is that of its documents.",
          .needs = ATTEST_CLAIM_ENCODER_ONLY,
          .fit = Fit,
          .applies =
              [](const Sample& sample) {
                const Problem& p = sample.problem;
                return p.attention_type == AttentionType::kEncoderOnly &&
                       p.custom_mask == MaskKind::kNone && p.requests.size() > 1;
              },
          .check = Check};
}

}  // namespace attest
