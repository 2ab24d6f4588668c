// SPDX-License-Identifier: Apache-2.0
#include "conformance/suites/backend_suite.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "conformance/report/picture.h"

namespace attest {
namespace {

class CaseTest : public testing::Test {
 public:
  CaseTest(SuiteBackend& backend, const Case& value) : backend_(backend), value_(value) {}

  void TestBody() override {
    const Record record = RunCase(*backend_.session, value_, backend_.options);
    EXPECT_EQ(Name(record.verdict), Name(Verdict::kPass)) << Explain(record);
  }

 private:
  std::string Explain(const Record& record) const {
    std::string text = fmt::format("{}\n{}\n", value_.sentence, record.reason);
    for (const auto& picture : {MaskPicture(value_, record), CellPicture(value_, record)}) {
      if (picture) text += DrawText(*picture);
    }
    return text + record.repro;
  }

  SuiteBackend& backend_;
  const Case& value_;
};

}  // namespace

Registered RegisterBackend(SuiteBackend& backend, const std::vector<const Case*>& cases) {
  Registered registered;
  const std::string suite = "conformance/" + backend.name;
  for (const Case* value : cases) {
    if (HasSteps(value->kind)) continue;
    if (!ExpectationOf(backend.session->claims(), *value).expected) {
      ++registered.not_expected;
      continue;
    }
    testing::RegisterTest(suite.c_str(), value->id.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [&backend, value]() -> testing::Test* {
                            return new CaseTest(backend, *value);  // GoogleTest deletes it
                          });
    ++registered.tests;
  }
  return registered;
}

}  // namespace attest
