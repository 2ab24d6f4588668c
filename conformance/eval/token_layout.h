// SPDX-License-Identifier: Apache-2.0
//
// How the tokens of all requests lie in one array of a user: packed one after the other as in
// attest_forward_args_t, or as a batch of equally long, padded rows as ONNX and torch have it.
#ifndef ATTEST_CONFORMANCE_EVAL_TOKEN_LAYOUT_H_
#define ATTEST_CONFORMANCE_EVAL_TOKEN_LAYOUT_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "conformance/eval/npy.h"

namespace attest {

enum class BatchLayout : std::uint8_t {
  kPacked,  // [tokens, heads, dim]
  kBhsd,    // [batch, heads, seq, dim]
  kBshd,    // [batch, seq, heads, dim]
  kBsh,     // [batch, seq, heads * dim]
};
std::string_view Name(BatchLayout layout);  // "packed" "bhsd" "bshd" "bsh"
std::optional<BatchLayout> ParseBatchLayout(std::string_view name);
constexpr bool IsBatched(BatchLayout layout) { return layout != BatchLayout::kPacked; }
constexpr std::size_t RankOf(BatchLayout layout) {
  return layout == BatchLayout::kPacked || layout == BatchLayout::kBsh ? 3 : 4;
}

// The sizes of an array by their meaning. Of packed arrays, batch is 1 and seq counts all tokens.
struct TokenSizes {
  std::int64_t batch = 1;
  std::int64_t seq = 0;
  std::int64_t heads = 0;
  std::int64_t dim = 0;
};
// `heads` is needed for kBsh alone. `shape` has RankOf(layout) axes.
TokenSizes SizesOf(BatchLayout layout, const std::vector<std::int64_t>& shape, std::int64_t heads);
std::vector<std::int64_t> ShapeOf(BatchLayout layout, const TokenSizes& sizes);

// Element [c] of head h of token i of request r is number
// request[r] + i*token + h*head + c*dim of the array.
struct TokenStrides {
  std::vector<std::int64_t> request;
  std::int64_t token = 0;
  std::int64_t head = 0;
  std::int64_t dim = 0;

  std::int64_t At(std::size_t r, std::int64_t i, std::int64_t h, std::int64_t c) const {
    return request[r] + i * token + h * head + c * dim;
  }
};
// `lengths`: tokens of each request; packed requests follow one another.
TokenStrides StridesOf(BatchLayout layout, const std::vector<std::int64_t>& array_strides,
                       std::int64_t dim, const std::vector<std::int64_t>& lengths);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_EVAL_TOKEN_LAYOUT_H_
