// SPDX-License-Identifier: Apache-2.0
#include "conformance/suites/graph_suite.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

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

class WalkTest : public testing::Test {
 public:
  WalkTest(SuiteBackend& backend, const Case& value) : backend_(backend), value_(value) {}

  void TestBody() override {
    const Record record = RunCase(*backend_.session, value_, backend_.options);
    EXPECT_EQ(Name(record.verdict), Name(Verdict::kPass)) << Explain(record);
  }

 private:
  std::string Explain(const Record& record) const {
    std::string text = fmt::format("{}\n{}\n", value_.sentence, record.reason);
    for (std::size_t i = 0; i < value_.steps.size(); ++i) {
      text += fmt::format("  step {}: {}\n", i, Describe(value_.steps[i]));
    }
    return text + record.repro;
  }

  SuiteBackend& backend_;
  const Case& value_;
};

}  // namespace

Registered RegisterWalks(SuiteBackend& backend, const std::vector<const Case*>& cases) {
  Registered registered;
  const std::string suite = "graph/" + backend.name;
  for (const Case* value : cases) {
    if (!HasSteps(value->kind)) continue;
    if (!ExpectationOf(backend.session->claims(), *value).expected) {
      ++registered.not_expected;
      continue;
    }
    testing::RegisterTest(suite.c_str(), value->id.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [&backend, value]() -> testing::Test* {
                            return new WalkTest(backend, *value);  // GoogleTest deletes it
                          });
    ++registered.tests;
  }
  return registered;
}

}  // namespace attest
