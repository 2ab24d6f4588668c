// SPDX-License-Identifier: Apache-2.0
#include "conformance/probe/box.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "conformance/run/protocol.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

// A logit whose weight vanishes beside any score near 0, in every format.
constexpr double kNoSink = -30000.0;

template <typename Value>
Value ValueAt(const TensorView& view, std::initializer_list<std::int64_t> index) {
  Value value{};
  std::memcpy(&value, view.At(index), sizeof(value));
  return value;
}

// The problem whose pages are laid out: no page is out of every row's sight. A case names page 0
// for such pages, all of them; a probe must tell which one was read.
Problem WithoutBounds(Problem problem) {
  problem.window_left = problem.window_right = 0;
  problem.local_block_size = problem.local_block_lookback = 0;
  problem.prefix_clamped = false;
  return problem;
}

std::string WhatItAnswered(const CallResult& call) {
  if (call.end == CallEnd::kAnswered) {
    return fmt::format("the backend answered {}{}{}", StatusWord(call.status),
                       call.message.empty() ? "" : ": ", call.message);
  }
  if (call.end == CallEnd::kTimeout) return "the backend gave no answer: " + call.message;
  return "the call did not end: " + call.message;
}

// Calls `visit` with the byte address of each element of the tensor.
template <typename Visit>
void EachElement(CallImage& image, const PlacedTensor& tensor, const Visit& visit) {
  std::vector<std::int64_t> index(tensor.shape.size(), 0);
  for (const std::int64_t extent : tensor.shape) {
    if (extent == 0) return;
  }
  const auto size = static_cast<std::int64_t>(SizeOf(tensor.dtype));
  for (;;) {
    std::int64_t offset = 0;
    for (std::size_t axis = 0; axis < index.size(); ++axis)
      offset += index[axis] * tensor.strides[axis];
    visit(image.bytes.data() + tensor.offset + offset * size);
    std::size_t axis = index.size();
    while (axis-- > 0) {
      if (++index[axis] < tensor.shape[axis]) break;
      index[axis] = 0;
      if (axis == 0) return;
    }
    if (index.empty()) return;
  }
}

}  // namespace

ForwardFn ForwardOf(Session& session) {
  return [&session](const attest_problem_t& problem, double multiply_adds, CallImage& image) {
    return session.Forward(problem, multiply_adds, image);
  };
}

std::vector<ProbeRow> AllProbeRows(const Problem& problem) {
  std::vector<ProbeRow> rows;
  for (std::size_t r = 0; r < problem.requests.size(); ++r) {
    for (std::int64_t row = 0; row < problem.requests[r].q_len; ++row) {
      for (int head = 0; head < problem.num_q_heads; ++head) {
        rows.push_back({static_cast<int>(r), row, head});
      }
    }
  }
  return rows;
}

Answers::Answers(CallImage image)
    : image_(std::move(image)), out_(image_.View("out")), lse_(image_.View("lse")) {}

double Answers::Out(std::int64_t token, int head, int dim) const {
  return LoadElement(out_.dtype, out_.At({token, head, dim}));
}

double Answers::Lse(std::int64_t token, int head) const {
  if (!lse_.present()) return std::numeric_limits<double>::quiet_NaN();
  return LoadElement(lse_.dtype, lse_.At({token, head}));
}

Result<Box> Box::Make(const Problem& problem, ForwardFn forward) {
  Case value;
  value.id = "probe";
  value.recipe = Recipe::kVCoded;
  value.problem = WithoutBounds(problem);
  if (Status status = Validate(problem); !status.ok()) return status;
  if (problem.page_aliasing) {
    return BadInput(
        "page_aliasing: one place stands for two keys, which a probe cannot tell apart");
  }
  Result<CaseInputs> inputs = BuildInputs(value, 0);
  if (!inputs.ok()) return inputs.status();
  const attest_problem_t built = inputs->abi;
  inputs->abi = ToAbi(problem);
  inputs->abi.num_blocks = built.num_blocks;
  inputs->abi.block_table_width = built.block_table_width;
  return Box(problem, std::move(forward), std::move(*inputs));
}

Box::Box(Problem problem, ForwardFn forward, CaseInputs inputs)
    : problem_(std::move(problem)),
      forward_(std::move(forward)),
      now_(std::move(inputs)),
      pristine_(now_.image) {
  cache_[0] = AccessOf("key_cache");
  cache_[1] = AccessOf("value_cache");
  step_[0] = AccessOf("key");
  step_[1] = AccessOf("value");
  query_ = AccessOf("query");
  value_scale_ = AccessOf("value_scale");
  std::int64_t start = 0;
  for (const Request& request : problem_.requests) {
    starts_.push_back(start);
    start += request.q_len;
  }
  MapPages();
  ListPlaces();
}

Box::Access Box::AccessOf(const char* name) const {
  const PlacedTensor* tensor = pristine_.Find(name);
  if (tensor == nullptr) return {};
  return {tensor->offset, tensor->strides, tensor->dtype};
}

