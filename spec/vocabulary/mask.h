// SPDX-License-Identifier: Apache-2.0
//
// The one definition of which keys a query row sees. Clauses: spec/clauses/masks.md. Everything
// that draws, computes or judges a mask calls Visible; the grids in mask_test.cc are drawn by hand,
// so that this definition is not its own witness.
#ifndef ATTEST_SPEC_VOCABULARY_MASK_H_
#define ATTEST_SPEC_VOCABULARY_MASK_H_

#include <cstddef>
#include <cstdint>

#include "spec/vocabulary/problem.h"

namespace attest {

// Position of query row `row` of request `request`: seq_len - q_len + row. Negative when q_len >
// seq_len. Cross attention has no common axis of queries and keys; its rows have no position and
// this is not called.
std::int64_t PositionOf(const Problem& problem, std::size_t request, std::int64_t row);

// Does row `row` (0 <= row < q_len) of request `request` see key `key`? Keys outside 0 <= key <
// seq_len are invisible to every row.
bool Visible(const Problem& problem, std::size_t request, std::int64_t row, std::int64_t key);

// Half-open range of keys that contains every key `row` sees; empty ranges have first == last.
// Without tree masks, prefix ranges and custom masks it is exact: each key in it is visible.
struct KeyRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
};
KeyRange VisibleHull(const Problem& problem, std::size_t request, std::int64_t row);

}  // namespace attest

#endif  // ATTEST_SPEC_VOCABULARY_MASK_H_
