// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_BACKENDS_GPU_GRAPH_METADATA_BODY_H_
#define ATTEST_BACKENDS_GPU_GRAPH_METADATA_BODY_H_

#include "backends/gpu/device.h"
#include "backends/gpu/graph/metadata.h"

namespace attest::gpu::graph {

// Ranges past the step's belong to no request.
template <int kThreads>
GPU_FUNCTION void TakeRanges(const MetadataParams& p) {
  for (std::int64_t i = ThreadX(); i < p.most_ranges; i += kThreads) {
    for (int part = 0; part < 3; ++part) {
      p.ranges[i * 3 + part] =
          i < p.prefix_ranges.count
              ? p.prefix_ranges.data[i * p.prefix_ranges.row + part * p.prefix_ranges.column]
              : -1;
    }
  }
}

// Grid: [most_requests + 1].
template <int kThreads>
GPU_KERNEL(kThreads)
MetadataKernel(const MetadataParams p) {
  const int request = static_cast<int>(Block().x);
  const bool live = request < p.num_requests;
  if (ThreadX() == 0) {
    const int start = Min(request, p.num_requests);
    p.starts[request] = p.query_start_loc.data[start * p.query_start_loc.column];
    if (request < p.most_requests) {
      p.lengths[request] = live ? p.seq_lens.data[request * p.seq_lens.column] : 0;
    }
  }
  if (request == 0) TakeRanges<kThreads>(p);
  if (!live || p.table == nullptr) return;
  const std::int64_t to = static_cast<std::int64_t>(request) * p.pitch;
  const std::int64_t from = request * p.block_table.row;
  for (int entry = ThreadX(); entry < p.width; entry += kThreads) {
    p.table[to + entry] = p.block_table.data[from + entry * p.block_table.column];
  }
}

}  // namespace attest::gpu::graph

#endif  // ATTEST_BACKENDS_GPU_GRAPH_METADATA_BODY_H_
