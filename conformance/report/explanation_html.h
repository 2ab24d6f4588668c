// SPDX-License-Identifier: Apache-2.0
#ifndef ATTEST_CONFORMANCE_REPORT_EXPLANATION_HTML_H_
#define ATTEST_CONFORMANCE_REPORT_EXPLANATION_HTML_H_

#include <string>
#include <vector>

#include "conformance/diagnose/explain.h"
#include "conformance/mutants/catalogue.h"

namespace attest {

// What a prober read of the smallest case: a picture (empty: none), and the same in words.
struct ReadPicture {
  std::string text;
  std::string svg;
};

// One page that stands alone: the failure, what it behaves like, and the smallest case with
// `replay`, the command that runs it, and with its mask.
std::string ExplanationHtml(const Explanation& explanation,
                            const std::vector<MutantEntry>& catalogue, const std::string& backend,
                            const std::string& replay, const ReadPicture& mask);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_REPORT_EXPLANATION_HTML_H_
