// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/aiter_unified/aiter_unified.h"
#include "backends/gpu/family.h"
#include "backends/gpu/flash/flash.h"
#include "backends/gpu/flex/flex.h"
#include "backends/gpu/naive/naive.h"
#include "backends/gpu/prefix/prefix.h"
#include "backends/gpu/unified/unified.h"

namespace attest::gpu {

const std::vector<const Family*>& Families() {
  static const std::vector<const Family*> kFamilies = {&NaiveFamily(),        &FlashFamily(),
                                                       &FlexFamily(),         &UnifiedFamily(),
                                                       &AiterUnifiedFamily(), &PrefixFamily()};
  return kFamilies;
}

}  // namespace attest::gpu
