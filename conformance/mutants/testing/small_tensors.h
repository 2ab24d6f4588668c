// SPDX-License-Identifier: Apache-2.0
//
// Tensors for a small problem, of every dtype and layout, for tests of the mutants: random values,
// scattered pages, and one finite or non-finite number in everything dead.
#ifndef ATTEST_CONFORMANCE_MUTANTS_TESTING_SMALL_TENSORS_H_
#define ATTEST_CONFORMANCE_MUTANTS_TESTING_SMALL_TENSORS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "conformance/mutants/in_process.h"

namespace attest::testing {

struct SmallOptions {
  double query_size = 1.0;             // queries are random in +-query_size
  double key_shift = 0.0;              // added to every key element; queries are then all positive
  double dead = 3.0;                   // in every slot that no request owns
  std::int32_t garbage = 1;            // in the table past the live entries
  bool page_zero_past_window = false;  // entries of pages that no row's left window reaches are 0
  bool alias_first_page = false;       // the second page of each request is its first again
  int page_zero = 0;                   // what those entries are
  double cache_size = 0;               // cached numbers are in +-cache_size; 0: 1, or 4 in 8 bits
  double dead_scale = 0;               // of dead slots; 0: as the others
  double slope = 0;                    // of all heads; 0: distinct ones
  bool whole_rows_masked = false;      // every other row of an additive mask is minus infinity
  int table_gap = 0;                   // columns past the longest request
  double output = 0;                   // what the output holds
};

class SmallTensors {
 public:
  SmallTensors(const Problem& problem, const SmallOptions& options);
  SmallTensors(const SmallTensors&) = delete;
  SmallTensors& operator=(const SmallTensors&) = delete;

  const AttentionTensors& tensors() const { return tensors_; }
  const OutputShapes& outputs() const { return outputs_; }

 private:
  std::byte* Add(TensorView& view, DType dtype, const std::vector<std::int64_t>& shape,
                 const std::vector<std::int64_t>& strides);
  double Random(double low, double high);
  void Fill(const TensorView& view, const std::vector<std::int64_t>& index, double low,
            double high);
  void AddTokens();
  void AddCache();
  void AddTable();
  void FillCache();
  void AddExtras();

  Problem problem_;
  SmallOptions options_;
  AttentionTensors tensors_;
  OutputShapes outputs_;
  std::deque<std::vector<std::byte>> buffers_;
  std::vector<bool> live_;  // one a slot
  std::uint64_t state_ = 7;
};

}  // namespace attest::testing

#endif  // ATTEST_CONFORMANCE_MUTANTS_TESTING_SMALL_TENSORS_H_
