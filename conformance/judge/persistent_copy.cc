// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/persistent_copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "conformance/judge/mutant_session.h"
#include "conformance/run/inputs_place.h"
#include "reference/persistent_buffer.h"

namespace attest {
namespace {

using Extents = std::vector<std::int64_t>;

constexpr std::uint64_t kAlignment = 256;
constexpr std::int64_t kRowGap = 5;  // of the buffer: its pitch is no step's
constexpr const char* kNames[] = {"query_start_loc", "seq_lens", "block_table", "slot_mapping"};

// The numbers of a tensor, dense.
struct Numbers {
  DType dtype = DType::kNone;
  Extents shape;
  std::vector<std::byte> bytes;
};

Numbers NumbersOf(const CallImage& image, const char* name) {
  const TensorView view = image.View(name);
  Numbers numbers{.dtype = view.dtype, .shape = view.shape, .bytes = {}};
  const std::size_t size = SizeOf(view.dtype);
  const std::int64_t columns = view.shape.size() > 1 ? view.shape[1] : 1;
  for (std::int64_t row = 0; row < view.shape[0]; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      const std::byte* at = view.shape.size() > 1 ? view.At({row, column}) : view.At({row});
      numbers.bytes.insert(numbers.bytes.end(), at, at + size);
    }
  }
  return numbers;
}

std::uint64_t Aligned(std::uint64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

std::uint64_t Product(const Extents& shape) {
  std::uint64_t product = 1;
  for (const std::int64_t extent : shape) product *= static_cast<std::uint64_t>(extent);
  return product;
}

// A buffer like `whole`, full of numbers that no metadata holds, and `source` behind it.
PersistentCopy CopyOf(const Numbers& whole, const Numbers& source) {
  Extents strides(whole.shape.size(), 1);
  if (whole.shape.size() > 1) strides[0] = whole.shape[1] + kRowGap;
  const std::uint64_t rows = whole.shape.empty() ? 1 : static_cast<std::uint64_t>(whole.shape[0]);
  const std::uint64_t buffer_bytes =
      rows * static_cast<std::uint64_t>(strides.empty() ? 1 : strides[0]) * SizeOf(whole.dtype);
  const std::uint64_t buffer_at = kAlignment;
  const std::uint64_t source_at = Aligned(buffer_at + buffer_bytes + kAlignment);
  PersistentCopy copy;
  copy.image.tensors = {
      {"buffer", whole.dtype, whole.shape, strides, buffer_at, true},
      {"source", source.dtype, source.shape, DenseStrides(source.shape), source_at, false}};
  const std::uint64_t source_bytes = Product(source.shape) * SizeOf(source.dtype);
  copy.image.bytes.resize(Aligned(source_at + source_bytes + kAlignment));
  for (std::uint64_t i = 0; i < copy.image.bytes.size(); ++i) copy.image.bytes[i] = CanaryByte(i);
  // Of no rows there are no bytes, and memcpy may not be given a null pointer even then.
  std::copy_n(source.bytes.begin(), std::min<std::size_t>(source.bytes.size(), source_bytes),
              copy.image.bytes.begin() + static_cast<std::ptrdiff_t>(source_at));
  return copy;
}

Status Expect(PersistentCopy& copy) {
  copy.expected = copy.image.bytes;
  const Result<TensorView> view =
      CopyToPersistent(copy.image.View("buffer"), copy.image.View("source"),
                       copy.expected.data() + copy.image.Find("buffer")->offset);
  if (view.ok() == copy.fits) return {};
  return BadInput(fmt::format("{}: the reference says {}", copy.how,
                              view.ok() ? "yes" : view.status().message()));
}

DType OtherInteger(DType dtype) { return dtype == DType::kInt64 ? DType::kInt32 : DType::kInt64; }

// Sources that a slice and a copy would take.
void AddMisfits(const std::string& name, const Numbers& whole,
                std::vector<PersistentCopy>& copies) {
  const auto add = [&](const std::string& how, DType dtype, Extents shape) {
    const Numbers source{.dtype = dtype, .shape = std::move(shape), .bytes = whole.bytes};
    PersistentCopy copy = CopyOf(whole, source);
    copy.how = fmt::format("{} {}", name, how);
    copy.fits = false;
    copies.push_back(std::move(copy));
  };
  for (std::size_t axis = 0; axis < whole.shape.size(); ++axis) {
    Extents larger = whole.shape;
    ++larger[axis];
    add(fmt::format("with one element more along axis {}", axis), whole.dtype, larger);
  }
  add("of a lower rank", whole.dtype, Extents(whole.shape.begin() + 1, whole.shape.end()));
  Extents higher = whole.shape;
  higher.insert(higher.begin(), 1);
  add("of a higher rank", whole.dtype, higher);
  add("of another integer type", OtherInteger(whole.dtype), whole.shape);
  if (whole.dtype == DType::kInt32) add("of a type of equal size", DType::kFloat32, whole.shape);
}

void AddEmpty(const std::string& name, const Numbers& whole, std::vector<PersistentCopy>& copies) {
  for (std::size_t axis = 0; axis < whole.shape.size(); ++axis) {
    Extents shape = whole.shape;
    shape[axis] = 0;
    const Numbers source{.dtype = whole.dtype, .shape = std::move(shape), .bytes = {}};
    PersistentCopy copy = CopyOf(whole, source);
    copy.how = fmt::format("{}, empty along axis {}", name, axis);
    copies.push_back(std::move(copy));
  }
}

}  // namespace

Result<std::vector<PersistentCopy>> PersistentCopiesOf(const Case& value, std::uint64_t seed) {
  Case forward = value;
  forward.kind = CaseKind::kForward;
  forward.steps.clear();
  const Result<CaseInputs> maximum = BuildInputs(forward, seed);
  if (!maximum.ok()) return maximum.status();
  std::vector<PersistentCopy> copies;
  for (std::size_t i = 0; i < value.steps.size(); ++i) {
    forward.problem = ProblemOf(value.problem, value.steps[i]);
    const Result<CaseInputs> step = BuildInputs(forward, seed);
    if (!step.ok()) return step.status();
    for (const char* name : kNames) {
      if (step->image.Find(name) == nullptr) continue;
      PersistentCopy copy = CopyOf(NumbersOf(maximum->image, name), NumbersOf(step->image, name));
      copy.how = fmt::format("{} of step {}, {}", name, i, value.steps[i].how);
      copies.push_back(std::move(copy));
    }
  }
  for (const char* name : kNames) {
    if (maximum->image.Find(name) == nullptr) continue;
    AddEmpty(name, NumbersOf(maximum->image, name), copies);
    AddMisfits(name, NumbersOf(maximum->image, name), copies);
  }
  for (PersistentCopy& copy : copies) {
    if (Status status = Expect(copy); !status.ok()) return status;
  }
  return copies;
}

bool CopyExposes(const Case& value, const Mutant& mutant) {
  const Result<std::vector<PersistentCopy>> copies = PersistentCopiesOf(value, 0);
  if (!copies.ok()) return false;
  MutantSession session(mutant);
  return JudgeCopies(session, *copies, {.case_id = value.id}).verdict == Verdict::kFail;
}

}  // namespace attest