void Box::MapPages() {
  pages_.resize(problem_.requests.size());
  if (!problem_.uses_paged_kv()) return;
  const TensorView table = pristine_.View("block_table");
  for (std::size_t r = 0; r < problem_.requests.size(); ++r) {
    const std::int64_t pages = KeysOf(r) / problem_.block_size;
    for (std::int64_t page = 0; page < pages; ++page) {
      const auto entry = ValueAt<std::int32_t>(table, {static_cast<std::int64_t>(r), page});
      // Page 0 belongs to nobody: it stands for pages that no row sees.
      pages_[r].push_back(entry > 0 && entry < now_.abi.num_blocks ? entry : -1);
    }
    logical_.emplace_back(static_cast<std::size_t>(now_.abi.num_blocks), -1);
    for (std::int64_t page = pages; page-- > 0;) {
      const std::int64_t at = pages_[r][static_cast<std::size_t>(page)];
      if (at >= 0) logical_[r][static_cast<std::size_t>(at)] = page;
    }
  }
}

void Box::ListPlaces() {
  if (problem_.uses_paged_kv()) {
    for (std::int64_t page = 0; page < now_.abi.num_blocks; ++page) {
      for (std::int64_t slot = 0; slot < problem_.block_size; ++slot) {
        places_.push_back({.page = page, .slot = slot});
      }
    }
  }
  mirrors_.resize(places_.size());
  if (step_[1].dtype == DType::kNone) return;
  const TensorView slots = pristine_.View("slot_mapping");
  const std::int64_t tokens = NumTokens(problem_) + problem_.padding_tokens;
  for (std::int64_t token = 0; token < tokens; ++token) {
    const std::int64_t slot = slots.present() ? ValueAt<std::int64_t>(slots, {token}) : -1;
    if (slot >= 0) {
      mirrors_[static_cast<std::size_t>(slot)].push_back(token);
    } else {
      places_.push_back({.token = token});
      mirrors_.push_back({token});
    }
  }
}

std::int64_t Box::TokenOf(const ProbeRow& row) const {
  return starts_[static_cast<std::size_t>(row.request)] + row.row;
}

std::int64_t Box::KeysOf(std::size_t request) const {
  const std::int64_t seq_len = problem_.requests[request].seq_len;
  if (!problem_.uses_paged_kv()) return seq_len;
  return (seq_len + problem_.block_size - 1) / problem_.block_size * problem_.block_size;
}

std::int64_t Box::PlaceOf(std::size_t request, std::int64_t key) const {
  if (key < 0 || key >= KeysOf(request)) return -1;
  if (!problem_.uses_paged_kv()) return starts_[request] + key;
  const std::int64_t page = pages_[request][static_cast<std::size_t>(key / problem_.block_size)];
  return page < 0 ? -1 : page * problem_.block_size + key % problem_.block_size;
}

std::int64_t Box::KeyAt(std::size_t request, std::int64_t place) const {
  const Place& at = places_[static_cast<std::size_t>(place)];
  if (!problem_.uses_paged_kv()) {
    const std::int64_t key = at.token - starts_[request];
    return key >= 0 && key < problem_.requests[request].seq_len ? key : -1;
  }
  if (at.page < 0) return -1;
  const std::int64_t page = logical_[request][static_cast<std::size_t>(at.page)];
  return page < 0 ? -1 : page * problem_.block_size + at.slot;
}

std::string Box::Describe(std::int64_t place) const {
  const Place& at = places_[static_cast<std::size_t>(place)];
  std::string text = at.page < 0 ? fmt::format("token {} of the step", at.token)
                                 : fmt::format("page {}, slot {}", at.page, at.slot);
  for (std::size_t r = 0; r < problem_.requests.size(); ++r) {
    const std::int64_t key = KeyAt(r, place);
    if (key >= 0) return fmt::format("{}: key {} of request {}", text, key, r);
  }
  return text + (at.page >= 0 ? ": a page of nobody" : ": no key of any request");
}

double Box::SinkOf(int head) const {
  const TensorView sinks = pristine_.View("sinks");
  return sinks.present() ? LoadElement(sinks.dtype, sinks.At({head})) : 0.0;
}

double Box::SlopeOf(int head) const {
  const TensorView slopes = pristine_.View("alibi_slopes");
  return slopes.present() ? LoadElement(slopes.dtype, slopes.At({head})) : 0.0;
}

std::vector<KeyRange> Box::SpecKeys(const ProbeRow& row) const {
  const Mask mask(problem_, {.tree_mask = pristine_.View("tree_mask"),
                             .custom_mask = pristine_.View("custom_mask")});
  const auto request = static_cast<std::size_t>(row.request);
  const KeyRange all{0, problem_.requests[request].seq_len};
  std::vector<std::uint8_t> seen(static_cast<std::size_t>(all.last));
  mask.Fill(request, row.head, row.row, all, seen.data());
  std::vector<KeyRange> runs;
  for (std::int64_t key = 0; key < all.last; ++key) {
    if (seen[static_cast<std::size_t>(key)] == 0) continue;
    if (runs.empty() || runs.back().last != key) runs.push_back({key, key});
    runs.back().last = key + 1;
  }
  return runs;
}

