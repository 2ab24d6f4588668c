// SPDX-License-Identifier: Apache-2.0
#include "reference/testing/numbers_call.h"

namespace attest::testing {

Call MakeCall(Random* random, Problem problem, const Numbers& n) {
  problem.head_dim_qk = static_cast<int>(n.q[0].size());
  problem.head_dim_v = static_cast<int>(n.v[0].size());
  problem.scale = n.scale;
  problem.sinks = n.has_sink;
  problem.requests = {{.q_len = static_cast<std::int64_t>(n.rows()),
                       .seq_len = static_cast<std::int64_t>(n.keys())}};
  const auto at = [](std::int64_t index) { return static_cast<std::size_t>(index); };
  return BuildCall(
      random, problem,
      {.query = [&](std::int64_t row, auto, std::int64_t c) { return n.q[at(row)][at(c)]; },
       .key = [&](auto, std::int64_t key, auto, std::int64_t c) { return n.Key(at(key), at(c)); },
       .value = [&](auto, std::int64_t key, auto,
                    std::int64_t c) { return n.Value(at(key), at(c)); },
       .sink = [&](auto) { return n.sink; },
       .slope = [&](auto) { return n.slope; },
       .tree = {},
       .mask = [&](auto, auto, std::int64_t row, std::int64_t key) -> double {
         return n.seen.empty() ? n.bias[at(row)][at(key)] : n.seen[at(row)][at(key)];
       },
       .scale = [&](auto, std::int64_t key, bool value) -> double {
         return (value ? n.value_scale : n.key_scale)[at(key)];
       }},
      false);
}

}  // namespace attest::testing
