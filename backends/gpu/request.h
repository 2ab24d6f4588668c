// SPDX-License-Identifier: Apache-2.0
//
// Device functions that every family shares: where the rows and keys of a request lie, which keys a
// row sees, and how a score is made.
#ifndef ATTEST_BACKENDS_GPU_REQUEST_H_
#define ATTEST_BACKENDS_GPU_REQUEST_H_

#include <cstdint>

#include "backends/gpu/params.h"

namespace attest::gpu {

struct Request {
  int index = 0;
  int start = 0;  // first row of query and out
  int q_len = 0;
  int seq_len = 0;
  // Of its row i: seq_len - q_len + i.
  GPU_FUNCTION int position(int row) const { return seq_len - q_len + row; }
};

GPU_FUNCTION Request RequestAt(const AttentionParams& p, int index) {
  const std::int32_t* starts = p.query_start_loc.data;
  const std::int64_t stride = p.query_start_loc.column;
  Request request;
  request.index = index;
  request.start = starts[index * stride];
  request.q_len = starts[(index + 1) * stride] - request.start;
  request.seq_len = p.seq_lens.data[index * p.seq_lens.column];
  return request;
}

// Tiles of `rows` rows of (token, query head of the group) over all requests, numbered so that no
// plan is needed: those of request r begin at first_row(r) / rows + r, which leaves each request at
// least as many as it needs. A request's spare tile has no rows.
struct RowTile {
  Request request;
  int first = 0;  // row of the request's packed rows (token * group + head)
  int rows = 0;   // that there are, 0 for a spare tile
};

GPU_BOTH std::int64_t NumRowTiles(std::int64_t tokens, std::int64_t requests, int group, int rows) {
  return tokens * group / rows + requests;
}

GPU_FUNCTION RowTile RowTileAt(const AttentionParams& p, int tile, int rows) {
  const std::int32_t* starts = p.query_start_loc.data;
  const std::int64_t stride = p.query_start_loc.column;
  const auto first_tile = [&](int request) {
    return static_cast<std::int64_t>(starts[request * stride]) * p.group / rows + request;
  };
  int low = 0;
  for (int high = p.num_requests; high - low > 1;) {  // the last request that begins at or before
    const int middle = (low + high) / 2;
    (first_tile(middle) <= tile ? low : high) = middle;
  }
  RowTile found;
  found.request = RequestAt(p, low);
  const std::int64_t first = (tile - first_tile(low)) * rows;
  const std::int64_t left = static_cast<std::int64_t>(found.request.q_len) * p.group - first;
  found.first = static_cast<int>(first);
  found.rows = static_cast<int>(Max(std::int64_t{0}, Min(left, std::int64_t{rows})));
  return found;
}

// Keys [first, last), empty if last <= first.
struct Band {
  int first = 0;
  int last = 0;
  GPU_FUNCTION bool Contains(int key) const { return key >= first && key < last; }
};

// What the row at `position` sees, before prefix ranges.
template <bool kCausal>
GPU_FUNCTION Band BandOf(const AttentionParams& p, int seq_len, int position) {
  const std::int64_t at = position;
  std::int64_t last = seq_len;
  if (kCausal) last = Min(last, at + 1);
  if (p.window_right < kFar) last = Min(last, at + p.window_right);
  const std::int64_t first =
      p.window_left < kFar ? Max(std::int64_t{0}, at + 1 - p.window_left) : std::int64_t{0};
  return {static_cast<int>(Min(first, std::int64_t{seq_len})),
          static_cast<int>(Max(last, std::int64_t{0}))};
}

struct Place {
  std::int64_t page = 0;
  std::int64_t slot = 0;
};

// Packed tokens are slots of one page.
GPU_FUNCTION Place PlaceOf(const AttentionParams& p, const Request& request, int key) {
  if (p.block_table.data == nullptr) return {0, static_cast<std::int64_t>(request.start) + key};
  const std::int64_t entry = key / p.block_size;
  return {p.block_table.data[request.index * p.block_table.row + entry * p.block_table.column],
          key % p.block_size};
}

GPU_FUNCTION std::int64_t OffsetOf(const RowView& rows, const Place& place, int head) {
  return place.page * rows.page + place.slot * rows.slot + head * rows.head;
}
GPU_FUNCTION std::int64_t ColumnOffset(const RowView& rows, int column) {
  return column / rows.piece * rows.piece_stride + column % rows.piece * rows.column;
}

// 1 without scales.
GPU_FUNCTION float ScaleAt(const ScaleView& scales, const Place& place, int head) {
  if (scales.data == nullptr) return 1.0F;
  return scales.data[place.page * scales.page + place.slot * scales.slot + head * scales.head];
}

GPU_OUTLINE float Softcapped(float score, float softcap) {
  return softcap * tanhf(score / softcap);
}

// A score from the product of query and key: scale, softcap, ALiBi, in this order.
struct ScoreRule {
  float scale;
  float softcap;
  float slope;  // 0: no ALiBi
  GPU_FUNCTION float Of(float product, int position, int key) const {
    float score = product * scale;
    if (softcap > 0.0F) score = Softcapped(score, softcap);
    if (slope != 0.0F) {
      const int distance = position > key ? position - key : key - position;
      score -= slope * static_cast<float>(distance);
    }
    return score;
  }
};

GPU_FUNCTION ScoreRule ScoreRuleOf(const AttentionParams& p, int head) {
  const float slope =
      p.alibi_slopes.data == nullptr ? 0.0F : p.alibi_slopes.data[head * p.alibi_slopes.column];
  return {p.scale, p.softcap, slope};
}

// Sum and maximum of an online softmax. Nothing seen: maximum -inf, sum 0.
struct SoftmaxState {
  float maximum = MinusInfinity();
  float sum = 0.0F;

  // Raises the maximum to `candidate` and returns the factor for what was summed before. While
  // nothing is seen the factor is 1: e^(-inf + inf) is no number.
  GPU_FUNCTION float Raise(float candidate) {
    const float raised = MaxOf(maximum, candidate);
    const float factor = raised == maximum ? 1.0F : Exp(maximum - raised);
    sum *= factor;
    maximum = raised;
    return factor;
  }
  GPU_FUNCTION float WeightOf(float score) const { return Exp(score - maximum); }
  // -inf where nothing was seen.
  GPU_FUNCTION float Lse() const { return sum > 0.0F ? maximum + logf(sum) : maximum; }
};

// Joins the denominator; returns the factor for the sums before it.
GPU_FUNCTION float AddSink(const AttentionParams& p, int head, SoftmaxState& state) {
  if (p.sinks.data == nullptr) return 1.0F;
  const float sink = p.sinks.data[head * p.sinks.column];
  const float factor = state.Raise(sink);
  state.sum += state.WeightOf(sink);
  return factor;
}

GPU_FUNCTION std::int64_t OutOffset(const AttentionParams& p, int token, int head) {
  return token * p.out.token + head * p.out.head;
}
GPU_FUNCTION void StoreLse(const AttentionParams& p, int token, int head, float lse) {
  if (p.lse.data != nullptr) p.lse.data[token * p.lse.row + head * p.lse.column] = lse;
}

}  // namespace attest::gpu

#endif  // ATTEST_BACKENDS_GPU_REQUEST_H_
