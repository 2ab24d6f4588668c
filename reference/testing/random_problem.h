// SPDX-License-Identifier: Apache-2.0
//
// Small random attention calls for tests of the reference: all that a Problem can say.
#ifndef ATTEST_REFERENCE_TESTING_RANDOM_PROBLEM_H_
#define ATTEST_REFERENCE_TESTING_RANDOM_PROBLEM_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "reference/attention_tensors.h"
#include "reference/testing/random.h"
#include "spec/vocabulary/problem.h"

namespace attest::testing {

using Index = std::vector<std::int64_t>;

// A tensor with memory of its own.
struct StoredTensor {
  std::vector<std::byte> bytes;  // empty: an absent tensor
  DType dtype = DType::kNone;
  Index shape;
  Index strides;  // in elements

  TensorView View() const;
  std::byte* At(const Index& index);
};

// Every byte is 0xFF, which is NaN in each float format and -1 in each integer format.
// `strides` in elements; none may be negative.
StoredTensor MakeTensor(DType dtype, const Index& shape, const Index& strides);
StoredTensor MakeDense(DType dtype, const Index& shape);
// Axes in a random order in memory, random gaps between lines of each axis.
StoredTensor MakeScattered(Random* random, DType dtype, const Index& shape);

void SetInt32(StoredTensor* tensor, const Index& index, std::int32_t value);
void SetFloat(StoredTensor* tensor, const Index& index, double value);

struct Call {
  Problem problem;
  StoredTensor query, key, value, key_cache, value_cache;
  StoredTensor query_start_loc, seq_lens, block_table, sinks;
  StoredTensor alibi_slopes, tree_mask, custom_mask, key_scale, value_scale;

  AttentionTensors Tensors() const;
};

// Numbers that a call is filled with. Columns run over head_dim_qk for query and key, head_dim_v
// for value.
struct Fill {
  std::function<double(std::int64_t token, std::int64_t head, std::int64_t column)> query;
  std::function<double(std::size_t request, std::int64_t key, std::int64_t head,
                       std::int64_t column)>
      key;
  std::function<double(std::size_t request, std::int64_t key, std::int64_t head,
                       std::int64_t column)>
      value;
  std::function<double(std::int64_t head)> sink;
  std::function<double(std::int64_t head)> slope;
  // Does row see the new token `token` of its request?
  std::function<bool(std::size_t request, std::int64_t row, std::int64_t token)> tree;
  // Element of a custom mask: not 0 is visible, or what is added.
  std::function<double(std::size_t request, std::int64_t head, std::int64_t row, std::int64_t key)>
      mask;
  // Of a key or value, whose stored number is the number above divided by it. Scales that many keys
  // share are asked for once, for key 0 of request 0.
  std::function<double(std::size_t request, std::int64_t key, bool value)> scale;
};

// Lays the tensors of `problem` out, pages in random order, and fills every live element. All else
// is NaN, or -1 in the block table. With page_aliasing a page of a request may stand for its pages
// 1 and 2 as well, with the contents of the last. Members of `fill` that `problem` has no use for
// may be empty.
Call BuildCall(Random* random, const Problem& problem, const Fill& fill, bool scattered);

// What a random problem may contain.
Problem RandomProblem(Random* random);
Fill RandomFill(Random* random);

}  // namespace attest::testing

#endif  // ATTEST_REFERENCE_TESTING_RANDOM_PROBLEM_H_
