// SPDX-License-Identifier: Apache-2.0
//
// Tiled attention with an online softmax (FlashAttention): packed or paged keys, causal or not,
// windows, softcap, sinks and ALiBi. A request whose rows fill no more than one tile has its keys
// split among blocks, whose results are merged by their LSE. In batch-invariant mode the split
// follows from the request's own lengths alone.
#ifndef ATTEST_BACKENDS_GPU_FLASH_FLASH_H_
#define ATTEST_BACKENDS_GPU_FLASH_FLASH_H_

#include "backends/gpu/family.h"

namespace attest::gpu {

const Family& FlashFamily();

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_FLASH_FLASH_H_
