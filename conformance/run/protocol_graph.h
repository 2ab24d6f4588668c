// SPDX-License-Identifier: Apache-2.0
//
// Tensors as a backend describes its own: the views that graph_inspect yields, and the one of
// copy_to_persistent.
#ifndef ATTEST_CONFORMANCE_RUN_PROTOCOL_GRAPH_H_
#define ATTEST_CONFORMANCE_RUN_PROTOCOL_GRAPH_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "spec/abi/attest.h"
#include "spec/vocabulary/dtype.h"
#include "spec/vocabulary/status.h"

namespace attest {

struct SeenTensor {
  DType dtype = DType::kNone;  // kNone also where the backend names a type that attest has not
  std::int64_t address = 0;    // of element [0, 0, ...], in bytes; from where: see the call
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  // in elements
  bool operator==(const SeenTensor&) const = default;
};

// A view that outlives a step, and the buffer that it is of. Addresses are those of the backend's
// memory, which nobody else looks into.
struct SeenView {
  std::string name;
  SeenTensor view;
  SeenTensor buffer;
  std::uint64_t buffer_bytes = 0;
  bool operator==(const SeenView&) const = default;
};

nlohmann::ordered_json ToJson(const SeenTensor& tensor);
nlohmann::ordered_json ToJson(const SeenView& view);
Result<SeenTensor> SeenTensorFromJson(const nlohmann::ordered_json& json, const std::string& where);
Result<SeenView> SeenViewFromJson(const nlohmann::ordered_json& json, const std::string& where);

// `base` is what addresses are counted from; nullptr: memory itself. Bad input: more than 16
// dimensions, or shape or strides missing.
Result<SeenTensor> SeenTensorOf(const attest_tensor_t& tensor, const void* base);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_PROTOCOL_GRAPH_H_
