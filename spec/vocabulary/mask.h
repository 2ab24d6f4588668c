// SPDX-License-Identifier: Apache-2.0
//
// The one definition of which keys a query row sees. Clauses: spec/clauses/masks.md. Everything
// that draws, computes or judges a mask asks here; the grids in mask_test.cc are drawn by hand, so
// that this definition is not its own witness.
#ifndef ATTEST_SPEC_VOCABULARY_MASK_H_
#define ATTEST_SPEC_VOCABULARY_MASK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "spec/vocabulary/problem.h"
#include "spec/vocabulary/tensor_view.h"

namespace attest {

// Position of query row `row` of request `request`: seq_len - q_len + row. Negative when q_len >
// seq_len. Cross attention has no common axis of queries and keys; its rows have no position and
// this is not called.
std::int64_t PositionOf(const Problem& problem, std::size_t request, std::int64_t row);

// Half-open range of keys; empty ranges have first == last.
struct KeyRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

// Does row `row` (0 <= row < q_len) of request `request` see key `key`, as far as the numbers of
// the problem say? Keys outside 0 <= key < seq_len are invisible to every row. Tree masks and
// custom masks are tensors and belong to Mask; this ignores custom masks and calls every new token
// of a tree visible.
bool Visible(const Problem& problem, std::size_t request, std::int64_t row, std::int64_t key);

// A range that contains every key `row` sees. Exact, each key in it visible, when
// IsInterval(problem).
KeyRange VisibleHull(const Problem& problem, std::size_t request, std::int64_t row);

// No tree mask, prefix ranges or custom mask: what a row sees is one range, the same for all heads.
bool IsInterval(const Problem& problem);

// The tensors that have a say in a mask; shapes as in attest_forward_args_t. Those that the problem
// does not name are not looked at.
struct MaskTensors {
  TensorView tree_mask;
  TensorView custom_mask;
};

// Visible with every term. `problem` outlives it.
class Mask {
 public:
  explicit Mask(const Problem& problem, MaskTensors tensors = {});

  bool Visible(std::size_t request, int q_head, std::int64_t row, std::int64_t key) const;

  // seen[i] = 1 where key range.first + i is visible, else 0. Returns how many are.
  std::int64_t Fill(std::size_t request, int q_head, std::int64_t row, KeyRange range,
                    std::uint8_t* seen) const;

 private:
  const Problem& problem_;
  MaskTensors tensors_;
  std::vector<std::int64_t> first_token_;  // of each request, a row of tree_mask
};

}  // namespace attest

#endif  // ATTEST_SPEC_VOCABULARY_MASK_H_
