// SPDX-License-Identifier: Apache-2.0
//
// The host side of `prefix` as other families derive from it.
#ifndef ATTEST_BACKENDS_GPU_PREFIX_PREFIX_FAMILY_H_
#define ATTEST_BACKENDS_GPU_PREFIX_PREFIX_FAMILY_H_

#include "backends/gpu/family.h"

namespace attest::gpu {

// Claims and sizes of `prefix`, under another name. Whoever calls other kernels than `prefix` does
// has to look at every claim anew.
Family PrefixLikeFamily(const char* name);

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_PREFIX_PREFIX_FAMILY_H_
