// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/inputs_arena.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace attest {
namespace {

using Extents = std::vector<std::int64_t>;

constexpr std::array<std::string_view, 7> kOfTokens = {"query", "key",          "value",    "out",
                                                       "lse",   "slot_mapping", "tree_mask"};
constexpr std::array<std::string_view, 4> kOfPages = {"key_cache", "value_cache", "key_scale",
                                                      "value_scale"};

template <std::size_t kCount>
bool IsOneOf(const std::array<std::string_view, kCount>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// In elements, from the first to the end of the last.
std::int64_t ExtentOf(const PlacedTensor& tensor) {
  std::int64_t last = 0;
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    if (tensor.shape[axis] == 0) return 0;
    last += (tensor.shape[axis] - 1) * tensor.strides[axis];
  }
  return last + 1;
}

std::uint64_t BytesOf(const PlacedTensor& tensor) {
  return static_cast<std::uint64_t>(ExtentOf(tensor)) * SizeOf(tensor.dtype);
}

bool Fits(const Extents& shape, const Extents& room) {
  if (shape.size() != room.size()) return false;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] > room[axis]) return false;
  }
  return true;
}

// Elements of `from` to the same indices of `to`; runs along the last axis where both are dense.
void CopyElements(const CallImage& source, const PlacedTensor& from, CallImage& target,
                  const PlacedTensor& to) {
  if (ExtentOf(from) == 0) return;
  const std::size_t size = SizeOf(from.dtype);
  Extents shape = from.shape;
  std::size_t run = size;
  if (from.strides.back() == 1 && to.strides.back() == 1) {
    run = size * static_cast<std::size_t>(shape.back());
    shape.back() = 1;
  }
  Extents index(shape.size(), 0);
  for (;;) {
    std::int64_t at = 0;
    std::int64_t onto = 0;
    for (std::size_t axis = 0; axis < index.size(); ++axis) {
      at += index[axis] * from.strides[axis];
      onto += index[axis] * to.strides[axis];
    }
    std::memcpy(target.bytes.data() + to.offset + static_cast<std::uint64_t>(onto) * size,
                source.bytes.data() + from.offset + static_cast<std::uint64_t>(at) * size, run);
    std::size_t axis = index.size();
    while (axis-- > 0) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
    if (axis == static_cast<std::size_t>(-1)) return;
  }
}

}  // namespace

Result<Arena> Arena::Build(const Case& value, std::uint64_t seed) {
  Arena arena(value);
  arena.value_.kind = CaseKind::kForward;
  arena.value_.steps.clear();
  Case roomy = arena.value_;
  roomy.problem.padding_tokens += kSpareTokens;
  Result<CaseInputs> built = BuildInputs(roomy, seed);
  if (!built.ok()) return built.status();
  arena.whole_ = built->image;
  arena.maximum_ = std::move(*built);
  for (PlacedTensor& tensor : arena.maximum_.image.tensors) {
    if (IsOneOf(kOfTokens, tensor.name)) tensor.shape[0] -= kSpareTokens;
  }
  return arena;
}

Result<StepInputs> Arena::Put(const Problem& problem, std::uint64_t seed) {
  StepInputs step;
  step.value = value_;
  step.value.problem = problem;
  step.value.content_hash.clear();
  const Result<CaseInputs> built = BuildInputs(step.value, seed, {.page_seed = seed});
  if (!built.ok()) return built.status();
  Poison(whole_);
  step.inputs.abi = built->abi;
  step.inputs.code_unit = built->code_unit;
  for (const PlacedTensor& from : built->image.tensors) {
    const PlacedTensor* room = whole_.Find(from.name);
    if (room == nullptr) return BadInput(fmt::format("{}: not of the maximum", from.name));
    PlacedTensor placed = *room;
    const bool table = from.name == "block_table";
    if (table) placed.strides = from.strides;
    const bool pages = IsOneOf(kOfPages, from.name);
    if (!pages) placed.shape = from.shape;
    const bool fits = Fits(from.shape, room->shape) && ExtentOf(placed) <= ExtentOf(*room);
    if (!fits) return BadInput(fmt::format("{}: larger than that of the maximum", from.name));
    PlacedTensor onto = placed;
    onto.shape = from.shape;
    if (!from.output) CopyElements(built->image, from, whole_, onto);
    step.inputs.image.tensors.push_back(std::move(placed));
  }
  if (problem.uses_paged_kv()) step.inputs.abi.num_blocks = maximum_.abi.num_blocks;
  step.inputs.image.bytes = whole_.bytes;
  return step;
}

void Arena::Poison(CallImage& image) const {
  for (const PlacedTensor& tensor : whole_.tensors) {
    if (!tensor.output) continue;
    // maximum_ keeps the bytes of the beginning.
    std::memcpy(image.bytes.data() + tensor.offset, maximum_.image.bytes.data() + tensor.offset,
                BytesOf(tensor));
  }
}

}  // namespace attest