void Box::FillZero(const char* name) {
  const PlacedTensor* tensor = now_.image.Find(name);
  if (tensor == nullptr) return;
  const std::size_t size = SizeOf(tensor->dtype);
  EachElement(now_.image, *tensor, [size](std::byte* at) { std::memset(at, 0, size); });
}

void Box::Flatten() {
  Reset();
  for (const char* name : {"key", "value", "key_cache", "value_cache"}) FillZero(name);
  for (const char* name : {"key_scale", "value_scale"}) {
    const PlacedTensor* tensor = now_.image.Find(name);
    if (tensor == nullptr) continue;
    EachElement(now_.image, *tensor, [&](std::byte* at) { StoreElement(tensor->dtype, 1.0, at); });
  }
}

void Box::Reset() {
  now_.image.bytes = pristine_.bytes;
  FillZero("query");
  FillZero("alibi_slopes");
  const auto each = [this](const char* name, const auto& change) {
    const PlacedTensor* tensor = now_.image.Find(name);
    if (tensor == nullptr) return;
    EachElement(now_.image, *tensor, [&](std::byte* at) { change(tensor->dtype, at); });
  };
  each("sinks", [](DType dtype, std::byte* at) { StoreElement(dtype, kNoSink, at); });
  if (problem_.custom_mask == MaskKind::kAdditive) {
    each("custom_mask", [](DType dtype, std::byte* at) {
      if (std::isfinite(LoadElement(dtype, at))) StoreElement(dtype, 0.0, at);
    });
  }
}

void Box::Restore(const std::string& tensor) {
  const PlacedTensor* found = now_.image.Find(tensor);
  if (found == nullptr) return;
  const std::size_t size = SizeOf(found->dtype);
  EachElement(now_.image, *found, [&](std::byte* at) {
    std::memcpy(at, pristine_.bytes.data() + (at - now_.image.bytes.data()), size);
  });
}

void Box::Store(const Access& access, std::int64_t index, double value) {
  StoreElement(access.dtype, value,
               now_.image.bytes.data() + access.offset +
                   index * static_cast<std::int64_t>(SizeOf(access.dtype)));
}

void Box::SetQuery(std::int64_t token, int head, int dim, double value) {
  const auto& s = query_.strides;
  Store(query_, token * s[0] + head * s[1] + dim * s[2], value);
}

std::int64_t Box::CacheIndex(bool key, const Place& at, int kv_head, int dim) const {
  const Access& cache = cache_[key ? 0 : 1];
  const auto& s = cache.strides;
  if (problem_.cache_layout != CacheLayout::kXSplit) {
    return at.page * s[0] + at.slot * s[1] + kv_head * s[2] + dim * s[3];
  }
  const std::int64_t page = at.page * s[0] + kv_head * s[1];
  if (!key) return page + dim * s[2] + at.slot * s[3];
  const auto x = static_cast<int>(16 / SizeOf(cache.dtype));
  return page + (dim / x) * s[2] + at.slot * s[3] + (dim % x) * s[4];
}

void Box::StoreAt(bool key, std::int64_t place, int kv_head, int dim, double value) {
  const Place& at = places_[static_cast<std::size_t>(place)];
  if (at.page >= 0) Store(cache_[key ? 0 : 1], CacheIndex(key, at, kv_head, dim), value);
  const Access& step = step_[key ? 0 : 1];
  for (const std::int64_t token : mirrors_[static_cast<std::size_t>(place)]) {
    const auto& t = step.strides;
    Store(step, token * t[0] + kv_head * t[1] + dim * t[2], value);
  }
}

double Box::Value(std::int64_t place, int kv_head, int dim) const {
  const Place& at = places_[static_cast<std::size_t>(place)];
  if (at.page < 0) {
    const auto& t = step_[1].strides;
    return Load(step_[1], at.token * t[0] + kv_head * t[1] + dim * t[2]);
  }
  const double stored = Load(cache_[1], CacheIndex(false, at, kv_head, dim));
  if (value_scale_.dtype == DType::kNone) return stored;
  const auto& s = value_scale_.strides;
  return stored * Load(value_scale_, at.page * s[0] + at.slot * s[1] + kv_head * s[2]);
}

double Box::Load(const Access& access, std::int64_t index) const {
  return LoadElement(access.dtype, now_.image.bytes.data() + access.offset +
                                       index * static_cast<std::int64_t>(SizeOf(access.dtype)));
}

void Box::SetKey(std::int64_t place, int kv_head, int dim, double value) {
  StoreAt(true, place, kv_head, dim, value);
}

void Box::SetValue(std::int64_t place, int kv_head, int dim, double value) {
  StoreAt(false, place, kv_head, dim, value);
}

Result<Answers> Box::Call() {
  CallImage image = now_.image;
  ++calls_;
  const CallResult call = forward_(now_.abi, MultiplyAdds(problem_), image);
  if (call.end == CallEnd::kCannotStart) return EnvironmentError(WhatItAnswered(call));
  if (call.end != CallEnd::kAnswered || call.status != ATTEST_OK) {
    return BadInput(WhatItAnswered(call));
  }
  return Answers(std::move(image));
}

}  // namespace attest
