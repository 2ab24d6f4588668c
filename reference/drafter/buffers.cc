// SPDX-License-Identifier: Apache-2.0
//
// The persistent buffers of runner R1's proposer: how long they are and what graphs need of them.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "reference/drafter/proposer.h"

namespace attest::drafter {
namespace {

std::int64_t LargestCaptured(const BufferLimits& limits) {
  return limits.captured_sizes.empty() ? 0 : limits.captured_sizes.back();
}

const Buffer* Find(const std::vector<Buffer>& buffers, std::string_view name) {
  const auto found = std::find_if(buffers.begin(), buffers.end(),
                                  [name](const Buffer& buffer) { return buffer.name == name; });
  return found == buffers.end() ? nullptr : &*found;
}

std::string WhyPlaceIsUnsafe(const BufferPlace& place, const Buffer& buffer,
                             const std::vector<BufferPlace>& first, const BufferLimits& limits) {
  if (!buffer.in_graph) return {};
  if (place.length < LargestCaptured(limits)) {
    return fmt::format("{} holds {} rows, the largest captured size is {}", place.name,
                       place.length, LargestCaptured(limits));
  }
  const auto captured =
      std::find_if(first.begin(), first.end(),
                   [&place](const BufferPlace& other) { return other.name == place.name; });
  if (captured == first.end() || captured->address == place.address) return {};
  return fmt::format("{} lies at {:#x}, but its graph was captured with {:#x}", place.name,
                     place.address, captured->address);
}

std::string WhyPlacesOverlap(std::vector<BufferPlace> places, const std::vector<Buffer>& buffers) {
  std::sort(places.begin(), places.end(),
            [](const BufferPlace& a, const BufferPlace& b) { return a.address < b.address; });
  for (std::size_t i = 1; i < places.size(); ++i) {
    const BufferPlace& before = places[i - 1];
    const Buffer* buffer = Find(buffers, before.name);
    const auto bytes = static_cast<std::uint64_t>(before.length * buffer->element);
    if (before.address + bytes > places[i].address) {
      return fmt::format("{} and {} overlap", before.name, places[i].name);
    }
  }
  return {};
}

}  // namespace

std::vector<Buffer> BuffersOf(const BufferLimits& limits, bool sized_for_graphs) {
  const std::int64_t steps = limits.max_num_seqs * (1 + limits.num_speculative_tokens);
  const std::int64_t query = sized_for_graphs ? std::max(steps, LargestCaptured(limits)) : steps;
  const std::int64_t batched = limits.max_num_batched_tokens;
  return {{.name = "input_ids", .length = batched, .element = 4, .in_graph = true},
          {.name = "positions", .length = query, .element = 8, .in_graph = true},
          {.name = "slot_mapping", .length = query, .element = 8, .in_graph = true},
          {.name = "context_positions", .length = batched, .element = 8},
          {.name = "context_slots", .length = batched, .element = 8},
          {.name = "arange", .length = batched + query + 1, .element = 4}};
}

std::int64_t PaddedTokens(const BufferLimits& limits, std::int64_t num_tokens) {
  const auto found =
      std::lower_bound(limits.captured_sizes.begin(), limits.captured_sizes.end(), num_tokens);
  return found == limits.captured_sizes.end() ? num_tokens : *found;
}

std::string WhyStepDoesNotFit(const std::vector<Buffer>& buffers, const BufferLimits& limits,
                              std::int64_t num_tokens) {
  const std::int64_t padded = PaddedTokens(limits, num_tokens);
  for (const Buffer& buffer : buffers) {
    if (!buffer.in_graph || buffer.length >= padded) continue;
    return fmt::format("{} holds {} rows, the {} is {}", buffer.name, buffer.length,
                       padded == num_tokens ? "step" : "captured size", padded);
  }
  return {};
}

std::string WhyAddressesAreUnsafe(const std::vector<std::vector<BufferPlace>>& steps,
                                  const std::vector<Buffer>& buffers, const BufferLimits& limits) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    std::string why;
    for (const BufferPlace& place : steps[i]) {
      const Buffer* buffer = Find(buffers, place.name);
      if (buffer == nullptr) return fmt::format("step {}: no buffer is named {}", i, place.name);
      if (why.empty()) why = WhyPlaceIsUnsafe(place, *buffer, steps.front(), limits);
    }
    if (why.empty()) why = WhyPlacesOverlap(steps[i], buffers);
    if (!why.empty()) return fmt::format("step {}: {}", i, why);
  }
  return {};
}

}  // namespace attest::drafter
