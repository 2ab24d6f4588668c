// SPDX-License-Identifier: Apache-2.0
//
// write_kv, byte for byte: the slots that slot_mapping names hold what the reference puts there,
// and no other byte of the memory around them has changed.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "conformance/judge/power.h"
#include "conformance/judge/run_call.h"
#include "conformance/judge/run_kinds.h"
#include "conformance/judge/untouched.h"
#include "conformance/run/inputs_write_kv.h"
#include "reference/write_kv.h"

namespace attest {
namespace {

std::byte* PlaceIn(CallImage& image, std::string_view name) {
  const PlacedTensor* tensor = image.Find(name);
  return tensor == nullptr ? nullptr : image.bytes.data() + tensor->offset;
}

// The image as it must be afterwards.
Result<CallImage> ExpectedImage(const Problem& problem, const CallImage& before) {
  CallImage after = before;
  const WriteKvTensors tensors = {.key = before.View("key"),
                                  .value = before.View("value"),
                                  .key_cache = before.View("key_cache"),
                                  .value_cache = before.View("value_cache"),
                                  .slot_mapping = before.View("slot_mapping"),
                                  .key_scale = before.View("key_scale"),
                                  .value_scale = before.View("value_scale")};
  const WriteKvImage places = {.key_cache = PlaceIn(after, "key_cache"),
                               .value_cache = PlaceIn(after, "value_cache"),
                               .key_scale = PlaceIn(after, "key_scale"),
                               .value_scale = PlaceIn(after, "value_scale")};
  if (Status status = ExpectWriteKv(problem, tensors, places); !status.ok()) return status;
  return after;
}

struct WrongBytes {
  std::uint64_t first = 0;
  std::int64_t count = 0;
  std::int64_t unnamed = 0;  // of them, changed though nothing named them
};

WrongBytes CountWrong(const CallImage& before, const CallImage& wanted, const CallImage& got) {
  WrongBytes wrong;
  for (std::size_t i = 0; i < wanted.bytes.size(); ++i) {
    if (wanted.bytes[i] == got.bytes[i]) continue;
    if (wrong.count++ == 0) wrong.first = i;
    wrong.unnamed += wanted.bytes[i] == before.bytes[i] ? 1 : 0;
  }
  return wrong;
}

std::string DescribeWrong(const CallImage& before, const CallImage& wanted, const CallImage& got,
                          const WrongBytes& wrong) {
  const auto byte = [&](const CallImage& image) {
    return static_cast<unsigned>(image.bytes[wrong.first]);
  };
  return fmt::format(
      "{}: was 0x{:02x}, expected 0x{:02x}, is 0x{:02x}; {} bytes wrong, {} of them "
      "in no slot that slot_mapping names",
      PlaceOf(before, wrong.first), byte(before), byte(wanted), byte(got), wrong.count,
      wrong.unnamed);
}

}  // namespace

Record RunWriteKvCase(Session& session, const Case& value, const RunOptions& options,
                      Record record) {
  record.rule = "bytes";
  const Result<CaseInputs> inputs = BuildWriteKvInputs(value, options.seed);
  if (!inputs.ok()) return With(std::move(record), Verdict::kMistrusted, inputs.status().message());
  const Result<CallImage> wanted = ExpectedImage(value.problem, inputs->image);
  if (!wanted.ok()) return With(std::move(record), Verdict::kMistrusted, wanted.status().message());
  if (wanted->bytes == inputs->image.bytes) {
    return With(std::move(record), Verdict::kMistrusted, "a call that writes nothing would pass");
  }
  record.exposes = ExposedMutants(value, *inputs, {}, {});
  if (record.exposes.empty()) {
    return With(std::move(record), Verdict::kMistrusted, "no mutant would fail this case");
  }
  if (!Promised(session, *inputs, record)) return record;
  record.rule = "bytes";
  const auto invoke = [&](CallImage& image) { return session.WriteKv(inputs->abi, 0, image); };
  Ran ran = RunPromised("write_kv", invoke, inputs->image, std::move(record));
  if (!ran.ok) return std::move(ran.record);
  if (ran.image.bytes.size() != wanted->bytes.size()) {
    return With(std::move(ran.record), Verdict::kFail, "the image came back with another size");
  }
  const WrongBytes wrong = CountWrong(inputs->image, *wanted, ran.image);
  ran.record.verdict = wrong.count == 0 ? Verdict::kPass : Verdict::kFail;
  if (wrong.count > 0) {
    ran.record.reason = DescribeWrong(inputs->image, *wanted, ran.image, wrong);
  }
  return std::move(ran.record);
}

}  // namespace attest
