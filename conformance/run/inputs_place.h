// SPDX-License-Identifier: Apache-2.0
//
// Where each tensor of a call lies in the image, for every layout of the vocabulary.
#ifndef ATTEST_CONFORMANCE_RUN_INPUTS_PLACE_H_
#define ATTEST_CONFORMANCE_RUN_INPUTS_PLACE_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
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

// Tensors of attest_write_kv_args_t, with `slots` entries of slot_mapping. The caches, and scales
// that the call computes, are its outputs. Bad input: as above.
Result<Placement> PlaceWriteKv(const Problem& problem, const PagePlan& plan, std::int64_t slots);

// part_out_0, part_lse_0, part_out_1, ..., out, lse.
Placement PlaceMerge(const Problem& problem, int parts);

// Byte `position` of a canary.
std::byte CanaryByte(std::uint64_t position);
// Fills everything between the regions.
void FillCanaries(const Placement& placement, std::vector<std::byte>& bytes);
// Fills a region with the never-written pattern of its type.
void FillNeverWritten(const Region& region, std::vector<std::byte>& bytes);

// Where element [i0, i1, ...] of tensor `name` stands.
std::byte* ElementAt(CallImage& image, std::string_view name,
                     std::initializer_list<std::int64_t> index);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_INPUTS_PLACE_H_
