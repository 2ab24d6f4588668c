// SPDX-License-Identifier: Apache-2.0
//
// All that can be said about one failing case: what is wrong and where, which known mistake behaves
// like it, and the smallest case that still shows it.
#ifndef ATTEST_CONFORMANCE_DIAGNOSE_EXPLAIN_H_
#define ATTEST_CONFORMANCE_DIAGNOSE_EXPLAIN_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "conformance/diagnose/diagnosis.h"
#include "conformance/diagnose/minimise.h"

namespace attest {

struct Explanation {
  Case value;
  Record record;
  Diagnosis diagnosis;
  // Fails as `value` does: by the same rule, and so that the mistake that was named predicts it.
  Case smallest;
  Record smallest_record;
  int tried = 0;
};

struct ExplainOptions {
  DiagnosisOptions diagnosis;
  int most_tried = 400;  // cases that the minimiser may run
  // Make the case small also where a mistake is named, for the reader.
  bool minimise_named = true;
};

// `failing` failed in `session`.
Explanation Explain(Session& session, Observation failing, const std::vector<Case>& cases,
                    const ExplainOptions& options);

nlohmann::ordered_json ToJson(const Explanation& explanation,
                              const std::vector<MutantEntry>& catalogue);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_DIAGNOSE_EXPLAIN_H_
