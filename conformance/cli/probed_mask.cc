// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/probed_mask.h"

#include <fmt/format.h>

#include <algorithm>

#include "conformance/probe/mask_difference.h"
#include "conformance/probe/show.h"

namespace attest {
namespace {

// 11 calls at head_dim 128; the command `attest probe mask` reads longer ones.
constexpr std::int64_t kMostKeys = 8192;

ProbedMask NotRead(const std::string& why) {
  return {.text = fmt::format("not read: {}\n", why), .svg = "", .json = {{"not_read", why}}};
}

bool IsOneForwardCall(CaseKind kind) {
  return kind != CaseKind::kRefusal && kind != CaseKind::kInvalid && kind != CaseKind::kMerge &&
         kind != CaseKind::kWriteKv;
}

}  // namespace

ProbedMask ProbeMaskOf(Session& session, const Case& value) {
  if (!IsOneForwardCall(value.kind)) return NotRead("the case is not about a forward call");
  std::int64_t keys = 0;
  for (const Request& request : value.problem.requests) keys = std::max(keys, request.seq_len);
  if (keys > kMostKeys) {
    return NotRead(fmt::format("{} keys; attest probe mask reads them, at most {} are read here",
                               keys, kMostKeys));
  }
  Result<Box> box = Box::Make(value.problem, ForwardOf(session));
  if (!box.ok()) return NotRead(box.status().message());
  const Result<MaskReading> reading = ReadMaskAgainstSpec(*box);
  if (!reading.ok()) return NotRead(reading.status().message());
  const MaskPictures pictures = PicturesOf(*box, *reading);
  ProbedMask probed{.text = SummaryText(*box, *reading),
                    .svg = DrawSvg(pictures, "mask of the smallest case"),
                    .json = ToJson(*box, *reading)};
  if (!SummaryOf(*box, *reading).agrees()) probed.text += "\n" + DrawText(pictures);
  return probed;
}

}  // namespace attest
