// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/forward.h"

#include <algorithm>

#include "backends/cpu/int_list.h"

namespace attest::cpu {
namespace {

// What a worker needs, behind one pointer: a std::function keeps that without an allocation.
struct Work {
  const attest_problem_t& problem;
  const attest_forward_args_t& args;
  const std::vector<RowTile>& tiles;
  std::vector<Scratch>& scratch;
};

}  // namespace

void FindTiles(const attest_problem_t& problem, const attest_forward_args_t& args,
               std::vector<RowTile>& tiles) {
  const IntList starts(args.query_start_loc);
  const std::int64_t group = problem.num_q_heads / problem.num_kv_heads;
  tiles.clear();
  for (std::int64_t r = 0; r < problem.num_requests; ++r) {
    const std::int64_t rows = (starts[r + 1] - starts[r]) * group;
    for (std::int64_t head = 0; head < problem.num_kv_heads; ++head) {
      for (std::int64_t first = 0; first < rows; first += kRowTile) {
        tiles.push_back({r, head, first});
      }
    }
  }
}

std::int64_t MostTiles(const attest_problem_t& maximum) {
  const std::int64_t rows =
      maximum.num_actual_tokens * (maximum.num_q_heads / maximum.num_kv_heads);
  return (rows / kRowTile + maximum.num_requests) * maximum.num_kv_heads;
}

void Engine::Forward(const attest_problem_t& problem, const attest_forward_args_t& args) {
  std::vector<RowTile> tiles;
  FindTiles(problem, args, tiles);
  Reserve(problem.head_dim_qk, problem.head_dim_v);
  Attend(problem, args, tiles);
}

void Engine::Reserve(int head_dim_qk, int head_dim_v) {
  if (!scratch_.empty() && scratch_.front().Fits(head_dim_qk, head_dim_v)) return;
  scratch_.clear();
  largest_qk_ = std::max(largest_qk_, head_dim_qk);
  largest_v_ = std::max(largest_v_, head_dim_v);
  for (int i = 0; i < parallel_.threads(); ++i) scratch_.emplace_back(largest_qk_, largest_v_);
}

void Engine::Attend(const attest_problem_t& problem, const attest_forward_args_t& args,
                    const std::vector<RowTile>& tiles) {
  const Work work = {problem, args, tiles, scratch_};
  const auto count = static_cast<std::int64_t>(tiles.size());
  parallel_.For(count, [&work](std::int64_t index, int worker) {
    // Last tiles first: under a causal mask they are the longest.
    const RowTile& tile = work.tiles[work.tiles.size() - 1 - static_cast<std::size_t>(index)];
    AttendRowTile(work.problem, work.args, tile, work.scratch[static_cast<std::size_t>(worker)]);
  });
}

}  // namespace attest::cpu
