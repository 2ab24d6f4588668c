// SPDX-License-Identifier: Apache-2.0
//
// A configuration value of any JSON type. Draft configs are read by Python, where a key may be
// absent, null, or of a type that nobody meant, and each reader does something else with it.
#ifndef ATTEST_REFERENCE_DRAFTER_LOOSE_VALUE_H_
#define ATTEST_REFERENCE_DRAFTER_LOOSE_VALUE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attest::drafter {

enum class LooseKind : std::uint8_t {
  kAbsent,
  kNull,
  kBool,
  kInteger,
  kNumber,
  kText,
  kList,
  kObject
};

struct LooseValue {
  LooseKind kind = LooseKind::kAbsent;
  bool truthy = false;       // Python's bool(value); false where absent or null
  std::int64_t integer = 0;  // of kInteger; 0 or 1 of kBool
  std::string text;          // of kText; of other kinds as JSON, for messages

  bool given() const { return kind != LooseKind::kAbsent; }
  // Neither absent nor null: Python's "getattr(config, key, None) is not None".
  bool set() const { return kind != LooseKind::kAbsent && kind != LooseKind::kNull; }
  bool is_bool() const { return kind == LooseKind::kBool; }
  // Python's "value is False" and "value is True".
  bool is_false() const { return is_bool() && !truthy; }
  bool is_true() const { return is_bool() && truthy; }
  friend bool operator==(const LooseValue&, const LooseValue&) = default;
};

LooseValue LooseNull();
LooseValue LooseBool(bool value);
LooseValue LooseInteger(std::int64_t value);
LooseValue LooseText(std::string_view value);
// Lists and objects keep no more than whether they are empty, and their JSON for messages.
LooseValue LooseList(bool empty, std::string_view json);
LooseValue LooseObject(bool empty, std::string_view json);

// A list of numbers or of texts that may also be absent or null. `value.truthy`: not empty.
template <typename T>
struct LooseListOf {
  LooseValue value;
  std::vector<T> items;
  friend bool operator==(const LooseListOf&, const LooseListOf&) = default;
};

}  // namespace attest::drafter

#endif  // ATTEST_REFERENCE_DRAFTER_LOOSE_VALUE_H_
