// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/protocol_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "spec/vocabulary/json_object.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;
using Args = attest_forward_args_t;

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

Status CheckTensor(const WireTensor& tensor, std::uint64_t image_bytes) {
  const auto known = [&](const ForwardTensor& member) { return member.name == tensor.name; };
  if (std::none_of(ForwardTensors().begin(), ForwardTensors().end(), known)) {
    return BadInput(
        fmt::format("tensor {}: attest_forward_args_t has no such member", tensor.name));
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

const std::vector<ForwardTensor>& ForwardTensors() {
  static const std::vector<ForwardTensor> kTensors = {
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

Status CheckTensors(const std::vector<WireTensor>& tensors, std::uint64_t image_bytes) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (Status status = CheckTensor(tensors[i], image_bytes); !status.ok()) return status;
    for (std::size_t j = 0; j < i; ++j) {
      if (tensors[j].name == tensors[i].name) {
        return BadInput(fmt::format("tensor {}: named twice", tensors[i].name));
      }
    }
  }
  return {};
}

}  // namespace attest
