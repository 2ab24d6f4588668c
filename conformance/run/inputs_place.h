// SPDX-License-Identifier: Apache-2.0
//
// Where each tensor of a call lies in the image, for every layout of the vocabulary.
#ifndef ATTEST_CONFORMANCE_RUN_INPUTS_PLACE_H_
#define ATTEST_CONFORMANCE_RUN_INPUTS_PLACE_H_

#include <cstdint>
#include <vector>

#include "conformance/run/inputs.h"
#include "conformance/run/inputs_pages.h"
#include "spec/vocabulary/problem.h"

namespace attest {

// A run of bytes that belongs to one tensor, or to those that share a buffer.
struct Region {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  DType dtype = DType::kNone;
  bool output = false;
};

struct Placement {
  std::uint64_t bytes = 0;  // of the image
  std::vector<PlacedTensor> tensors;
  std::vector<Region> regions;  // ascending; what lies between them is canary, at least 256 bytes
};

// All tensors that the problem has, 256-byte aligned. Bad input: a layout that its sizes rule out
// (x-split with a head size that is no multiple of x).
Result<Placement> PlaceTensors(const Problem& problem, const PagePlan& plan);

// Byte `position` of a canary.
std::byte CanaryByte(std::uint64_t position);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_INPUTS_PLACE_H_
