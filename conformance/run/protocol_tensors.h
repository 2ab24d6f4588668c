// SPDX-License-Identifier: Apache-2.0
//
// Tensors on the wire: where each one lies in the shared image.
#ifndef ATTEST_CONFORMANCE_RUN_PROTOCOL_TENSORS_H_
#define ATTEST_CONFORMANCE_RUN_PROTOCOL_TENSORS_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "spec/abi/attest.h"
#include "spec/vocabulary/dtype.h"
#include "spec/vocabulary/status.h"

namespace attest {

// A tensor of attest_forward_args_t, by its member's name.
struct WireTensor {
  std::string name;
  DType dtype = DType::kNone;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  // in elements
  std::uint64_t offset = 0;           // of element [0, 0, ...], bytes from the start of the image
  bool operator==(const WireTensor&) const = default;
};

nlohmann::ordered_json ToJson(const WireTensor& tensor);
Result<std::vector<WireTensor>> TensorsFromJson(const nlohmann::ordered_json& json);

// All tensor members of attest_forward_args_t, in order of declaration.
struct ForwardTensor {
  std::string_view name;
  attest_tensor_t attest_forward_args_t::*member;
};
const std::vector<ForwardTensor>& ForwardTensors();

// Bad input: no such member, a tensor named twice, shape and strides of different length, a
// negative size or stride, or an element that lies outside `image_bytes`.
Status CheckTensors(const std::vector<WireTensor>& tensors, std::uint64_t image_bytes);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_PROTOCOL_TENSORS_H_
