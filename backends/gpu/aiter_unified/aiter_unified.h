// SPDX-License-Identifier: Apache-2.0
//
// The host side of `prefix` with the kernel of `unified` behind it. The kernel is causal only, so
// the claim of non-causal decoders, inherited with the host side, is taken back.
#ifndef ATTEST_BACKENDS_GPU_AITER_UNIFIED_AITER_UNIFIED_H_
#define ATTEST_BACKENDS_GPU_AITER_UNIFIED_AITER_UNIFIED_H_

#include "backends/gpu/family.h"

namespace attest::gpu {

const Family& AiterUnifiedFamily();

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_AITER_UNIFIED_AITER_UNIFIED_H_
