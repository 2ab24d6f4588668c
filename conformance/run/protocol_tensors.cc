// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/protocol_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "spec/vocabulary/json_object.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMostParts = 1024;

template <typename Args>
bool Names(const std::vector<ArgsTensor<Args>>& members, std::string_view name) {
  return std::any_of(members.begin(), members.end(),
                     [name](const ArgsTensor<Args>& member) { return member.name == name; });
}

bool IsMember(CallKind kind, std::string_view name) {
  switch (kind) {
    case CallKind::kForward:
      return Names(ForwardTensors(), name);
    case CallKind::kWriteKv:
      return Names(WriteKvTensors(), name);
    case CallKind::kMerge:
      return Names(MergeTensors(), name) || PartOf(name, "part_out") || PartOf(name, "part_lse");
    case CallKind::kCopyToPersistent:
      return name == "buffer" || name == "source";
  }
  return false;
}

Result<WireTensor> TensorFromJson(const Json& json, const std::string& where) {
  JsonObject object(json, where);
  WireTensor tensor = {.name = object.String("name"),
                       .dtype = DType::kNone,
                       .shape = object.Integers("shape"),
                       .strides = object.Integers("strides"),
                       .offset = static_cast<std::uint64_t>(object.Integer("offset"))};
  const std::string word = object.String("dtype");
  const std::optional<DType> dtype = ParseDType(word);
  if (!dtype) object.Fail("dtype", fmt::format("unknown '{}'", word));
  tensor.dtype = dtype.value_or(DType::kNone);
  if (Status status = object.Done(); !status.ok()) return status;
  return tensor;
}

// Bytes from the first element's start to the last element's end; nullopt when that overflows.
std::optional<std::uint64_t> ExtentBytes(const WireTensor& tensor) {
  std::uint64_t last = 0;
  for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    if (tensor.shape[axis] == 0) return 0;
    std::uint64_t step = 0;
    if (__builtin_mul_overflow(static_cast<std::uint64_t>(tensor.shape[axis] - 1),
                               static_cast<std::uint64_t>(tensor.strides[axis]), &step) ||
        __builtin_add_overflow(last, step, &last)) {
      return std::nullopt;
    }
  }
  std::uint64_t bytes = 0;
  if (last == UINT64_MAX || __builtin_mul_overflow(last + 1, SizeOf(tensor.dtype), &bytes)) {
    return std::nullopt;
  }
  return bytes;
}

// Parts are numbered from 0 without a gap, and each has both tensors.
Status CheckParts(const std::vector<WireTensor>& tensors) {
  const auto named = [&tensors](const std::string& name) {
    return std::any_of(tensors.begin(), tensors.end(),
                       [&name](const WireTensor& tensor) { return tensor.name == name; });
  };
  const auto parts = std::count_if(tensors.begin(), tensors.end(), [](const WireTensor& tensor) {
    return PartOf(tensor.name, "part_out") || PartOf(tensor.name, "part_lse");
  });
  for (int part = 0; part < std::max<int>(1, static_cast<int>(parts + 1) / 2); ++part) {
    for (const char* stem : {"part_out", "part_lse"}) {
      const std::string name = fmt::format("{}_{}", stem, part);
      if (!named(name)) return BadInput(fmt::format("tensor {}: missing", name));
    }
  }
  return {};
}

Status CheckTensor(CallKind kind, const WireTensor& tensor, std::uint64_t image_bytes) {
  if (!IsMember(kind, tensor.name)) {
    return BadInput(kind == CallKind::kCopyToPersistent
                        ? fmt::format("tensor {}: neither buffer nor source", tensor.name)
                        : fmt::format("tensor {}: attest_{}_args_t has no such member", tensor.name,
                                      Name(kind)));
  }
  if (tensor.dtype == DType::kNone || tensor.shape.size() != tensor.strides.size()) {
    return BadInput(
        fmt::format("tensor {}: no dtype, or shape and strides differ in length", tensor.name));
  }
  const auto negative = [](std::int64_t value) { return value < 0; };
  if (std::any_of(tensor.shape.begin(), tensor.shape.end(), negative) ||
      std::any_of(tensor.strides.begin(), tensor.strides.end(), negative)) {
    return BadInput(fmt::format("tensor {}: negative size or stride", tensor.name));
  }
  const std::optional<std::uint64_t> extent = ExtentBytes(tensor);
  if (!extent || tensor.offset > image_bytes || *extent > image_bytes - tensor.offset) {
    return BadInput(
        fmt::format("tensor {}: reaches outside the image's {} bytes", tensor.name, image_bytes));
  }
  return {};
}

}  // namespace

