// SPDX-License-Identifier: Apache-2.0
//
// What an expectation is computed from: the tensors of one call and the rows somebody asks about.
#ifndef ATTEST_REFERENCE_ATTENTION_TENSORS_H_
#define ATTEST_REFERENCE_ATTENTION_TENSORS_H_

#include <cstdint>

#include "spec/vocabulary/tensor_view.h"

namespace attest {

// The tensors of one call, in host memory, shapes as in attest_forward_args_t. Absent ones have no
// data.
struct AttentionTensors {
  TensorView query;
  TensorView key;
  TensorView value;
  TensorView key_cache;
  TensorView value_cache;
  TensorView query_start_loc;
  TensorView seq_lens;
  TensorView block_table;
  TensorView sinks;
  TensorView alibi_slopes;
  TensorView tree_mask;
  TensorView custom_mask;
  TensorView key_scale;
  TensorView value_scale;
};

struct QueryRow {
  int request = 0;
  std::int64_t row = 0;  // within the request
  bool operator==(const QueryRow&) const = default;
};

}  // namespace attest

#endif  // ATTEST_REFERENCE_ATTENTION_TENSORS_H_
