// SPDX-License-Identifier: Apache-2.0
//
// The keys cut in two, a call for each part and the parts merged by their LSEs: that is the whole.
//
// The merge is done in double, so that every backend with an LSE is asked; where the backend claims
// a merge it does it once more.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "conformance/judge/cascade.h"
#include "conformance/judge/expect_merge.h"
#include "conformance/judge/rearrange.h"
#include "conformance/run/inputs_merge.h"
#include "property_tests/laws/agree.h"
#include "property_tests/laws/fit.h"

namespace attest {
namespace {

// Puts what a part answered where a merge reads it.
void CopyPart(const JudgedCall& part, int index, CallImage& merging) {
  const std::int64_t tokens = NumTokens(part.problem);
  for (std::int64_t token = 0; token < tokens; ++token) {
    for (int head = 0; head < part.problem.num_q_heads; ++head) {
      const PlacedTensor& out = *merging.Find(fmt::format("part_out_{}", index));
      const PlacedTensor& lse = *merging.Find(fmt::format("part_lse_{}", index));
      for (int dim = 0; dim < part.problem.head_dim_v; ++dim) {
        std::memcpy(Writable(merging, out, {token, head, dim}),
                    part.image.View("out").At({token, head, dim}), SizeOf(out.dtype));
      }
      std::memcpy(Writable(merging, lse, {token, head}), part.image.View("lse").At({token, head}),
                  SizeOf(lse.dtype));
    }
  }
}

// The whole as the parts' errors allow it to be merged; `exact`: by us, in double.
void Compare(std::string_view how, const JudgedCall& whole, const Expected& widened,
             const Expected& merged, const JudgedCall* answered) {
  for (const RowPair& row : AllRowPairs(whole.problem)) {
    for (int head = 0; head < whole.problem.num_q_heads; ++head) {
      const auto line = static_cast<Eigen::Index>(row.token) * whole.problem.num_q_heads + head;
      for (int dim = -1; dim < whole.problem.head_dim_v; ++dim) {
        const Number one = NumberAt(whole, row.token, head, dim);
        const double exact = dim < 0 ? merged.lse(line) : merged.out(line, dim);
        const double got =
            answered == nullptr ? exact : NumberAt(*answered, row.token, head, dim).got;
        const double widened_bound =
            dim < 0 ? widened.lse_bound(line) : widened.out_bound(line, dim);
        ExpectNear(how, {row, head, dim}, got, one.got, one.bound + widened_bound);
      }
    }
  }
}

void Check(Subject& subject, const Sample& sample) {
  const Problem& problem = sample.problem;
  const CaseInputs inputs = Subject::Build(sample);
  const CascadePart prefix = PrefixPart(inputs, problem);
  const CascadePart suffix = SuffixPart(inputs, problem);
  const JudgedCall whole = subject.Ask(problem, inputs, "forward");
  const JudgedCall first = subject.Ask(prefix.problem, prefix.inputs, prefix.name);
  const JudgedCall second = subject.Ask(suffix.problem, suffix.inputs, suffix.name);
  Result<CaseInputs> merging = BuildMergeInputs(CaseOf(sample), 2, sample.seed);
  if (!merging.ok()) EndAsVoid(merging.status().message());
  CopyPart(first, 0, merging->image);
  CopyPart(second, 1, merging->image);
  Result<Expected> merged = ExpectMerge(problem, merging->image, 2, subject.arithmetic());
  if (!merged.ok()) EndAsVoid(merged.status().message());
  Expected widened = whole.expected;
  WidenByParts(first.expected, second.expected, *merged, widened);
  Compare("both parts merged in double", whole, widened, *merged, nullptr);
  if (!subject.Has(ATTEST_CLAIM_MERGE)) return;
  const JudgedCall answered = subject.AskMerge(problem, *merging, *merged);
  Compare("both parts merged", whole, widened, *merged, &answered);
}

bool Applies(const Sample& sample) {
  Case value = CaseOf(sample);
  value.kind = CaseKind::kCascade;
  return ValidateKind(value).ok();
}

// All requests share at least one page, and their new tokens stand behind the shared ones.
void Fit(const Claims& claims, Dice& dice, Sample& sample) {
  Problem& p = sample.problem;
  if (p.attention_type != AttentionType::kDecoder) {
    BecomeDecoder(claims, Causality::kNonCausal, p);
  }
  DropMaskTensors(p);
  p.window_left = p.window_right = p.local_block_size = p.local_block_lookback = 0;
  p.prefix_ranges.clear();
  p.prefix_clamped = p.alibi = p.page_aliasing = false;
  p.lse = true;
  const std::int64_t step = std::int64_t{p.block_size} * p.hybrid_split;
  p.shared_prefix = step * dice.Int(1, std::max<std::int64_t>(1, 12 / step));
  for (Request& request : p.requests) {
    request.q_len = std::min<std::int64_t>(request.q_len, 6);
    request.seq_len = p.shared_prefix + request.q_len + dice.Int(0, 5);
  }
}

}  // namespace

Law SplitAndMergeLaw() {
  return {.name = "split-and-merge",
          .sentence = "Two parts of the keys, merged by their LSEs, are the whole.",
          .needs = ATTEST_CLAIM_LSE | ATTEST_CLAIM_DECODER_NON_CAUSAL,
          .fit = Fit,
          .applies = Applies,
          .check = Check};
}

}  // namespace attest
