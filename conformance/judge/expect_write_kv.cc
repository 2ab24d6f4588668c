// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/expect_write_kv.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>

#include "conformance/judge/untouched.h"
#include "reference/write_kv.h"

namespace attest {
namespace {

std::byte* PlaceIn(CallImage& image, std::string_view name) {
  const PlacedTensor* tensor = image.Find(name);
  return tensor == nullptr ? nullptr : image.bytes.data() + tensor->offset;
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

Result<CallImage> ExpectWriteKvImage(const Problem& problem, const CallImage& before) {
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

std::string WrongWriteKv(const CallImage& before, const CallImage& wanted, const CallImage& got) {
  if (got.bytes.size() != wanted.bytes.size()) return "the image came back with another size";
  const WrongBytes wrong = CountWrong(before, wanted, got);
  return wrong.count == 0 ? std::string() : DescribeWrong(before, wanted, got, wrong);
}

}  // namespace attest
