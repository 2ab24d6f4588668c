// SPDX-License-Identifier: Apache-2.0
#include "conformance/eval/token_layout.h"

#include <array>

namespace attest {

namespace {
constexpr std::array<std::string_view, 4> kWords = {"packed", "bhsd", "bshd", "bsh"};
}  // namespace

std::string_view Name(BatchLayout layout) { return kWords.at(static_cast<std::size_t>(layout)); }

std::optional<BatchLayout> ParseBatchLayout(std::string_view name) {
  for (std::size_t i = 0; i < kWords.size(); ++i) {
    if (kWords[i] == name) return static_cast<BatchLayout>(i);
  }
  return std::nullopt;
}

TokenSizes SizesOf(BatchLayout layout, const std::vector<std::int64_t>& shape, std::int64_t heads) {
  switch (layout) {
    case BatchLayout::kPacked:
      return {.batch = 1, .seq = shape[0], .heads = shape[1], .dim = shape[2]};
    case BatchLayout::kBhsd:
      return {.batch = shape[0], .seq = shape[2], .heads = shape[1], .dim = shape[3]};
    case BatchLayout::kBshd:
      return {.batch = shape[0], .seq = shape[1], .heads = shape[2], .dim = shape[3]};
    case BatchLayout::kBsh:
      return {.batch = shape[0], .seq = shape[1], .heads = heads, .dim = shape[2] / heads};
  }
  return {};
}

std::vector<std::int64_t> ShapeOf(BatchLayout layout, const TokenSizes& sizes) {
  switch (layout) {
    case BatchLayout::kPacked:
      return {sizes.seq, sizes.heads, sizes.dim};
    case BatchLayout::kBhsd:
      return {sizes.batch, sizes.heads, sizes.seq, sizes.dim};
    case BatchLayout::kBshd:
      return {sizes.batch, sizes.seq, sizes.heads, sizes.dim};
    case BatchLayout::kBsh:
      return {sizes.batch, sizes.seq, sizes.heads * sizes.dim};
  }
  return {};
}

TokenStrides StridesOf(BatchLayout layout, const std::vector<std::int64_t>& array_strides,
                       std::int64_t dim, const std::vector<std::int64_t>& lengths) {
  const std::vector<std::int64_t>& s = array_strides;
  TokenStrides strides;
  switch (layout) {
    case BatchLayout::kPacked:
      strides = {.token = s[0], .head = s[1], .dim = s[2]};
      break;
    case BatchLayout::kBhsd:
      strides = {.token = s[2], .head = s[1], .dim = s[3]};
      break;
    case BatchLayout::kBshd:
      strides = {.token = s[1], .head = s[2], .dim = s[3]};
      break;
    case BatchLayout::kBsh:
      strides = {.token = s[1], .head = dim * s[2], .dim = s[2]};
      break;
  }
  std::int64_t start = 0;
  for (std::size_t r = 0; r < lengths.size(); ++r) {
    strides.request.push_back(IsBatched(layout) ? static_cast<std::int64_t>(r) * s[0] : start);
    start += lengths[r] * strides.token;
  }
  return strides;
}

}  // namespace attest
