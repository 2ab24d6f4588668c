// SPDX-License-Identifier: Apache-2.0
//
// Which sanitizer this file is compiled with, and its calls about fibers and memory.
#ifndef ATTEST_BACKENDS_GPU_SANITIZERS_H_
#define ATTEST_BACKENDS_GPU_SANITIZERS_H_

#include <cstddef>

#if !defined(__has_feature)
#define __has_feature(name) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define GPU_ASAN 1
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#else
#define GPU_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define GPU_TSAN 1
#include <sanitizer/tsan_interface.h>
// What the scheduler itself does is no access of a kernel.
#define GPU_UNSEEN __attribute__((no_sanitize("thread"), noinline))
#else
#define GPU_TSAN 0
#define GPU_UNSEEN
#endif

namespace attest::gpu {

inline void PoisonMemory(const void* from, std::size_t bytes) {
#if GPU_ASAN
  ASAN_POISON_MEMORY_REGION(from, bytes);
#else
  (void)from, (void)bytes;
#endif
}
inline void UnpoisonMemory(const void* from, std::size_t bytes) {
#if GPU_ASAN
  ASAN_UNPOISON_MEMORY_REGION(from, bytes);
#else
  (void)from, (void)bytes;
#endif
}

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_SANITIZERS_H_
