// SPDX-License-Identifier: Apache-2.0
//
// The derivation, step by step, in any era and on either runner.
#ifndef ATTEST_REFERENCE_DRAFTER_RESOLVE_H_
#define ATTEST_REFERENCE_DRAFTER_RESOLVE_H_

#include "reference/drafter/draft_config.h"
#include "reference/drafter/resolution.h"
#include "reference/drafter/target_config.h"

namespace attest::drafter {

struct ResolveOptions {
  Era era = Era::kE5;
  Runner runner = Runner::kR1;
  Platform platform;
  bool strict = false;
  bool explain = true;  // false: no decision lines, which cost most of the time
};

// Never fails: what the real system refuses is a rejection in the answer. Touches nothing of
// `target` or `draft`; equal arguments give equal answers in any order of calls.
Resolution Resolve(const Tables& tables, const TargetConfig& target, const DraftConfig& draft,
                   const ResolveOptions& options);

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_RESOLVE_H_
