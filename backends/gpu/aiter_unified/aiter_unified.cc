// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/aiter_unified/aiter_unified.h"

#include "backends/gpu/prefix/prefix_family.h"
#include "backends/gpu/unified/unified.h"

namespace attest::gpu {
namespace {

Family Derived() {
  Family family = PrefixLikeFamily("aiter_unified");
  family.features &= ~(ATTEST_CLAIM_DECODER_NON_CAUSAL | ATTEST_CLAIM_WINDOW_SYMMETRIC);
  // The kernel reads all keys from the cache, which may then be of any type it knows.
  family.needs_step_keys = false;
  family.reasons = {
      {ATTEST_CLAIM_DECODER_NON_CAUSAL,
       "decoder, non-causal: the unified kernel behind it is causal only"},
      {ATTEST_CLAIM_BATCH_INVARIANT, "batch-invariant mode: its kernel's form follows the batch"},
  };
  family.workspace_bytes = UnifiedWorkspaceBytes;
  family.plan = PlanUnified;
  return family;
}

}  // namespace

const Family& AiterUnifiedFamily() {
  static const Family kFamily = Derived();
  return kFamily;
}

}  // namespace attest::gpu
