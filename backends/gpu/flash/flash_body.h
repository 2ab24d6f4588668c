// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_FLASH_FLASH_BODY_H_
#define ATTEST_BACKENDS_GPU_FLASH_FLASH_BODY_H_

#include "backends/gpu/split.h"

namespace attest::gpu::flash {

using FlashParams = MergeParams;

// Work: TileWork or TensorTileWork. Grid: [row tiles, num_kv_heads, splits].
template <typename Work, bool kCausal>
GPU_KERNEL(Work::C::kThreads)
FlashKernel(const FlashParams params) {
  using Config = typename Work::C;
  const AttentionParams& p = params.attention;
  const int kv_head = static_cast<int>(Block().y);
  const int split = static_cast<int>(Block().z);
  const RowTile tile = RowTileAt(p, static_cast<int>(Block().x), Config::kRows);
  if (tile.rows == 0) return;
  Band keys = HullOf<kCausal>(p, tile);
  const int end = keys.last;
  Splits splits;
  if (FitsOneTile(p, params.splits, tile.request)) splits = SplitsOf(params.splits, keys);
  if (split >= splits.count) return;
  if (splits.count > 1) {
    keys.first = Max(keys.first, splits.first + split * splits.size);
    keys.last = Min(keys.last, splits.first + (split + 1) * splits.size);
  }

  Work work;
  work.LoadQuery(p, tile, kv_head);
  const Row rows[] = {RowOf(p, tile, kv_head, work.RowIndex(0)),
                      RowOf(p, tile, kv_head, work.RowIndex(1))};
  const Band bands[] = {BandOf<kCausal>(p, tile.request.seq_len, rows[0].position),
                        BandOf<kCausal>(p, tile.request.seq_len, rows[1].position)};
  // Tiles begin at multiples of their size, whatever the hull: a row meets the same sums in any
  // tile.
  for (int first = keys.first / Config::kKeys * Config::kKeys; first < keys.last;
       first += Config::kKeys) {
    work.Visit(
        p, p.key, p.value, kv_head, rows[0].real,
        [&](int j) { return first + j >= keys.first && first + j < end; },
        [&](int j) { return PlaceOf(p, tile.request, first + j); },
        [&](int r, int j, float product) {
          const Row& row = rows[r];
          if (!row.real || !bands[r].Contains(first + j)) return MinusInfinity();
          return row.rule.Of(product, row.position, first + j);
        });
  }
  work.JoinLanes();
  GPU_UNROLL
  for (int r = 0; r < Config::kRowsPerThread; ++r) {
    if (splits.count > 1) {
      StorePartialRow(p, params.splits, work, tile, split, kv_head, r);
    } else {
      StoreRow(p, work, rows[r], r);
    }
  }
}

// Grid: [num_requests, num_kv_heads].
template <bool kCausal>
GPU_KERNEL(kMergeThreads)
MergeKernel(const MergeParams params) {
  const AttentionParams& p = params.attention;
  RowTile tile;
  tile.request = RequestAt(p, static_cast<int>(Block().x));
  tile.rows = tile.request.q_len * p.group;
  if (tile.rows == 0 || !FitsOneTile(p, params.splits, tile.request)) return;
  const Splits splits = SplitsOf(params.splits, HullOf<kCausal>(p, tile));
  if (splits.count == 1) return;
  for (int index = 0; index < tile.rows; ++index) {
    MergeRow(p, params.splits, tile, splits.count, static_cast<int>(Block().y), index);
  }
}

}  // namespace attest::gpu::flash

#endif  // ATTEST_BACKENDS_GPU_FLASH_FLASH_BODY_H_
