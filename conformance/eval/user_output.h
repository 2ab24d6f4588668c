// SPDX-License-Identifier: Apache-2.0
//
// Arrays with a line of numbers for each query row and head, in the order in which the user's
// queries lie: what eval writes and what judge reads.
#ifndef ATTEST_CONFORMANCE_EVAL_USER_OUTPUT_H_
#define ATTEST_CONFORMANCE_EVAL_USER_OUTPUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "conformance/eval/npy.h"
#include "conformance/eval/user_problem.h"
#include "reference/oracle.h"

namespace attest {

enum class LineKind : std::uint8_t {
  kOut,     // [..., head_dim_v], as the query
  kNumber,  // one number a line: packed [tokens, heads], bhsd and bsh [batch, heads, seq], bshd
            // [batch, seq, heads]
  kKeys,    // as kNumber, and a last axis of max seq_len keys
};

// Shape of an array of all rows of the call.
std::vector<std::int64_t> LineShape(const UserProblem& about, LineKind kind);
// Where a line lies in an array of that shape: offset and step in elements.
struct LinePlace {
  std::int64_t first = 0;
  std::int64_t step = 1;
};
class LineFinder {
 public:
  LineFinder(const UserProblem& about, LineKind kind, const std::vector<std::int64_t>& strides);
  LinePlace At(QueryRow row, int q_head) const;

 private:
  TokenStrides strides_;
};

// An array of some element type that is written line by line: either of all rows, shaped as the
// user's queries, or of chosen rows, [rows, heads, ...] in their order. Elements of no line hold
// `fill`.
template <typename Element>
class LineArray {
 public:
  LineArray(const UserProblem& about, LineKind kind, const std::vector<QueryRow>* chosen,
            Element fill)
      : heads_(about.problem.num_q_heads), chosen_(chosen != nullptr) {
    shape_ = LineShape(about, kind);
    if (chosen_) {
      const bool bare = kind == LineKind::kNumber;
      const std::int64_t width =
          kind == LineKind::kOut ? about.problem.head_dim_v : MaxSeqLen(about.problem);
      shape_ = {static_cast<std::int64_t>(chosen->size()), heads_};
      if (!bare) shape_.push_back(width);
      width_ = bare ? 1 : width;
    } else {
      finder_.emplace_back(about, kind, DenseStrides(shape_));
    }
    std::size_t count = 1;
    for (const std::int64_t n : shape_) count *= static_cast<std::size_t>(n);
    data_.assign(count, fill);
  }

  // Element `c` of the line of row number `n` of the rows in question.
  Element& At(std::size_t n, QueryRow row, int q_head, std::int64_t c) {
    if (chosen_) {
      const std::int64_t line = static_cast<std::int64_t>(n) * heads_ + q_head;
      return data_[static_cast<std::size_t>(line * width_ + c)];
    }
    const LinePlace place = finder_.front().At(row, q_head);
    return data_[static_cast<std::size_t>(place.first + c * place.step)];
  }

  std::string File(NpyType type) const { return NpyFile(type, shape_, data_.data()); }

 private:
  std::int64_t heads_;
  bool chosen_;
  std::int64_t width_ = 1;
  std::vector<std::int64_t> shape_;
  std::vector<LineFinder> finder_;  // none with chosen rows
  std::vector<Element> data_;
};

// "0:3-7,2:0" = rows 3..7 of request 0 and row 0 of request 2; "1" = all rows of request 1. Sorted,
// each once. Bad input: anything else, or a row that the call has not.
Result<std::vector<QueryRow>> ParseRows(const std::string& text, const Problem& problem);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_EVAL_USER_OUTPUT_H_
