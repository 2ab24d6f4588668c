// SPDX-License-Identifier: Apache-2.0
//
// From a case to the bytes of its tensors. All tensors of a call lie in one image, each between
// canaries, so that one comparison after the call proves that nothing but the outputs changed.
#ifndef ATTEST_CONFORMANCE_RUN_INPUTS_H_
#define ATTEST_CONFORMANCE_RUN_INPUTS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "reference/oracle.h"
#include "spec/cases/case.h"
#include "spec/vocabulary/status.h"

namespace attest {

struct PlacedTensor {
  std::string name;  // member of attest_forward_args_t: "query", "key_cache", ...
  DType dtype = DType::kNone;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  // in elements
  std::uint64_t offset = 0;  // of element [0, 0, ...], in bytes from the start of the image
  bool output = false;       // "out", "lse": the only elements that may change
};

struct CallImage {
  std::vector<std::byte> bytes;
  std::vector<PlacedTensor> tensors;

  const PlacedTensor* Find(std::string_view name) const;
  // Absent tensors give an absent view.
  TensorView View(std::string_view name) const;
};

struct CaseInputs {
  attest_problem_t abi;  // complete, with num_blocks and block_table_width
  CallImage image;       // out and lse filled with the never-written pattern
  // Logical code of V for Recipe::kVCoded (see DecodeRow in conformance/probe/decode.h): multiplier
  // of the +-1 code.
  double code_unit = 1.0;
};

// Fills every tensor of `value` from (id, seed): the same bytes on every machine. Distinct physical
// pages in a seeded random order, never page 0 (which is poisoned); table entries past the live
// pages, slots past seq_len, gaps and padding rows hold the case's poison.
Result<CaseInputs> BuildInputs(const Case& value, std::uint64_t seed);

// The tensors as the oracle reads them.
AttentionTensors TensorsOf(const CallImage& image);

// The element pattern that outputs are filled with before a call: a NaN whose payload no arithmetic
// produces. Bytes of one element of `dtype`.
std::vector<std::byte> NeverWritten(DType dtype);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_INPUTS_H_
