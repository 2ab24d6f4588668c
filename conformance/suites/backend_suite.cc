// SPDX-License-Identifier: Apache-2.0
#include "conformance/suites/backend_suite.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "conformance/report/picture.h"

namespace attest {
namespace {

std::string Describe(const Step& step) {
  std::vector<std::string> requests;
  for (const Request& request : step.requests) {
    requests.push_back(fmt::format("{} of {}", request.q_len, request.seq_len));
  }
  return fmt::format(
      "{}: {}{}", step.how, fmt::join(requests, ", "),
      step.padding_tokens > 0 ? fmt::format(", {} padded rows", step.padding_tokens) : "");
}

// What a failure shows: the mask and the cells of a call, the steps of a walk.
std::string Details(const Case& value, const Record& record) {
  std::string text;
  if (HasSteps(value.kind)) {
    for (std::size_t i = 0; i < value.steps.size(); ++i) {
      text += fmt::format("  step {}: {}\n", i, Describe(value.steps[i]));
    }
    return text;
  }
  for (const auto& picture : {MaskPicture(value, record), CellPicture(value, record)}) {
    if (picture) text += DrawText(*picture);
  }
  return text;
}

class CaseTest : public testing::Test {
 public:
  CaseTest(SuiteBackend& backend, const Case& value) : backend_(backend), value_(value) {}

  void TestBody() override {
    const Record record = RunCase(*backend_.session, value_, backend_.options);
    EXPECT_EQ(Name(record.verdict), Name(Verdict::kPass)) << fmt::format(
        "{}\n{}\n{}{}", value_.sentence, record.reason, Details(value_, record), record.repro);
  }

 private:
  SuiteBackend& backend_;
  const Case& value_;
};

}  // namespace

Registered RegisterBackend(SuiteBackend& backend, const std::vector<const Case*>& cases) {
  Registered registered;
  for (const Case* value : cases) {
    if (!ExpectationOf(backend.session->claims(), *value).expected) {
      ++registered.not_expected;
      continue;
    }
    const std::string suite = (HasSteps(value->kind) ? "graph/" : "conformance/") + backend.name;
    testing::RegisterTest(suite.c_str(), value->id.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [&backend, value]() -> testing::Test* {
                            return new CaseTest(backend, *value);  // GoogleTest deletes it
                          });
    ++registered.tests;
  }
  return registered;
}

}  // namespace attest
