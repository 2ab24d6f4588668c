// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/list_power.h"

#include <atomic>
#include <thread>

#include "conformance/judge/power.h"

namespace attest {
namespace {

PowerRow CertifyOne(const Case& value, bool all) {
  PowerRow row{.value = &value};
  if (!IsJudgedByValues(value.kind)) {
    row.exposes = ExposedMutants(value, {}, {}, {.all = all});
    return row;
  }
  const Result<CaseInputs> inputs = BuildInputs(value, 0);
  if (!inputs.ok()) {
    row.problem = inputs.status().message();
    return row;
  }
  const Result<Expected> expected =
      ComputeExpected(value.problem, TensorsOf(inputs->image), PowerRows(value.problem),
                      DefaultArithmetic(), {.bound = true, .threads = 1});
  if (!expected.ok()) {
    row.problem = expected.status().message();
    return row;
  }
  row.exposes = ExposedMutants(value, *inputs, *expected, {.all = all});
  if (row.exposes.empty()) row.problem = "exposes no mutant of its clauses";
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
