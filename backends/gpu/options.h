// SPDX-License-Identifier: Apache-2.0
//
// "key=value,key=value" of attest_backend_open.
#ifndef ATTEST_BACKENDS_GPU_OPTIONS_H_
#define ATTEST_BACKENDS_GPU_OPTIONS_H_

#include <string_view>

#include "backends/gpu/answer.h"
#include "backends/gpu/graph/mistake.h"
#include "backends/gpu/runtime.h"

namespace attest::gpu {

struct Options {
  DeviceOptions device;
  graph::Mistake graph_mistake = graph::Mistake::kNone;
};

// threads=N; device=N; graph_mistake=table-as-strided|eager-fallback;
// order=plain|reversed|shuffled, seed=N, shared_kib=N (a device that has less) and
// matrix_unit=off|emulated for the host build, which alone lets them matter.
// ATTEST_INVALID_ARGUMENT names what is not understood.
Answer ParseOptions(std::string_view text, Options& options);

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_OPTIONS_H_
