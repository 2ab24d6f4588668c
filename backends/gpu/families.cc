// SPDX-License-Identifier: Apache-2.0
#include "backends/gpu/family.h"
#include "backends/gpu/flash/flash.h"
#include "backends/gpu/naive/naive.h"

namespace attest::gpu {

const std::vector<const Family*>& Families() {
  static const std::vector<const Family*> kFamilies = {&NaiveFamily(), &FlashFamily()};
  return kFamilies;
}

}  // namespace attest::gpu
