// SPDX-License-Identifier: Apache-2.0
//
// What stands at the keys that a row does not see changes nothing in that row.
//
// Such a key gets the best key that the row does see, with other values, so that it would weigh as
// much as that one. Other rows may see it; nothing but the row in question is compared.
#include <algorithm>
#include <optional>

#include "conformance/run/inputs_random.h"
#include "property_tests/laws/agree.h"
#include "property_tests/laws/fit.h"
#include "property_tests/laws/key_rows.h"
#include "spec/vocabulary/mask.h"

namespace attest {
namespace {

constexpr int kRowsTried = 3;
constexpr double kOtherValue = 96.0;  // fits every cache type

// The cached key of the row's best score; nothing where the row sees no key.
std::optional<KeyPlace> BestKey(const Problem& problem, const Expected& expected,
                                const RowPair& row, int head) {
  const auto line = static_cast<std::size_t>(row.token * problem.num_q_heads + head);
  const LineDetail& detail = expected.detail[line];
  std::optional<KeyPlace> best;
  double score = 0;
  for (std::size_t i = 0; i < detail.score.size(); ++i) {
    if (detail.visible[i] == 0 || (best && detail.score[i] <= score)) continue;
    score = detail.score[i];
    best = KeyPlace{static_cast<std::size_t>(row.request),
                    detail.first_key + static_cast<std::int64_t>(i), head / problem.group()};
  }
  return best;
}

bool SeenByGroup(const Problem& problem, const Mask& mask, const RowPair& row, int kv_head,
                 std::int64_t key) {
  for (int i = 0; i < problem.group(); ++i) {
    const int head = kv_head * problem.group() + i;
    if (mask.Visible(static_cast<std::size_t>(row.request), head, row.row, key)) return true;
  }
  return false;
}

// Overwrites the keys that no head of the row sees. How many there were.
int Overwrite(const Sample& sample, const CaseInputs& inputs, const Expected& expected,
              const RowPair& row, CaseInputs& changed) {
  const Problem& problem = sample.problem;
  const Mask mask(problem, {inputs.image.View("tree_mask"), inputs.image.View("custom_mask")});
  KeyRows keys(problem, changed.image);
  const auto request = static_cast<std::size_t>(row.request);
  int overwritten = 0;
  for (int head = 0; head < problem.num_kv_heads; ++head) {
    const auto best = BestKey(problem, expected, row, head * problem.group());
    for (std::int64_t key = 0; key < problem.requests[request].seq_len; ++key) {
      if (SeenByGroup(problem, mask, row, head, key)) continue;
      ++overwritten;
      const KeyPlace place{request, key, head};
      for (int dim = 0; dim < problem.head_dim_v; ++dim) keys.SetValue(place, dim, kOtherValue);
      for (int dim = 0; dim < problem.head_dim_qk; ++dim) {
        keys.SetKey(place, dim, best ? keys.Key(*best, dim) : 0.0);
      }
    }
  }
  return overwritten;
}

void Check(Subject& subject, const Sample& sample) {
  const Problem& problem = sample.problem;
  const CaseInputs inputs = Subject::Build(sample);
  const JudgedCall before = subject.Ask(problem, inputs, "forward");
  const Result<Expected> detailed =
      ComputeExpected(problem, TensorsOf(inputs.image), AllRows(problem), subject.arithmetic(),
                      {.bound = false, .detail = true});
  if (!detailed.ok()) EndAsVoid(detailed.status().message());
  const std::vector<RowPair> rows = AllRowPairs(problem);
  int overwritten = 0;
  for (int i = 0; i < kRowsTried; ++i) {
    const auto chosen =
        static_cast<std::size_t>(Below(sample.seed + static_cast<std::uint64_t>(i), rows.size()));
    CaseInputs changed = inputs;
    const int count = Overwrite(sample, inputs, *detailed, rows[chosen], changed);
    if (count == 0) continue;
    overwritten += count;
    const JudgedCall after = subject.Ask(problem, changed, "other masked keys");
    ExpectEqualRows("other masked keys", before, after, {rows[chosen]});
  }
  if (overwritten == 0) EndAsForeign("the rows see every key");
}

// A key that stands for two places may be masked in one of them. Cross attention masks nothing, and
// a causal decoder masks something for the first of two rows.
void Fit(const Claims& claims, Dice& dice, Sample& sample) {
  Problem& p = sample.problem;
  p.page_aliasing = false;
  const bool has_causal = (claims.features & ATTEST_CLAIM_DECODER_CAUSAL) != 0;
  const bool masks = p.window_left > 0 || p.window_right > 0 || p.local_block_size > 0 ||
                     p.custom_mask != MaskKind::kNone;
  if (!masks && has_causal) BecomeDecoder(claims, Causality::kCausal, p);
  if (masks || p.attention_type != AttentionType::kDecoder) return;
  Request& longest = p.requests[static_cast<std::size_t>(
      dice.Int(0, static_cast<std::int64_t>(p.requests.size()) - 1))];
  if (longest.q_len < 2) {
    longest.seq_len = std::max<std::int64_t>(longest.seq_len, 2);
    longest.q_len = std::min<std::int64_t>(longest.seq_len, dice.Int(2, 6));
  }
}

}  // namespace

Law MaskedKeysLaw() {
  return {.name = "masked-keys",
          .sentence = "What stands at the keys that a row does not see changes nothing in it.",
          .fit = Fit,
          .applies =
              [](const Sample& sample) {
                const Problem& p = sample.problem;
                return !p.page_aliasing && p.attention_type != AttentionType::kEncoderDecoder;
              },
          .check = Check};
}

}  // namespace attest
