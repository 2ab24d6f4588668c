// SPDX-License-Identifier: Apache-2.0
//
// Masks as hooks. Each says whether a row sees a key, and whether any row of a tile sees one:
// exactly for a key, at least for a range of keys.
#ifndef ATTEST_BACKENDS_GPU_FLEX_FLEX_MASK_H_
#define ATTEST_BACKENDS_GPU_FLEX_FLEX_MASK_H_

#include "backends/gpu/tile.h"

namespace attest::gpu::flex {

// A decoder's or an encoder's window, causal or bidirectional.
template <bool kCausal>
struct WindowMask {
  Band hull;  // of the tile

  GPU_FUNCTION void Begin(const AttentionParams& p, const RowTile& tile) {
    hull = HullOf<kCausal>(p, tile);
  }
  GPU_FUNCTION bool MayNeed(const AttentionParams& /*p*/, const RowTile& /*tile*/,
                            const Band& keys) const {
    return keys.first < hull.last && hull.first < keys.last;
  }
  GPU_FUNCTION bool Needs(const AttentionParams& /*p*/, const RowTile& /*tile*/, int key) const {
    return hull.Contains(key);
  }
  GPU_FUNCTION bool Sees(const AttentionParams& p, const Request& request, int position,
                         int key) const {
    return BandOf<kCausal>(p, request.seq_len, position).Contains(key);
  }
};

// Prefix-LM: the positions of a range see one another as well.
template <typename Base>
struct PrefixMask {
  Base base;

  struct Range {
    std::int64_t first;
    std::int64_t last;
    GPU_FUNCTION bool Contains(std::int64_t at) const { return at >= first && at <= last; }
  };
  // Calls visit(range) for the ranges of a request until it returns true.
  template <typename Visit>
  GPU_FUNCTION static bool AnyRange(const AttentionParams& p, int request, Visit visit) {
    const RangeView& view = p.prefix_ranges;
    for (std::int64_t i = 0; i < view.count; ++i) {
      const std::int64_t* const entry = view.data + i * view.row;
      if (entry[0] == request && visit(Range{entry[view.column], entry[2 * view.column]})) {
        return true;
      }
    }
    return false;
  }

  GPU_FUNCTION void Begin(const AttentionParams& p, const RowTile& tile) { base.Begin(p, tile); }
  GPU_FUNCTION bool MayNeed(const AttentionParams& p, const RowTile& tile, const Band& keys) const {
    const Positions at = PositionsOf(p, tile);
    return base.MayNeed(p, tile, keys) || AnyRange(p, tile.request.index, [&](const Range& range) {
             return range.first <= at.last && at.first <= range.last && range.first < keys.last &&
                    keys.first <= range.last;
           });
  }
  GPU_FUNCTION bool Needs(const AttentionParams& p, const RowTile& tile, int key) const {
    if (base.Needs(p, tile, key)) return true;
    if (key >= tile.request.seq_len) return false;
    const Positions at = PositionsOf(p, tile);
    return AnyRange(p, tile.request.index, [&](const Range& range) {
      // The nearest row of the tile that stands in the range.
      const std::int64_t nearest = Max(std::int64_t{at.first}, range.first);
      return range.Contains(key) && nearest <= at.last && nearest <= range.last &&
             !Clamped(p, nearest, key);
    });
  }
  GPU_FUNCTION bool Sees(const AttentionParams& p, const Request& request, int position,
                         int key) const {
    if (base.Sees(p, request, position, key)) return true;
    if (key >= request.seq_len || Clamped(p, position, key)) return false;
    return AnyRange(p, request.index, [&](const Range& range) {
      return range.Contains(position) && range.Contains(key);
    });
  }
  GPU_FUNCTION static bool Clamped(const AttentionParams& p, std::int64_t position, int key) {
    return p.prefix_clamped != 0 && position - key >= p.window_left;
  }
};

}  // namespace attest::gpu::flex

#endif  // ATTEST_BACKENDS_GPU_FLEX_FLEX_MASK_H_
