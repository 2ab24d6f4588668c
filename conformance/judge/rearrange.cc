// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/rearrange.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace attest {
namespace {

constexpr std::int64_t kAll = -1;  // of an axis: every index

// One tensor in two images, and how slices of it are carried over.
class Carrier {
 public:
  Carrier(const CallImage& source, CallImage& target, std::string_view name)
      : source_(source), target_(target), from_(source.Find(name)), to_(target.Find(name)) {}

  bool present() const { return from_ != nullptr && to_ != nullptr; }
  std::size_t rank() const { return from_->shape.size(); }
  const PlacedTensor& to() const { return *to_; }

  // Element [from] to [to]; a kAll axis, the same in both, runs over what both tensors have.
  void Copy(std::vector<std::int64_t> from, std::vector<std::int64_t> to, std::size_t axis = 0) {
    while (axis < from.size() && from[axis] != kAll) ++axis;
    if (axis == from.size()) {
      std::memcpy(Writable(target_, *to_, to), At(from), SizeOf(to_->dtype));
      return;
    }
    const std::int64_t extent = std::min(from_->shape[axis], to_->shape[axis]);
    for (std::int64_t i = 0; i < extent; ++i) {
      from[axis] = to[axis] = i;
      Copy(from, to, axis + 1);
    }
  }

  // Axis `axis` at `from` and `to`, all of the others.
  void CopyAt(std::size_t axis, std::int64_t from, std::int64_t to) {
    std::vector<std::int64_t> a(rank(), kAll);
    std::vector<std::int64_t> b = a;
    a[axis] = from;
    b[axis] = to;
    Copy(std::move(a), std::move(b));
  }

  // As CopyAt, of a page and a slot.
  void CopySlot(std::size_t slot_axis, std::int64_t from_page, std::int64_t to_page,
                std::int64_t slot) {
    std::vector<std::int64_t> a(rank(), kAll);
    a[slot_axis] = slot;
    std::vector<std::int64_t> b = a;
    a[0] = from_page;
    b[0] = to_page;
    Copy(std::move(a), std::move(b));
  }

 private:
  const std::byte* At(const std::vector<std::int64_t>& index) const {
    std::int64_t offset = 0;
    for (std::size_t axis = 0; axis < index.size(); ++axis) {
      offset += index[axis] * from_->strides[axis];
    }
    return source_.bytes.data() + from_->offset +
           offset * static_cast<std::int64_t>(SizeOf(from_->dtype));
  }

  const CallImage& source_;
  CallImage& target_;
  const PlacedTensor* from_;
  const PlacedTensor* to_;
};

std::int32_t Int32At(const TensorView& view, std::initializer_list<std::int64_t> index) {
  std::int32_t value = 0;
  std::memcpy(&value, view.At(index), sizeof(value));
  return value;
}

void StoreInt32(CallImage& image, std::string_view name, std::int64_t index, std::int64_t value) {
  const auto narrow = static_cast<std::int32_t>(value);
  std::memcpy(Writable(image, *image.Find(name), {index}), &narrow, sizeof(narrow));
}

void CopyTokens(const CallImage& source, std::int64_t from, CallImage& target, std::int64_t to,
                std::int64_t rows, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    Carrier carrier(source, target, name);
    if (!carrier.present()) continue;
    for (std::int64_t row = 0; row < rows; ++row) carrier.CopyAt(0, from + row, to + row);
  }
}

struct CacheCopy {
  std::int64_t first_key = 0;
  bool shared_scales = false;  // also those that belong to no token
};

// Keys of one request, through both block tables. Entries of dead pages may say anything.
void CopyCache(const CallImage& source, const RequestOf& from, CallImage& target,
               const RequestOf& to, const CacheCopy& what) {
  if (!to.problem.uses_paged_kv()) return;
  const bool x_split = to.problem.cache_layout == CacheLayout::kXSplit;
  const TensorView from_table = source.View("block_table");
  const TensorView to_table = target.View("block_table");
  struct Part {
    Carrier carrier;
    std::size_t slot_axis;
    bool scale;
  };
  std::vector<Part> parts = {{Carrier(source, target, "key_cache"), x_split ? 3U : 1U, false},
                             {Carrier(source, target, "value_cache"), x_split ? 3U : 1U, false},
                             {Carrier(source, target, "key_scale"), 1, true},
                             {Carrier(source, target, "value_scale"), 1, true}};
  const std::int64_t size = to.problem.block_size;
  for (std::int64_t key = what.first_key; key < to.problem.requests[to.request].seq_len; ++key) {
    const auto column = key / size;
    const std::int64_t a = Int32At(from_table, {static_cast<std::int64_t>(from.request), column});
    const std::int64_t b = Int32At(to_table, {static_cast<std::int64_t>(to.request), column});
    for (Part& part : parts) {
      if (!part.carrier.present()) continue;
      if (part.scale && !what.shared_scales && part.carrier.to().strides[1] == 0) continue;
      const std::int64_t pages = part.carrier.to().shape[0];
      if (a < 1 || b < 1 || b >= pages) continue;
      part.carrier.CopySlot(part.slot_axis, a, b, key % size);
    }
  }
}

}  // namespace

