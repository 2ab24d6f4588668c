// SPDX-License-Identifier: Apache-2.0
#include "conformance/cli/list_power.h"

#include "conformance/judge/power.h"
#include "conformance/judge/power_case.h"
#include "conformance/run/in_parallel.h"

namespace attest {
namespace {

PowerRow CertifyOne(const Case& value, bool all) {
  PowerRow row{.value = &value};
  const Result<CaseInputs> inputs = PowerInputs(value);
  if (!inputs.ok()) {
    row.problem = inputs.status().message();
    return row;
  }
  const Result<Expected> expected = PowerExpectation(value, *inputs, PowerRows(value.problem));
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
  InParallel(cases.size(), jobs, [&](std::size_t at) { rows[at] = CertifyOne(*cases[at], all); });
  return rows;
}

}  // namespace attest
