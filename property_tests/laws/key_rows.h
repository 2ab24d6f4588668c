// SPDX-License-Identifier: Apache-2.0
//
// The keys and values of a call by their logical place: request, key, KV head. A number of a key
// stands in the cache, and in the step's own tensors where the key is a new token; in packed calls
// in the step's tensors alone.
#ifndef ATTEST_PROPERTY_TESTS_LAWS_KEY_ROWS_H_
#define ATTEST_PROPERTY_TESTS_LAWS_KEY_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "conformance/run/inputs.h"

namespace attest {

struct KeyPlace {
  std::size_t request = 0;
  std::int64_t key = 0;
  int head = 0;  // KV head
};

class KeyRows {
 public:
  // Both outlive this. `image` is that of `problem`, with the lengths of `problem`.
  KeyRows(const Problem& problem, CallImage& image);

  // Column `column` of a key or value: the cached number times its scale.
  double Key(const KeyPlace& place, int column) const { return Load("key", place, column); }
  double Value(const KeyPlace& place, int column) const { return Load("value", place, column); }
  // Stores it wherever it stands, rounded to each type.
  void SetKey(const KeyPlace& place, int column, double number) {
    Store("key", place, column, number);
  }
  void SetValue(const KeyPlace& place, int column, double number) {
    Store("value", place, column, number);
  }
  // Of a quantised cache; 1 where there is none.
  double KeyScale(const KeyPlace& place) const { return ScaleOf("key_scale", place); }

  // Every byte of a key and its value, scales too. Two places have the same bytes in the same order
  // if both are new tokens or both are not.
  std::vector<std::byte> Read(const KeyPlace& place) const;
  void Write(const KeyPlace& place, const std::vector<std::byte>& bytes);

 private:
  struct Element {
    std::byte* at = nullptr;
    DType dtype = DType::kNone;
    double scale = 1;
  };
  // Where a column stands: in the cache first.
  std::vector<Element> Elements(std::string_view side, const KeyPlace& place, int column) const;
  // Everything that belongs to a place.
  std::vector<Element> AllElements(const KeyPlace& place) const;
  std::int64_t PageOf(const KeyPlace& place) const;
  double ScaleOf(std::string_view tensor, const KeyPlace& place) const;
  double Load(std::string_view side, const KeyPlace& place, int column) const;
  void Store(std::string_view side, const KeyPlace& place, int column, double number);

  const Problem& problem_;
  CallImage& image_;
  std::vector<std::int64_t> first_token_;
};

}  // namespace attest

#endif  // ATTEST_PROPERTY_TESTS_LAWS_KEY_ROWS_H_