std::string_view Name(CallKind kind) {
  switch (kind) {
    case CallKind::kForward:
      return "forward";
    case CallKind::kWriteKv:
      return "write_kv";
    case CallKind::kMerge:
      return "merge";
    case CallKind::kCopyToPersistent:
      return "copy_to_persistent";
  }
  return "";
}

std::optional<CallKind> ParseCallKind(std::string_view op) {
  for (const CallKind kind :
       {CallKind::kForward, CallKind::kWriteKv, CallKind::kMerge, CallKind::kCopyToPersistent}) {
    if (op == Name(kind)) return kind;
  }
  return std::nullopt;
}

std::optional<int> PartOf(std::string_view name, std::string_view stem) {
  if (!name.starts_with(stem) || name.size() < stem.size() + 2 || name[stem.size()] != '_') {
    return std::nullopt;
  }
  const std::string_view digits = name.substr(stem.size() + 1);
  int part = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), part);
  const bool whole = error == std::errc{} && end == digits.data() + digits.size();
  if (!whole || part < 0 || part >= kMostParts || (digits.size() > 1 && digits[0] == '0')) {
    return std::nullopt;
  }
  return part;
}

const std::vector<ArgsTensor<attest_write_kv_args_t>>& WriteKvTensors() {
  using Args = attest_write_kv_args_t;
  static const std::vector<ArgsTensor<Args>> kTensors = {
      {"key", &Args::key},
      {"value", &Args::value},
      {"key_cache", &Args::key_cache},
      {"value_cache", &Args::value_cache},
      {"slot_mapping", &Args::slot_mapping},
      {"key_scale", &Args::key_scale},
      {"value_scale", &Args::value_scale},
  };
  return kTensors;
}

const std::vector<ArgsTensor<attest_merge_args_t>>& MergeTensors() {
  using Args = attest_merge_args_t;
  static const std::vector<ArgsTensor<Args>> kTensors = {{"out", &Args::out}, {"lse", &Args::lse}};
  return kTensors;
}

const std::vector<ArgsTensor<attest_forward_args_t>>& ForwardTensors() {
  using Args = attest_forward_args_t;
  static const std::vector<ArgsTensor<Args>> kTensors = {
      {"query", &Args::query},
      {"key", &Args::key},
      {"value", &Args::value},
      {"key_cache", &Args::key_cache},
      {"value_cache", &Args::value_cache},
      {"query_start_loc", &Args::query_start_loc},
      {"seq_lens", &Args::seq_lens},
      {"block_table", &Args::block_table},
      {"slot_mapping", &Args::slot_mapping},
      {"request_causal", &Args::request_causal},
      {"sinks", &Args::sinks},
      {"alibi_slopes", &Args::alibi_slopes},
      {"prefix_ranges", &Args::prefix_ranges},
      {"tree_mask", &Args::tree_mask},
      {"custom_mask", &Args::custom_mask},
      {"key_scale", &Args::key_scale},
      {"value_scale", &Args::value_scale},
      {"out", &Args::out},
      {"lse", &Args::lse},
  };
  return kTensors;
}

nlohmann::ordered_json ToJson(const WireTensor& tensor) {
  return {{"name", tensor.name},
          {"dtype", std::string(Name(tensor.dtype))},
          {"shape", tensor.shape},
          {"strides", tensor.strides},
          {"offset", tensor.offset}};
}

Result<std::vector<WireTensor>> TensorsFromJson(const nlohmann::ordered_json& json) {
  if (!json.is_array()) return BadInput("tensors: not a list");
  std::vector<WireTensor> tensors;
  for (std::size_t i = 0; i < json.size(); ++i) {
    Result<WireTensor> tensor = TensorFromJson(json[i], fmt::format("tensors[{}]", i));
    if (!tensor.ok()) return tensor.status();
    tensors.push_back(std::move(*tensor));
  }
  return tensors;
}

Status CheckTensors(CallKind kind, const std::vector<WireTensor>& tensors,
                    std::uint64_t image_bytes) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (Status status = CheckTensor(kind, tensors[i], image_bytes); !status.ok()) return status;
    for (std::size_t j = 0; j < i; ++j) {
      if (tensors[j].name == tensors[i].name) {
        return BadInput(fmt::format("tensor {}: named twice", tensors[i].name));
      }
    }
  }
  if (kind == CallKind::kCopyToPersistent && tensors.size() != 2) {
    return BadInput("tensors: not a buffer and a source");
  }
  return kind == CallKind::kMerge ? CheckParts(tensors) : Status();
}

}  // namespace attest
