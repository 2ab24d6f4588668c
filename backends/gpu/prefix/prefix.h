// SPDX-License-Identifier: Apache-2.0
//
// Two kernels for one step (prefix prefill and chunked-prefill paged decode): requests with several
// new tokens read their context from the cache and the chunk's own keys and values raw; requests
// with one are decoded from the cache alone. `causal` goes from the problem through the plan to
// both.
#ifndef ATTEST_BACKENDS_GPU_PREFIX_PREFIX_H_
#define ATTEST_BACKENDS_GPU_PREFIX_PREFIX_H_

#include "backends/gpu/family.h"

namespace attest::gpu {

const Family& PrefixFamily();

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_PREFIX_PREFIX_H_
