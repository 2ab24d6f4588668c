// SPDX-License-Identifier: Apache-2.0
//
// One case, run to be understood: its record, and the numbers where a forward call gave some.
#ifndef ATTEST_CONFORMANCE_DIAGNOSE_OBSERVATION_H_
#define ATTEST_CONFORMANCE_DIAGNOSE_OBSERVATION_H_

#include <memory>
#include <optional>

#include "conformance/diagnose/numbers.h"
#include "conformance/run/run_case.h"

namespace attest {

struct Observation {
  Case value;
  Record record;                       // of RunCase
  std::unique_ptr<CaseInputs> inputs;  // what `numbers` points into
  std::optional<Numbers> numbers;      // of its forward call, where it was answered

  bool wrong() const { return record.verdict != Verdict::kPass || record.note == "suspect"; }
  // Are the numbers themselves wrong, and not only their bits or something else?
  bool wrong_numbers() const { return numbers && numbers->wrong(); }
};

// In a fresh process. Internal: the case cannot judge anything.
Result<Observation> Observe(Session& session, const Case& value, const RunOptions& options);

// The numbers that are expected of a case: `got` is NaN everywhere. A case whose forward call has
// no inputs or no expectation gives none.
struct Question {
  std::unique_ptr<CaseInputs> inputs;
  Numbers numbers;
};
std::optional<Question> Ask(const Case& value, const RunOptions& options);

// The backend's answer to it: fills `got`. False where the call was not answered.
bool Answer(Session& session, const Case& value, Question& question);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_DIAGNOSE_OBSERVATION_H_
