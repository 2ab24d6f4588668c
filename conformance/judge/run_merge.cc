// SPDX-License-Identifier: Apache-2.0
//
// merge against the reference's, by its own bound; and cascade, where the parts are the backend's.
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <utility>

#include "conformance/judge/cascade.h"
#include "conformance/judge/compare.h"
#include "conformance/judge/expect_merge.h"
#include "conformance/judge/power.h"
#include "conformance/judge/run_call.h"
#include "conformance/judge/run_kinds.h"
#include "conformance/judge/untouched.h"
#include "conformance/run/inputs_merge.h"

namespace attest {
namespace {

// One call of merge; out and lse below num_actual_tokens are all that may change.
Ran RunMergeCall(Session& session, const CaseInputs& inputs, Record record) {
  const auto invoke = [&](CallImage& image) { return session.Merge(inputs.abi, 0, image); };
  Ran ran = RunPromised("merge", invoke, inputs.image, std::move(record));
  if (!ran.ok) return ran;
  // A merge is told nothing of padding: it may fill all rows that its tensors have.
  const std::int64_t rows = inputs.image.Find("out")->shape[0];
  std::string change = FirstForbiddenChange(inputs.image, ran.image, rows);
  if (change.empty()) return ran;
  ran.ok = false;
  ran.record.rule = "untouched";
  ran.record = With(std::move(ran.record), Verdict::kFail, std::move(change));
  return ran;
}

// The bound judges merges, whatever the recipe: their scores are not flat.
Case JudgedByBound(Case value) {
  if (value.recipe == Recipe::kVCoded) value.recipe = Recipe::kGeneric;
  return value;
}

void CopyRows(const CallImage& from, std::string_view from_name, CallImage& to,
              const std::string& to_name, std::int64_t rows) {
  const TensorView source = from.View(from_name);
  const PlacedTensor& target = *to.Find(to_name);
  const bool is_lse = source.shape.size() == 2;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t head = 0; head < source.shape[1]; ++head) {
      for (std::int64_t dim = 0; dim < (is_lse ? 1 : source.shape[2]); ++dim) {
        const std::byte* at = is_lse ? source.At({row, head}) : source.At({row, head, dim});
        const std::vector<std::int64_t> index = is_lse ? std::vector<std::int64_t>{row, head}
                                                       : std::vector<std::int64_t>{row, head, dim};
        std::memcpy(Writable(to, target, index), at, SizeOf(source.dtype));
      }
    }
  }
}

// One part of a cascade: asked for, run, and judged on its own.
struct PartRun {
  bool ok = false;
  Record record;
  CallImage image;
  Expected expected;
};

PartRun RunPart(Session& session, const Case& value, const CascadePart& part,
                const RunOptions& options, Record record) {
  const std::string name = part.name;
  const auto stop = [&name](Record finished) {
    finished.reason = fmt::format("{}: {}", name, finished.reason);
    return PartRun{.record = std::move(finished)};
  };
  Result<Expected> expected =
      ComputeExpected(part.problem, TensorsOf(part.inputs.image), AllRows(part.problem),
                      options.arithmetic, {.bound = true, .threads = options.threads});
  if (!expected.ok()) {
    return stop(With(std::move(record), Verdict::kMistrusted, expected.status().message()));
  }
  if (!Promised(session, part.inputs, record)) return stop(std::move(record));
  Ran ran = RunForward(session, MultiplyAdds(part.problem), part.inputs, std::move(record));
  if (!ran.ok) return stop(std::move(ran.record));
  Case judged = JudgedByBound(value);
  judged.problem = part.problem;
  Compare(judged, part.inputs, ran.image, *expected, ran.record);
  if (ran.record.verdict != Verdict::kPass) return stop(std::move(ran.record));
  return {.ok = true,
          .record = std::move(ran.record),
          .image = std::move(ran.image),
          .expected = std::move(*expected)};
}

}  // namespace

Record RunMergeCase(Session& session, const Case& value, const RunOptions& options, Record record) {
  const Result<CaseInputs> inputs = BuildMergeInputs(value, value.parts, options.seed);
  if (!inputs.ok()) return With(std::move(record), Verdict::kMistrusted, inputs.status().message());
  const Result<Expected> expected =
      ExpectMerge(value.problem, inputs->image, value.parts, options.arithmetic);
  if (!expected.ok()) {
    return With(std::move(record), Verdict::kMistrusted, expected.status().message());
  }
  const Case judged = JudgedByBound(value);
  if (!ZerosWouldFail(judged, *inputs, *expected)) {
    return With(std::move(record), Verdict::kMistrusted, "an output of zeros would pass this case");
  }
  record.exposes = ExposedMutants(value, *inputs, *expected, {});
  if (record.exposes.empty()) {
    return With(std::move(record), Verdict::kMistrusted, "no mutant would fail this case");
  }
  if (!Promised(session, *inputs, record)) return record;
  Ran ran = RunMergeCall(session, *inputs, std::move(record));
  if (!ran.ok) return std::move(ran.record);
  Compare(judged, *inputs, ran.image, *expected, ran.record);
  return std::move(ran.record);
}

Record RunCascadeCase(Session& session, const Case& value, const CaseInputs& inputs,
                      const RunOptions& options, Record record) {
  const Problem& problem = value.problem;
  Result<CaseInputs> merging = BuildMergeInputs(value, 2, options.seed);
  if (!merging.ok()) {
    return With(std::move(record), Verdict::kMistrusted, merging.status().message());
  }
  Result<Expected> whole =
      ComputeExpected(problem, TensorsOf(inputs.image), AllRows(problem), options.arithmetic,
                      {.bound = true, .threads = options.threads});
  if (!whole.ok()) return With(std::move(record), Verdict::kMistrusted, whole.status().message());
  record.exposes = ExposedMutants(JudgedByBound(value), inputs, *whole, {});
  if (record.exposes.empty()) {
    return With(std::move(record), Verdict::kMistrusted, "no mutant would fail this case");
  }
  std::vector<Expected> parts;
  for (const CascadePart& part : {PrefixPart(inputs, problem), SuffixPart(inputs, problem)}) {
    PartRun run = RunPart(session, value, part, options, std::move(record));
    if (!run.ok) return std::move(run.record);
    record = std::move(run.record);
    const auto index = parts.size();
    CopyRows(run.image, "out", merging->image, fmt::format("part_out_{}", index),
             NumTokens(problem));
    CopyRows(run.image, "lse", merging->image, fmt::format("part_lse_{}", index),
             NumTokens(problem));
    parts.push_back(std::move(run.expected));
  }
  const Result<Expected> merged = ExpectMerge(problem, merging->image, 2, options.arithmetic);
  if (!merged.ok()) return With(std::move(record), Verdict::kMistrusted, merged.status().message());
  WidenByParts(parts[0], parts[1], *merged, *whole);
  Ran ran = RunMergeCall(session, *merging, std::move(record));
  if (!ran.ok) return std::move(ran.record);
  Compare(JudgedByBound(value), *merging, ran.image, *whole, ran.record);
  return std::move(ran.record);
}

}  // namespace attest
