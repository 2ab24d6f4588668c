// SPDX-License-Identifier: Apache-2.0
#include "conformance/judge/self_check.h"

#include <fmt/format.h>

#include <cfenv>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "conformance/judge/compare.h"
#include "conformance/judge/untouched.h"
#include "conformance/mutants/in_process.h"
#include "reference/float_formats.h"
#include "spec/cases/case.h"

namespace attest {
namespace {

Case SmallCase(Recipe recipe) {
  Case value;
  value.id = fmt::format("self-check/causal/inputs={}", Name(recipe));
  value.recipe = recipe;
  value.problem.num_q_heads = 6;
  value.problem.num_kv_heads = 2;
  value.problem.head_dim_qk = 32;
  value.problem.head_dim_v = 32;
  value.problem.block_size = 5;
  value.problem.requests = {{.q_len = 4, .seq_len = 23}, {.q_len = 1, .seq_len = 9}};
  return value;
}

std::byte* Writable(CallImage& image, const char* name, const std::vector<std::int64_t>& index) {
  const PlacedTensor& tensor = *image.Find(name);
  std::int64_t offset = 0;
  for (std::size_t axis = 0; axis < index.size(); ++axis)
    offset += index[axis] * tensor.strides[axis];
  return image.bytes.data() + tensor.offset +
         offset * static_cast<std::int64_t>(SizeOf(tensor.dtype));
}

// The right answer, as a backend without rounding errors but the last would give it.
CallImage RightAnswer(const Case& value, const CaseInputs& inputs, const Expected& expected) {
  CallImage image = inputs.image;
  const int heads = value.problem.num_q_heads;
  for (Eigen::Index line = 0; line < expected.out.rows(); ++line) {
    const std::int64_t token = line / heads;  // all rows, in order
    const std::int64_t head = line % heads;
    for (Eigen::Index dim = 0; dim < expected.out.cols(); ++dim) {
      StoreElement(value.problem.output_dtype, expected.out(line, dim),
                   Writable(image, "out", {token, head, dim}));
    }
    StoreElement(DType::kFloat32, expected.lse[line], Writable(image, "lse", {token, head}));
  }
  return image;
}

struct Plant {
  const char* name;
  std::function<void(const Case&, CallImage&)> spoil;
};

void SpoilRow(const Case& value, CallImage& image, const std::function<double(double)>& change) {
  const DType dtype = value.problem.output_dtype;
  for (int dim = 0; dim < value.problem.head_dim_v; ++dim) {
    std::byte* at = Writable(image, "out", {3, 4, dim});
    StoreElement(dtype, change(LoadElement(dtype, at)), at);
  }
}

const std::vector<Plant>& WrongValues() {
  static const std::vector<Plant> kPlants = {
      {"a row of zeros",
       [](const Case& c, CallImage& i) { SpoilRow(c, i, [](double) { return 0.0; }); }},
      {"a row with the sign flipped",
       [](const Case& c, CallImage& i) { SpoilRow(c, i, [](double x) { return -x; }); }},
      {"a row of NaN",
       [](const Case& c, CallImage& i) {
         SpoilRow(c, i, [](double) { return std::numeric_limits<double>::quiet_NaN(); });
       }},
      {"an LSE that is 0.01 too large",
       [](const Case&, CallImage& i) {
         std::byte* at = Writable(i, "lse", {2, 1});
         StoreElement(DType::kFloat32, LoadElement(DType::kFloat32, at) + 0.01, at);
       }},
  };
  return kPlants;
}

const std::vector<Plant>& ForbiddenWrites() {
  static const std::vector<Plant> kPlants = {
      {"a changed query element",
       [](const Case&, CallImage& i) {
         *Writable(i, "query", {2, 1, 7}) ^= std::byte{1};
       }},
      {"a byte before out",
       [](const Case&, CallImage& i) {
         *(Writable(i, "out", {0, 0, 0}) - 1) ^= std::byte{1};
       }},
      {"a byte after lse",
       [](const Case&, CallImage& i) {
         *(Writable(i, "lse", {4, 5}) + 4) ^= std::byte{1};
       }},
  };
  return kPlants;
}

Status CheckRecipe(Recipe recipe) {
  Case value = SmallCase(recipe);
  value.content_hash = ContentHash(value);
  const Result<CaseInputs> inputs = BuildInputs(value, 0);
  if (!inputs.ok()) return InternalError("self-check: " + inputs.status().message());
  const Result<Expected> expected = ComputeExpected(
      value.problem, TensorsOf(inputs->image), AllRows(value.problem), DefaultArithmetic(), {});
  if (!expected.ok()) return InternalError("self-check: " + expected.status().message());
  const CallImage right = RightAnswer(value, *inputs, *expected);

  const auto judge = [&](const CallImage& image) {
    Record record;
    Compare(value, *inputs, image, *expected, record);
    return record;
  };
  if (const Record record = judge(right); record.verdict != Verdict::kPass) {
    return InternalError(fmt::format("self-check: the right answer to {} is judged {}: {}",
                                     value.id, Name(record.verdict), record.reason));
  }
  for (const Plant& plant : WrongValues()) {
    CallImage wrong = right;
    plant.spoil(value, wrong);
    if (judge(wrong).verdict != Verdict::kFail) {
      return InternalError(fmt::format("self-check: {} passes {}", plant.name, value.id));
    }
  }
  for (const Plant& plant : ForbiddenWrites()) {
    CallImage wrong = right;
    plant.spoil(value, wrong);
    if (FirstForbiddenChange(inputs->image, wrong, NumTokens(value.problem)).empty()) {
      return InternalError(
          fmt::format("self-check: {} goes unnoticed in {}", plant.name, value.id));
    }
  }
  return {};
}

// What a mutant would leave behind, rounded to the types of the outputs.
CallImage AnswerOf(const Mutant& mutant, const Case& value, const CaseInputs& inputs,
                   const std::vector<QueryRow>& rows) {
  const int heads = value.problem.num_q_heads;
  std::vector<MutantLine> lines;
  for (const QueryRow& row : rows) {
    for (int head = 0; head < heads; ++head) lines.push_back({row.request, row.row, head});
  }
  const MutantAnswer answer = RunMutant(value.problem, TensorsOf(inputs.image), {}, mutant, lines);
  CallImage image = inputs.image;
  const auto columns = static_cast<std::size_t>(value.problem.head_dim_v);
  for (std::size_t n = 0; n < lines.size(); ++n) {
    const auto token = static_cast<std::int64_t>(n) / heads;  // all rows, in order
    for (std::size_t d = 0; d < columns; ++d) {
      StoreElement(value.problem.output_dtype, answer.out[n * columns + d],
                   Writable(image, "out", {token, lines[n].head, static_cast<std::int64_t>(d)}));
    }
    StoreElement(DType::kFloat32, answer.lse[n], Writable(image, "lse", {token, lines[n].head}));
  }
  return image;
}

// The canary: the scalar attention passes, and a mutant of each room does not survive.
Status CheckMutants() {
  constexpr const char* kCanaries[] = {
      "causal-top-left",  "own-key-missing",     "window-one-long",     "head-interleaved",
      "value-page-stale", "scale-three-percent", "denominator-missing", "lse-base-two"};
  Case value = SmallCase(Recipe::kGeneric);
  value.problem.window_left = 13;
  value.content_hash = ContentHash(value);
  const Result<CaseInputs> inputs = BuildInputs(value, 0);
  if (!inputs.ok()) return InternalError("self-check: " + inputs.status().message());
  const std::vector<QueryRow> rows = AllRows(value.problem);
  const Result<Expected> expected =
      ComputeExpected(value.problem, TensorsOf(inputs->image), rows, DefaultArithmetic(), {});
  if (!expected.ok()) return InternalError("self-check: " + expected.status().message());
  const auto judge = [&](const Mutant& mutant) {
    Record record;
    Compare(value, *inputs, AnswerOf(mutant, value, *inputs, rows), *expected, record);
    return record;
  };
  if (const Record record = judge(*FindMutant("faithful")); record.verdict != Verdict::kPass) {
    return InternalError("self-check: the scalar attention is judged wrong: " + record.reason);
  }
  for (const char* const id : kCanaries) {
    const Mutant* const mutant = FindMutant(id);
    if (mutant == nullptr || judge(*mutant).verdict != Verdict::kFail) {
      return InternalError(fmt::format("self-check: the mutant {} survives", id));
    }
  }
  return {};
}

Status CheckArithmeticOfHost() {
  if (std::fegetround() != FE_TONEAREST)
    return InternalError("self-check: the host does not round to nearest");
  volatile double tiny = std::numeric_limits<double>::min();
  if (tiny / 4 == 0.0)
    return InternalError("self-check: the host flushes subnormal doubles to zero");
  return {};
}

}  // namespace

Status JudgeSelfCheck() {
  if (Status status = CheckArithmeticOfHost(); !status.ok()) return status;
  for (const Recipe recipe : {Recipe::kVCoded, Recipe::kKCoded, Recipe::kGeneric}) {
    if (Status status = CheckRecipe(recipe); !status.ok()) return status;
  }
  return CheckMutants();
}

}  // namespace attest
