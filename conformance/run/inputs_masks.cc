// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/inputs_masks.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "conformance/run/inputs_random.h"
#include "conformance/run/inputs_rows.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

constexpr std::uint64_t kEmptyRows = 16;   // one of so many sees no key
constexpr std::uint64_t kRemovedKeys = 8;  // one of so many gets minus infinity

// The parent of each new token of a tree, -1 for those that follow the context. Half of the tokens
// continue their neighbour, so that there are long branches; the others are siblings of something.
std::vector<std::int64_t> DrawTree(std::uint64_t key, std::int64_t tokens) {
  std::vector<std::int64_t> parents;
  for (std::int64_t token = 0; token < tokens; ++token) {
    const std::uint64_t random = Draw(key, static_cast<std::uint64_t>(token));
    const auto older = static_cast<std::uint64_t>(token) + 1;
    const bool chain = (random & 1) != 0;
    parents.push_back(chain ? token - 1 : static_cast<std::int64_t>(Below(random >> 8, older)) - 1);
  }
  return parents;
}

// Trees of so many tokens are listed in any order, smaller ones with parents before children.
constexpr std::int64_t kAnyOrder = 20;

// The row at which each token of a tree stands (MASK-27).
std::vector<std::int64_t> DrawPlaces(std::uint64_t key, std::int64_t tokens) {
  std::vector<std::int64_t> places(static_cast<std::size_t>(tokens));
  std::iota(places.begin(), places.end(), std::int64_t{0});
  if (tokens < kAnyOrder) return places;
  for (std::size_t last = places.size() - 1; last > 0; --last) {
    std::swap(places[last], places[Below(Draw(key, last), last + 1)]);
  }
  return places;
}

DrawnMask DrawTreeMask(const Case& value, std::uint64_t seed, const Texts& texts) {
  const Problem& p = value.problem;
  DrawnMask mask = {TreeMaskShape(p), {}};
  const std::int64_t columns = mask.shape.shape[1];
  const std::uint64_t stream = StreamKey(value.id, seed, "tree_mask");
  for (std::int64_t i = 0; i < mask.shape.elements; ++i) {
    mask.bytes.push_back(static_cast<std::byte>(Draw(stream, static_cast<std::uint64_t>(i)) & 1));
  }
  std::int64_t first = 0;
  for (std::size_t r = 0; r < p.requests.size(); ++r) {
    const std::int64_t tokens = p.requests[r].q_len;
    const std::uint64_t key = Chain(stream, texts.Of(r).index);
    const auto parents = DrawTree(key, tokens);
    const auto places = DrawPlaces(Chain(key, 1), tokens);
    for (std::size_t token = 0; token < places.size(); ++token) {
      std::byte* row = mask.bytes.data() + (first + places[token]) * columns;
      std::fill(row, row + tokens, std::byte{0});
      for (auto seen = static_cast<std::int64_t>(token); seen >= 0;
           seen = parents[static_cast<std::size_t>(seen)]) {
        row[places[static_cast<std::size_t>(seen)]] = std::byte{1};
      }
    }
    first += tokens;
  }
  return mask;
}

// Draws the elements of one custom mask.
class CustomDraw {
 public:
  CustomDraw(const Case& value, std::uint64_t seed, const Texts& texts)
      : case_(value),
        p_(value.problem),
        texts_(texts),
        stream_(StreamKey(value.id, seed, "custom_mask")),
        mask_{CustomMaskShape(value.problem), {}} {}

  DrawnMask Run() {
    const std::vector<std::int64_t>& shape = mask_.shape.shape;
    const MaskBroadcast& flat = p_.custom_mask_broadcast;
    mask_.bytes.resize(static_cast<std::size_t>(mask_.shape.elements) * SizeOf(mask_.shape.dtype));
    const auto stored = [&shape](bool broadcast, std::size_t axis) {
      return broadcast ? std::min<std::int64_t>(shape[axis], 1) : shape[axis];
    };
    for (std::int64_t r = 0; r < stored(flat.request, 0); ++r) {
      for (std::int64_t h = 0; h < stored(flat.head, 1); ++h) {
        for (std::int64_t i = 0; i < stored(flat.row, 2); ++i) {
          PutRow(static_cast<std::size_t>(r), h, i, stored(flat.key, 3));
        }
      }
    }
    return std::move(mask_);
  }

