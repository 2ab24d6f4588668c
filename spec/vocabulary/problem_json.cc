// SPDX-License-Identifier: Apache-2.0
#include "spec/vocabulary/problem_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

Status Expected(const std::string& path, std::string_view what, const Json& json) {
  return BadInput(fmt::format("{}: {} is not {}", path, json.dump(), what));
}

// ---- One value

Status Read(const Json& json, const std::string& path, bool& out) {
  if (!json.is_boolean()) return Expected(path, "true or false", json);
  out = json.get<bool>();
  return {};
}

template <typename Integer>
requires std::is_same_v<Integer, int> || std::is_same_v<Integer, std::int64_t> Status
Read(const Json& json, const std::string& path, Integer& out) {
  const bool fits = json.is_number_integer() &&
                    !(json.is_number_unsigned() &&
                      json.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max());
  if (!fits) return Expected(path, "an integer", json);
  const std::int64_t value = json.get<std::int64_t>();
  if (value < std::numeric_limits<Integer>::min() || value > std::numeric_limits<Integer>::max()) {
    return Expected(path, "an integer in range", json);
  }
  out = static_cast<Integer>(value);
  return {};
}

Status Read(const Json& json, const std::string& path, float& out) {
  if (!json.is_number()) return Expected(path, "a number", json);
  const double value = json.get<double>();
  if (std::abs(value) > std::numeric_limits<float>::max()) {
    return Expected(path, "a float32 number", json);
  }
  out = static_cast<float>(value);
  return {};
}

Status Read(const Json& json, const std::string& path, DType& out) {
  const std::optional<DType> dtype =
      json.is_string() ? ParseDType(json.get<std::string>()) : std::nullopt;
  if (!dtype) return Expected(path, "a dtype", json);
  out = *dtype;
  return {};
}

template <typename Enum>
constexpr int kLast = 0;
template <>
constexpr int kLast<AttentionType> = static_cast<int>(AttentionType::kEncoderDecoder);
template <>
constexpr int kLast<Causality> = static_cast<int>(Causality::kPerRequest);
template <>
constexpr int kLast<KvScaleKind> = static_cast<int>(KvScaleKind::kPerTokenHead);
template <>
constexpr int kLast<MaskKind> = static_cast<int>(MaskKind::kAdditive);
template <>
constexpr int kLast<CacheLayout> = static_cast<int>(CacheLayout::kSharedLatent);
template <>
constexpr int kLast<TokenLayout> = static_cast<int>(TokenLayout::kPaddedRows);

template <typename Enum>
requires std::is_enum_v<Enum> Status Read(const Json& json, const std::string& path, Enum& out) {
  std::string words;
  for (int i = 0; i <= kLast<Enum>; ++i) {
    const Enum value = static_cast<Enum>(i);
    if (json.is_string() && json.get_ref<const std::string&>() == Name(value)) {
      out = value;
      return {};
    }
    words += fmt::format("{}{}", i == 0 ? "" : ", ", Name(value));
  }
  return Expected(path, "one of " + words, json);
}

Status Read(const Json& json, const std::string& path, PrefixRange& out) {
  if (!json.is_array() || json.size() != 3) return Expected(path, "[request, first, last]", json);
  const std::array<std::int64_t*, 3> parts = {&out.request, &out.first, &out.last};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (Status status = Read(json[i], fmt::format("{}[{}]", path, i), *parts[i]); !status.ok()) {
      return status;
    }
  }
  return {};
}

template <typename Element>
Status Read(const Json& json, const std::string& path, std::vector<Element>& out) {
  if (!json.is_array()) return Expected(path, "a list", json);
  std::vector<Element> elements;
  for (std::size_t i = 0; i < json.size(); ++i) {
    Element element = {};
    if (Status status = Read(json[i], fmt::format("{}[{}]", path, i), element); !status.ok()) {
      return status;
    }
    elements.push_back(element);
  }
  out = std::move(elements);
  return {};
}

constexpr std::array<std::pair<std::string_view, bool MaskBroadcast::*>, 4> kMaskAxes = {{
    {"request", &MaskBroadcast::request},
    {"head", &MaskBroadcast::head},
    {"row", &MaskBroadcast::row},
    {"key", &MaskBroadcast::key},
}};

Status Read(const Json& json, const std::string& path, MaskBroadcast& out) {
  if (!json.is_array()) return Expected(path, "a list of axes", json);
  MaskBroadcast read;
  for (const Json& word : json) {
    const auto axis = std::find_if(kMaskAxes.begin(), kMaskAxes.end(),
                                   [&word](const auto& known) { return word == known.first; });
    if (axis == kMaskAxes.end()) return Expected(path, "one of request, head, row, key", word);
    read.*(axis->second) = true;
  }
  out = read;
  return {};
}

Json Write(bool value) { return value; }
Json Write(int value) { return value; }
Json Write(std::int64_t value) { return value; }
// The shortest decimal that reads back as the same float32.
Json Write(float value) { return std::stod(fmt::format("{}", value)); }
Json Write(const MaskBroadcast& value) {
  Json list = Json::array();
  for (const auto& [name, axis] : kMaskAxes) {
    if (value.*axis) list.push_back(std::string(name));
  }
  return list;
}
template <typename Word>
requires std::is_enum_v<Word> Json Write(Word value) { return std::string(Name(value)); }
Json Write(const PrefixRange& value) {
  return Json::array({value.request, value.first, value.last});
}
template <typename Element>
Json Write(const std::vector<Element>& values) {
  Json list = Json::array();
  for (const Element& value : values) list.push_back(Write(value));
  return list;
}

// ---- One field

