// SPDX-License-Identifier: Apache-2.0
#include "property_tests/laws/key_rows.h"

#include <cstring>

#include "conformance/judge/rearrange.h"
#include "reference/float_formats.h"

namespace attest {

KeyRows::KeyRows(const Problem& problem, CallImage& image)
    : problem_(problem), image_(image), first_token_(FirstTokens(problem)) {}

std::int64_t KeyRows::PageOf(const KeyPlace& place) const {
  const TensorView table = image_.View("block_table");
  std::int32_t page = 0;
  std::memcpy(&page,
              table.At({static_cast<std::int64_t>(place.request), place.key / problem_.block_size}),
              sizeof(page));
  return page;
}

double KeyRows::ScaleOf(std::string_view tensor, const KeyPlace& place) const {
  const TensorView scales = image_.View(tensor);
  if (!scales.present()) return 1.0;
  return LoadElement(scales.dtype,
                     scales.At({PageOf(place), place.key % problem_.block_size, place.head}));
}

std::vector<KeyRows::Element> KeyRows::Elements(std::string_view side, const KeyPlace& place,
                                                int column) const {
  std::vector<Element> found;
  const bool is_key = side == "key";
  if (problem_.uses_paged_kv()) {
    const PlacedTensor& cache = *image_.Find(is_key ? "key_cache" : "value_cache");
    const std::int64_t page = PageOf(place);
    const std::int64_t slot = place.key % problem_.block_size;
    std::vector<std::int64_t> index = {page, slot, place.head, column};
    if (problem_.cache_layout == CacheLayout::kXSplit) {
      index = {page, place.head, column, slot};
      if (is_key) {
        const std::int64_t x = cache.shape[4];
        index = {page, place.head, column / x, slot, column % x};
      }
    }
    found.push_back({Writable(image_, cache, index), cache.dtype,
                     ScaleOf(is_key ? "key_scale" : "value_scale", place)});
  }
  const Request& request = problem_.requests[place.request];
  const std::int64_t row = place.key - (request.seq_len - request.q_len);
  const PlacedTensor* step = image_.Find(side);
  if (step == nullptr || row < 0 || row >= request.q_len) return found;
  found.push_back({Writable(image_, *step, {first_token_[place.request] + row, place.head, column}),
                   step->dtype, 1.0});
  return found;
}

std::vector<KeyRows::Element> KeyRows::AllElements(const KeyPlace& place) const {
  std::vector<Element> all;
  for (const std::string_view side : {"key", "value"}) {
    const int columns = side == "key" ? problem_.head_dim_qk : problem_.head_dim_v;
    for (int column = 0; column < columns; ++column) {
      for (const Element& element : Elements(side, place, column)) all.push_back(element);
    }
  }
  for (const std::string_view name : {"key_scale", "value_scale"}) {
    const PlacedTensor* scales = image_.Find(name);
    if (scales == nullptr) continue;
    const std::vector<std::int64_t> index = {PageOf(place), place.key % problem_.block_size,
                                             place.head};
    all.push_back({Writable(image_, *scales, index), scales->dtype, 1.0});
  }
  return all;
}

double KeyRows::Load(std::string_view side, const KeyPlace& place, int column) const {
  const Element element = Elements(side, place, column).front();
  return LoadElement(element.dtype, element.at) * element.scale;
}

void KeyRows::Store(std::string_view side, const KeyPlace& place, int column, double number) {
  for (const Element& element : Elements(side, place, column)) {
    StoreElement(element.dtype, number / element.scale, element.at);
  }
}

std::vector<std::byte> KeyRows::Read(const KeyPlace& place) const {
  std::vector<std::byte> bytes;
  for (const Element& element : AllElements(place)) {
    bytes.insert(bytes.end(), element.at, element.at + SizeOf(element.dtype));
  }
  return bytes;
}

void KeyRows::Write(const KeyPlace& place, const std::vector<std::byte>& bytes) {
  const std::byte* from = bytes.data();
  for (const Element& element : AllElements(place)) {
    std::memcpy(element.at, from, SizeOf(element.dtype));
    from += SizeOf(element.dtype);
  }
}

}  // namespace attest
