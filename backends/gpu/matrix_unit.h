// SPDX-License-Identifier: Apache-2.0
//
// One step of a matrix unit in 16 bit: 16 rows, 8 columns, 16 products each, summed in float32
// (mma.m16n8k16 of sm_80 and later). The host build computes the same from the same registers of
// the 32 lanes, so that the layout of the fragments is checked where there is no GPU.
//
// Fragments, for lane l with g = l / 4 and t = l % 4, two 16-bit numbers in a register, low one
// first (NVIDIA, PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type"):
//   a[0]: row g,     k 2t, 2t+1      a[1]: row g + 8, same k      a[2], a[3]: the same at k + 8
//   b[0]: column g,  k 2t, 2t+1      b[1]: the same at k + 8
//   c[0], c[1]: row g, columns 2t, 2t+1      c[2], c[3]: row g + 8
#ifndef ATTEST_BACKENDS_GPU_MATRIX_UNIT_H_
#define ATTEST_BACKENDS_GPU_MATRIX_UNIT_H_

#include <cstdint>

#include "backends/gpu/element.h"

// AMD's units have other fragments; its builds take the plain path.
#if defined(__HIP_PLATFORM_AMD__)
#define GPU_HAS_MATRIX_UNIT 0
#else
#define GPU_HAS_MATRIX_UNIT 1
#endif

#if GPU_HAS_MATRIX_UNIT

namespace attest::gpu {

// kElement: kFloat16 or kBFloat16. Two numbers in one register, the first one low.
template <Element kElement>
GPU_FUNCTION std::uint32_t Packed(float low, float high) {
#if GPU_ON_DEVICE
  std::uint32_t packed;
  if constexpr (kElement == Element::kFloat16) {
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  } else {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  }
  return packed;
#else
  if constexpr (kElement == Element::kFloat16) {
    return ToFloat16(low) | static_cast<std::uint32_t>(ToFloat16(high)) << 16;
  } else {
    return ToBFloat16(low) | static_cast<std::uint32_t>(ToBFloat16(high)) << 16;
  }
#endif
}

#if GPU_ON_DEVICE

template <Element kElement>
__device__ inline void MultiplyAdd(float (&c)[4], const std::uint32_t (&a)[4],
                                   const std::uint32_t (&b)[2]) {
  if constexpr (kElement == Element::kFloat16) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
        "{%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
}

#else

// What a lane brings, already as float32.
struct LaneFragments {
  float a[4][2];
  float b[2][2];
};
static_assert(sizeof(LaneFragments) == kSlotBytes);

template <Element kElement>
void MultiplyAdd(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                 const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const auto number = [](std::uint32_t packed, int half) {
    const auto bits = static_cast<std::uint16_t>(packed >> (16 * half));
    return kElement == Element::kFloat16 ? FromFloat16(bits) : FromBFloat16(bits);
  };
  LaneFragments own;
  for (int half = 0; half < 2; ++half) {
    for (int i = 0; i < 4; ++i) own.a[i][half] = number(a[i], half);
    for (int i = 0; i < 2; ++i) own.b[i][half] = number(b[i], half);
  }
  const auto* const lanes = static_cast<const LaneFragments*>(ExchangeWithWarp(&own, {file, line}));
  const int lane = ThreadX() % 32;
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + i / 2 * 8;
    const int column = lane % 4 * 2 + i % 2;
    for (int k = 0; k < 16; ++k) {
      const LaneFragments& of_a = lanes[row % 8 * 4 + k % 8 / 2];
      const LaneFragments& of_b = lanes[column * 4 + k % 8 / 2];
      c[i] += of_a.a[row / 8 + k / 8 * 2][k % 2] * of_b.b[k / 8][k % 2];
    }
  }
}

#endif

}  // namespace attest::gpu

#endif  // GPU_HAS_MATRIX_UNIT

#endif  // ATTEST_BACKENDS_GPU_MATRIX_UNIT_H_
