// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_FLEX_FLEX_BODY_H_
#define ATTEST_BACKENDS_GPU_FLEX_FLEX_BODY_H_

#include <cstddef>

#include "backends/gpu/flex/flex_config.h"
#include "backends/gpu/flex/flex_mask.h"
#include "backends/gpu/tile.h"

namespace attest::gpu::flex {

struct FlexParams {
  AttentionParams attention;
  std::int32_t* logical_of = nullptr;  // [num_requests, num_blocks]: logical block, or -1
  std::int32_t* page_count = nullptr;  // [row tiles]
  std::int32_t* page_list = nullptr;   // [row tiles, width]: pages that a row tile may need
  std::int32_t num_blocks = 0;
  std::int32_t width = 0;          // of the block table
  std::int32_t rows = 0;           // of a row tile
  std::int32_t logical_order = 0;  // else the list is in the order of the pages
};

// ---- The inverse page table

// Grid: [num_requests].
template <int kThreads>
GPU_KERNEL(kThreads)
InvertKernel(const FlexParams params) {
  const AttentionParams& p = params.attention;
  const Request request = RequestAt(p, static_cast<int>(Block().x));
  std::int32_t* const logical_of =
      params.logical_of + static_cast<std::int64_t>(request.index) * params.num_blocks;
  for (int page = ThreadX(); page < params.num_blocks; page += kThreads) logical_of[page] = -1;
  Barrier();
  const int blocks = (request.seq_len + p.block_size - 1) / p.block_size;
  for (int block = ThreadX(); block < blocks; block += kThreads) {
    const std::int32_t page =
        p.block_table.data[request.index * p.block_table.row + block * p.block_table.column];
    // Dead entries name page 0 several times: the last one counts.
    (void)AtomicMax(logical_of + page, block);
  }
}

// ---- The block mask, as a list of pages for each row tile

struct Candidate {
  int page = 0;
  int logical = -1;  // -1: none
};

GPU_FUNCTION Candidate CandidateAt(const FlexParams& params, const Request& request, int index) {
  const AttentionParams& p = params.attention;
  const std::int32_t* const logical_of =
      params.logical_of + static_cast<std::int64_t>(request.index) * params.num_blocks;
  if (params.logical_order == 0) return {index, logical_of[index]};
  const int page =
      p.block_table.data[request.index * p.block_table.row + index * p.block_table.column];
  return {page, logical_of[page] == index ? index : -1};
}

// Grid: [row tiles].
template <typename Mask>
GPU_KERNEL(kBuildThreads)
ListKernel(const FlexParams params) {
  const AttentionParams& p = params.attention;
  const int tile_index = static_cast<int>(Block().x);
  const RowTile tile = RowTileAt(p, tile_index, params.rows);
  if (tile.rows == 0) return;
  Mask mask;
  mask.Begin(p, tile);
  const int blocks = (tile.request.seq_len + p.block_size - 1) / p.block_size;
  const int candidates = params.logical_order == 0 ? params.num_blocks : blocks;
  const int share = (candidates + kBuildThreads - 1) / kBuildThreads;
  const int first = Min(candidates, ThreadX() * share);
  const int last = Min(candidates, first + share);
  const auto needed = [&](const Candidate& candidate) {
    const int key = candidate.logical * p.block_size;
    return candidate.logical >= 0 && mask.MayNeed(p, tile, {key, key + p.block_size});
  };

  int own = 0;
  for (int i = first; i < last; ++i) own += needed(CandidateAt(params, tile.request, i)) ? 1 : 0;
  int* const counts = static_cast<int*>(SharedMemory());
  counts[ThreadX()] = own;
  Barrier();
  int before = 0;
  int total = 0;
  for (int thread = 0; thread < kBuildThreads; ++thread) {
    if (thread < ThreadX()) before += counts[thread];
    total += counts[thread];
  }
  std::int32_t* const list =
      params.page_list + static_cast<std::int64_t>(tile_index) * params.width;
  for (int i = first; i < last; ++i) {
    const Candidate candidate = CandidateAt(params, tile.request, i);
    if (needed(candidate)) list[before++] = candidate.page;
  }
  if (ThreadX() == 0) params.page_count[tile_index] = total;
}

// ---- Attention

// Where the keys of a row tile come from, one after the other.
struct KeyList {
  const std::int32_t* pages = nullptr;       // null: packed tokens, in their order
  const std::int32_t* logical_of = nullptr;  // of the request
  int first = 0;                             // packed: the first key
  int count = 0;                             // keys in all, seen or not
  int block_size = 1;

  GPU_FUNCTION int KeyAt(int index) const {
    if (index >= count) return -1;
    if (pages == nullptr) return first + index;
    return logical_of[pages[index / block_size]] * block_size + index % block_size;
  }
  GPU_FUNCTION Place PlaceAt(const Request& request, int index) const {
    if (pages == nullptr) return {0, static_cast<std::int64_t>(request.start) + first + index};
    return {pages[index / block_size], index % block_size};
  }
};

// `hull`: of packed keys, which have no pages to choose from.
GPU_FUNCTION KeyList KeyListOf(const FlexParams& params, const RowTile& tile, int tile_index,
                               const Band& hull) {
  const AttentionParams& p = params.attention;
  KeyList list;
  if (p.block_table.data == nullptr) {
    list.first = hull.first;
    list.count = Max(0, hull.last - hull.first);
    return list;
  }
  list.pages = params.page_list + static_cast<std::int64_t>(tile_index) * params.width;
  list.logical_of =
      params.logical_of + static_cast<std::int64_t>(tile.request.index) * params.num_blocks;
  list.block_size = p.block_size;
  list.count = params.page_count[tile_index] * p.block_size;
  return list;
}

// Grid: [row tiles, num_kv_heads].
template <typename Config, typename Mask>
GPU_KERNEL(Config::kThreads)
FlexKernel(const FlexParams params) {
  const AttentionParams& p = params.attention;
  const int tile_index = static_cast<int>(Block().x);
  const int kv_head = static_cast<int>(Block().y);
  const RowTile tile = RowTileAt(p, tile_index, Config::kRows);
  if (tile.rows == 0) return;
  Mask mask;
  mask.Begin(p, tile);
  const KeyList list = KeyListOf(params, tile, tile_index, HullOf<false>(p, tile));

  TileWork<Config> work;
  work.LoadQuery(p, tile, kv_head);
  const Row rows[] = {RowOf(p, tile, kv_head, work.RowIndex(0)),
                      RowOf(p, tile, kv_head, work.RowIndex(1))};
  for (int first = 0; first < list.count; first += Config::kKeys) {
    work.Visit(
        p, p.key, p.value, kv_head, rows[0].real,
        [&](int j) {
          const int key = list.KeyAt(first + j);
          return key >= 0 && mask.Needs(p, tile, key);
        },
        [&](int j) { return list.PlaceAt(tile.request, first + j); },
        [&](int r, int j, float product) {
          const Row& row = rows[r];
          const int key = list.KeyAt(first + j);
          const bool seen = row.real && key >= 0 && mask.Sees(p, tile.request, row.position, key);
          return seen ? row.rule.Of(product, row.position, key) : MinusInfinity();
        });
  }
  work.JoinLanes();
  GPU_UNROLL
  for (int r = 0; r < Config::kRowsPerThread; ++r) StoreRow(p, work, rows[r], r);
}

}  // namespace attest::gpu::flex

#endif  // ATTEST_BACKENDS_GPU_FLEX_FLEX_BODY_H_
