// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/power_calls.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "conformance/judge/power.h"
#include "conformance/mutants/attention.h"
#include "conformance/run/protocol_tensors.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

attest_tensor_t Bound(CallImage& image, const std::string& name) {
  attest_tensor_t bound = {};
  for (PlacedTensor& tensor : image.tensors) {
    if (tensor.name != name) continue;
    bound.data = image.bytes.data() + tensor.offset;
    bound.device = {ATTEST_DEVICE_CPU, 0};
    bound.ndim = static_cast<std::int32_t>(tensor.shape.size());
    bound.dtype = ToAbi(tensor.dtype);
    bound.shape = tensor.shape.data();
    bound.strides = tensor.strides.data();
  }
  return bound;
}

// The image as `hooks` leave it.
CallImage Written(const CaseInputs& inputs, const Hooks& hooks) {
  CallImage image = inputs.image;
  attest_write_kv_args_t args = {};
  args.struct_size = sizeof(args);
  for (const ArgsTensor<attest_write_kv_args_t>& member : WriteKvTensors()) {
    args.*member.member = Bound(image, std::string(member.name));
  }
  ScalarWriteKv(inputs.abi, args, hooks);
  return image;
}

// The image as `hooks` merge its parts.
CallImage Merged(const CaseInputs& inputs, int parts, const Hooks& hooks) {
  CallImage image = inputs.image;
  std::vector<attest_tensor_t> out;
  std::vector<attest_tensor_t> lse;
  for (int i = 0; i < parts; ++i) {
    out.push_back(Bound(image, fmt::format("part_out_{}", i)));
    lse.push_back(Bound(image, fmt::format("part_lse_{}", i)));
  }
  attest_merge_args_t args = {};
  args.struct_size = sizeof(args);
  args.num_parts = parts;
  args.part_out = out.data();
  args.part_lse = lse.data();
  args.out = Bound(image, "out");
  args.lse = Bound(image, "lse");
  ScalarMerge(args, hooks);
  return image;
}

}  // namespace

bool WriteKvExposes(const CaseInputs& inputs, const Mutant& mutant) {
  const bool writes_otherwise = mutant.hooks.slot != nullptr || mutant.hooks.write != nullptr;
  return writes_otherwise &&
         Written(inputs, mutant.hooks).bytes != Written(inputs, FindMutant("")->hooks).bytes;
}

bool MergeExposes(const CaseInputs& inputs, int parts, const Expected& expected,
                  const Mutant& mutant) {
  if (mutant.hooks.merge == nullptr) return false;
  const CallImage merged = Merged(inputs, parts, mutant.hooks);
  const TensorView out = merged.View("out");
  const TensorView lse = merged.View("lse");
  const std::int64_t heads = inputs.abi.num_q_heads;
  for (Eigen::Index n = 0; n < expected.out.rows(); ++n) {
    const std::int64_t token = n / heads;
    const double got_lse = LoadElement(lse.dtype, lse.At({token, n % heads}));
    if (OutOfReach(got_lse, expected.lse(n), expected.lse_bound(n))) return true;
    for (Eigen::Index d = 0; d < expected.out.cols(); ++d) {
      const double got = LoadElement(out.dtype, out.At({token, n % heads, d}));
      if (OutOfReach(got, expected.out(n, d), expected.out_bound(n, d))) return true;
    }
  }
  return false;
}

}  // namespace attest
