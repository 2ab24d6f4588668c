// SPDX-License-Identifier: Apache-2.0
//
// One kernel for batches that mix prefill and decode (vLLM's unified attention): causal, paged. Its
// 2-D form gives each row tile one block; its 3-D form cuts the keys of every request into the same
// number of segments. The two agree within the bound; batch-invariant mode takes the 2-D form
// alone.
#ifndef ATTEST_BACKENDS_GPU_UNIFIED_UNIFIED_H_
#define ATTEST_BACKENDS_GPU_UNIFIED_UNIFIED_H_

#include "backends/gpu/family.h"

namespace attest::gpu {

const Family& UnifiedFamily();

// Its host side, for families that call the same kernel.
std::size_t UnifiedWorkspaceBytes(const Step& step);
std::vector<Launch> PlanUnified(const Step& step);

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_UNIFIED_UNIFIED_H_
