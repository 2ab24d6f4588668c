// SPDX-License-Identifier: Apache-2.0
//
// The sizes that this backend claims, in one place for the claims and for the checks.
#ifndef ATTEST_BACKENDS_CPU_LIMITS_H_
#define ATTEST_BACKENDS_CPU_LIMITS_H_

namespace attest::cpu {

inline constexpr int kMaxHeadDim = 576;  // DeepSeek's latent, the widest head in use
inline constexpr int kMaxGroup = 128;    // Falcon-7B has groups of 71, DeepSeek-V3 of 128
inline constexpr int kMaxBlockSize = 512;

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_LIMITS_H_
