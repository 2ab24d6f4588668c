// SPDX-License-Identifier: Apache-2.0
#include "property_tests/laws/fit.h"

#include <algorithm>

#include "property_tests/generators/scope.h"

namespace attest {

void BecomeDecoder(const Claims& claims, Causality causality, Problem& problem) {
  if (problem.attention_type == AttentionType::kDecoder && problem.causality == causality) return;
  problem.attention_type = AttentionType::kDecoder;
  problem.causality = causality;
  problem.request_causal.clear();
  problem.window_left = problem.window_right = 0;
  problem.local_block_size = problem.local_block_lookback = 0;
  problem.prefix_clamped = problem.tree_mask = false;
  if (problem.block_size > 0) return;
  const std::vector<int> sizes = ClaimedSizes(claims.block_sizes, 16);
  problem.block_size = sizes.empty() ? 0 : sizes[sizes.size() / 2];
}

void DropMaskTensors(Problem& problem) {
  problem.tree_mask = false;
  problem.custom_mask = MaskKind::kNone;
  problem.custom_mask_broadcast = {};
  problem.additive_mask_dtype = DType::kFloat32;
}

void BecomeBatch(Dice& dice, Problem& problem) {
  if (problem.requests.size() > 1) return;
  const std::int64_t seq_len = std::max<std::int64_t>(problem.shared_prefix, dice.Int(1, 9));
  const bool packed = problem.attention_type == AttentionType::kEncoderOnly;
  problem.requests.push_back({packed ? seq_len : 1, seq_len});
  if (problem.causality == Causality::kPerRequest) problem.request_causal.push_back(true);
}

}  // namespace attest
