// SPDX-License-Identifier: Apache-2.0
#include "conformance/run/protocol_graph.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "spec/vocabulary/json_object.h"

namespace attest {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int32_t kMostDimensions = 16;

}  // namespace

Json ToJson(const SeenTensor& tensor) {
  return {{"dtype", std::string(Name(tensor.dtype))},
          {"address", tensor.address},
          {"shape", tensor.shape},
          {"strides", tensor.strides}};
}

Json ToJson(const SeenView& view) {
  return {{"name", view.name},
          {"view", ToJson(view.view)},
          {"buffer", ToJson(view.buffer)},
          {"buffer_bytes", view.buffer_bytes}};
}

Result<SeenTensor> SeenTensorFromJson(const Json& json, const std::string& where) {
  JsonObject object(json, where);
  SeenTensor tensor{.dtype = DType::kNone,
                    .address = object.Integer("address"),
                    .shape = object.Integers("shape"),
                    .strides = object.Integers("strides")};
  const std::string word = object.String("dtype");
  const std::optional<DType> dtype = ParseDType(word);
  if (!dtype && word != Name(DType::kNone)) {
    object.Fail("dtype", fmt::format("unknown '{}'", word));
  }
  if (tensor.shape.size() != tensor.strides.size()) {
    object.Fail("strides", "not as many as the shape");
  }
  if (Status status = object.Done(); !status.ok()) return status;
  tensor.dtype = dtype.value_or(DType::kNone);
  return tensor;
}

Result<SeenView> SeenViewFromJson(const Json& json, const std::string& where) {
  JsonObject object(json, where);
  SeenView seen;
  seen.name = object.String("name");
  seen.buffer_bytes = static_cast<std::uint64_t>(object.Integer("buffer_bytes"));
  const Json* view = object.Required("view");
  const Json* buffer = object.Required("buffer");
  if (Status status = object.Done(); !status.ok()) return status;
  Result<SeenTensor> read_view = SeenTensorFromJson(*view, where + ".view");
  if (!read_view.ok()) return read_view.status();
  Result<SeenTensor> read_buffer = SeenTensorFromJson(*buffer, where + ".buffer");
  if (!read_buffer.ok()) return read_buffer.status();
  seen.view = std::move(*read_view);
  seen.buffer = std::move(*read_buffer);
  return seen;
}

Result<SeenTensor> SeenTensorOf(const attest_tensor_t& tensor, const void* base) {
  if (tensor.ndim < 0 || tensor.ndim > kMostDimensions) {
    return BadInput(fmt::format("a tensor of {} dimensions", tensor.ndim));
  }
  if (tensor.ndim > 0 && (tensor.shape == nullptr || tensor.strides == nullptr)) {
    return BadInput("a tensor without shape or strides");
  }
  SeenTensor seen{.dtype = FromAbi(tensor.dtype)};
  const auto first = reinterpret_cast<std::uintptr_t>(tensor.data) + tensor.byte_offset;
  seen.address = static_cast<std::int64_t>(first - reinterpret_cast<std::uintptr_t>(base));
  if (tensor.ndim > 0) {
    seen.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
    seen.strides.assign(tensor.strides, tensor.strides + tensor.ndim);
  }
  return seen;
}

}  // namespace attest
