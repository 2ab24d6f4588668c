// SPDX-License-Identifier: Apache-2.0
#include "spec/cases/constraints.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace attest {
namespace {

std::string UnevenGroups(const Case& point) {
  const Problem& p = point.problem;
  if (p.num_kv_heads > 0 && p.num_q_heads % p.num_kv_heads == 0) return {};
  return fmt::format("{} query heads, {} KV heads", p.num_q_heads, p.num_kv_heads);
}

std::string PrefixOffPage(const Case& point) {
  const Problem& p = point.problem;
  if (p.shared_prefix == 0) return {};
  if (p.block_size == 0) return "no pages";
  if (p.shared_prefix % p.block_size != 0) {
    return fmt::format("prefix {}, block_size {}", p.shared_prefix, p.block_size);
  }
  for (const Request& r : p.requests) {
    if (r.seq_len < p.shared_prefix) {
      return fmt::format("prefix {}, seq_len {}", p.shared_prefix, r.seq_len);
    }
  }
  return {};
}

std::string WindowNeverBinds(const Case& point) {
  const Problem& p = point.problem;
  const std::int64_t narrowest = std::min(p.window_left > 0 ? p.window_left : p.window_right,
                                          p.window_right > 0 ? p.window_right : p.window_left);
  if (narrowest == 0 || narrowest < MaxSeqLen(p)) return {};
  return fmt::format("window {}, longest seq_len {}", narrowest, MaxSeqLen(p));
}

std::string RowsWithoutPosition(const Case& point) {
  for (const Request& r : point.problem.requests) {
    if (r.q_len > r.seq_len) return fmt::format("q_len {}, seq_len {}", r.q_len, r.seq_len);
  }
  return {};
}

// The largest query component that the recipe needs: a score over the scale and the key's component
// (conformance/run/inputs_rows.h).
double LargestQuery(const Case& point) {
  const double scale = std::abs(static_cast<double>(point.problem.scale));
  switch (point.recipe) {
    case Recipe::kVCoded:
      return 28.0;
    case Recipe::kKCoded:
      return 6.5 / (16.0 * scale);
    case Recipe::kGeneric:
    case Recipe::kCancelling:
      return 3.5 / (scale * std::sqrt(static_cast<double>(point.problem.head_dim_qk)));
    case Recipe::kPeaked:
      return 20.0 / scale;
    case Recipe::kPositive:
      return 200.0 / (16.0 * scale);
    case Recipe::kStepped:
      return 0.5 / scale;
  }
  return 0;
}

std::string QueryBeyondFloat16(const Case& point) {
  if (point.problem.query_dtype != DType::kFloat16 || LargestQuery(point) < 65504.0) return {};
  return fmt::format("{} inputs with scale {} need queries up to {:.0f}", Name(point.recipe),
                     point.problem.scale, LargestQuery(point));
}

}  // namespace

const std::vector<Constraint>& Constraints() {
  static const std::vector<Constraint> kConstraints = {
      {"whole-groups", "num_kv_heads divides num_q_heads", UnevenGroups},
      {"prefix-of-whole-pages", "a shared prefix is whole pages and no longer than any request",
       PrefixOffPage},
      {"window-binds", "the window is shorter than the longest request", WindowNeverBinds},
      {"rows-have-positions", "no request has more new tokens than keys", RowsWithoutPosition},
      {"float16-range", "the designed queries fit into float16", QueryBeyondFloat16},
  };
  return kConstraints;
}

const Constraint* FindConstraint(std::string_view name) {
  for (const Constraint& constraint : Constraints()) {
    if (constraint.name == name) return &constraint;
  }
  return nullptr;
}

}  // namespace attest
