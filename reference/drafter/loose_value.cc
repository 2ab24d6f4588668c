// SPDX-License-Identifier: Apache-2.0
#include "reference/drafter/loose_value.h"

namespace attest::drafter {

LooseValue LooseNull() { return {LooseKind::kNull, false, 0, "null"}; }

LooseValue LooseBool(bool value) {
  return {LooseKind::kBool, value, value ? 1 : 0, value ? "true" : "false"};
}

LooseValue LooseInteger(std::int64_t value) {
  return {LooseKind::kInteger, value != 0, value, std::to_string(value)};
}

LooseValue LooseText(std::string_view value) {
  return {LooseKind::kText, !value.empty(), 0, std::string(value)};
}

LooseValue LooseList(bool empty, std::string_view json) {
  return {LooseKind::kList, !empty, 0, std::string(json)};
}

LooseValue LooseObject(bool empty, std::string_view json) {
  return {LooseKind::kObject, !empty, 0, std::string(json)};
}

}  // namespace attest::drafter
