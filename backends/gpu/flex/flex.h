// SPDX-License-Identifier: Apache-2.0
//
// Attention that visits physical pages (FlexAttention over a paged cache): an inverse page table
// says which logical block of a request a page holds, and a block mask which pages a row tile may
// need. The block mask may name too many pages, never too few; the mask itself decides key by key.
// Mask and score are hooks of the kernel.
//
// A page has one place in the inverse table. A row that names it twice would see it once, at its
// last position (`latest-wins`), so page aliasing is refused.
#ifndef ATTEST_BACKENDS_GPU_FLEX_FLEX_H_
#define ATTEST_BACKENDS_GPU_FLEX_FLEX_H_

#include "backends/gpu/family.h"

namespace attest::gpu {

const Family& FlexFamily();

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_FLEX_FLEX_H_