std::byte* Writable(CallImage& image, const PlacedTensor& tensor,
                    const std::vector<std::int64_t>& index) {
  std::int64_t offset = 0;
  for (std::size_t axis = 0; axis < index.size(); ++axis) {
    offset += index[axis] * tensor.strides[axis];
  }
  return image.bytes.data() + tensor.offset +
         offset * static_cast<std::int64_t>(SizeOf(tensor.dtype));
}

std::vector<std::int64_t> FirstTokens(const Problem& problem) {
  std::vector<std::int64_t> first = {0};
  for (const Request& request : problem.requests) first.push_back(first.back() + request.q_len);
  return first;
}

Problem PickRequests(const Problem& problem, const std::vector<std::size_t>& picks) {
  Problem picked = problem;
  picked.requests.clear();
  picked.request_causal.clear();
  picked.prefix_ranges.clear();
  picked.shared_prefix = 0;
  for (std::size_t i = 0; i < picks.size(); ++i) {
    picked.requests.push_back(problem.requests[picks[i]]);
    if (!problem.request_causal.empty()) {
      picked.request_causal.push_back(problem.request_causal[picks[i]]);
    }
    for (PrefixRange range : problem.prefix_ranges) {
      if (range.request != static_cast<std::int64_t>(picks[i])) continue;
      range.request = static_cast<std::int64_t>(i);
      picked.prefix_ranges.push_back(range);
    }
  }
  // Clamping is of ranges, and requests may have been picked that have none.
  if (picked.prefix_ranges.empty()) picked.prefix_clamped = false;
  return picked;
}

void CopyRequest(const CallImage& source, const RequestOf& from, CallImage& target,
                 const RequestOf& to) {
  const std::int64_t rows = to.problem.requests[to.request].q_len;
  CopyTokens(source, FirstTokens(from.problem)[from.request], target,
             FirstTokens(to.problem)[to.request], rows, {"query", "key", "value", "tree_mask"});
  CopyCache(source, from, target, to, {.shared_scales = true});
  Carrier mask(source, target, "custom_mask");
  if (mask.present()) {
    mask.CopyAt(0, static_cast<std::int64_t>(from.request), static_cast<std::int64_t>(to.request));
  }
}

void CopyContents(const CallImage& source, const RequestOf& from, CallImage& target,
                  const RequestOf& to) {
  const std::int64_t rows = to.problem.requests[to.request].q_len;
  CopyTokens(source, FirstTokens(from.problem)[from.request], target,
             FirstTokens(to.problem)[to.request], rows, {"query", "key", "value"});
  CopyCache(source, from, target, to, {.first_key = to.problem.shared_prefix});
}

void CopyGlobals(const CallImage& source, CallImage& target) {
  for (const std::string_view name : {"sinks", "alibi_slopes"}) {
    Carrier carrier(source, target, name);
    if (carrier.present()) carrier.Copy({kAll}, {kAll});
  }
}

CaseInputs TakeChunks(const CaseInputs& inputs, const Problem& problem,
                      const std::vector<Chunk>& chunks, Problem& chunked) {
  CaseInputs taken = inputs;
  chunked = problem;
  const std::vector<std::int64_t> first = FirstTokens(problem);
  std::int64_t token = 0;
  for (std::size_t r = 0; r < chunks.size(); ++r) {
    const auto& [begin, end] = chunks[r];
    chunked.requests[r] = {
        .q_len = end - begin,
        .seq_len = problem.requests[r].seq_len - problem.requests[r].q_len + end};
    CopyTokens(inputs.image, first[r] + begin, taken.image, token, end - begin,
               {"query", "key", "value", "slot_mapping"});
    token += end - begin;
    const auto index = static_cast<std::int64_t>(r);
    StoreInt32(taken.image, "query_start_loc", index + 1, token);
    StoreInt32(taken.image, "seq_lens", index, chunked.requests[r].seq_len);
  }
  taken.abi.num_actual_tokens = token;
  taken.abi.max_query_len = MaxQueryLen(chunked);
  taken.abi.max_seq_len = MaxSeqLen(chunked);
  return taken;
}

}  // namespace attest