 private:
  void PutRow(std::size_t request, std::int64_t head, std::int64_t row, std::int64_t keys) {
    const MaskBroadcast& flat = p_.custom_mask_broadcast;
    const bool cross = p_.attention_type == AttentionType::kEncoderDecoder;
    const std::uint64_t text = flat.request ? 0 : texts_.Of(request).index + 1;
    const std::int64_t place =
        flat.request || cross ? row : PositionOf(p_, request, row);  // of the whole batch: its rows
    std::uint64_t key = Chain(Chain(stream_, text), static_cast<std::uint64_t>(head));
    if (!flat.row) key = Chain(key, static_cast<std::uint64_t>(place));
    const std::int64_t rows = flat.request ? MaxQueryLen(p_) : p_.requests[request].q_len;
    const std::int64_t own = flat.request ? MaxSeqLen(p_) : p_.requests[request].seq_len;
    const bool garbage = !flat.row && row >= rows;
    const bool empty = !flat.row && Below(Draw(key, 0), kEmptyRows) == 0;
    for (std::int64_t k = 0; k < keys; ++k) {
      const std::uint64_t random = Draw(key, static_cast<std::uint64_t>(k) + 1);
      std::byte* at = At(static_cast<std::int64_t>(request), head, row, k);
      if (garbage || (!flat.key && k >= own)) {
        PutGarbage(random, at);
      } else {
        Put(random, empty, at);
      }
    }
  }

  void Put(std::uint64_t random, bool empty, std::byte* at) const {
    if (p_.custom_mask == MaskKind::kBoolean) {
      *at = static_cast<std::byte>(!empty && Below(random, 10) < 7 ? 1 : 0);
      return;
    }
    const bool removed = empty || Below(random, kRemovedKeys) == 0;
    const double bias = (static_cast<double>(Below(random >> 8, 64)) - 32.0) / 8.0;
    StoreElement(mask_.shape.dtype, removed ? -std::numeric_limits<double>::infinity() : bias, at);
  }

  // Mostly "visible", so that a leak shows.
  void PutGarbage(std::uint64_t random, std::byte* at) const {
    if (p_.custom_mask == MaskKind::kBoolean) {
      *at = static_cast<std::byte>(Below(random, 8) != 0 ? 1 : 0);
    } else {
      StorePoison(case_.poison, mask_.shape.dtype, random, at);
    }
  }

  std::byte* At(std::int64_t request, std::int64_t head, std::int64_t row, std::int64_t key) {
    const std::vector<std::int64_t>& strides = mask_.shape.strides;
    const std::int64_t element =
        request * strides[0] + head * strides[1] + row * strides[2] + key * strides[3];
    return mask_.bytes.data() + static_cast<std::size_t>(element) * SizeOf(mask_.shape.dtype);
  }

  const Case& case_;
  const Problem& p_;
  const Texts& texts_;
  std::uint64_t stream_;
  DrawnMask mask_;
};

}  // namespace

MaskShape TreeMaskShape(const Problem& problem) {
  const std::int64_t tokens = NumTokens(problem) + problem.padding_tokens;
  const std::int64_t columns = MaxQueryLen(problem) + problem.max_query_len_slack;
  return {DType::kBool, {tokens, columns}, {columns, 1}, tokens * columns};
}

MaskShape CustomMaskShape(const Problem& problem) {
  const MaskBroadcast& flat = problem.custom_mask_broadcast;
  MaskShape mask;
  mask.dtype =
      problem.custom_mask == MaskKind::kBoolean ? DType::kBool : problem.additive_mask_dtype;
  mask.shape = {static_cast<std::int64_t>(problem.requests.size()), problem.num_q_heads,
                MaxQueryLen(problem) + problem.max_query_len_slack,
                MaxSeqLen(problem) + problem.max_seq_len_slack};
  mask.strides.resize(mask.shape.size());
  mask.elements = 1;
  const std::vector<bool> broadcast = {flat.request, flat.head, flat.row, flat.key};
  for (std::size_t axis = mask.shape.size(); axis-- > 0;) {
    mask.strides[axis] = broadcast[axis] ? 0 : mask.elements;
    if (!broadcast[axis] || mask.shape[axis] == 0) mask.elements *= mask.shape[axis];
  }
  return mask;
}

TensorView DrawnMask::View() const {
  if (shape.shape.empty()) return {};
  return {
      .data = bytes.data(), .dtype = shape.dtype, .shape = shape.shape, .strides = shape.strides};
}

DrawnMasks DrawMasks(const Case& value, std::uint64_t seed, const Texts& texts) {
  DrawnMasks masks;
  if (value.problem.tree_mask) masks.tree = DrawTreeMask(value, seed, texts);
  if (value.problem.custom_mask != MaskKind::kNone) {
    masks.custom = CustomDraw(value, seed, texts).Run();
  }
  return masks;
}

}  // namespace attest
