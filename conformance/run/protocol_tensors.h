// SPDX-License-Identifier: Apache-2.0
//
// Tensors on the wire: where each one lies in the shared image.
#ifndef ATTEST_CONFORMANCE_RUN_PROTOCOL_TENSORS_H_
#define ATTEST_CONFORMANCE_RUN_PROTOCOL_TENSORS_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/abi/attest.h"
#include "spec/vocabulary/dtype.h"
#include "spec/vocabulary/status.h"

namespace attest {

// The calls that carry tensors.
enum class CallKind : std::uint8_t { kForward, kWriteKv, kMerge, kCopyToPersistent };
std::string_view Name(CallKind kind);  // "forward" "write_kv" "merge" "copy_to_persistent": the op
std::optional<CallKind> ParseCallKind(std::string_view op);

// A tensor of the call's arguments, by its member's name; of a merge part_out_0, part_lse_0, ...;
// of copy_to_persistent buffer and source.
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

// All tensor members of a call's arguments, in order of declaration. Those of attest_merge_args_t
// are the ones that are no part.
template <typename Args>
struct ArgsTensor {
  std::string_view name;
  attest_tensor_t Args::*member;
};
const std::vector<ArgsTensor<attest_forward_args_t>>& ForwardTensors();
const std::vector<ArgsTensor<attest_write_kv_args_t>>& WriteKvTensors();
const std::vector<ArgsTensor<attest_merge_args_t>>& MergeTensors();

// "part_out_12" is part 12 of "part_out"; nullopt for anything else. Numbers have no leading zero.
std::optional<int> PartOf(std::string_view name, std::string_view stem);

// Bad input: no such member, a tensor named twice, shape and strides of different length, a
// negative size or stride, an element that lies outside `image_bytes`; in a merge a part of which
// one tensor is missing, or none at all.
Status CheckTensors(CallKind kind, const std::vector<WireTensor>& tensors,
                    std::uint64_t image_bytes);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_RUN_PROTOCOL_TENSORS_H_
