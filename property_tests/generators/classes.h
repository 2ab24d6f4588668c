// SPDX-License-Identifier: Apache-2.0
//
// Classes of samples, so that a run can say what it has tried.
#ifndef ATTEST_PROPERTY_TESTS_GENERATORS_CLASSES_H_
#define ATTEST_PROPERTY_TESTS_GENERATORS_CLASSES_H_

#include <string_view>
#include <vector>

#include "property_tests/generators/sample.h"

namespace attest {

struct SampleClass {
  std::string_view name;  // "window", "fp8", "empty-row", ...
  bool (*holds)(const Sample& sample);
};

// In the order in which reports show them.
const std::vector<SampleClass>& SampleClasses();

}  // namespace attest

#endif  // ATTEST_PROPERTY_TESTS_GENERATORS_CLASSES_H_
