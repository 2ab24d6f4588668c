// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "conformance/judge/persistent_copy.h"
#include "conformance/judge/power.h"
#include "conformance/judge/run_call.h"
#include "conformance/judge/run_kinds.h"
#include "conformance/judge/untouched.h"

namespace attest {
namespace {

std::string List(const std::vector<std::int64_t>& numbers) {
  return fmt::format("[{}]", fmt::join(numbers, ", "));
}

// What is wrong with the view of a copy that fits; empty if nothing is.
std::string WrongView(const PersistentCopy& copy, const std::optional<SeenTensor>& view) {
  if (!view) return "the view has no shape or strides";
  const PlacedTensor& buffer = *copy.image.Find("buffer");
  const PlacedTensor& source = *copy.image.Find("source");
  if (view->dtype != buffer.dtype) {
    return fmt::format("the view is of type {}, the buffer of {}", Name(view->dtype),
                       Name(buffer.dtype));
  }
  if (view->address != static_cast<std::int64_t>(buffer.offset)) {
    return "the view's data pointer is not the buffer's";
  }
  if (view->strides != buffer.strides) {
    return fmt::format("the view has strides {}, the buffer {}", List(view->strides),
                       List(buffer.strides));
  }
  if (view->shape != source.shape) {
    return fmt::format("the view has shape {}, the source {}", List(view->shape),
                       List(source.shape));
  }
  return {};
}

std::string WrongBytes(const PersistentCopy& copy, const CallImage& after) {
  const auto [left, right] =
      std::mismatch(after.bytes.begin(), after.bytes.end(), copy.expected.begin());
  if (left == after.bytes.end()) return {};
  const auto position = static_cast<std::uint64_t>(left - after.bytes.begin());
  const bool to_write = copy.expected[position] != copy.image.bytes[position];
  return fmt::format("{} {}", PlaceOf(copy.image, position),
                     to_write ? "is not what the source holds" : "changed");
}

// One call; false, and the record finished, where something is wrong.
bool JudgeCopy(Session& session, const PersistentCopy& copy, Record& record) {
  CallImage image = copy.image;
  std::optional<SeenTensor> view;
  const CallResult answer = session.CopyToPersistent(image, view);
  if (answer.end != CallEnd::kAnswered) {
    record = Unanswered(std::move(record), answer, copy.how);
    return false;
  }
  const auto fail = [&](std::string_view rule, const std::string& why) {
    record.rule = rule;
    record = With(std::move(record), Verdict::kFail, fmt::format("{}, {}", copy.how, why));
    return false;
  };
  const attest_status_t wanted = copy.fits ? ATTEST_OK : ATTEST_INVALID_ARGUMENT;
  if (answer.status != wanted) return fail("status", "answered " + DescribeAnswer(answer));
  if (!copy.fits && answer.message.empty()) return fail("status", "declined without a reason");
  const std::string bytes = WrongBytes(copy, image);
  if (!bytes.empty()) return fail("bytes", bytes);
  const std::string wrong = copy.fits ? WrongView(copy, view) : std::string();
  return wrong.empty() || fail("views", wrong);
}

}  // namespace

Record JudgeCopies(Session& session, const std::vector<PersistentCopy>& copies, Record record) {
  record.rule = "bytes";
  for (const PersistentCopy& copy : copies) {
    if (!JudgeCopy(session, copy, record)) return record;
  }
  record.verdict = Verdict::kPass;
  return record;
}

Record RunCopyToPersistentCase(Session& session, const Case& value, const RunOptions& options,
                               Record record) {
  const Result<std::vector<PersistentCopy>> copies = PersistentCopiesOf(value, options.seed);
  if (!copies.ok()) return With(std::move(record), Verdict::kMistrusted, copies.status().message());
  record.exposes = ExposedMutants(value, {}, {}, {});
  if (record.exposes.empty()) {
    return With(std::move(record), Verdict::kMistrusted, "no mutant would fail this case");
  }
  return JudgeCopies(session, *copies, std::move(record));
}

}  // namespace attest
