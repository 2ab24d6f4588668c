// SPDX-License-Identifier: Apache-2.0
//
// The bytes that attest_write_kv must leave behind, exactly.
#ifndef ATTEST_REFERENCE_WRITE_KV_H_
#define ATTEST_REFERENCE_WRITE_KV_H_

#include <cstddef>

#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/status.h"
#include "spec/vocabulary/tensor_view.h"

namespace attest {

// The arguments of attest_write_kv: shapes and strides as there. The caches and the scales that are
// written are looked at for their shape and strides only.
struct WriteKvTensors {
  TensorView key;           // [T, Hkv, D], query_dtype
  TensorView value;         // [T, Hkv, Dv]; not looked at for a shared latent
  TensorView key_cache;     // [B, N, Hkv, D] or x-split
  TensorView value_cache;   // [B, N, Hkv, Dv] or x-split; not looked at for a shared latent
  TensorView slot_mapping;  // int64 [n], n <= T
  TensorView key_scale;     // float32 [B, N, Hkv]; absent without scales
  TensorView value_scale;
};

// Where the expected bytes go: the caller's copy of the memory as it was before the call. Each
// pointer is where element [0, 0, ...] of the tensor stands in that copy.
struct WriteKvImage {
  std::byte* key_cache = nullptr;
  std::byte* value_cache = nullptr;
  std::byte* key_scale = nullptr;  // written with per_token_head scales only
  std::byte* value_scale = nullptr;
};

// Changes exactly the slots >= 0 of slot_mapping: token t goes to page slot / N, offset slot % N.
//   32 and 16 bit   the bits of the query's type as they are, or converted to the cache's type, to
//                   nearest even; then a NaN is quiet and keeps only its sign
//   8-bit floats    fl32(x) / scale in float32, then to nearest even, at most the largest finite
//                   number; NaN stays NaN. scale is 1 without scales, and that of the slot with
//                   per_tensor and per_head scales
//   int8            fl32(x) / scale in float32, to the nearest integer, ties to even, -127..127
// With per_token_head scales the scale of a token and head is an output: fl32(absmax / 127) for
// int8, fl32(absmax / largest finite number) for 8-bit floats, 1 where absmax is 0.
//
// Bad input, and nothing written: a tensor is missing or contradicts `problem`; more slots than
// tokens; a slot past the cache; a slot named twice; with per_token_head scales a number that is
// not finite; a scale that is an input and not finite or 0.
Status ExpectWriteKv(const Problem& problem, const WriteKvTensors& tensors,
                     const WriteKvImage& image);

}  // namespace attest

#endif  // ATTEST_REFERENCE_WRITE_KV_H_
