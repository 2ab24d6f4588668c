// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/power_calls.h"

#include <fmt/format.h>

#include "conformance/judge/power.h"
#include "conformance/mutants/attention.h"
#include "conformance/run/protocol_tensors.h"
#include "reference/float_formats.h"

namespace attest {
namespace {

// The image as `hooks` leave it.
CallImage Written(const CaseInputs& inputs, const Hooks& hooks) {
  CallImage image = inputs.image;
  attest_write_kv_args_t args = {};
  args.struct_size = sizeof(args);
  for (PlacedTensor& tensor : image.tensors) {
    for (const ArgsTensor<attest_write_kv_args_t>& member : WriteKvTensors()) {
      if (member.name != tensor.name) continue;
      attest_tensor_t& bound = args.*member.member;
      bound.data = image.bytes.data() + tensor.offset;
      bound.device = {ATTEST_DEVICE_CPU, 0};
      bound.ndim = static_cast<std::int32_t>(tensor.shape.size());
      bound.dtype = ToAbi(tensor.dtype);
      bound.shape = tensor.shape.data();
      bound.strides = tensor.strides.data();
    }
  }
  ScalarWriteKv(inputs.abi, args, hooks);
  return image;
}

// The parts of row `token` of head `head`.
std::vector<PartLine> PartsOfLine(const CallImage& image, int parts, std::int64_t token,
                                  std::int64_t head) {
  std::vector<PartLine> lines(static_cast<std::size_t>(parts));
  for (int i = 0; i < parts; ++i) {
    const TensorView out = image.View(fmt::format("part_out_{}", i));
    const TensorView lse = image.View(fmt::format("part_lse_{}", i));
    PartLine& line = lines[static_cast<std::size_t>(i)];
    line.lse = LoadElement(lse.dtype, lse.At({token, head}));
    for (std::int64_t d = 0; d < out.shape[2]; ++d) {
      line.out.push_back(LoadElement(out.dtype, out.At({token, head, d})));
    }
  }
  return lines;
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
  const std::int64_t heads = inputs.abi.num_q_heads;
  for (Eigen::Index n = 0; n < expected.out.rows(); ++n) {
    const MergedLine line =
        MergeLine(PartsOfLine(inputs.image, parts, n / heads, n % heads), mutant.hooks);
    if (OutOfReach(line.lse, expected.lse(n), expected.lse_bound(n))) return true;
    for (Eigen::Index d = 0; d < expected.out.cols(); ++d) {
      const double got = line.out[static_cast<std::size_t>(d)];
      if (OutOfReach(got, expected.out(n, d), expected.out_bound(n, d))) return true;
    }
  }
  return false;
}

}  // namespace attest
