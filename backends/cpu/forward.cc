// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/forward.h"

#include <cstdint>

#include "backends/cpu/int_list.h"

namespace attest::cpu {
namespace {

// The cut depends on the lengths of each request alone, and so do the bits of its results.
std::vector<RowTile> TilesOf(const attest_problem_t& problem, const attest_forward_args_t& args) {
  const IntList starts(args.query_start_loc);
  const std::int64_t group = problem.num_q_heads / problem.num_kv_heads;
  std::vector<RowTile> tiles;
  for (std::int64_t r = 0; r < problem.num_requests; ++r) {
    const std::int64_t rows = (starts[r + 1] - starts[r]) * group;
    for (std::int64_t head = 0; head < problem.num_kv_heads; ++head) {
      for (std::int64_t first = 0; first < rows; first += kRowTile) {
        tiles.push_back({r, head, first});
      }
    }
  }
  return tiles;
}

}  // namespace

void Engine::Forward(const attest_problem_t& problem, const attest_forward_args_t& args) {
  const std::vector<RowTile> tiles = TilesOf(problem, args);
  if (scratch_.empty() || !scratch_.front().Fits(problem.head_dim_qk, problem.head_dim_v)) {
    scratch_.clear();
    for (int i = 0; i < parallel_.threads(); ++i) {
      scratch_.emplace_back(problem.head_dim_qk, problem.head_dim_v);
    }
  }
  const auto count = static_cast<std::int64_t>(tiles.size());
  parallel_.For(count, [&](std::int64_t index, int worker) {
    // Last tiles first: under a causal mask they are the longest.
    const RowTile& tile = tiles[static_cast<std::size_t>(count - 1 - index)];
    AttendRowTile(problem, args, tile, scratch_[static_cast<std::size_t>(worker)]);
  });
}

}  // namespace attest::cpu
