// SPDX-License-Identifier: Apache-2.0
//
// Runs many cases in several jobs, and keeps what they found.
#ifndef ATTEST_CONFORMANCE_CLI_ENGINE_H_
#define ATTEST_CONFORMANCE_CLI_ENGINE_H_

#include <atomic>
#include <functional>
#include <vector>

#include "conformance/run/record.h"
#include "spec/cases/case.h"
#include "spec/vocabulary/status.h"

namespace attest {

// Called by one thread for each job number; a failed Status ends the run.
using CaseRunner = std::function<Result<Record>(int job, const Case& value)>;
// Called by one thread at a time, as records come.
using RecordSink = std::function<Status(const Record& record)>;

struct EngineOptions {
  int jobs = 1;
  const std::atomic<bool>* stop = nullptr;  // set: finish the cases in flight and return
};

// Jobs take the cases from the front of the list, one after the other. The first failure of the
// runner or the sink, or OK; also OK when stopped.
Status RunCases(const std::vector<const Case*>& cases, const CaseRunner& run,
                const RecordSink& sink, const EngineOptions& options);

}  // namespace attest

#endif  // ATTEST_CONFORMANCE_CLI_ENGINE_H_
