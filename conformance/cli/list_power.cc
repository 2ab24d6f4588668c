// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/list_power.h"

#include <atomic>
#include <thread>

#include "conformance/judge/expect_merge.h"
#include "conformance/judge/power.h"
#include "conformance/run/inputs_merge.h"
#include "conformance/run/inputs_write_kv.h"

namespace attest {
namespace {

Result<CaseInputs> InputsOf(const Case& value) {
  if (value.kind == CaseKind::kWriteKv) return BuildWriteKvInputs(value, 0);
  if (value.kind == CaseKind::kMerge) return BuildMergeInputs(value, value.parts, 0);
  return BuildInputs(value, 0);
}

Result<Expected> ExpectationAt(const Case& value, const CaseInputs& inputs) {
  switch (value.kind) {
    case CaseKind::kRefusal:
    case CaseKind::kInvalid:
    case CaseKind::kWriteKv:
      return Expected{};
    case CaseKind::kMerge:
      return ExpectMerge(value.problem, inputs.image, value.parts, DefaultArithmetic());
    default:
      return ComputeExpected(value.problem, TensorsOf(inputs.image), PowerRows(value.problem),
                             DefaultArithmetic(), {.bound = true, .threads = 1});
  }
}

PowerRow CertifyOne(const Case& value, bool all) {
  PowerRow row{.value = &value};
  const Result<CaseInputs> inputs = InputsOf(value);
  if (!inputs.ok()) {
    row.problem = inputs.status().message();
    return row;
  }
  const Result<Expected> expected = ExpectationAt(value, *inputs);
  if (!expected.ok()) {
    row.problem = expected.status().message();
    return row;
  }
  row.exposes = ExposedMutants(value, *inputs, *expected, {.all = all});
  if (row.exposes.empty()) row.problem = "no mutant would fail it";
  return row;
}

}  // namespace

std::vector<PowerRow> CertifyPower(const std::vector<const Case*>& cases, bool all, int jobs) {
  std::vector<PowerRow> rows(cases.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t at = next++; at < cases.size(); at = next++) {
      rows[at] = CertifyOne(*cases[at], all);
    }
  };
  std::vector<std::thread> threads;
  for (int job = 1; job < jobs; ++job) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return rows;
}

}  // namespace attest
