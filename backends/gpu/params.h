// SPDX-License-Identifier: Apache-2.0
//
// What a kernel is told: the tensors of one forward call as plain views, and the numbers of the
// problem. Lengths, pages and positions are read on the device, so that a recorded launch stays
// right when they change.
#ifndef ATTEST_BACKENDS_GPU_PARAMS_H_
#define ATTEST_BACKENDS_GPU_PARAMS_H_

#include <cstdint>

#include "backends/gpu/element.h"

namespace attest::gpu {

// query, key, value or out: [token, head, column]. Strides count elements.
struct TokenView {
  void* data = nullptr;
  std::int64_t token = 0;
  std::int64_t head = 0;
  std::int64_t column = 1;
  Element element = Element::kFloat32;
};

// Rows of keys or values. Row (page, slot, head) begins at page * page_stride + slot * slot_stride
// + head * head_stride and lies in pieces of `piece` columns (x-split keys; else one piece). Packed
// tokens are one page.
struct RowView {
  const void* data = nullptr;
  std::int64_t page = 0;
  std::int64_t slot = 0;
  std::int64_t head = 0;
  std::int64_t piece_stride = 0;
  std::int64_t column = 1;
  std::int32_t piece = 1;
  Element element = Element::kFloat32;
};

// float32 [page, slot, head], or absent.
struct ScaleView {
  const float* data = nullptr;
  std::int64_t page = 0;
  std::int64_t slot = 0;
  std::int64_t head = 0;
};

// int32 or float32 lists with a stride, or absent.
struct IntView {
  const std::int32_t* data = nullptr;
  std::int64_t row = 0;
  std::int64_t column = 1;
};
struct FloatView {
  float* data = nullptr;
  std::int64_t row = 0;
  std::int64_t column = 1;
};

// int64 [n, 3]: request, first, last.
struct RangeView {
  const std::int64_t* data = nullptr;
  std::int64_t row = 0;
  std::int64_t column = 1;
  std::int64_t count = 0;
};

struct AttentionParams {
  TokenView query;              // [T, num_q_heads, head_dim_qk]
  TokenView out;                // [T, num_q_heads, head_dim_v]
  FloatView lse;                // [T, num_q_heads]
  RowView key;                  // the cache, or this step's packed tokens
  RowView value;                // likewise
  ScaleView key_scale;          // stored * scale = key
  ScaleView value_scale;        // likewise
  IntView query_start_loc;      // [num_requests + 1]
  IntView seq_lens;             // [num_requests]
  IntView block_table;          // [num_requests, width]; absent: packed tokens
  FloatView sinks;              // [num_q_heads]
  FloatView alibi_slopes;       // [num_q_heads]
  RangeView prefix_ranges;      // of all requests
  std::int64_t window_left;     // kFar: no bound
  std::int64_t window_right;    // likewise
  float scale;                  //
  float softcap;                // 0: none
  std::int32_t num_requests;    //
  std::int32_t num_q_heads;     //
  std::int32_t num_kv_heads;    //
  std::int32_t group;           // num_q_heads / num_kv_heads
  std::int32_t head_dim_qk;     //
  std::int32_t head_dim_v;      //
  std::int32_t block_size;      // 0: packed tokens
  std::int32_t prefix_clamped;  // a range is ANDed with the left window
};

// Beyond every length (lengths are int32), and small enough to be added to one.
inline constexpr std::int64_t kFar = std::int64_t{1} << 40;

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_PARAMS_H_
