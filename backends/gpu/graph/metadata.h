// SPDX-License-Identifier: Apache-2.0
//
// The metadata of a step, taken over into the buffers that a captured graph reads. Requests past
// the step's have no rows and no keys there, whatever an earlier step left.
#ifndef ATTEST_BACKENDS_GPU_GRAPH_METADATA_H_
#define ATTEST_BACKENDS_GPU_GRAPH_METADATA_H_

#include <cstdint>

#include "backends/gpu/launch.h"
#include "backends/gpu/params.h"

namespace attest::gpu::graph {

struct MetadataParams {
  // The caller's, for the step.
  IntView query_start_loc;  // [num_requests + 1]
  IntView seq_lens;         // [num_requests]
  IntView block_table;      // [num_requests, width], or absent
  RangeView prefix_ranges;  // or absent
  std::int32_t num_requests = 0;
  std::int32_t width = 0;
  // The graph's, dense, for the largest step.
  std::int32_t* starts = nullptr;   // [most_requests + 1]
  std::int32_t* lengths = nullptr;  // [most_requests]
  std::int32_t* table = nullptr;    // [most_requests, most_width]
  std::int64_t* ranges = nullptr;   // [most_ranges, 3]
  std::int32_t most_requests = 0;
  std::int32_t most_width = 0;
  std::int32_t pitch = 0;  // entries from row to row of `table`: most_width
  std::int64_t most_ranges = 0;
};

// Computes nothing else; outside of every graph.
Launch TakeMetadata(const MetadataParams& params);

}  // namespace attest::gpu::graph

#endif  // ATTEST_BACKENDS_GPU_GRAPH_METADATA_H_
