// SPDX-License-Identifier: Apache-2.0
//
// Attention as it is defined, one thread a row and query head, key after key: the kernel to read
// first, and the one to compare the others with.
#ifndef ATTEST_BACKENDS_GPU_NAIVE_NAIVE_H_
#define ATTEST_BACKENDS_GPU_NAIVE_NAIVE_H_

#include "backends/gpu/family.h"

namespace attest::gpu {

const Family& NaiveFamily();

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_NAIVE_NAIVE_H_
