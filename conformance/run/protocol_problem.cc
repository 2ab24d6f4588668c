// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/protocol_problem.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

namespace attest {
namespace {

using Json = nlohmann::ordered_json;
using Problem = attest_problem_t;

template <typename Integer>
Result<Integer> IntegerFromJson(const Json& json, const std::string& where) {
  if (!json.is_number_integer()) return BadInput(where + ": not an integer");
  const bool fits =
      json.is_number_unsigned() && std::cmp_greater(json.get<std::uint64_t>(), INT64_MAX)
          ? std::in_range<Integer>(json.get<std::uint64_t>())
          : std::in_range<Integer>(json.get<std::int64_t>());
  if (!fits) return BadInput(fmt::format("{}: {} does not fit", where, json.dump()));
  return json.get<Integer>();
}

Json ValueToJson(float value) { return FloatToHex(value); }
Json ValueToJson(attest_dtype_t value) { return DTypeToJson(value); }
template <typename Integer>
Json ValueToJson(Integer value) {
  return value;
}

template <typename Value>
Result<Value> ValueFromJson(const Json& json, const std::string& where) {
  if constexpr (std::is_same_v<Value, float>) {
    if (!json.is_string()) return BadInput(where + ": not a string");
    return FloatFromHex(json.get_ref<const std::string&>(), where);
  } else if constexpr (std::is_same_v<Value, attest_dtype_t>) {
    return DTypeFromJson(json, where);
  } else {
    return IntegerFromJson<Value>(json, where);
  }
}

template <typename Value>
Status SetNumber(Value& member, std::string_view name, std::int64_t number) {
  const auto misfit = [&] { return BadInput(fmt::format("{}: {} does not fit", name, number)); };
  if constexpr (std::is_integral_v<Value>) {
    if (!std::in_range<Value>(number)) return misfit();
    member = static_cast<Value>(number);
  } else {
    static_assert(sizeof(Value) == sizeof(std::uint32_t));
    if (!std::in_range<std::uint32_t>(number)) return misfit();
    member = std::bit_cast<Value>(static_cast<std::uint32_t>(number));
  }
  return {};
}

}  // namespace

const std::vector<ProblemField>& ProblemFields() {
  static const std::vector<ProblemField> kFields = {
      {"struct_size", &Problem::struct_size},
      {"attention_type", &Problem::attention_type},
      {"causality", &Problem::causality},
      {"flags", &Problem::flags},
      {"query_dtype", &Problem::query_dtype},
      {"cache_dtype", &Problem::cache_dtype},
      {"output_dtype", &Problem::output_dtype},
      {"kv_scale_kind", &Problem::kv_scale_kind},
      {"num_q_heads", &Problem::num_q_heads},
      {"num_kv_heads", &Problem::num_kv_heads},
      {"head_dim_qk", &Problem::head_dim_qk},
      {"head_dim_v", &Problem::head_dim_v},
      {"scale", &Problem::scale},
      {"softcap", &Problem::softcap},
      {"window_left", &Problem::window_left},
      {"window_right", &Problem::window_right},
      {"local_block_size", &Problem::local_block_size},
      {"local_block_lookback", &Problem::local_block_lookback},
      {"kv_layout", &Problem::kv_layout},
      {"block_size", &Problem::block_size},
      {"custom_mask_kind", &Problem::custom_mask_kind},
      {"reserved0", &Problem::reserved0},
      {"num_requests", &Problem::num_requests},
      {"num_actual_tokens", &Problem::num_actual_tokens},
      {"max_query_len", &Problem::max_query_len},
      {"max_seq_len", &Problem::max_seq_len},
      {"num_blocks", &Problem::num_blocks},
      {"block_table_width", &Problem::block_table_width},
  };
  return kFields;
}

nlohmann::ordered_json ToJson(const attest_problem_t& problem) {
  Json json = Json::object();
  for (const ProblemField& field : ProblemFields()) {
    json[std::string(field.name)] =
        std::visit([&](auto member) { return ValueToJson(problem.*member); }, field.member);
  }
  return json;
}

Result<attest_problem_t> AbiProblemFromJson(const nlohmann::ordered_json& json) {
  if (!json.is_object()) return BadInput("problem: not an object");
  attest_problem_t problem = {};
  for (const ProblemField& field : ProblemFields()) {
    const std::string where = fmt::format("problem.{}", field.name);
    const auto found = json.find(field.name);
    if (found == json.end()) return BadInput(where + ": missing");
    const Status status = std::visit(
        [&](auto member) -> Status {
          using Value = std::remove_reference_t<decltype(problem.*member)>;
          const Result<Value> value = ValueFromJson<Value>(*found, where);
          if (value.ok()) problem.*member = *value;
          return value.status();
        },
        field.member);
    if (!status.ok()) return status;
  }
  if (json.size() != ProblemFields().size()) return BadInput("problem: unknown members");
  return problem;
}

Status SetProblemField(attest_problem_t& problem, std::string_view name, std::int64_t number) {
  for (const ProblemField& field : ProblemFields()) {
    if (field.name != name) continue;
    return std::visit([&](auto member) { return SetNumber(problem.*member, name, number); },
                      field.member);
  }
  return BadInput(fmt::format("attest_problem_t has no member {}", name));
}

nlohmann::ordered_json DTypeToJson(attest_dtype_t dtype) {
  return {{"code", dtype.code}, {"bits", dtype.bits}, {"lanes", dtype.lanes}};
}

Result<attest_dtype_t> DTypeFromJson(const nlohmann::ordered_json& json, const std::string& where) {
  if (!json.is_object() || json.size() != 3) return BadInput(where + ": not {code, bits, lanes}");
  std::array<std::int64_t, 3> numbers = {};
  constexpr std::array<std::string_view, 3> kNames = {"code", "bits", "lanes"};
  constexpr std::array<std::int64_t, 3> kLargest = {UINT8_MAX, UINT8_MAX, UINT16_MAX};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    const auto found = json.find(kNames.at(i));
    const std::string part = fmt::format("{}.{}", where, kNames.at(i));
    if (found == json.end()) return BadInput(part + ": missing");
    const Result<std::int64_t> number = IntegerFromJson<std::int64_t>(*found, part);
    if (!number.ok()) return number.status();
    if (*number < 0 || *number > kLargest.at(i)) return BadInput(part + ": does not fit");
    numbers.at(i) = *number;
  }
  return attest_dtype_t{.code = static_cast<std::uint8_t>(numbers[0]),
                        .bits = static_cast<std::uint8_t>(numbers[1]),
                        .lanes = static_cast<std::uint16_t>(numbers[2])};
}

std::string FloatToHex(float value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  const double magnitude = std::fabs(static_cast<double>(value));
  return fmt::format("{}{:a}", std::signbit(value) ? "-" : "", magnitude);
}

Result<float> FloatFromHex(std::string_view text, const std::string& where) {
  const auto wrong = [&] { return BadInput(fmt::format("{}: '{}' is no float", where, text)); };
  if (text == "nan") return std::numeric_limits<float>::quiet_NaN();
  if (text == "inf") return std::numeric_limits<float>::infinity();
  if (text == "-inf") return -std::numeric_limits<float>::infinity();
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  if (!digits.starts_with("0x")) return wrong();
  digits.remove_prefix(2);
  if (digits.starts_with('-')) return wrong();
  float value = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::hex);
  if (error != std::errc{} || end != digits.data() + digits.size() || !std::isfinite(value)) {
    return wrong();
  }
  return negative ? -value : value;
}

}  // namespace attest
