// SPDX-License-Identifier: Apache-2.0
//
// Tree masks and custom masks, drawn before anything else: they decide which slots are dead.
#ifndef ATTEST_CONFORMANCE_RUN_INPUTS_MASKS_H_
#define ATTEST_CONFORMANCE_RUN_INPUTS_MASKS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "conformance/run/inputs_texts.h"
#include "spec/cases/case.h"
#include "spec/vocabulary/mask.h"

namespace attest {

// Shape and strides in elements of custom_mask; an axis that is broadcast is stored once and has
// stride 0. Elements that are stored.
struct MaskShape {
  DType dtype = DType::kNone;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
  std::int64_t elements = 0;
};
MaskShape TreeMaskShape(const Problem& problem);    // [T, max_query_len], dense
MaskShape CustomMaskShape(const Problem& problem);  // [R, Hq, max_query_len, max_seq_len]

// A tensor with memory of its own; no bytes where the problem has none.
struct DrawnMask {
  MaskShape shape;
  std::vector<std::byte> bytes;
  TensorView View() const;
};

struct DrawnMasks {
  DrawnMask tree;
  DrawnMask custom;
  MaskTensors Tensors() const { return {tree.View(), custom.View()}; }
};

// Columns of a tree at q_len and beyond hold garbage, and so do rows and keys of a custom mask past
// those of the request, or of all requests where one plane serves them all.
DrawnMasks DrawMasks(const Case& value, std::uint64_t seed, const Texts& texts);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_INPUTS_MASKS_H_