struct Field {
  std::string_view key;
  Status (*read)(const Json&, const std::string&, Problem&);
  Json (*write)(const Problem&);
};

template <auto kMember>
constexpr Field Plain(std::string_view key) {
  return {.key = key,
          .read = [](const Json& json, const std::string& path,
                     Problem& problem) { return Read(json, path, problem.*kMember); },
          .write = [](const Problem& problem) { return Write(problem.*kMember); }};
}

// A list of lengths. The number of requests changes only when both lists of one object say so
// (PatchProblem), so that one list can be patched without the other.
template <std::int64_t Request::*kMember>
constexpr Field Lengths(std::string_view key) {
  return {.key = key,
          .read = [](const Json& json, const std::string& path, Problem& problem) -> Status {
            std::vector<std::int64_t> lengths;
            if (Status status = Read(json, path, lengths); !status.ok()) return status;
            if (lengths.size() != problem.requests.size()) {
              return BadInput(fmt::format("{}: {} lengths for {} requests", path, lengths.size(),
                                          problem.requests.size()));
            }
            for (std::size_t r = 0; r < lengths.size(); ++r) {
              problem.requests[r].*kMember = lengths[r];
            }
            return {};
          },
          .write =
              [](const Problem& problem) {
                Json list = Json::array();
                for (const Request& request : problem.requests) list.push_back(request.*kMember);
                return list;
              }};
}

const std::vector<Field>& Fields() {
  static const std::vector<Field> kFields = {
      Plain<&Problem::attention_type>("attention_type"),
      Plain<&Problem::causality>("causality"),
      Plain<&Problem::request_causal>("request_causal"),
      Plain<&Problem::query_dtype>("query_dtype"),
      Plain<&Problem::cache_dtype>("cache_dtype"),
      Plain<&Problem::output_dtype>("output_dtype"),
      Plain<&Problem::kv_scale_kind>("kv_scale_kind"),
      Plain<&Problem::num_q_heads>("num_q_heads"),
      Plain<&Problem::num_kv_heads>("num_kv_heads"),
      Plain<&Problem::head_dim_qk>("head_dim_qk"),
      Plain<&Problem::head_dim_v>("head_dim_v"),
      Plain<&Problem::scale>("scale"),
      Plain<&Problem::softcap>("softcap"),
      Plain<&Problem::window_left>("window_left"),
      Plain<&Problem::window_right>("window_right"),
      Plain<&Problem::local_block_size>("local_block_size"),
      Plain<&Problem::local_block_lookback>("local_block_lookback"),
      Plain<&Problem::lse>("lse"),
      Plain<&Problem::sinks>("sinks"),
      Plain<&Problem::alibi>("alibi"),
      Plain<&Problem::prefix_clamped>("prefix_clamped"),
      Plain<&Problem::tree_mask>("tree_mask"),
      Plain<&Problem::batch_invariant>("batch_invariant"),
      Plain<&Problem::page_aliasing>("page_aliasing"),
      Plain<&Problem::custom_mask>("custom_mask"),
      Plain<&Problem::custom_mask_broadcast>("custom_mask_broadcast"),
      Plain<&Problem::additive_mask_dtype>("additive_mask_dtype"),
      Plain<&Problem::prefix_ranges>("prefix_ranges"),
      Plain<&Problem::cache_layout>("cache_layout"),
      Plain<&Problem::token_layout>("token_layout"),
      Plain<&Problem::block_size>("block_size"),
      Plain<&Problem::padding_tokens>("padding_tokens"),
      Plain<&Problem::block_table_extra>("block_table_extra"),
      Plain<&Problem::max_seq_len_slack>("max_seq_len_slack"),
      Plain<&Problem::max_query_len_slack>("max_query_len_slack"),
      Plain<&Problem::shared_prefix>("shared_prefix"),
      Plain<&Problem::hybrid_split>("hybrid_split"),
      Lengths<&Request::q_len>("q_lens"),
      Lengths<&Request::seq_len>("seq_lens"),
  };
  return kFields;
}

const Field* FindField(std::string_view key) {
  for (const Field& field : Fields()) {
    if (field.key == key) return &field;
  }
  return nullptr;
}

std::string Join(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

}  // namespace

std::vector<std::string> ProblemKeys() {
  std::vector<std::string> keys;
  for (const Field& field : Fields()) keys.emplace_back(field.key);
  return keys;
}

nlohmann::ordered_json ToJson(const Problem& problem) {
  static const Problem kDefault;
  Json json = Json::object();
  for (const Field& field : Fields()) {
    Json value = field.write(problem);
    if (value != field.write(kDefault)) json[std::string(field.key)] = std::move(value);
  }
  return json;
}

Status PatchProblem(const nlohmann::ordered_json& json, const std::string& path, Problem& problem) {
  if (!json.is_object()) return Expected(path, "an object", json);
  if (json.contains("q_lens") && json.contains("seq_lens") && json["q_lens"].is_array()) {
    problem.requests.resize(json["q_lens"].size());
  }
  for (const auto& [key, value] : json.items()) {
    const Field* field = FindField(key);
    if (field == nullptr) return BadInput(fmt::format("{}: unknown key", Join(path, key)));
    if (Status status = field->read(value, Join(path, key), problem); !status.ok()) return status;
  }
  return {};
}

Result<Problem> ProblemFromJson(const nlohmann::ordered_json& json, const std::string& path) {
  Problem problem;
  if (Status status = PatchProblem(json, path, problem); !status.ok()) return status;
  if (Status status = Validate(problem); !status.ok()) {
    return BadInput(Join(path, status.message()));
  }
  return problem;
}

}  // namespace attest
