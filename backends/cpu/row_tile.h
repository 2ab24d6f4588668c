// SPDX-License-Identifier: Apache-2.0
//
// Attention of a tile of rows over all keys that they see, tile of keys by tile of keys.
//
// The rows of a request that read one KV head are numbered token * group + head in group, so that
// all query heads of a group share each conversion of a key.
#ifndef ATTEST_BACKENDS_CPU_ROW_TILE_H_
#define ATTEST_BACKENDS_CPU_ROW_TILE_H_

#include <cstdint>
#include <memory>
#include <new>

#include "backends/cpu/kernel.h"
#include "backends/cpu/key_span.h"
#include "spec/abi/attest.h"

namespace attest::cpu {

inline constexpr int kRowTile = 192;
inline constexpr int kBlocks = kRowTile / kBlockRows;
static_assert(kRowTile % kBlockRows == 0);

// Memory of one worker, large enough for heads of these sizes.
class Scratch {
 public:
  Scratch(int head_dim_qk, int head_dim_v);  // may throw std::bad_alloc
  bool Fits(int head_dim_qk, int head_dim_v) const {
    return head_dim_qk <= head_dim_qk_ && head_dim_v <= head_dim_v_;
  }

  float* queries;         // [kRowTile][head_dim_qk], converted
  float* packed_queries;  // [kBlocks][head_dim_qk][kBlockRows]
  float* keys;            // [kKeyTile][head_dim_qk], converted
  float* packed_keys;
  float* values;  // [kKeyTile][head_dim_v rounded up to kPanel], converted
  float* packed_values;
  float* weights;  // [kRowTile][kKeyTile]: products, then weights
  float* sums;     // [kRowTile][head_dim_v rounded up to kPanel]
  float* rescale;  // [kRowTile]
  float* bias;     // [kRowTile][kKeyTile]
  const float* key_rows[kKeyTile];
  const float* value_rows[kKeyTile];
  KeySpan hull[kRowTile];
  KeyBits seen[kRowTile];  // of the tile of keys in hand
  KeyBits block_seen[kBlocks];
  bool saw_any[kRowTile];  // in this tile of keys or one before
  RowState state[kRowTile];

 private:
  struct Free {
    void operator()(float* memory) const { ::operator delete[](memory, std::align_val_t{64}); }
  };
  int head_dim_qk_;
  int head_dim_v_;
  std::unique_ptr<float[], Free> memory_;
};

struct RowTile {
  std::int64_t request = 0;
  std::int64_t kv_head = 0;
  std::int64_t first = 0;  // of its rows
};

// Writes out, and lse where it is asked for, of min(kRowTile, all that are left) rows.
void AttendRowTile(const attest_problem_t& problem, const attest_forward_args_t& args,
                   const RowTile& tile, Scratch& scratch);

}  // namespace attest::cpu

#endif  // ATTEST_BACKENDS_CPU_ROW_TILE_H_
